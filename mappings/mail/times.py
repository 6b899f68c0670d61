"""The Date of a mail to a FHIR dateTime (RFC 5322 §3.3)."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

from ..shape import keep


def mail_time(value: str) -> str | None:
    """None for what is no date."""
    try:
        moment = parsedate_to_datetime(value[:100])
        text = moment.isoformat(timespec="seconds")
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if moment.tzinfo is None:  # RFC 5322: -0000 says that the zone is not known
        text += "+00:00"
    return keep(text, value) if 1900 < moment.year < 9999 else None
