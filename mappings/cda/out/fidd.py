"""The deferred work-up of a screening reading in FHIR to CANCER-D2LM-FIDD 2022.01.

ANS CI-SIS, volet CANCER-D2LM; the inverse of :mod:`..documents.fidd`, of E~61 (payers) and of E~18 (attached files).
What the record does not have is not made up: ``hub conformance cda`` says what is missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from hub.fhir.draft import Resource

from ...shape import Element
from ..context import NARRATIVE_LINK
from ..extensions import NOTE
from .build import TYPE, Made, el, null, octets
from .entries import (
    CCD,
    IHE,
    SIMPLE,
    E,
    Writer,
    code_of,
    comment,
    concept,
    observation,
    procedure,
    related,
    request,
    root_ids,
)
from .header import author, document, extensions
from .narrative import Narrative
from .people import entity
from .record import Record, written
from .types import cd, iis, ivl, ts_element

TEMPLATE: Final = ("1.2.250.1.213.1.1.1.28", "2022.01")
_S: Final = "1.2.250.1.213.1.1.2."
_LOINC: Final = "http://loinc.org"
_CIS: Final = "https://smt.esante.gouv.fr/fhir/CodeSystem/terminologie-cisis"
_SUBSCRIBER: Final = "http://terminology.hl7.org/CodeSystem/subscriber-relationship"
SECTIONS: Final = {
    "48768-6": (f"{CCD}1.9", f"{IHE}1.5.3.7", f"{_S}79"),
    "30954-2": (f"{IHE}3.28", f"{IHE}3.27", f"{_S}151"),
    "18776-5": (f"{CCD}1.10", f"{IHE}3.36", f"{_S}158"),
    "55107-7": (f"{_S}37",),
}
_WORK_UP: Final = (f"{CCD}1.29", f"{IHE}4.19", f"{E}62")
_REQUEST: Final = (f"{CCD}1.25", f"{IHE}1.20.3.1", f"{E}27")
_PAYERS: Final = (f"{CCD}1.20", f"{IHE}4.17", f"{E}61")
_COVER: Final = (f"{CCD}1.26", f"{IHE}4.18", f"{E}94")
_ATTACHED: Final = (f"{E}18",)
_PAYERS_CODE = {"coding": [{"system": _LOINC, "code": "48768-6", "display": "Couverture sociale"}]}
_FILE_CODE = {"coding": [{"system": _LOINC, "code": "55107-7", "display": "Document attaché"}]}
_KIND_CODE = {"coding": [{"system": _LOINC, "code": "69764-9", "display": "Type de document"}]}
_EVERY = {"coding": [{"system": _CIS, "code": "MED-120", "display": "Fréquence de controle"}]}


@written
def write(bundle: Resource) -> bytes:
    """The document.

    :param bundle: the Composition of a work-up with all it refers to.
    :raises MappingError: without a patient or an identifier of the document.
    """
    record = Record(bundle)
    sections = [_section(one, record, f"s{i}") for i, one in enumerate(record.composition.get("section", ()), 1)]
    body = el("structuredBody", None, [el("component", None, one) for one in sections])
    return octets(document(record, [TEMPLATE], body))


def _section(told: Element, record: Record, name: str) -> Made:
    w = Writer(record, Narrative(told.get("text"), name))
    entries = list(_entries([r for e in told.get("entry", ()) if (r := record.get(e))], w))
    entries += [comment(x["valueAnnotation"], w) for x in extensions(told, NOTE)]
    text = w.narrative.element()
    return el(
        "section", None, root_ids(SECTIONS.get(code_of(told), ())), cd("code", told.get("code"), "UNK"),
        el("title", None, told["title"]) if told.get("title") else None,
        text if text is not None else el("text"),
        [author(x, record) for x in told.get("author", ())],
        [el("entry", None, x) for x in entries],
    )  # fmt: skip


def _entries(resources: list[Resource], w: Writer) -> Iterator[Made]:
    covers = [r for r in resources if r["resourceType"] == "Coverage"]
    if covers:
        yield _payers(covers, w)
    for resource in resources:
        kind = resource["resourceType"]
        if kind == "Observation":
            yield observation(resource, w)
        elif kind == "Procedure":
            yield procedure(resource, w, _WORK_UP)
        elif kind == "ServiceRequest":
            yield from _asked(resource, w)
        elif kind == "DocumentReference":
            yield _attached(resource, w)


def _asked(resource: Resource, w: Writer) -> Iterator[Made]:
    """A request; of the conduct (GEN-007) the date is that of the decision, the timing another entry (MED-120)."""
    repeat = resource.get("occurrenceTiming", {}).get("repeat")
    links = extensions(resource, NARRATIVE_LINK)
    others = [x for x in resource.get("extension", ()) if x["url"] != NARRATIVE_LINK]
    ids = resource.get("identifier", [])
    first = {**resource, "extension": links[:1] + others, "identifier": ids[:1] if repeat else ids}
    if "authoredOn" in resource:
        first["occurrenceDateTime"] = resource["authoredOn"]
    yield request(first, w, "observation", "INT", _REQUEST)
    if repeat:
        every = {"extension": links[1:2]}
        number, unit = repeat["period"], repeat["periodUnit"]
        yield el(
            "observation", {"classCode": "OBS", "moodCode": "INT"}, root_ids(_REQUEST), w.ids(ids[1:]),
            cd("code", _EVERY), w.text(every, f"Contrôle : {number} {unit}"), el("statusCode", {"code": "active"}),
            ts_element("effectiveTime", resource.get("authoredOn"), "NA"),
            el("value", {TYPE: "PQ", "value": str(number), "unit": unit}),
        )  # fmt: skip


def _payers(covers: list[Resource], w: Writer) -> Made:
    """E~61 with a cover (E~94) each."""
    inside = []
    for cover in covers:
        made = related(_cover(cover, w), "COMP")
        if "order" in cover:
            made.insert(0, el("sequenceNumber", {"value": str(cover["order"])}))
        inside.append(made)
    return el(
        "act", {"classCode": "ACT", "moodCode": "DEF"}, root_ids(_PAYERS), w.ids([]), cd("code", _PAYERS_CODE),
        el("statusCode", {"code": "completed"}), inside,
    )  # fmt: skip


def _cover(cover: Resource, w: Writer) -> Made:
    ids = cover.get("identifier", [])
    number = ids[-1:] if ids and ids[-1].get("value") == cover.get("subscriberId") else []
    relation = cover.get("relationship", {})
    codings = [c for c in relation.get("coding", ()) if c.get("system") != _SUBSCRIBER]
    party = el(
        "participantRole", {"classCode": "PAT"}, iis(number),
        cd("code", {**relation, "coding": codings} if codings or relation.get("text") else None),
    )  # fmt: skip
    payor = entity("assignedEntity", next(iter(cover.get("payor", [])), None), w.record)
    if payor is not None and not payor.findall("{*}id"):
        payor.insert(0, null("id"))
    link = extensions(cover, NARRATIVE_LINK)
    return el(
        "act", {"classCode": "ACT", "moodCode": "EVN"}, root_ids(_COVER), w.ids(ids[: len(ids) - len(number)]),
        cd("code", cover.get("type"), "UNK"), w.text(cover, "") if link else None,
        el("statusCode", {"code": "completed"}), ivl("effectiveTime", cover.get("period")),
        el("performer", {"typeCode": "PRF"}, payor) if payor is not None else None,
        el("participant", {"typeCode": "COV"}, party),
    )  # fmt: skip


def _attached(resource: Resource, w: Writer) -> Made:
    """A file with what is said of it: its ID is the anchor that its words refer to, unless the narrative has that."""
    told = resource["content"][0]["attachment"]
    data = told.get("data") or w.record.get({"reference": told.get("url", "")}).get("data", "")
    link = next((str(x["valueUrl"]).partition("#")[2] for x in extensions(resource, NARRATIVE_LINK)), "")
    own = link if link and link not in w.narrative.anchors else None
    title = resource.get("description", "")
    said = concept("value", resource["type"]) if resource.get("type") else el("value", {TYPE: "ST"}, title)
    described = el(
        "observation", {"classCode": "OBS", "moodCode": "EVN"}, root_ids(SIMPLE), w.ids(resource.get("identifier", [])),
        cd("code", _KIND_CODE),
        el("text", None, el("reference", {"value": f"#{own}"})) if own else w.text(resource, title),
        el("statusCode", {"code": "completed"}), ts_element("effectiveTime", told.get("creation"), "NA"), said,
    )  # fmt: skip
    media = el(
        "observationMedia", {"classCode": "OBS", "moodCode": "EVN", "ID": own},
        el("languageCode", {"code": told["language"]}) if told.get("language") else None,
        el("value", {"mediaType": told.get("contentType"), "representation": "B64"}, data),
    )  # fmt: skip
    return el(
        "organizer", {"classCode": "CLUSTER", "moodCode": "EVN"},
        root_ids(_ATTACHED), w.ids([]), cd("code", _FILE_CODE),
        el("statusCode", {"code": "completed"}), el("component", {"typeCode": "COMP"}, described),
        el("component", None, media),
    )  # fmt: skip
