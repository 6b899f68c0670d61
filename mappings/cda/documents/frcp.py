"""CANCER-FRCP 2022.01: the record of a tumour board (RCP), by organ (Appareil) or cross-cutting (Transversale).

ANS CI-SIS, volet CANCER-FRCP; INCa, fiche RCP.  There is no official mapping of its content; the one chosen here:

* The discussion is the Encounter of the header (class VR), basedOn the enrolment, with everybody of the board.
* The enrolment (inFulfillmentOf) is a ServiceRequest: category the nature of the discussion (GEN-098), orderDetail
  the opinions asked for, reason the problem and the tumour; where it stands (ORG-127) is a Task.
* GEN-098 and all below it is one Observation with components, so that flags that are false are kept too.  Appareil
  and Transversale differ in depth alone: what is looked for is looked for at any depth.
* The proposal is a CarePlan (category 34794-8, intent proposal) whose activities are the ServiceRequests of the
  section, in the order of the document; their rank is the extension ``priority``.
* The diagnosis is a Condition with stage and evidence; phase, progression, OMS, quorum and completeness are
  Observations; conclusions of other reports are DiagnosticReports; GEN-065 is the status of the Composition.
"""

from __future__ import annotations

from collections.abc import Iterator

from hub.source.cda import Node

from ...shape import Element, clean, keep
from ...times import ts_datetime
from ..context import Context
from ..datatypes import cd_concept, ii_identifier
from ..entries.conclusion import conclusion
from ..entries.observation import add_observation
from ..event import service_events
from ..extensions import DOCUMENT_STATUS, TYPE_CODE
from ..frame import Model, statements
from ..mapping import mapping_of
from ..people import role
from ..standard import KINDS, SECTION, TEMPLATES
from ..values import comments, concept_of, moment, negated, note_of, own_coding

RRC, MANAGER, BOARD, SESSION = (  # ids of componentOf: network, 3C, board, session
    "urn:oid:1.2.250.1.161.1.20.1.1", "urn:oid:1.2.250.1.161.1.20.2.1", "urn:oid:1.2.250.1.161.1.20.3.1",
    "urn:oid:1.2.250.1.213.1.1.9",
)  # fmt: skip
_ASKED = ("MED-235", "ORG-114", "ORG-115", "ORG-116")  # opinions that may be asked for
_SITES = ("ORG-118", "ORG-119", "ORG-138")  # organ system, organ, treatment discussed
_PRELIMINARY = "385651009"  # GEN-065: in progress; all others are final
_MEMBERS = ("RESP", "PRF", "CON")
_FULFIL = {"coding": [{"system": "http://hl7.org/fhir/CodeSystem/task-code", "code": "fulfill"}]}


def begin(c: Context) -> None:
    """The enrolment and the discussion, of the header."""
    fulfilled = c.document.one("inFulfillmentOf", "order")
    ids = [x for one in fulfilled.all("id") if (x := ii_identifier(one))] if fulfilled is not None else []
    events = service_events(c)
    said = cd_concept(fulfilled.one("code")) if fulfilled is not None else None
    enrolment = clean({
        "resourceType": "ServiceRequest",
        "identifier": ids,
        "status": "completed",
        "intent": "order",
        "code": cd_concept(events[0].one("code")) if events else None,
        "subject": c.patient,
        "requester": next((who for code, who, _ in _board(c) if code == "REFB"), None),
        "performer": _logical(c, BOARD, "HealthcareService"),
        "reasonCode": [x for e in events[1:] if (x := cd_concept(e.one("code")))],
        "note": [{"text": said["text"]}] if said and "text" in said else None,
    })  # fmt: skip
    if ids:
        reference = c.draft.add(enrolment, (str(ids[0]["system"]), str(ids[0]["value"])))
        c.made["enrolment"] = [reference]
    else:
        c.add(enrolment, "enrolment", "enrolment")
    _discussion(c, c.made["enrolment"])


def _discussion(c: Context, enrolment: list[Element]) -> None:
    encounter = c.told.get("encounter", {})
    if "reference" not in encounter:
        return
    events = service_events(c)
    kind = cd_concept(events[0].one("code")) if events else None
    members = [
        clean({"type": [_typed(code, function)], "individual": who})
        for code, who, function in _board(c)
        if code in _MEMBERS and not who.get("reference", "").startswith(("Organization/", "Device/", "Patient/"))
    ]
    made = c.resource(encounter)
    made.update(clean({
        "status": "finished",
        "type": [kind] if kind else None,
        "basedOn": enrolment,
        "participant": [*made.get("participant", []), *members],
        "appointment": _logical(c, SESSION, "Appointment"),
        "serviceProvider": made.get("serviceProvider") or next(iter(_logical(c, MANAGER, "Organization")), None),
    }))  # fmt: skip


