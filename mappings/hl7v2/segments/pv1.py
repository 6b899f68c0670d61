"""PV1 (with PV2, ZBE, ZFM, ZFV, EVN) to Encounter.

HL7 v2.5 §3.4.3, §3.4.4; HL7 v2-to-FHIR, PV1 map; IHE PAM France 2.11: ZBE is the movement, ZBE-7 the medical unit
responsible, ZBE-8 the unit that houses and cares.  Each movement is a version of the Encounter of its stay; one of the
past (ZBE-5 Y) corrects what nobody sees any more, so it yields to what the current movements said.
"""

from __future__ import annotations

from typing import NamedTuple

from hub.fhir.draft import Rank
from hub.source.hl7v2 import Rep, Segment
from hub.source.identity import authority_system

from ...codes import table
from ...identifiers import structure_identifiers
from ...shape import ACT_CODE, Element, clean, concept, identifier, keep, period
from ..context import Context
from ..datatypes import cwe_concept, cx_identifier, text_concept, when
from .people import pl_location, xcn_practitioner, xon_organization

CLASS, EVENT = table("encounter-class"), table("encounter-event")
_PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
# PV1 field -> v3 ParticipationType (HL7 v2-to-FHIR, PV1 map)
_PARTICIPANTS = ((7, "ATND"), (8, "REF"), (9, "CON"), (17, "ADM"))
_ACTIONS = ("INSERT", "UPDATE", "CANCEL", "DELETE")  # ZBE-4
_CANCELS = _ACTIONS[2:]
_CORRECTS = "Z99"  # its own status is that of the movement it corrects (ZBE-6)


def pv1_encounter(c: Context, patient: Element, event: str, rank: Rank = Rank.FEED) -> Element | None:
    """PV1 to an Encounter, added to the draft; None when the message tells of none.

    A message that only updates (A08) says nothing of the state of the stay unless it dates it.
    """
    pv1 = c.message.first(b"PV1")
    if pv1 is None or pv1.text(2) in (None, "N"):
        return None
    known = _visit(pv1, c)
    if known is None:
        if event in EVENT.rows:
            c.draft.warn("PV1-19", "a stay without a number (PV1-19, PID-18) is not kept", "101")
        return None
    zbe = _Movement.of(c.message.first(b"ZBE"))
    status = _status(pv1, event, zbe)
    if status is None:
        return None
    kept, identifiers = known
    place = pv1.rep(3)
    house = c.establishment(c.system(place), place(4)) if place is not None and place(4) else None
    provider = _unit(zbe, 7, house, c) or house
    where = pl_location(place, c, _unit(zbe, 8, house, c) or provider) if place else None
    since = when(zbe.segment, 2, c) if zbe is not None and not zbe.cancelled else None
    if zbe is not None and zbe.text(5) == "Y":
        rank = Rank.DOCUMENT
    pv2 = c.message.first(b"PV2")
    encounter = clean({
        "resourceType": "Encounter",
        "identifier": identifiers + _movement(zbe, c),
        "status": status,
        "class": CLASS.coding(ACT_CODE, pv1.text(2)) or {"system": ACT_CODE, "code": "AMB"},
        "type": [kind] if (kind := text_concept(pv1, 4, c)) else None,
        "serviceType": text_concept(pv1, 10, c),
        "subject": {"reference": patient["reference"]},
        "participant": _participants(pv1, c),
        "period": _period(pv1, pv2, zbe, event, status, c),
        "reasonCode": _reasons(pv2),
        "hospitalization": _hospitalization(pv1, c),
        "location": [clean({"location": where, "period": period(since, None)})] if where else None,
        "serviceProvider": provider,
    })  # fmt: skip
    if CLASS(pv1.text(2), c.draft, "PV1-2") is None:
        encounter["class"].pop("display", None)
    return c.draft.add(encounter, kept, rank=rank)


