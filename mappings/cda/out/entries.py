"""Clinical resources to entries: observations, requests, procedures, conclusions, problems.

HL7 CDA R2 §4.3.6; ANS CI-SIS, E~48, E~62, E~27, E~58, E~32, E~39, E~113; the inverse of :mod:`..entries`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final
from uuid import uuid5

from hub.fhir.draft import NAMESPACE, Resource

from ...codes import table
from ...shape import Element
from ..context import NARRATIVE_LINK
from ..extensions import AUTHOR_TIME, NEGATED, NOTE, PARTICIPANT, PRIORITY, TIME
from ..values import ABSENT, LATERALITY_EXTENSION, SNOMED
from .build import TYPE, Made, el, null
from .header import extensions, parts_of, time_of, type_of
from .narrative import Narrative
from .people import entity, participant_role
from .record import Record
from .types import cd, coding_attributes, iis, ivl, moment, ts, ts_element

E: Final = "1.2.250.1.213.1.1.3."
IHE: Final = "1.3.6.1.4.1.19376.1.5.3.1."
CCD: Final = "2.16.840.1.113883.10.20."
SIMPLE: Final = (f"{IHE}4.13", f"{E}48")
TNM: Final = ("1.3.6.1.4.1.19376.1.7.3.1.4.14.2",)
COMMENT: Final = (f"{CCD}1.40", f"{IHE}4.2", f"{E}32")
_LOINC = "http://loinc.org"
_COMMENT_CODE = {"coding": [{"system": _LOINC, "code": "48767-8", "display": "Commentaire"}]}
_SIDE_NAME = {"system": _LOINC, "code": "20228-3", "display": "Latéralité"}


@dataclass(slots=True)
class Writer:
    """What the entries of one section are written with.

    :ivar nest: code of a part -> code of the part that it stands in (of observations in several depths).
    :ivar templates: code -> templateIds, where they are not those of its kind.
    """

    record: Record
    narrative: Narrative
    nest: Mapping[str, str] = field(default_factory=dict)
    templates: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    count: int = 0

    def ids(self, identifiers: list[Element]) -> list[Made]:
        """The ids of an entry; one that has none gets one that depends on its document and place alone."""
        if made := iis(identifiers):
            return made
        self.count += 1
        known = self.record.identifier
        place = f"{known.get('system')}|{known.get('value')}#{self.narrative.name}|{self.count}"
        return [el("id", {"root": str(uuid5(NAMESPACE, place)).upper()})]

    def text(self, resource: Element, words: str) -> Made:
        """text/reference of an entry."""
        link = next((str(x["valueUrl"]) for x in extensions(resource, NARRATIVE_LINK)), None)
        return self.narrative.reference(link, words)


def code_of(resource: Element) -> str:
    """The code of a resource: that of its first coding."""
    codings: list[Element] = resource.get("code", {}).get("coding", [])
    return str(codings[0].get("code", "")) if codings else ""


def words_of(concept: Element | None) -> str:
    """What a person reads of a CodeableConcept."""
    told = concept or {}
    shown = [x.get("display") or x.get("code") or "" for x in told.get("coding", ())]
    return str(told.get("text") or next(iter(shown), ""))


def root_ids(templates: Iterable[str]) -> list[Made]:
    """templateId elements."""
    return [el("templateId", {"root": root}) for root in templates]


# --- values


def value(resource: Element, name: str = "value") -> Made:
    """``value[x]`` to ANY; a data-absent-reason to its nullFlavor; an element without content when nothing is told."""
    for kind, write in _VALUES.items():
        if (told := resource.get(f"value{kind}")) is not None:
            return write(name, told)
    reason = next(
        (c["code"] for c in resource.get("dataAbsentReason", {}).get("coding", ()) if c["system"] == ABSENT), None
    )
    return el(name, {TYPE: "CD", "nullFlavor": _flavors().get(reason, "UNK") if reason else None})


@cache
def _flavors() -> dict[str, str]:
    found: dict[str, str] = {}
    for flavor, row in table("null-flavor").rows.items():
        found.setdefault(row.target, flavor)
    return found | {"unknown": "UNK"}


def concept(name: str, told: Element, *more: Made) -> Made:
    """A CodeableConcept as value of type CD; words without a code are its originalText."""
    if not told.get("coding"):
        return el(name, {TYPE: "CD"}, el("originalText", None, told["text"]) if told.get("text") else None, more)
    made = cd(name, told, more=more)
    assert made is not None  # noqa: S101 - there is a coding
    made.set(TYPE, "CD")
    return made


def _quantity(name: str, told: Element) -> Made:
    unit = told.get("code") or told.get("unit") or "1"
    return el(name, {TYPE: "PQ", "value": str(told.get("value")), "unit": unit})


def _period(name: str, told: Element) -> Made:
    made = ivl(name, told, "UNK")
    assert made is not None  # noqa: S101 - a flavor is given
    made.set(TYPE, "IVL_TS")
    return made


_VALUES: Final[dict[str, Callable[[str, Any], Made]]] = {
    "CodeableConcept": concept,
    "Boolean": lambda name, told: el(name, {TYPE: "BL", "value": "true" if told else "false"}),
    "Integer": lambda name, told: el(name, {TYPE: "INT", "value": str(told)}),
    "Quantity": _quantity,
    "String": lambda name, told: el(name, {TYPE: "ST"}, str(told)),
    "DateTime": lambda name, told: el(name, {TYPE: "TS", "value": ts(told)}),
    "Period": _period,
}


def shown(resource: Element) -> str:
    """The value as a person reads it, for a narrative that does not have it."""
    if (told := resource.get("valueBoolean")) is not None:
        said = "oui" if told else "non"
    elif "valueCodeableConcept" in resource:
        said = words_of(resource["valueCodeableConcept"])
    elif "valueQuantity" in resource:
        said = f"{resource['valueQuantity'].get('value')} {resource['valueQuantity'].get('unit', '')}".strip()
    else:
        said = str(resource.get("valueInteger", resource.get("valueString", resource.get("valueDateTime", ""))))
    label = words_of(resource.get("code"))
    return f"{label} : {said}" if said else label


@cache
def _statuses() -> dict[str, str]:
    """``TYPE:status`` -> statusCode."""
    found: dict[str, str] = {}
    for source, row in table("cda-status").rows.items():
        kind, _, code = source.partition(":")
        if code != "*":
            found.setdefault(f"{kind}:{row.target}", code)
    return found


def status(kind: str, told: str | None, default: str = "completed") -> Made:
    """statusCode of the status of a resource of type ``kind``."""
    return el("statusCode", {"code": _statuses().get(f"{kind}:{told}", default)})


# --- sites and people


@cache
def _joined() -> frozenset[str]:
    """Codes that SNOMED CT has for a breast and its side together: made on the way in."""
    return frozenset(row.target for row in table("breast-side").rows.values())


def _side(site: Element) -> Made | None:
    told = next((x["valueCodeableConcept"] for x in extensions(site, LATERALITY_EXTENSION)), None)
    if told is None:
        return None
    return el("qualifier", None, el("name", coding_attributes(_SIDE_NAME)), cd("value", told))


def _own_site(site: Element) -> Element:
    codings = [c for c in site.get("coding", ()) if not (c.get("system") == SNOMED and c.get("code") in _joined())]
    sided = extensions(site, LATERALITY_EXTENSION)
    return {k: v for k, v in (("coding", codings if sided else site.get("coding")), ("text", site.get("text"))) if v}


def target(site: Element | None) -> Made | None:
    """bodySite to targetSiteCode, the side as its qualifier; None where the side is all there is."""
    own = _own_site(site) if site else {}
    return cd("targetSiteCode", own, more=_side(site)) if own and site else None


def code_element(resource: Resource) -> Made | None:
    """The code, with the side where there is no site that has it (CANCER-D2LM)."""
    site = resource.get("bodySite")
    alone = isinstance(site, dict) and not _own_site(site)
    return cd("code", resource.get("code"), "UNK", more=_side(site) if alone and site else None)


def takers(resource: Resource, name: str, record: Record) -> list[Made]:
    """Who did (performer) and who wrote (author) an entry, told apart by the extension of their time."""
    made: dict[str, list[Made]] = {"performer": [], "author": []}
    for one in resource.get(name, ()):
        wrote = extensions(one, AUTHOR_TIME)
        at = next((x["valueDateTime"] for x in (*wrote, *extensions(one, TIME))), None)
        kind, role = ("author", "assignedAuthor") if wrote else ("performer", "assignedEntity")
        who = entity(role, one, record)
        if who is not None:
            made[kind].append(el(kind, None, ts_element("time", at, "UNK" if wrote else None), who))
    return made["performer"] + made["author"]


def participants(resource: Resource, record: Record) -> list[Made]:
    """People, devices and places that took part in an entry."""
    made = []
    for one in extensions(resource, PARTICIPANT):
        parts = parts_of(one)
        who = participant_role(parts["party"]["valueReference"], record)
        if who is not None:
            made.append(el("participant", {"typeCode": type_of(parts) or "PRF"}, time_of(parts), who))
    return made


# --- comments


def comment(note: Element, w: Writer) -> Made:
    """An Annotation to E~32."""
    return el(
        "act", {"classCode": "ACT", "moodCode": "EVN"}, root_ids(COMMENT), cd("code", _COMMENT_CODE),
        w.text(note, note["text"]), el("statusCode", {"code": "completed"}),
        ts_element("effectiveTime", note.get("time")),
    )  # fmt: skip


def related(inner: Made, kind: str = "SUBJ", inverted: str | None = None) -> Made:
    """An entryRelationship."""
    return el("entryRelationship", {"typeCode": kind, "inversionInd": inverted}, inner)


def comments(notes: Iterable[Element], w: Writer) -> list[Made]:
    return [related(comment(n, w), inverted="true") for n in notes]


def told_apart(resource: Resource) -> tuple[str | None, list[Element]]:
    """The words of an entry itself, and its comments: those have their own place in the narrative, or come after."""
    notes: list[Element] = resource.get("note", [])
    if notes and "time" not in notes[0] and not extensions(notes[0], NARRATIVE_LINK):
        return str(notes[0]["text"]), notes[1:]
    return None, notes


# --- statements


def observation(resource: Resource, w: Writer, **more: Any) -> Made:
    """An Observation to E~48 or what the model has for its code; components and members inside it.

    :param more: ``value`` or ``templates`` that the caller knows better.
    """
    words, notes = told_apart(resource)
    code = code_of(resource)
    denied = any(x.get("valueBoolean") for x in resource.get("modifierExtension", ()) if x["url"] == NEGATED)
    site = resource.get("bodySite")
    interpretations = [cd("interpretationCode", x) for x in resource.get("interpretation", ())]
    templates = more.get("templates") or w.templates.get(code, SIMPLE)
    return el(
        "observation", {"classCode": "OBS", "moodCode": "EVN", "negationInd": "true" if denied else None},
        root_ids(templates),
        w.ids(resource.get("identifier", [])) if templates != TNM else iis(resource.get("identifier", [])),
        code_element(resource),
        w.text(resource, words or shown(resource)),
        status("Observation", resource.get("status")),
        moment("effectiveTime", resource, "effective", "NA"),
        more.get("value") if more.get("value") is not None else value(resource),
        interpretations,
        cd("methodCode", resource.get("method")) if "value" not in more else None,
        target(site),
        takers(resource, "performer", w.record),
        participants(resource, w.record),
        _inside(resource, code, w),
        comments(notes, w),
    )  # fmt: skip


def _inside(resource: Resource, code: str, w: Writer) -> list[Made]:
    """Components and members, each inside the one that the model puts it into, in their order."""
    inner: list[tuple[Element, Made]] = [(c, _component(c, w)) for c in resource.get("component", ())]
    for reference in resource.get("hasMember", ()):
        if member := w.record.get(reference):
            inner.append((member, observation(member, w)))
    places: dict[str, Made] = {}
    made: list[Made] = []
    for told, element in inner:
        own = code_of(told)
        places.setdefault(own, element)
        outer = places.get(w.nest.get(own, ""))
        if outer is None or outer is element:
            made.append(related(element, "SUBJ" if w.nest.get(own) == code else "COMP"))
        else:
            outer.append(related(element, "REFR"))
    return made


def _component(told: Element, w: Writer) -> Made:
    notes = [x["valueAnnotation"] for x in extensions(told, NOTE)]
    ids = [{"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{told['id']}"}] if told.get("id") else []
    return el(
        "observation", {"classCode": "OBS", "moodCode": "EVN"}, root_ids(w.templates.get(code_of(told), SIMPLE)),
        w.ids(ids), cd("code", told.get("code"), "UNK"), w.text(told, shown(told)),
        el("statusCode", {"code": "completed"}),
        null("effectiveTime", "NA"), value(told), [cd("interpretationCode", x) for x in told.get("interpretation", ())],
        comments(notes, w),
    )  # fmt: skip


def request(resource: Resource, w: Writer, kind: str, mood: str, templates: tuple[str, ...]) -> Made:
    """A ServiceRequest to an observation (PRP), a procedure (INT) or an encounter (ARQ)."""
    words, notes = told_apart(resource)
    classes = {"observation": "OBS", "procedure": "PROC", "encounter": "ENC"}
    asked = next((x["valueCodeableConcept"] for x in extensions(resource, PRIORITY)), None)
    categories = resource.get("category", [])
    code, told = resource.get("code"), None
    if categories and kind == "observation":  # the kind of request, and what for
        code, told = categories[0], concept("value", resource["code"])
    sites = resource.get("bodySite", [])
    return el(
        kind,
        {"classCode": classes[kind], "moodCode": mood, "negationInd": "true" if resource.get("doNotPerform") else None},
        root_ids(templates), w.ids(resource.get("identifier", [])), cd("code", code, "UNK"),
        w.text(resource, words or words_of(resource.get("code"))),
        status("ServiceRequest", resource.get("status"), "active"),
        moment("effectiveTime", resource, "occurrence"),
        cd("priorityCode", asked), told,
        target(next(iter(sites), None)) if kind != "encounter" else None,
        [el("performer", None, x) for p in resource.get("performer", ())
         if (x := entity("assignedEntity", p, w.record)) is not None],
        participants(resource, w.record), comments(notes, w),
    )  # fmt: skip


def procedure(resource: Resource, w: Writer, templates: tuple[str, ...]) -> Made:
    """A Procedure to E~62."""
    words, notes = told_apart(resource)
    asked = next((x["valueCodeableConcept"] for x in extensions(resource, PRIORITY)), None)
    actors = {"actor": [p["actor"] for p in resource.get("performer", ())]}
    return el(
        "procedure", {"classCode": "PROC", "moodCode": "EVN"},
        root_ids(templates), w.ids(resource.get("identifier", [])),
        cd("code", resource.get("code"), "UNK"), w.text(resource, words or words_of(resource.get("code"))),
        status("Procedure", resource.get("status")), moment("effectiveTime", resource, "performed"),
        cd("priorityCode", asked), target(next(iter(resource.get("bodySite", [])), None)),
        takers(actors, "actor", w.record), participants(resource, w.record), comments(notes, w),
    )  # fmt: skip


def conclusion(resource: Resource, w: Writer) -> Made:
    """A DiagnosticReport that was taken over to an observation whose value is its conclusion."""
    words, *more = str(resource.get("conclusion", "")).split("\n")
    coded: Element = next(iter(resource.get("conclusionCode", [])), {})
    told = concept("value", coded or {"text": words})
    people = takers({"who": [*resource.get("resultsInterpreter", ()), *resource.get("performer", ())]}, "who", w.record)
    return el(
        "observation", {"classCode": "OBS", "moodCode": "EVN"}, root_ids(SIMPLE), w.ids(resource.get("identifier", [])),
        cd("code", resource.get("code"), "UNK"), w.text(resource, words),
        status("Observation", resource.get("status")), moment("effectiveTime", resource, "effective", "NA"),
        told, people, participants(resource, w.record), comments(({"text": m} for m in more), w),
    )  # fmt: skip