def _board(c: Context) -> list[tuple[str, Element, Element | None]]:
    """(typeCode, who, function) of the participants of the header."""
    known: list[tuple[str, Element, Element | None]] | None = c.facts.get("board")
    if known is None:
        known = c.facts["board"] = [
            (node.attr("typeCode") or "", who, cd_concept(node.one("functionCode")))
            for node in c.document.all("participant")
            if (who := role(node.one("associatedEntity"), c)) is not None
        ]
    return known


def _typed(code: str, function: Element | None) -> Element:
    told = function or {}
    codings = [{"system": TYPE_CODE, "code": code}, *told.get("coding", ())]
    return clean({"coding": codings, "text": told.get("text")})


def _logical(c: Context, system: str, kind: str) -> list[Element]:
    """References by identifier to what componentOf names: the board, its session, its manager."""
    encounter = c.document.one("componentOf", "encompassingEncounter")
    found = (ii_identifier(one) for one in encounter.all("id")) if encounter is not None else ()
    return [{"type": kind, "identifier": x} for x in found if x and x["system"] == system]


def nature(node: Node, c: Context) -> Element | None:
    """GEN-098: what kind of discussion, for what organ, what is asked, and where the case stands."""
    reference = add_observation(node, c, "nature")
    below = dict(_below(node))
    kind = concept_of(node.one("value"), c)
    enrolment = c.resource(c.made["enrolment"][0])
    asked = [
        concept_of(below[code].one("code"), c)
        for code in _ASKED
        if code in below and (value := below[code].one("value")) is not None and value.attr("value") == "true"
    ]
    sites = [x for code in _SITES if code in below and (x := concept_of(below[code].one("value"), c))]
    reasons = []
    for one in (*sites, *enrolment.get("reasonCode", [])):  # organ and organ system are often the same
        if one not in reasons:
            reasons.append(one)
    enrolment.update(clean({"category": [kind] if kind else None, "orderDetail": asked, "reasonCode": reasons}))
    if "code" not in enrolment:
        enrolment.pop("orderDetail", None)  # invariant prr-1
    encounter = c.told.get("encounter", {})
    if kind and "reference" in encounter:
        c.resource(encounter)["serviceType"] = kind
    stands = concept_of(below["ORG-127"].one("value"), c) if "ORG-127" in below else None
    _task(stands, c)
    return reference


def _below(node: Node) -> Iterator[tuple[str, Node]]:
    """The observations below one, at any depth, by their code."""
    for kind, inner in statements(node):
        if kind == "observation":
            if code := own_coding(inner):
                yield code, inner
            yield from _below(inner)


def _task(stands: Element | None, c: Context) -> None:
    enrolment = c.made["enrolment"][0]
    c.add(clean({
        "resourceType": "Task",
        "basedOn": [enrolment],
        "status": "completed",
        "businessStatus": stands,
        "intent": "order",
        "code": _FULFIL,
        "focus": enrolment,
        "for": c.patient,
        "encounter": c.told.get("encounter"),
        "lastModified": c.told.get("date"),
    }), "enrolment", "task")  # fmt: skip


def reason(node: Node, c: Context) -> Element | None:
    """The problem that the board shall look at: reason of the enrolment, in words more often than in codes."""
    told = None if negated(node) else concept_of(node.one("value"), c)
    notes = note_of(node, c)
    node.leave("*container", "id", "code", "statusCode", "value", "@moodCode", "@negationInd")
    enrolment = c.made["enrolment"][0]
    made = c.resource(enrolment)
    if told:
        made["reasonCode"] = [*made.get("reasonCode", []), told]
    if when := moment(node.one("effectiveTime"), c, "authoredOn").get("authoredOnPeriod", {}).get("start"):
        made["authoredOn"] = when
    if notes and (not told or told.get("text") != notes[0]["text"]):
        made["note"] = [*made.get("note", []), *notes]
    made.update(clean({"extension": [*made.get("extension", []), *c.link(node)]}))
    return enrolment


def supporting(node: Node, c: Context) -> Element | None:
    """An observation on which the proposal rests."""
    return add_observation(node, c, "finding")


def course(node: Node, c: Context) -> Element | None:
    """Phase and progression of the cancer: about the Condition."""
    return add_observation(node, c, "course")


