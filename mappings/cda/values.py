"""What an entry says of itself: its value, its time, its code, its words; as members of a FHIR resource.

HL7 CDA R2 data types (ANY, IVL_TS, CD); C-CDA on FHIR for nullFlavors; ANS document-core ConceptMaps
(FRObservationLMCDAFHIR): text to note, targetSiteCode to bodySite.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from hub.source.cda import Node
from hub.source.origin import Members, carry, derive

from ..codes import table
from ..shape import Element, clean, keep
from ..times import ts_datetime
from .context import Context
from .datatypes import cd_concept, ii_identifier, ivl_period, qualifiers

TYPE: Final = "{http://www.w3.org/2001/XMLSchema-instance}type"
ABSENT: Final = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
SNOMED: Final = "http://snomed.info/sct"
UCUM: Final = "http://unitsofmeasure.org"
LATERALITY: Final = ("20228-3", "106233006")  # names of the qualifier: LOINC, SNOMED CT
LATERALITY_EXTENSION: Final = "http://hl7.org/fhir/us/mcode/StructureDefinition/mcode-laterality-qualifier"
COMMENT: Final = "48767-8"

_NULL, _STATUS, _SIDES = table("null-flavor"), table("cda-status"), table("breast-side")
_NUMBER = re.compile(r"[+-]?\d{1,15}(\.\d{1,15})?")
_INTEGER = re.compile(r"[+-]?\d{1,9}")


def _standards() -> dict[str, Element]:
    """Code of the Terminologie CI-SIS -> the coding of a standard that stands beside it."""
    made = {}
    for code, row in table("cda-codes").rows.items():
        system, _, target = row.target.partition("|")
        made[code] = {"system": system, "code": target, "display": row.display}
    return made


_STANDARD: Final = _standards()


def concept_of(node: Node | None, c: Context) -> Element | None:
    """CD of an entry to CodeableConcept: its words looked up in the narrative, the standard coding beside its own."""
    made = cd_concept(node, c.words)
    if made is not None and (codings := made.get("coding")):
        beside = _STANDARD.get(codings[0]["code"])
        if beside is not None and all(beside["code"] != one["code"] for one in codings):
            codings.append(keep_coding(beside, codings[0]["code"]))
    return made


def keep_coding(made: Element, parent: str) -> Element:
    """A copy of a Coding made of ``parent``."""
    return {k: keep(v, parent) for k, v in made.items()}


def absent(node: Node | None) -> Element | None:
    """The data-absent-reason of a nullFlavor."""
    flavor = node.null if node is not None else None
    if flavor is None:
        return None
    reason = _NULL(flavor)
    return {"coding": [{"system": ABSENT, "code": reason}]} if reason else None


def status_of(node: Node, kind: str) -> str | None:
    """The status of a resource of type ``kind`` by statusCode; what the table has for an unknown one."""
    found = node.one("statusCode")
    code = found.attr("code") if found is not None else None
    row = _STATUS.rows.get(f"{kind}:{code}") or _STATUS.rows.get(f"{kind}:*")
    if row is None:
        return None
    return keep(row.target, code) if code else row.target


def happened(node: Node, c: Context) -> bool:
    """Whether an entry tells what was (mood EVN); one that does not is told as an issue."""
    mood = node.attr("moodCode")
    if mood is None or mood == "EVN":
        return True
    c.issue(node, "an entry of a mood that is not mapped: it is kept in the document only", "mood")
    return False


def negated(node: Node) -> bool:
    """Whether negationInd says that it was not so."""
    return node.attr("negationInd") == "true"


# --- time


def moment(node: Node | None, c: Context, prefix: str = "effective") -> Element:
    """TS or IVL_TS to ``effectiveDateTime`` or ``effectivePeriod``; nothing for a nullFlavor."""
    if node is None:
        return {}
    value = node.attr("value")
    if value is not None:
        at = ts_datetime(value, c.zone)
        return {f"{prefix}DateTime": at} if at else {}
    made = ivl_period(node, c.zone) if node.kids else None
    return {f"{prefix}Period": made} if made else {}


def start(node: Node | None, c: Context) -> str | None:
    """The start of an effectiveTime, or its one moment."""
    if node is None:
        return None
    low = node.one("low")
    value = low.attr("value") if low is not None else node.attr("value")
    return ts_datetime(value, c.zone)


# --- value


def value_of(node: Node | None, c: Context, prefix: str = "value") -> Element:
    """ANY to ``value[x]``; a nullFlavor without words to ``dataAbsentReason``; nothing when there is no value."""
    if node is None:
        return {}
    declared = node.attr(TYPE)
    kind = declared.rpartition(":")[2] if declared else _guess(node)
    made = _VALUES.get(kind, _string)(node, c)
    if made is not None:
        name, value = made
        return carried({prefix + name: value}, prefix + name, node)
    reason = absent(node)
    return {"dataAbsentReason": reason} if reason else {}


def carried(members: Element, name: str, node: Node, attribute: str = "value") -> Element:
    """``members``, whose boolean or number ``name`` was read from an attribute of ``node``."""
    if node.traced and not isinstance(members[name], str | dict):
        return Members(members, {name: derive("", node.attr(attribute)).origin})  # type: ignore[attr-defined]
    return members


def _guess(node: Node) -> str:
    if node.attr("code") or node.one("originalText") is not None:
        return "CD"
    if node.attr("unit"):
        return "PQ"
    return "ST"


def _concept(node: Node, c: Context) -> tuple[str, Any] | None:
    made = concept_of(node, c)
    return ("CodeableConcept", made) if made else None


def _boolean(node: Node, _: Context) -> tuple[str, Any] | None:
    value = node.attr("value")
    return ("Boolean", value == "true") if value in ("true", "false") else None


def _integer(node: Node, _: Context) -> tuple[str, Any] | None:
    value = node.attr("value")
    return ("Integer", int(value)) if value and _INTEGER.fullmatch(value) else None


def _string(node: Node, c: Context) -> tuple[str, Any] | None:
    value = c.words(node) or node.attr("value")
    return ("String", value) if value else None


def _time(node: Node, c: Context) -> tuple[str, Any] | None:
    made = ts_datetime(node.attr("value"), c.zone)
    return ("DateTime", made) if made else None


def _period(node: Node, c: Context) -> tuple[str, Any] | None:
    made = ivl_period(node, c.zone)
    return ("Period", made) if made else None


def quantity(node: Node | None, c: Context | None = None) -> Element | None:
    """PQ, REAL or INT to Quantity (UCUM; the unit 1 is none)."""
    del c
    if node is None:
        return None
    value, unit = node.attr("value"), node.attr("unit")
    if value is None or not _NUMBER.fullmatch(value):
        return None
    made: Element = {"value": Decimal(value) if "." in value else int(value)}
    if unit and unit != "1":
        made |= {"unit": unit, "system": UCUM, "code": unit}
    return carried(made, "value", node)


def _quantity(node: Node, _: Context) -> tuple[str, Any] | None:
    made = quantity(node)
    return ("Quantity", made) if made else None


def _range(node: Node, _: Context) -> tuple[str, Any] | None:
    low, high = quantity(node.one("low")), quantity(node.one("high"))
    if low and high:
        return "Range", {"low": low, "high": high}
    made = _bound(node, "low", low) or _bound(node, "high", high)
    return ("Quantity", made) if made else None


def _bound(node: Node, name: str, told: Element | None) -> Element | None:
    """The one bound that is told, as a Quantity with a comparator (of a concentration: more than 16 mg/L)."""
    end = node.one(name)
    if not told or end is None:
        return None
    closed = end.attr("inclusive")
    sign = _COMPARATORS[name, closed != "false"]
    return carry({**told, "comparator": keep(sign, closed) if closed else sign}, told)


_COMPARATORS = {("low", True): ">=", ("low", False): ">", ("high", True): "<=", ("high", False): "<"}


def _ratio(node: Node, _: Context) -> tuple[str, Any] | None:
    made = clean({"numerator": quantity(node.one("numerator")), "denominator": quantity(node.one("denominator"))})
    return ("Ratio", made) if len(made) == 2 else None


_VALUES: dict[str, Callable[[Node, Context], tuple[str, Any] | None]] = {
    "CD": _concept, "CE": _concept, "CV": _concept, "CO": _concept, "CS": _concept, "SC": _concept,
    "BL": _boolean, "BN": _boolean, "INT": _integer, "REAL": _quantity, "PQ": _quantity, "ST": _string, "ED": _string,
    "TS": _time, "EIVL_TS": _time, "IVL_TS": _period, "IVL_PQ": _range, "IVL_REAL": _range, "IVL_INT": _range,
    "RTO": _ratio, "RTO_PQ_PQ": _ratio,
}  # fmt: skip


# --- site


def laterality(node: Node | None) -> Node | None:
    """The qualifier of a CD that says the side."""
    found = qualifiers(node) if node is not None and node.kids else {}
    return next((found[name] for name in LATERALITY if name in found), None)


def body_site(site: Node | None, side: Node | None, c: Context, *, breast: bool = False) -> Element | None:
    """A site and its side to a CodeableConcept; of a breast, SNOMED CT has a code for the two together."""
    made = concept_of(site, c) or {}
    if side is None:
        return made or None
    code = side.attr("code")
    row = _SIDES.rows.get(code or "")
    joined = None
    if code and row is not None and (breast or _is_breast(made)):
        joined = {"system": SNOMED, "code": keep(row.target, code), "display": keep(row.display, code)}
    qualifier = concept_of(side, c)
    told = [{"url": LATERALITY_EXTENSION, "valueCodeableConcept": qualifier}] if qualifier else None
    codings = [x for x in (*made.get("coding", ()), joined) if x]
    return clean({"extension": told, "coding": codings, "text": made.get("text")}) or None


def site_of(node: Node, c: Context) -> Element | None:
    """targetSiteCode with its side, or the side alone, as screening documents put it into the code."""
    site, code = node.one("targetSiteCode"), node.one("code")
    side = laterality(site) or laterality(code)
    return body_site(site, side, c, breast=site is None) if site is not None or side is not None else None


def _is_breast(made: Element) -> bool:
    return any(str(one["code"]).startswith("C50") for one in made.get("coding", ()))


# --- words and identifiers


def identifiers(node: Node) -> list[Element]:
    """The ids of an entry."""
    return [x for one in node.all("id") if (x := ii_identifier(one))]


def note_of(node: Node, c: Context) -> list[Element]:
    """text to Annotation (ANS ConceptMaps: text to note)."""
    text = node.one("text")
    words = c.words(text) if text is not None else None
    return [{"text": words}] if words else []


def comments(node: Node, c: Context) -> list[Element]:
    """The comments (E~32) inside an entry: entryRelationship or component with act 48767-8."""
    made = []
    for name in ("entryRelationship", "component"):
        for related in node.all(name):
            act = related.one("act")
            if act is not None and is_comment(act) and (note := annotation(act, c)):
                made.append(note)
    return made


def is_comment(act: Node) -> bool:
    code = act.one("code")
    return code is not None and code.attr("code") == COMMENT


def annotation(act: Node, c: Context) -> Element | None:
    """A comment (IHE PCC 1.3.6.1.4.1.19376.1.5.3.1.4.2) to Annotation."""
    act.leave("*comment", "code", "statusCode", "templateId", "id")
    text = act.one("text")
    words = c.words(text) if text is not None else None
    if not words:
        act.leave("*dangling")
        return None
    at = moment(act.one("effectiveTime"), c, "")
    return clean({"extension": c.link(act), "time": at.get("DateTime"), "text": words})


def priority(node: Node, c: Context) -> Element | None:
    """priorityCode to CodeableConcept."""
    return concept_of(node.one("priorityCode"), c)


def own_coding(node: Node | None) -> str | None:
    """The code of an element that has a code child."""
    found = node.one("code") if node is not None else None
    return found.attr("code") if found is not None else None
