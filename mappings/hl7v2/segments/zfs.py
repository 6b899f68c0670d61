"""ZFS (legal mode of psychiatric care) to Flag, one a mode.

IHE PAM France 2.11, ZFS: 2 identifier, 3 and 4 from and to, 5 action, 6 mode, 8 comment.  R4 has no place for it in
Encounter; it is an administrative flag of the stay.
"""

from __future__ import annotations

from typing import Final

from hub.fhir.draft import Rank
from hub.source.identity import authority_system

from ...shape import Element, clean, identifier, keep, period
from ..context import Context
from ..datatypes import cwe_concept, when

_ADMIN: Final = {
    "coding": [{"system": "http://terminology.hl7.org/CodeSystem/flag-category", "code": "admin"}],
    "text": "Mode légal de soins",
}
_CANCELLED: Final = ("CANCEL", "DELETE")


def zfs_flags(c: Context, patient: Element, encounter: Element | None) -> None:
    """ZFS segments to Flags, added to the draft; one without an identifier is known by its stay and mode."""
    for zfs in c.message.segments(b"ZFS"):
        mode, x = zfs.rep(6), zfs.rep(2)
        made = cwe_concept(mode) if mode is not None else None
        if made is None:
            continue
        system = authority_system((x(2) if x else "") or "", (x(3) if x else "") or "", "", c.message.msh.text(4) or "")
        value = x(1) if x is not None else None
        held = period(when(zfs, 3, c), when(zfs, 4, c))
        action = zfs.text(5)
        status = "entered-in-error" if action in _CANCELLED else "inactive" if held and "end" in held else "active"
        flag = clean({
            "resourceType": "Flag",
            "identifier": [i for i in (identifier(keep(system, x(2) if x else None), value),) if i],
            "status": keep(status, action),
            "category": [_ADMIN],
            "code": made,
            "subject": {"reference": patient["reference"]},
            "period": held,
            "encounter": dict(encounter) if encounter else None,
        })  # fmt: skip
        stay = encounter["reference"] if encounter else patient["reference"]
        c.draft.add(flag, (system, str(value or f"{stay}#{mode() if mode else ''}")), rank=Rank.FEED)