def status(node: Node, c: Context) -> None:
    """GEN-065: the status of the Composition, kept as it was said beside it, with its date and comment."""
    told = concept_of(node.one("value"), c)
    if not told:
        return
    node.leave("*container", "id", "code", "statusCode", "@moodCode")
    code = told["coding"][0]["code"] if "coding" in told else ""
    c.told["status"] = keep("preliminary" if code == _PRELIMINARY else "final", code)
    at = moment(node.one("effectiveTime"), c, "value")
    words = [{"url": "comment", "valueString": n["text"]} for n in comments(node, c)]
    inside = [{"url": "status", "valueCodeableConcept": told}, *([{"url": "date", **at}] if at else []), *words]
    c.told.setdefault("extension", []).append({"extension": [*c.link(node), *inside], "url": DOCUMENT_STATUS})


def plan(section: Node, entries: list[Element], made: Element, c: Context) -> list[Element]:
    """S~158: the proposal as one CarePlan, whose activities are what the section asks for."""
    del section
    meeting = service_events(c)[:1]
    low = meeting[0].one("effectiveTime", "low") if meeting else None
    proposal = c.add(clean({
        "resourceType": "CarePlan",
        "status": "active",
        "intent": "proposal",
        "category": [_category(c)],
        "title": made.get("title"),
        "subject": c.patient,
        "encounter": c.told.get("encounter"),
        "created": (ts_datetime(low.attr("value"), c.zone) if low is not None else None) or c.told.get("date"),
        "author": _author(c),
        "contributor": _contributors(c),
        "activity": [{"reference": r} for r in entries if r["reference"].startswith("ServiceRequest/")],
    }), "proposal", "proposal")  # fmt: skip
    note(section_notes(c), c)
    return [proposal, *entries]


def _category(c: Context) -> Element:
    told = c.told.get("type")
    return told if told else {"coding": [{"system": "http://loinc.org", "code": "34794-8"}]}


def _author(c: Context) -> Element | None:
    return next(({k: a[k] for k in ("reference", "display") if k in a} for a in c.told.get("author", ())), None)


def _contributors(c: Context) -> list[Element]:
    found = {who["reference"]: who for code, who, _ in _board(c) if code == "PRF" and "reference" in who}
    return list(found.values())


def section_notes(c: Context) -> list[Element]:
    """The comments of the section that is being mapped."""
    return c.made.pop("comment", [])


def note(notes: list[Element], c: Context) -> None:
    """Keep comments for the note of the proposal."""
    c.facts.setdefault("notes", []).extend(notes)


def frame_of_proposal(section: Node, entries: list[Element], made: Element, c: Context) -> list[Element]:
    """S~175 and S~33: their comments are about the proposal."""
    del section, made
    note(section_notes(c), c)
    return entries


def finish(c: Context) -> None:
    """Tie what the sections made: the proposal, the enrolment and the discussion are about the tumours."""
    conditions = c.made.get("condition", [])
    for reference in c.made.get("course", []):
        if conditions:
            c.resource(reference)["focus"] = conditions
    about = {"reasonReference": conditions} if conditions else {}
    c.resource(c.made["enrolment"][0]).update(about)
    encounter = c.told.get("encounter", {})
    if "reference" in encounter:
        c.resource(encounter).update(about)
    notes = c.facts.get("notes", [])
    for proposal in c.made.get("proposal", []):
        findings = [*c.made.get("nature", []), *c.made.get("finding", []), *c.made.get("course", [])]
        c.resource(proposal).update(clean({"addresses": conditions, "supportingInfo": findings, "note": notes}))
        for task in c.made.get("task", []):
            c.resource(task)["output"] = [{"type": _category(c), "valueReference": proposal}]
    if notes and "proposal" not in c.made:
        enrolment = c.resource(c.made["enrolment"][0])
        enrolment["note"] = [*enrolment.get("note", []), *notes]


MODEL = Model(
    name="CANCER-FRCP",
    template="1.2.250.1.213.1.1.1.8",
    codes={
        "GEN-098": nature,
        "55607006": reason,
        "MED-239": supporting,
        "GEN-100": supporting,
        "ORG-125": supporting,
        "MED-249": supporting,
        "MED-250": supporting,
        "MED-243": course,
        "MED-245": course,
        "10218-6": conclusion,
        "22637-3": conclusion,
        "GEN-065": status,
    },
    templates=TEMPLATES,
    kinds=KINDS,
    sections={
        f"{SECTION}158": plan,
        f"{SECTION}175": frame_of_proposal,
        f"{SECTION}33": frame_of_proposal,
    },
    intent="proposal",
    begin=begin,
    finish=finish,
)
MAPPING = mapping_of(MODEL, "tumour-board record (RCP): Condition, Observation, CarePlan, ServiceRequest, Encounter")
