"""ZFA (and ZFD-3) to Consent: what the patient said of the national record (DMP), one Consent a statement.

IHE PAM France 2.11, ZFA; R4 Consent.  A statement is that of one establishment: it is known by the patient, the
establishment and its kind, so a later message of the same establishment replaces it.  What was not collected
(``NA``) is a draft, which permits and denies nothing.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from hub.fhir.draft import Rank
from hub.source.hl7v2 import Segment

from ...codes import table
from ...shape import Element, clean, keep, period
from ..context import Context
from ..datatypes import when

STATEMENT = table("hl7v2-dmp-consent")
_SCOPE: Final = {
    "coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]
}
_CATEGORY: Final = {"coding": [{"system": "http://loinc.org", "code": "59284-0", "display": "Consent Document"}]}
KINDS: Final = "urn:oncohub:dmp-consent"
_ACTION: Final = "http://terminology.hl7.org/CodeSystem/consentaction"


class _Kind(NamedTuple):
    """Fields of one statement: its code, when it was collected, what it is about (consentaction)."""

    segment: bytes
    name: str
    field: int
    date: int
    action: str
    end: int = 0


_KINDS: Final = (
    _Kind(b"ZFA", "record", 1, 2, "access", 3),
    _Kind(b"ZFA", "access", 4, 5, "access"),
    _Kind(b"ZFA", "glass", 6, 8, "access"),
    _Kind(b"ZFA", "dispatch", 7, 8, "access"),
    _Kind(b"ZFA", "feed", 9, 10, "disclose"),
    _Kind(b"ZFA", "consult", 11, 12, "access"),
    _Kind(b"ZFD", "sms", 3, 0, "use"),
)


def zfa_consents(c: Context, patient: Element) -> None:
    """ZFA and ZFD to the Consents they state, added to the draft."""
    index = c.message.index
    if b"ZFA" not in index and b"ZFD" not in index:
        return
    for kind in _KINDS:
        segment = c.message.first(kind.segment)
        code = segment.text(kind.field) if segment is not None else None
        if segment is None or code is None:
            continue
        row = STATEMENT.rows.get(f"{kind.name}:{code}")
        if row is None:
            c.draft.warn(f"{segment.place}-{kind.field}", "code not in table hl7v2-dmp-consent", "unknown-code")
        else:
            _add(kind, row.target, keep(row.display, code), segment, patient, c)


def _add(kind: _Kind, target: str, said: str, segment: Segment, patient: Element, c: Context) -> None:
    status, _, permits = target.partition(" ")
    house = c.sender() or {"display": "établissement non précisé"}
    consent = clean({
        "resourceType": "Consent",
        "status": keep(status, said),
        "scope": _SCOPE,
        "category": [_CATEGORY, {"text": said}],
        "patient": {"reference": patient["reference"]},
        "dateTime": when(segment, kind.date, c) if kind.date else None,
        "organization": [house],
        "policyRule": {"coding": [{"system": KINDS, "code": kind.name}]},
        "provision": clean({
            "type": permits or None,
            "period": period(None, when(segment, kind.end, c)) if kind.end else None,
            "action": [{"coding": [{"system": _ACTION, "code": kind.action}]}],
        }),
    })  # fmt: skip
    value = f"{patient['reference']}|{house.get('reference', '')}"
    c.draft.add(consent, (f"{KINDS}:{kind.name}", value), rank=Rank.FEED)
