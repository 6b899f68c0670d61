"""Results of laboratories: chapters, specimens, batteries, isolates, results (E~21, E~77, E~78, E~79, E~80).

IHE PaLM XD-LAB (1.3.6.1.4.1.19376.1.3.1, .1.2 to .1.6) as CI-SIS BIO-CR-BIO has it; ConceptMaps FRSpecimenLMCDAFHIR and
FRLaboratoryResultsLMCDAFHIR (the latter still empty).  Chosen here:

* A result is an Observation of category laboratory; its chapter (Microbiologie...) is a second category.  Who performed
  the chapter performed what says no other.  An earlier result (REFR) is an Observation of its own: ``sequelTo``.
* A battery is an Observation without a value whose ``hasMember`` are its results.
* An isolate is a Specimen (``parent`` the one it grew from) and an Observation "microorganism identified", of which the
  results about it (count, susceptibility) are members.
* Specimen.type is what was taken (v2-0487, of the participant PRD), the code of the act is the method of collection;
  the draft ConceptMap puts the code of the act into type, which stays so where nothing says what was taken.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from hub.source.cda import Node
from hub.source.origin import carry, joined

from ...shape import Element, clean
from ..context import Context
from ..datatypes import ii_identifier, ii_identity
from ..extensions import PARTICIPANT, actor, type_code
from ..frame import map_statement, statement, statements
from ..participations import participation_time, performers, takers
from ..people import PEOPLE, role, those
from ..values import (
    comments,
    concept_of,
    identifiers,
    is_comment,
    moment,
    note_of,
    own_coding,
    site_of,
    status_of,
    value_of,
)
from .observation import add_observation, member

CATEGORY: Final = {
    "coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}]
}
IDENTIFIED: Final = {
    "coding": [
        {
            "system": "http://loinc.org",
            "code": "41852-5",
            "display": "Microorganism or agent identified in Specimen",
        }
    ]
}
SEQUEL: Final = "http://hl7.org/fhir/StructureDefinition/observation-sequelTo"
_RECEIVED = "SPRECEIVE"


@dataclass(slots=True)
class Around:
    """What the chapter, the battery or the isolate around a result says of it.

    :ivar known: specimens of the document by their identifier.
    """

    categories: list[Element] = field(default_factory=lambda: [CATEGORY])
    performers: list[Element] = field(default_factory=list)
    device: Element | None = None
    when: Element = field(default_factory=dict)
    specimens: list[Element] = field(default_factory=list)
    known: dict[tuple[str, str], Element] = field(default_factory=dict)


def around(c: Context) -> Around:
    """What is around the entry that is being mapped."""
    found: Around | None = c.facts.get("around")
    if found is None:
        found = c.facts["around"] = Around()
    return found


def chapter(node: Node, c: Context) -> Element | None:
    """E~21: what it holds; its code, performers, device and validators go to its results and to the report."""
    outer = around(c)
    code = concept_of(node.one("code"), c)
    device, others = participants(node, c)
    people = performers(node, c)
    c.facts["around"] = inner = Around(
        [*outer.categories, *([code] if code else [])],
        people or outer.performers, device or outer.device, known=outer.known,
    )  # fmt: skip
    told = c.facts.setdefault("chapters", [])
    told.append(clean({
        "code": code,
        "status": status_of(node, "DiagnosticReport"),
        "performer": people,
        "validator": [x["valueReference"] for one in others for x in one["extension"] if x["url"] == "party"],
        "extension": c.link(node) + others,
        "notes": comments(node, c),
        "identifier": identifiers(node),
    }))  # fmt: skip
    found = [x for x in statements(node) if not (x[0] == "act" and is_comment(x[1]))]
    made = [x for kind, one in found if kind == "procedure" and (x := map_statement(kind, one, c))]
    results = [x for kind, one in found if kind != "procedure" and (x := map_statement(kind, one, c))]
    results += c.also
    c.also = []
    told[-1]["specimen"] = inner.specimens
    before = {x["reference"] for x in c.made.get("previous", ())}
    c.made.setdefault("result", []).extend(
        x for x in results if x["reference"].startswith("Observation/") and x["reference"] not in before
    )
    c.facts["around"] = outer
    made = [*results, *made]
    c.also += made[1:]
    return made[0] if made else None


def participants(node: Node, c: Context) -> tuple[Element | None, list[Element]]:
    """(the device used, the others as extensions) of the participants of an entry."""
    device: Element | None = None
    others: list[Element] = []
    for one in node.all("participant"):
        who = role(one.one("participantRole"), c)
        if who and device is None and one.attr("typeCode") == "DEV" and who.get("reference", "").startswith("Device/"):
            device = who
        else:
            others += actor(PARTICIPANT, who, kind=type_code(one), time=participation_time(one, c))
    return device, others


def specimen(node: Node, c: Context) -> Element | None:
    """E~77 (and E~100 of molecular genetics): the act of collection to the Specimen it yielded."""
    code, site = concept_of(node.one("code"), c), site_of(node, c)
    ids: list[Element] = []
    kind: Element | None = None
    quantity: Element = {}
    others: list[Element] = []
    for one in node.all("participant"):
        entity = one.one("participantRole")
        if one.attr("typeCode") != "PRD" or entity is None:
            others += actor(
                PARTICIPANT, role(entity, c), kind=type_code(one), time=participation_time(one, c)
            )  # fmt: skip
            continue
        ids += identifiers(entity)
        played = entity.one("playingEntity")
        if played is not None:
            kind = kind or concept_of(played.one("code"), c)
            quantity = quantity or value_of(played.one("quantity"), c, "")
        one.leave("*container", "time")
    for one in node.all("specimen"):
        entity = one.one("specimenRole")
        ids += identifiers(entity) if entity is not None else []
    collectors = those(takers(node, "performer", c), *PEOPLE)
    wrote = [x for who in takers(node, "author", c) for x in actor(PARTICIPANT, who, kind=_AUTHOR)]
    when = moment(node.one("effectiveTime"), c, "collected")
    made = clean({
        "resourceType": "Specimen",
        "extension": c.link(node) + others + wrote,
        "identifier": [*identifiers(node), *_once(ids)],
        "status": status_of(node, "Specimen") if node.one("statusCode") is not None else None,
        "type": kind or code,
        "subject": c.patient,
        "receivedTime": _received(node, c),
        "collection": clean({
            "collector": collectors[0] if collectors else None,
            **when,
            "quantity": quantity.get("Quantity"),
            "method": code if kind else None,
            "bodySite": site,
        }),
        "note": note_of(node, c) + comments(node, c),
    })  # fmt: skip
    node.leave("*container", "@moodCode")
    reference = c.add(made, own_coding(node) or "", "specimen")
    here = around(c)
    here.specimens.append(reference)
    for one in made.get("identifier", ()):
        here.known.setdefault((str(one.get("system")), str(one["value"])), reference)
    return reference


_AUTHOR: Final = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "AUT"}]}


def _once(ids: list[Element]) -> list[Element]:
    """Each identifier once."""
    made: dict[tuple[str, str], Element] = {}
    for one in ids:
        key = str(one["system"]), str(one["value"])
        made[key] = joined(made[key], one) if key in made else one
    return list(made.values())


def _received(node: Node, c: Context) -> str | None:
    """When the laboratory received it: the act SPRECEIVE inside."""
    found = None
    for kind, inner in statements(node):
        if kind == "act" and own_coding(inner) == _RECEIVED:
            inner.leave("*container", "id", "code", "statusCode", "@moodCode")
            at = moment(inner.one("effectiveTime"), c, "")
            found = at.get("DateTime") or at.get("Period", {}).get("end") or at.get("Period", {}).get("start")
        elif not (kind == "act" and is_comment(inner)):
            map_statement(kind, inner, c)
    return found


def specimens_of(node: Node, c: Context) -> Element | None:
    """What a result was found in: what it names, else the one specimen of its chapter."""
    here = around(c)
    for one in node.all("specimen"):
        entity = one.one("specimenRole")
        ids = [x for i in entity.all("id") if (x := ii_identity(i))] if entity is not None else []
        for known in ids:
            if known in here.known:
                return here.known[known]
        if ids and entity is not None:
            return {"type": "Specimen", "identifier": ii_identifier(entity.one("id"))}
    return dict(here.specimens[0]) if len(here.specimens) == 1 else None


def battery(node: Node, c: Context) -> Element | None:
    """E~78: a panel of results; without a name of its own, only what it holds."""
    code = concept_of(node.one("code"), c)
    members = _members(node, c)
    if not code:
        node.leave("*container", "id", "statusCode", "effectiveTime")
        c.made.setdefault("comment", []).extend(comments(node, c))
        c.also += members[1:]
        return members[0] if members else None
    return _group(node, code, members, c)


def isolate(node: Node, c: Context) -> Element | None:
    """E~79: a microorganism that grew, and what was found out about it."""
    entity = node.one("specimen", "specimenRole")
    played = entity.one("specimenPlayingEntity") if entity is not None else None
    named = concept_of(played.one("code"), c) if played is not None else None
    outer = around(c)
    grown = c.add(clean({
        "resourceType": "Specimen",
        "identifier": identifiers(entity) if entity is not None else None,
        "type": named,
        "subject": c.patient,
        "parent": outer.specimens,
    }), "isolate", "specimen")  # fmt: skip
    c.facts["around"] = replace(outer, specimens=[grown])
    members = _members(node, c)
    made = _group(node, IDENTIFIED, members, c, **({"valueCodeableConcept": named} if named else {}))
    c.facts["around"] = outer
    c.also.append(grown)
    return made


def _members(node: Node, c: Context) -> list[Element]:
    """The results inside an organizer; what is no Observation is given to the section."""
    members: list[Element] = []
    for kind, inner in statements(node):
        if not (kind == "act" and is_comment(inner)) and (made := map_statement(kind, inner, c)):
            member(made, members, c)
    return members


def _group(node: Node, code: Element, members: list[Element], c: Context, **more: object) -> Element:
    """An organizer to the Observation that holds its results."""
    here = around(c)
    device, others = participants(node, c)
    return c.add(clean({
        "resourceType": "Observation",
        "extension": c.link(node) + others,
        "identifier": identifiers(node),
        "status": status_of(node, "Observation"),
        "category": here.categories,
        "code": code,
        "subject": c.patient,
        "encounter": c.told.get("encounter"),
        **moment(node.one("effectiveTime"), c),
        "performer": performers(node, c) or here.performers,
        "note": note_of(node, c) + comments(node, c),
        "specimen": specimens_of(node, c) if node.one("specimen") is None else next(iter(here.specimens), None),
        "device": device or here.device,
        "hasMember": members,
        **more,
    }), own_coding(node) or "group", "group")  # fmt: skip


def result(node: Node, c: Context) -> Element | None:
    """E~80: one result, with its reference range, method, kit, specimen, and the result before it."""
    here = around(c)
    members: list[Element] = []
    before: list[Element] = []
    for related in node.all("entryRelationship"):
        found = statement(related)
        if found is None or (found[0] == "act" and is_comment(found[1])):
            continue
        if related.attr("typeCode") == "REFR" and found[0] == "observation":
            if made := _previous(found[1], c):
                before.append(made)
        elif made := map_statement(*found, c):
            member(made, members, c)
    device, others = participants(node, c)
    sequel = [{"url": SEQUEL, "valueReference": x} for x in before]
    ranges = [x for one in node.all("referenceRange") if (x := reference_range(one.one("observationRange"), c))]
    c.also += before
    return add_observation(
        node, c, inside=([], members),
        extension=c.link(node) + others + sequel,
        device=device or here.device,
        referenceRange=ranges,
        **inherited(node, c),
    )  # fmt: skip


def inherited(node: Node, c: Context) -> Element:
    """Members of an Observation that what is around it says, where it says nothing of its own."""
    here = around(c)
    made: Element = {"category": here.categories, "specimen": specimens_of(node, c)}
    made["performer"] = performers(node, c) or here.performers
    if here.when and not moment(node.one("effectiveTime"), c):
        made |= here.when
    return made


def _previous(node: Node, c: Context) -> Element | None:
    """A result of before: neither the specimen nor the performers of today are its own."""
    ranges = [x for one in node.all("referenceRange") if (x := reference_range(one.one("observationRange"), c))]
    return add_observation(node, c, "previous", category=around(c).categories, referenceRange=ranges)


def reference_range(node: Node | None, c: Context) -> Element | None:
    """observationRange to referenceRange: its bounds, what it means and for whom, its words."""
    if node is None:
        return None
    bounds = value_of(node.one("value"), c, "")
    told = bounds.get("Range", {})
    one = bounds.get("Quantity", {})
    if one:
        told = {"high" if one.get("comparator", "").startswith("<") else "low": _plain(one)}
    words = node.one("text")
    text = c.words(words) if words is not None else None
    if "String" in bounds:
        text = text or bounds["String"]
    meaning = concept_of(node.one("interpretationCode"), c)
    who = concept_of(node.one("code"), c)
    said = bounds.get("CodeableConcept", {})
    if text is None and said:
        text = said.get("text") or next((x.get("display") for x in said.get("coding", ())), None)
    if not told and not text:
        return None  # invariant obs-3
    return clean({**told, "type": meaning, "appliesTo": [who] if who else None, "text": text})


def _plain(quantity: Element) -> Element:
    """A bound of a reference range: SimpleQuantity has no comparator."""
    return carry({k: v for k, v in quantity.items() if k != "comparator"}, quantity)