def _visit(pv1: Segment, c: Context) -> tuple[tuple[str, str], list[Element]] | None:
    """The visit number (PV1-19), else the account (PID-18): what the stay is known by, and its identifiers."""
    pid = c.message.first(b"PID")
    found: list[tuple[Rep, str]] = [(x, "VN") for x in pv1.reps(19)]
    if pid is not None:
        found += [(x, "AN") for x in pid.reps(18)]
    made, first = [], None
    for x, kind in found:
        one = cx_identifier(x, c)
        if one is None:
            continue
        one.setdefault("type", {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": kind}]})
        made.append(one)
        first = first or (str(one["system"]), str(one["value"]))
    return (first, made) if first else None


class _Movement(NamedTuple):
    """ZBE; some senders put one empty field before the action, and all that follows moves by one."""

    segment: Segment
    shift: int
    cancelled: bool

    @classmethod
    def of(cls, zbe: Segment | None) -> _Movement | None:
        if zbe is None:
            return None
        shift = 1 if zbe.text(4) is None and zbe.text(5) in _ACTIONS else 0
        return cls(zbe, shift, zbe.text(4 + shift) in _CANCELS)

    def text(self, field: int) -> str | None:
        return self.segment.text(field + self.shift)

    def rep(self, field: int) -> Rep | None:
        return self.segment.rep(field + self.shift)


def _status(pv1: Segment, event: str, zbe: _Movement | None) -> str | None:
    if event == _CORRECTS and zbe is not None:
        event = zbe.text(6) or event
    told = EVENT.rows.get(event)
    if told is not None:
        return told.target
    if pv1.text(45):
        return "finished"
    return "in-progress" if pv1.text(44) else None


def _unit(zbe: _Movement | None, field: int, house: Element | None, c: Context) -> Element | None:
    """A unit of ZBE, part of the establishment of PV1-3.4."""
    unit = zbe.rep(field) if zbe is not None else None
    return xon_organization(unit, c, house) if unit is not None else None


def _movement(zbe: _Movement | None, c: Context) -> list[Element]:
    """ZBE-1 (EI) to an Identifier: the last movement known of the stay."""
    x = zbe.segment.rep(1) if zbe is not None and not zbe.cancelled else None
    if x is None:
        return []
    system = authority_system(x(2) or "", x(3) or "", x(4) or "", c.message.msh.text(4) or "")
    made = identifier(keep(system, x(3) or x(2)), x(1), use="secondary")
    if made:
        made["type"] = {"text": "Mouvement"}
    return [made] if made else []


def _participants(pv1: Segment, c: Context) -> list[Element]:
    found = []
    for field, code in _PARTICIPANTS:
        for x in pv1.reps(field):
            who = xcn_practitioner(x, c)
            if who:
                kind = {"coding": [{"system": _PARTICIPATION, "code": code}]}
                found.append({"type": [kind], "individual": who})
    return found


def _period(
    pv1: Segment, pv2: Segment | None, zbe: _Movement | None, event: str, status: str, c: Context
) -> Element | None:
    """PV1-44/45; what they leave out is taken from the movement (ZBE-2/3) or the event (EVN-6)."""
    start, end = when(pv1, 44, c), when(pv1, 45, c)
    moved = when(zbe.segment, 2, c) if zbe is not None and not zbe.cancelled else None
    evn = c.message.first(b"EVN")
    occurred = when(evn, 6, c) if evn is not None else None
    if start is None and event in ("A01", "A04"):
        start = moved or occurred
    if end is None and status == "finished":
        end = (when(zbe.segment, 3, c) if zbe is not None else None) or occurred or moved
    if status == "planned" and pv2 is not None:
        start, end = start or when(pv2, 8, c), end or when(pv2, 9, c)
    made = period(start, end)
    if end and made and "end" not in made:
        c.draft.warn("PV1-45", "the stay ends before it starts; its end is left out", "102")
    return made


def _reasons(pv2: Segment | None) -> list[Element]:
    """PV2-3 admit reason, PV2-12 description of the visit."""
    if pv2 is None:
        return []
    reason = pv2.rep(3)
    said = pv2.text(12)
    return [r for r in (cwe_concept(reason) if reason else None, concept(text=said) if said else None) if r]


def _hospitalization(pv1: Segment, c: Context) -> Element | None:
    """PV1-14 and 36 with ZFM-1 to 4 (PMSI: entry, exit, origin, destination), ZFV-1 the establishment one comes from.

    Their tables are defined by users and by the PMSI, so the codes are kept as they are.
    """
    index = c.message.index
    zfm, zfv = c.message.first(b"ZFM"), c.message.first(b"ZFV") if b"ZFV" in index else None
    source, gone = text_concept(pv1, 14, c), text_concept(pv1, 36, c)
    if zfm is not None:
        source = _joined(source, text_concept(zfm, 1, c), text_concept(zfm, 3, c))
        gone = _joined(gone, text_concept(zfm, 2, c), text_concept(zfm, 4, c))
    if zfv is not None:
        gone = _joined(gone, text_concept(zfv, 9, c))
    origin = zfv.text(1) if zfv is not None else None
    known = structure_identifiers(origin, "FINEG") if origin else []
    made = clean({
        "origin": {"type": "Organization", "identifier": known[-1]} if known else None,
        "admitSource": source,
        "specialCourtesy": [one for one in (text_concept(pv1, 16, c), text_concept(pv1, 22, c)) if one],
        "dischargeDisposition": gone,
    })  # fmt: skip
    return made or None


def _joined(*concepts: Element | None) -> Element | None:
    """One CodeableConcept of the codings of several."""
    codings = [one for made in concepts if made for one in made.get("coding", ())]
    text = next((made["text"] for made in concepts if made and "text" in made), None)
    return concept(*codings, text=text)
