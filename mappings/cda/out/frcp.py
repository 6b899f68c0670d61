"""The record of a tumour board in FHIR to CANCER-FRCP 2022.01.

ANS CI-SIS, volet CANCER-FRCP; the inverse of :mod:`..documents.frcp`.  The sections are those of the Composition, in
their order; each of the nine that the volet asks for and that is not there is written with nullFlavors.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from hub.fhir.draft import Resource

from ...shape import Element
from ..context import NARRATIVE_LINK
from ..extensions import DOCUMENT_STATUS, NOTE
from .build import TYPE, V3, Made, el, octets
from .entries import (
    CCD,
    IHE,
    SIMPLE,
    E,
    Writer,
    code_of,
    comment,
    comments,
    concept,
    conclusion,
    observation,
    procedure,
    request,
    root_ids,
    words_of,
)
from .header import author, document, extensions
from .narrative import Narrative
from .problem import cancer
from .record import Record, written
from .types import cd, ivl, ts_element

TEMPLATE: Final = ("1.2.250.1.213.1.1.1.8", "2022.01")
_S: Final = "1.2.250.1.213.1.1.2."
_IHE: Final = "1.3.6.1.4.1.19376."
_LOINC: Final = "http://loinc.org"
_CIS: Final = "https://smt.esante.gouv.fr/fhir/CodeSystem/terminologie-cisis"
_ABSENT: Final = "http://terminology.hl7.org/CodeSystem/data-absent-reason"


class Kind(NamedTuple):
    """A section of the model."""

    code: str
    title: str
    templates: tuple[str, ...]


_SUMMARY = ("2.16.840.1.113883.10.12.201", f"{_IHE}1.4.1.2.16", f"{_S}73")
KINDS: Final = (
    Kind("42349-1", "Raison de la recommandation", (f"{IHE}3.1", f"{IHE}3.2", f"{_S}128")),
    Kind("42545-4", "Evènements observés", (f"{IHE}1.21.2.9", f"{_IHE}1.7.3.1.1.13.7", f"{_S}163")),
    Kind("72135-7", "Diagnostic du cancer", (f"{CCD}1.11", f"{IHE}3.6", f"{_IHE}1.7.3.1.3.14.1", f"{_S}27")),
    Kind("11348-0", "Antécédents médicaux", (f"{_S}2",)),
    Kind("11450-4", "Liste des problèmes actifs", (f"{_S}176",)),
    Kind("47420-5", "Évaluation du statut fonctionnel", (f"{CCD}1.5", f"{IHE}3.17", f"{IHE}1.12.2.1", f"{_S}111")),
    Kind("38208-5", "Sévérité de la douleur", (f"{IHE}1.12.2.2", f"{_S}112")),
    Kind("46006-3", "Problèmes physiques fonctionnels et structurels", (f"{IHE}1.12.2.5", f"{_S}115")),
    Kind("48542-5", "Évaluation de la dépression gériatrique", (f"{IHE}1.12.2.4", f"{_S}114")),
    Kind("30954-2", "Résultats d'examens", (f"{IHE}3.27", f"{_S}150")),
    Kind("18733-6", "Note de progression", (f"{IHE}1.13.2.7", f"{_S}25")),
    Kind("29554-3", "Actes", (f"{IHE}1.13.2.11", f"{_S}118")),
    Kind("10218-6", "Note postopératoire", (f"{_S}26",)),
    Kind("50397-9", "Génétique moléculaire - Interprétation", (f"{_S}67",)),
    Kind("10164-2", "Histoire de la maladie", (f"{IHE}3.4", f"{_S}130")),
    Kind("21874-3", "Statut du dossier présenté en RCP", (f"{_S}33",)),
    Kind("18776-5", "Plan de soins", (f"{CCD}1.10", f"{IHE}3.36", f"{_S}158")),
    Kind("35510-7", "Cadre de la proposition thérapeutique", (f"{_S}175",)),
    Kind("55112-7", "Commentaire", _SUMMARY),
    Kind("33557-0", "Etat d'achèvement", (f"{_S}35",)),
)
_BY_CODE: Final = {kind.code: kind for kind in KINDS}
_PATHOLOGY: Final = (f"{_S}34",)  # 30954-2 too: the section that takes over a report
REQUIRED: Final = ("42349-1", "42545-4", "72135-7", "18733-6", "10164-2", "21874-3", "18776-5", "35510-7", "33557-0")
_ORDER: Final = [kind.code for kind in KINDS]

# What stands inside what, below the nature of the discussion and elsewhere.
NEST: Final = {
    "ORG-118": "GEN-098", "ORG-138": "GEN-098", "ORG-119": "ORG-118", "ORG-184": "ORG-118", "ORG-185": "ORG-118",
    "ORG-186": "GEN-098", "MED-235": "ORG-186", "ORG-114": "ORG-186", "ORG-115": "ORG-186", "ORG-116": "ORG-186",
    "ORG-127": "ORG-186",
}  # fmt: skip
TEMPLATES: Final = {
    "38208-5": (f"{IHE}4.13", f"{IHE}1.12.3.1", f"{E}89"),
    "MED-239": (f"{IHE}4.13", f"{CCD}1.31", f"{IHE}1.12.3.6", f"{E}25"),
    "48544-1": (f"{CCD}1.31", f"{IHE}4.13", f"{IHE}1.12.3.4", f"{E}110"),
    "GEN-065": (*SIMPLE, f"{E}48.16"),
}
_PROBLEM: Final = (f"{CCD}1.28", f"{IHE}4.5", f"{E}37")
_DONE: Final = (f"{IHE}4.19", f"{CCD}1.29", f"{E}62")
# code of a request -> kind, mood, templates; all others are treatments.
_ASKED: Final = {
    "ORG-120": ("encounter", "ARQ", (f"{CCD}1.25", f"{IHE}4.14", f"{E}58")),
    "MED-226": ("encounter", "ARQ", (f"{CCD}1.25", f"{IHE}4.14", f"{E}58")),
    "ORG-064": ("observation", "PRP", (f"{CCD}1.25", f"{IHE}1.20.3.1", f"{E}27")),
}
_TREATMENT: Final = ("procedure", "INT", (f"{CCD}1.25", f"{IHE}4.19", f"{E}62"))
_FILE: Final = {"coding": [{"system": _CIS, "code": "GEN-099", "display": "Information RCP"}]}
# Observations without which a section is not sound, for records that do not have them: all unknown.
_UNKNOWN: Final = {
    "42545-4": (("63921-1", "Dépistage du cancer"),),
    "18733-6": (("MED-243", "Phase du cancer"), ("MED-245", "Progression du cancer")),
    "21874-3": (("GEN-100", "Dossier complet"), ("ORG-125", "Quorum RCP")),
}
_NATURE: Final = (
    ("ORG-184", "RCP de recours"), ("ORG-185", "RCP pédiatrique"), ("ORG-186", "Motif de la RCP"),
    ("MED-235", "Avis diagnostique"), ("ORG-114", "Proposition de traitement"), ("ORG-115", "Recours"),
    ("ORG-116", "Pédiatrie"), ("ORG-127", "Statut du cas présenté"),
)  # fmt: skip


@written
def write(bundle: Resource) -> bytes:
    """The document.

    :param bundle: the Composition of a tumour board with all it refers to.
    :raises MappingError: without a patient or an identifier of the document.
    """
    record = Record(bundle)
    sections = [_section(one, record, f"s{i}") for i, one in enumerate(_sections(record), 1)]
    body = el("structuredBody", None, [el("component", None, one) for one in sections])
    made = document(record, [TEMPLATE], body, practitioner=True)
    _enrolled(made, record)
    return octets(made)


def _sections(record: Record) -> list[Element]:
    """Those of the Composition, and those that the model asks for in their place."""
    found: list[Element] = list(record.composition.get("section", ()))
    for code in REQUIRED:
        if all(code_of(s) != code for s in found):
            place = _ORDER.index(code)
            at = next((i for i, s in enumerate(found) if _place(code_of(s)) > place), len(found))
            coding = {"system": _LOINC, "code": code, "display": _BY_CODE[code].title}
            found.insert(at, {"title": _BY_CODE[code].title, "code": {"coding": [coding]}})
    return found


def _place(code: str) -> int:
    return _ORDER.index(code) if code in _ORDER else -1


def _section(told: Element, record: Record, name: str) -> Made:
    below: list[Element] = list(told.get("section", ()))
    own = told
    if below and code_of(below[0]) == code_of(told) and "entry" in below[0]:  # entries stand in leaves alone
        own, below = below[0], below[1:]
    w = Writer(record, Narrative(own.get("text"), name), NEST, TEMPLATES)
    code = code_of(told)
    entries = list(_entries(code, own, w))
    templates = _BY_CODE[code].templates if code in _BY_CODE else ()
    if code == "30954-2" and any(record.get(e).get("resourceType") == "DiagnosticReport" for e in own.get("entry", ())):
        templates = _PATHOLOGY
    text = w.narrative.element()
    return el(
        "section", None, root_ids(templates), cd("code", told.get("code"), "UNK"),
        el("title", None, told["title"]) if told.get("title") else None,
        text if text is not None or not entries else el("text"),
        [author(x, record) for x in told.get("author", ())],
        [el("entry", None, x) for x in entries],
        [el("component", None, _section(x, record, f"{name}.{i}")) for i, x in enumerate(below, 1)],
    )  # fmt: skip


def _entries(code: str, section: Element, w: Writer) -> Iterator[Made]:
    resources = [r for e in section.get("entry", ()) if (r := w.record.get(e))]
    notes = [*(x["valueAnnotation"] for x in extensions(section, NOTE)), *_notes(code, w)]
    if code == "21874-3":
        yield _organizer(_known(code, resources), notes, w)
        return
    for resource in _known(code, resources):
        made = _entry(resource, w)
        if made is not None:
            yield made
    if code == "42349-1" and all(r["resourceType"] != "ServiceRequest" for r in resources):
        yield _reason(_enrolment(w.record), w)
    if code == "72135-7" and not resources:
        yield cancer({}, w)
    if code == "33557-0":
        yield _status(w)
    for note in notes:
        yield comment(note, w)


def _known(code: str, resources: list[Resource]) -> list[Resource]:
    """The resources of a section, and unknown ones in place of those it cannot be without."""
    there = {code_of(r) for r in resources}
    if code == "42349-1" and "GEN-098" not in there:
        resources = [_nature(), *resources]
    return resources + [_unknown(own, shown) for own, shown in _UNKNOWN.get(code, ()) if own not in there]


def _nature() -> Resource:
    """GEN-098 of which nothing is known, with all that has to stand in it."""
    parts = [_unknown(code, shown) for code, shown in _NATURE]
    return {**_unknown("GEN-098", "Nature de la discussion"), "component": parts}


def _unknown(code: str, shown: str) -> Resource:
    system = _LOINC if code[0].isdigit() else _CIS
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": system, "code": code, "display": shown}]},
        "dataAbsentReason": {"coding": [{"system": _ABSENT, "code": "unknown"}]},
    }


def _entry(resource: Resource, w: Writer) -> Made | None:
    """One resource by its type; the proposal itself is the section, no entry of it."""
    kind = resource["resourceType"]
    if kind == "Observation":
        return observation(resource, w)
    if kind == "Condition":
        return cancer(resource, w)
    if kind == "Procedure":
        return procedure(resource, w, _DONE)
    if kind == "DiagnosticReport":
        return conclusion(resource, w)
    if kind == "ServiceRequest":
        if resource is _enrolment(w.record):
            return _reason(resource, w)
        return request(resource, w, *_ASKED.get(code_of(resource), _TREATMENT))
    return None


def _enrolment(record: Record) -> Resource:
    """The ServiceRequest that the discussion is based on."""
    encounter = record.get(record.composition.get("encounter"))
    return record.get(next(iter(encounter.get("basedOn", [])), None))


def _reason(resource: Resource, w: Writer) -> Made:
    """Why the board is asked (55607006): the reason that neither the nature of the discussion nor the header says."""
    said = _said_elsewhere(w.record)
    own = next((r for r in resource.get("reasonCode", ()) if r not in said), None)
    link = next((str(x["valueUrl"]) for x in extensions(resource, NARRATIVE_LINK)), "")
    words = w.narrative.anchors.get(link.partition("#")[2]) or words_of(own) or "Motif de la présentation"
    told = concept("value", own) if own else el("value", {TYPE: "CD", "nullFlavor": "NA"})
    code = {"coding": [{"system": "http://snomed.info/sct", "code": "55607006", "display": "problème"}]}
    return el(
        "observation", {"classCode": "OBS", "moodCode": "EVN", "negationInd": "false"}, root_ids(_PROBLEM), w.ids([]),
        cd("code", code), w.text(resource, words), el("statusCode", {"code": "completed"}),
        ivl("effectiveTime", {"start": resource.get("authoredOn")}, "UNK"), told,
    )  # fmt: skip


def _said_elsewhere(record: Record) -> list[Element]:
    codes = [c for e in record.composition.get("event", ())[1:] for c in e.get("code", ())]
    for nature in record.all("Observation"):
        if code_of(nature) == "GEN-098":
            codes += [c["valueCodeableConcept"] for c in nature.get("component", ()) if "valueCodeableConcept" in c]
    return codes


def _organizer(resources: list[Resource], notes: list[Element], w: Writer) -> Made:
    """GEN-099: what is said of the file, in one organizer (E~7)."""
    inside = [el("component", None, observation(r, w)) for r in resources if r["resourceType"] == "Observation"]
    inside += [el("component", {"typeCode": "COMP"}, comment(n, w)) for n in notes]
    return el(
        "organizer", {"classCode": "CLUSTER", "moodCode": "EVN"}, root_ids((f"{E}7",)), w.ids([]), cd("code", _FILE),
        el("statusCode", {"code": "completed"}), inside,
    )  # fmt: skip


_HOLD_NOTES: Final = ("21874-3", "18776-5", "35510-7")  # their comments are notes of the proposal


def _notes(code: str, w: Writer) -> list[Element]:
    """The notes of the proposal that stand in the narrative of this section; the others stand in the proposal."""
    if code not in _HOLD_NOTES:
        return []
    plans = w.record.all("CarePlan")
    notes: list[Element] = plans[0].get("note", []) if plans else _enrolment(w.record).get("note", [])
    made = []
    for note in notes:
        anchor = _anchor(note)
        if anchor in w.narrative.anchors or (not anchor and plans and code == "18776-5"):
            made.append(note)
    return made


def _anchor(note: Element) -> str:
    return next((str(x["valueUrl"]).partition("#")[2] for x in extensions(note, NARRATIVE_LINK)), "")


def _status(w: Writer) -> Made:
    """GEN-065: as it was said; else in progress or performed, by the status of the Composition."""
    told: Element = next(iter(extensions(w.record.composition, DOCUMENT_STATUS)), {"extension": []})
    parts = {x["url"]: x for x in told["extension"]}
    done = w.record.composition.get("status") != "preliminary"
    said = parts["status"]["valueCodeableConcept"] if "status" in parts else _STATUS[done]
    at = next((parts["date"][k] for k in parts.get("date", {}) if k.startswith("value")), None)
    when = ivl("effectiveTime", at) if isinstance(at, dict) else ts_element("effectiveTime", at, "NA")
    code = {"coding": [{"system": _CIS, "code": "GEN-065", "display": "Statut du document"}]}
    notes = [{"text": x["valueString"]} for x in told["extension"] if x["url"] == "comment"]
    return el(
        "observation", {"classCode": "OBS", "moodCode": "EVN"}, root_ids(TEMPLATES["GEN-065"]), w.ids([]),
        cd("code", code), w.text(told, words_of(said)), el("statusCode", {"code": "completed"}), when,
        concept("value", said), comments(notes, w),
    )  # fmt: skip


_SCT = "http://snomed.info/sct"
_STATUS: Final = (
    {"coding": [{"system": _SCT, "code": "385651009", "display": "en cours d'exécution"}]},
    {"coding": [{"system": _SCT, "code": "398166005", "display": "réalisé"}]},
)


def _enrolled(made: Made, record: Record) -> None:
    """The enrolment in the header: its number, and the words that came with it."""
    enrolment = _enrolment(record)
    orders = made.findall(f"{{{V3}}}inFulfillmentOf/{{{V3}}}order")
    if not (enrolment and orders):
        return
    first: Element = next(iter(enrolment.get("note", [])), {})
    link = next((str(x["valueUrl"]).partition("#")[2] for x in extensions(enrolment, NARRATIVE_LINK)), None)
    own = next((x for x in made.iter() if link and x.get("ID") == link), None)
    in_body = " ".join("".join(own.itertext()).split()) if own is not None else None  # type: ignore[arg-type]
    if first and not _anchor(first) and first["text"] != in_body:
        orders[0].append(el("code", {"nullFlavor": "NA"}, el("originalText", None, first["text"])))
