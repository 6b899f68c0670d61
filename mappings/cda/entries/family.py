"""Family history (E~59 with E~60 and E~51) to FamilyMemberHistory.

IHE PCC 1.3.6.1.4.1.19376.1.5.3.1.4.15; ConceptMap FRFamilyMemberHistoryLMCDAFHIR (observation to condition, its time to
onset).  Chosen here, for what CI-SIS says by qualifiers of the value: those of one sex (72143-1) are one relative, the
age band (30525-0) is the onset in words and an extension; what negationInd denies is marked by a modifier extension,
so that nobody takes it as so.
"""

from __future__ import annotations

from typing import Final

from hub.source.cda import Node
from hub.source.origin import joined

from ...shape import Element, clean, keep
from ...systems import code_system
from ..context import Context
from ..datatypes import cd_coding, qualifiers
from ..extensions import NEGATED, OURS
from ..frame import statements
from ..values import comments, concept_of, identifiers, moment, negated, note_of

AGE: Final = f"{OURS}age-band"
_AGE, _SEX = "30525-0", "72143-1"
_GENDER = {"F": "female", "M": "male", "UN": "other"}
_ADMINISTRATIVE = "http://hl7.org/fhir/administrative-gender"
_FAMILY: Final = {"system": code_system("2.16.840.1.113883.5.111"), "code": "FAMMEMB"}


def family(node: Node, c: Context) -> Element | None:
    """E~59: what relatives had, or had not; one resource a sex."""
    subject = node.one("subject", "relatedSubject")
    relation = concept_of(subject.one("code"), c) if subject is not None else None
    person = subject.one("subject") if subject is not None else None
    own = person.one("administrativeGenderCode") if person is not None else None
    found: dict[str, tuple[Element | None, list[Element]]] = {}
    for kind, inner in statements(node):
        if kind != "observation":
            continue
        told = qualifiers(inner.one("value"))
        sex = told.get(_SEX) or own
        code = (sex.attr("code") if sex is not None else None) or ""
        condition = _condition(inner, told.get(_AGE), c)
        if condition:
            said, conditions = found.setdefault(code, (_sex(sex), []))
            found[code] = (joined(said, _sex(sex)), conditions)
            conditions.append(condition)
    notes = note_of(node, c) + comments(node, c)
    if not found and notes:
        found[""] = (_sex(own), [])
    made = [
        c.add(clean({
            "resourceType": "FamilyMemberHistory",
            "extension": c.link(node),
            "identifier": identifiers(node),
            "status": "completed",
            "patient": c.patient,
            "date": c.told.get("date"),
            "relationship": relation or {"coding": [_FAMILY]},
            "sex": sex,
            "note": notes,
            "condition": conditions,
        }), "family", "family")
        for sex, conditions in found.values()
    ]  # fmt: skip
    node.leave("*container", "statusCode", "code")
    c.also += made[1:]
    return made[0] if made else None


def _sex(node: Node | None) -> Element | None:
    """The sex of the relative: that of R4, with the one that was said beside it."""
    said = cd_coding(node)
    known = _GENDER.get(said["code"]) if said else None
    if said is None or known is None:
        return {"coding": [said]} if said else None
    return {"coding": [{"system": _ADMINISTRATIVE, "code": keep(known, said["code"])}, said]}


def _condition(node: Node, age: Node | None, c: Context) -> Element | None:
    """E~51 to a condition of the relative: value to code."""
    code = concept_of(node.one("value"), c)
    if not code:
        return None
    node.leave("*container", "id", "code", "statusCode", "@moodCode")
    band = concept_of(age, c)
    at = moment(node.one("effectiveTime"), c, "onset")
    if "onsetDateTime" in at:  # R4: a Period, an Age, a Range or words
        at = {"onsetPeriod": {"start": at["onsetDateTime"]}}
    words = None
    if band and not at:
        words = band.get("text") or next((x["display"] for x in band.get("coding", ()) if "display" in x), None)
    meaning = [x for one in node.all("interpretationCode") if (x := concept_of(one, c))]
    said = [{"text": x["text"]} for x in meaning if "text" in x]
    return clean({
        "extension": c.link(node) + ([{"url": AGE, "valueCodeableConcept": band}] if band else []),
        "modifierExtension": [{"url": NEGATED, "valueBoolean": True}] if negated(node) else None,
        "code": code,
        **at,
        "onsetString": words,
        "note": note_of(node, c) + said + comments(node, c),
    })  # fmt: skip
