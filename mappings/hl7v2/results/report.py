"""ORC, OBR and their OBX to ServiceRequest, DiagnosticReport, Observation and Specimen.

HL7 v2.5 §7.4.1 (OBR), §7.4.2 (OBX), §7.4.3 (SPM); HL7 v2-to-FHIR, OBR, OBX and SPM maps; R4 DiagnosticReport.
A report is known by the number of who fills the order (OBR-3), else of who placed it (OBR-2); an observation by
that number with its code (OBX-3) and OBX-4, so that a corrected result replaces the first one.
"""

from __future__ import annotations

from typing import Final

from hub.fhir.draft import Rank, resource_id
from hub.source.hl7v2 import Rep, Segment
from hub.source.identity import authority_system

from ...codes import table
from ...shape import V2_0203, Element, clean, identifier, keep
from ...times import ts_datetime, ts_instant
from ..context import Context
from ..datatypes import cwe_concept, cx_identifier
from ..segments.people import xcn_practitioner, xon_organization
from .groups import Group, Value
from .values import obx_range, obx_value

STATUS = table("hl7v2-result-status")
_V2_0074: Final = "http://terminology.hl7.org/CodeSystem/v2-0074"
_V2_0078: Final = "http://terminology.hl7.org/CodeSystem/v2-0078"
_IMAGING: Final = frozenset(("CT", "CUS", "NMR", "NMS", "OUS", "RAD", "RUS", "RX", "VUS", "XRC"))  # table 0074
_LABORATORY: Final = {
    "coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}]
}
_UNKNOWN: Final = {
    "coding": [{"system": "http://terminology.hl7.org/CodeSystem/data-absent-reason", "code": "unknown"}]
}
_UNFINISHED: Final = ("preliminary", "registered", "partial")
_VALUELESS: Final = (*_UNFINISHED, "cancelled")


class _Common:
    """What all observations of one report share."""

    __slots__ = ("c", "elements", "identity", "taken")

    def __init__(self, identity: tuple[str, str], elements: Element, taken: str | None, c: Context) -> None:
        self.identity, self.elements, self.taken, self.c = identity, elements, taken, c


def map_results(groups: list[Group], patient: Element, c: Context) -> None:
    """Add the reports of groups that have values to the draft."""
    for number, group in enumerate(groups, 1):
        if group.values:
            _report(group, number, {"reference": patient["reference"]}, c)


def _report(group: Group, number: int, subject: Element, c: Context) -> None:
    obr = group.obr
    identity, numbers = _identity(group, number, c)
    taken, end = ts_datetime(obr.text(7), c.zone), ts_datetime(obr.text(8), c.zone)
    stay = _stay(c)
    asked = obr.rep(4)
    code = (cwe_concept(asked) if asked is not None else None) or {"text": "Résultats d'examens"}
    order = _order(group, numbers, code, subject, stay, c)
    specimens = [s for n, spm in enumerate(group.specimens, 1) if (s := _specimen(spm, identity, n, subject, c))]
    section = obr.text(24)
    common = _Common(identity, clean({
        "basedOn": [order] if order else None,
        "category": [_LABORATORY] if section not in _IMAGING else None,
        "subject": subject,
        "encounter": stay,
        "specimen": specimens[0] if specimens else None,
    }), taken, c)  # fmt: skip
    made = [_observation(value, common) for value in group.values]
    reader = obr.rep(32)
    told = obr.text(25)
    notes = [text for nte in group.notes for text in _comment(nte)]
    report = clean({
        "resourceType": "DiagnosticReport",
        "identifier": numbers,
        "basedOn": [order] if order else None,
        "status": STATUS(f"report:{told}" if told else None, c.draft, f"{obr.place}-25") or _overall(made, c),
        "category": [{"coding": [{"system": _V2_0074, "code": section}]}] if section else None,
        "code": code,
        "subject": subject,
        "encounter": stay,
        "effectivePeriod": {"start": taken, "end": end} if taken and end and end > taken else None,
        "effectiveDateTime": taken if taken and not (end and end > taken) else None,
        "issued": ts_instant(obr.text(22), c.zone),
        "performer": [who for who in (c.sender(),) if who],
        "resultsInterpreter": [who for who in (_named(reader),) if who],
        "specimen": specimens,
        "result": made,
        "conclusion": "\n".join(notes) or None,
    })  # fmt: skip
    c.draft.add(report, identity)


def _identity(group: Group, number: int, c: Context) -> tuple[tuple[str, str], list[Element]]:
    """What the report is known by, and the numbers of the order: OBR-3 (filler), OBR-2 (placer), else ORC."""
    found: dict[str, tuple[tuple[str, str], Element]] = {}
    for field, kind in ((3, "FILL"), (2, "PLAC")):
        x = group.obr.rep(field) or (group.orc.rep(field) if group.orc is not None else None)
        value = x(1) if x is not None else None
        if x is None or value is None:
            continue
        system = authority_system(x(2) or "", x(3) or "", x(4) or "", c.message.msh.text(4) or "")
        made = identifier(keep(system, x(3) or x(2)), value, V2_0203, kind)
        if made:
            found[kind] = (system, str(value)), made
    if not found:
        site = authority_system("", "", "", c.message.msh.text(4) or c.message.msh.text(3) or "")
        return (site, f"result:{c.message.msh.text(10) or ''}#{number}"), []
    (system, value), _ = next(iter(found.values()))
    asked = group.obr.text(4) or ""
    return (system, f"result:{value}#{asked}"), [made for _, made in found.values()]


