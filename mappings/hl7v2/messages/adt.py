"""ADT to Patient, Encounter, Consent, Flag and the organisations and people they name.

HL7 v2.5 chapter 3; IHE PAM France 2.11.  Events of identity (A28, A31, A40...) give the Patient; events of a
stay (A01, A03, A11...) give the Encounter too, its status from the event (``tables/encounter-event.csv``); ZFA
gives the Consents about the national record.
"""

from __future__ import annotations

from hub.fhir.draft import Draft, Mapping, Site
from hub.source.hl7v2 import Message, Segment

from ..context import Context
from ..segments.merges import mrg_replaced, pid_pair
from ..segments.pid import pid_patient
from ..segments.pv1 import pv1_encounter
from ..segments.zfa import zfa_consents
from ..segments.zfs import zfs_flags

_IDENTITY_ONLY = frozenset(("A24", "A28", "A29", "A30", "A31", "A34", "A37", "A39", "A40", "A43", "A47"))
_MERGES = frozenset(("A30", "A34", "A39", "A40", "A47"))
_PAIRS = {"A24": True, "A37": False}  # two PID: tied, or told apart


def adt(message: Message, draft: Draft, site: Site) -> None:
    """Map one ADT message.

    :raises MappingError: without a patient to know by an identifier.
    """
    c = Context.of(message, draft, site)
    evn = message.first(b"EVN")
    event = message.msh.text(9, 2) or (evn.text(1) if evn is not None else None) or ""
    if event in _MERGES:
        for pid, mrgs in _groups(message):
            mrg_replaced(c, pid_patient(c, pid=pid, active=True), mrgs)
        return
    patient = pid_patient(c, active=event != "A29")
    if event in _PAIRS:
        pid_pair(c, patient, tied=_PAIRS[event])
    zfa_consents(c, patient)
    if event not in _IDENTITY_ONLY:
        encounter = pv1_encounter(c, patient, event)
        if b"ZFS" in message.index:
            zfs_flags(c, patient, encounter)


def _groups(message: Message) -> list[tuple[Segment | None, list[Segment]]]:
    """Each PID of a merge with the MRG that follow it (ADT_A39, ADT_A30)."""
    groups: list[tuple[Segment | None, list[Segment]]] = []
    for segment in message.ordered():
        if segment.name == b"PID":
            groups.append((segment, []))
        elif segment.name == b"MRG" and groups:
            groups[-1][1].append(segment)
    return groups or [(None, [])]


MAPPING = Mapping("hl7v2", adt, "ADT admissions, discharges, identities and consents to Patient, Encounter, Consent")
