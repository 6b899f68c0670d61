"""ADT to Patient, Encounter and the organisations and people they name.

HL7 v2.5 chapter 3; IHE PAM France 2.11.  Events of identity (A28, A31, A40...) give the Patient; events of a
stay (A01, A03, A11...) give the Encounter too, its status from the event.
"""

from __future__ import annotations

from hub.fhir.draft import Draft, Mapping, Site
from hub.source.hl7v2 import Message

from ..context import Context
from ..segments.pid import mrg_replaced, pid_patient
from ..segments.pv1 import pv1_encounter

_IDENTITY_ONLY = frozenset(("A24", "A28", "A29", "A30", "A31", "A34", "A37", "A39", "A40", "A43", "A47"))
_MERGES = frozenset(("A30", "A34", "A39", "A40"))


def adt(message: Message, draft: Draft, site: Site) -> None:
    """Map one ADT message.

    :raises MappingError: without a patient to know by an identifier.
    """
    c = Context.of(message, draft, site)
    evn = message.first(b"EVN")
    event = message.msh.text(9, 2) or (evn.text(1) if evn is not None else None) or ""
    patient = pid_patient(c, active=event != "A29")
    if event in _MERGES:
        mrg_replaced(c, patient)
    if event not in _IDENTITY_ONLY:
        pv1_encounter(c, patient, event)


MAPPING = Mapping("hl7v2", adt, "ADT admissions, discharges and identities to Patient and Encounter")