def _order(
    group: Group, numbers: list[Element], code: Element, subject: Element, stay: Element | None, c: Context
) -> Element | None:
    """ORC and OBR to the ServiceRequest that the results answer; None when the order has no number."""
    if not numbers:
        return None
    obr, orc = group.obr, group.orc
    who = obr.rep(16) or (orc.rep(12) if orc is not None else None)
    reason = obr.rep(31)
    asked = orc.text(9) if orc is not None else None
    best = numbers[-1]  # that of who placed it, when it is known
    request = clean({
        "resourceType": "ServiceRequest",
        "identifier": numbers,
        "status": "completed",
        "intent": "order",
        "code": code,
        "subject": subject,
        "encounter": stay,
        "authoredOn": ts_datetime(asked, c.zone),
        "requester": xcn_practitioner(who, c) if who is not None else None,
        "reasonCode": [r for r in (cwe_concept(reason) if reason is not None else None,) if r],
    })  # fmt: skip
    value = f"{best['value']}#{obr.text(4) or ''}"
    return c.draft.add(request, (str(best["system"]), value), rank=Rank.MENTION)


def _observation(value: Value, common: _Common) -> Element:
    obx, c = value.obx, common.c
    asked = obx.rep(3)
    code = cwe_concept(asked) if asked is not None else None
    if code is None:
        c.draft.error(f"{obx.place}-3", "the observation has no code", "101")
        code = {"text": "?"}
    told = obx_value(obx, c)
    several: list[Element] = told.pop("several", [])
    status = STATUS(f"value:{obx.text(11) or 'F'}", c.draft, f"{obx.place}-11") or "unknown"
    means = obx.rep(17)
    notes = [text for nte in value.notes for text in _comment(nte)]
    observation = clean({
        "resourceType": "Observation",
        "status": status,
        "code": code,
        **common.elements,
        "effectiveDateTime": ts_datetime(obx.text(14), c.zone) or common.taken,
        "issued": ts_instant(obx.text(19), c.zone),
        "performer": _performers(obx, c),
        **told,
        "dataAbsentReason": None if told or several or status in _VALUELESS else _UNKNOWN,
        "interpretation": [
            {"coding": [{"system": _V2_0078, "code": flag}]} for x in obx.reps(8) if (flag := x())
        ],
        "note": [{"text": text} for text in notes],
        "method": cwe_concept(means) if means is not None else None,
        "referenceRange": obx_range(obx),
        "component": [{"code": code, "valueCodeableConcept": one} for one in several],
    })  # fmt: skip
    system, known = common.identity
    key = f"{known}#{asked() if asked is not None else ''}#{obx.text(4) or ''}"
    if f"Observation/{resource_id('Observation', system, key)}" in c.draft.entries:
        key = f"{key}#{obx.number}"  # the same code twice without OBX-4: none is lost
    return c.draft.add(observation, (system, key))


def _performers(obx: Segment, c: Context) -> list[Element]:
    """OBX-16 the observer, OBX-23 the laboratory (XON), else OBX-15 (CE)."""
    made = [p for p in (xcn_practitioner(x, c) for x in obx.reps(16)) if p]
    lab, producer = obx.rep(23), obx.rep(15)
    where = xon_organization(lab, c) if lab is not None else None
    if where is None and producer is not None:
        shown = producer(2) or producer(1)
        where = {"display": shown} if shown else None
    return made + ([where] if where else [])


def _specimen(spm: Segment, identity: tuple[str, str], number: int, subject: Element, c: Context) -> Element | None:
    """SPM-2 number, 4 type, 8 site, 17 collected, 18 received."""
    kind, site = spm.rep(4), spm.rep(8)
    x = spm.rep(2)
    known = []
    for part in (2, 1):  # EIP: filler, then placer; the parts of each are subcomponents
        if x is not None and (value := x(part, 1)):
            system = authority_system(x(part, 2) or "", x(part, 3) or "", x(part, 4) or "", c.message.msh.text(4) or "")
            known.append({"system": keep(system, value), "value": value})
    taken = spm.rep(17)
    start = ts_datetime(taken(1), c.zone) if taken is not None else None
    specimen = clean({
        "resourceType": "Specimen",
        "identifier": known,
        "type": cwe_concept(kind) if kind is not None else None,
        "subject": subject,
        "receivedTime": ts_datetime(spm.text(18), c.zone),
        "collection": clean({
            "collectedDateTime": start, "bodySite": cwe_concept(site) if site is not None else None,
        }),
    })  # fmt: skip
    system, value = (str(known[0]["system"]), str(known[0]["value"])) if known else identity
    return c.draft.add(specimen, (system, value if known else f"{value}#specimen{number}"))


def _overall(results: list[Element], c: Context) -> str:
    """The status of a report that does not say it (OBR-25): that of its least finished observation."""
    found = {c.draft.entries[r["reference"]].resource["status"] for r in results}
    return next((s for s in (*_UNFINISHED, "corrected") if s in found), "final")


def _stay(c: Context) -> Element | None:
    pv1 = c.message.first(b"PV1")
    x = pv1.rep(19) if pv1 is not None else None
    known = cx_identifier(x, c) if x is not None else None
    return {"type": "Encounter", "identifier": known} if known else None


def _comment(nte: Segment) -> list[str]:
    return [text for x in nte.reps(3) if (text := x.whole())]


def _named(x: Rep | None) -> Element | None:
    """NDL (OBR-32): the name is in the subcomponents of its first component (§2.A.46)."""
    shown = " ".join(p for p in (x(1, 3), x(1, 2)) if p) if x is not None else ""
    return {"display": keep(shown, x(1, 2) or x(1, 3))} if x is not None and shown else None
