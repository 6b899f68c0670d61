"""The answer a sender would get, in the words of its protocol, without a listener.

HL7 v2 table 0008 (AA taken, AE the message is wrong, AR it cannot be taken) for ER7; the HTTP status
(RFC 9110 §15) for what is posted.
"""

from __future__ import annotations

from typing import Final

from hub.engine.pipeline import Admission
from hub.errors import HL7_ACK, HTTP_STATUS

# Table 0357: conditions that a message meets here, not in itself.
_CIRCUMSTANCES: Final = frozenset({"200", "201", "202", "203", "207"})


def answer(format_: str, admission: Admission) -> str:
    """MSA-1, or the HTTP status."""
    taken, error = admission.status in ("accepted", "filtered"), admission.error
    if format_ != "hl7v2":
        return "201" if taken else str(HTTP_STATUS[error.category] if error else 500)
    if taken:
        return "AA"
    if error is None or error.code in _CIRCUMSTANCES:
        return "AR"
    return "AE" if error.code.isdigit() else HL7_ACK[error.category][0]
