"""Texts, dates and numbers as search compares them: folded text, intervals of time, ranges of numbers.

R4 §3.1.1.4.7 (a date is the interval it may mean), §3.1.1.4.6 (a number has the precision it is written
with), §3.1.1.4.8 (strings without case and accents), §3.1.1.4.11 (references).  Values of a resource and
values of a query go through the same functions, so the two can only agree.
"""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from unicodedata import combining, normalize

WIDTH = 199  # of an indexed value; a longer one is cut alike in the index and in the query
TARGET_WIDTH = 255
FOREVER = 2**62  # the open end of a Period; its open start is the negative
ENDLESS = 1e300  # the open end of a range of numbers

_DAY = 86_400_000_000
_EPOCH = date(1970, 1, 1).toordinal()
_EPOCH_TIME = datetime(1970, 1, 1, tzinfo=UTC)
_FRACTION = re.compile(r"\.(\d+)")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?", re.ASCII)
_PARTIAL = re.compile(r"(\d{4})(?:-(\d\d))?", re.ASCII)
_NUMBER = re.compile(r"[+-]?\d{1,40}(?:\.\d{1,40})?(?:[eE][+-]?\d{1,3})?", re.ASCII)


def fold(text: str) -> str:
    """``text`` as strings are compared: no case, no accents, single spaces, cut at 199 letters."""
    if not text.isascii():
        text = "".join(c for c in normalize("NFKD", text) if not combining(c)).casefold()
    folded = " ".join(text.lower().split())
    return exact(folded)


def exact(text: str) -> str:
    """``text`` as it is compared octet for octet: cut, and without NUL, which PostgreSQL cannot hold."""
    if not isinstance(text, str):
        raise TypeError("no text")
    return text.replace("\0", "")[:WIDTH] if len(text) > WIDTH or "\0" in text else text


# First names, towns and the systems of identifiers come again and again, and each in several parameters.
@lru_cache(maxsize=8192)
def both(text: str) -> tuple[str, str]:
    """(folded, exact)."""
    return fold(text), exact(text)


system_of = lru_cache(maxsize=1024)(exact)


def interval(text: str) -> tuple[int, int]:
    """First and last microsecond that a date, dateTime or instant may mean (R4 §3.1.1.4.7).

    What has no zone is taken as UTC, in a resource and in a query alike: a date of birth then equals
    itself wherever the server stands.

    :raises ValueError: when it is none of these.
    """
    if len(text) == 10:
        low = (date.fromisoformat(text).toordinal() - _EPOCH) * _DAY
        return low, low + _DAY - 1
    if partial := _PARTIAL.fullmatch(text):
        year, month = int(partial[1]), partial[2]
        first, last = (int(month), int(month)) if month else (1, 12)
        low = (date(year, first, 1).toordinal() - _EPOCH) * _DAY
        high = (date(year, last, monthrange(year, last)[1]).toordinal() - _EPOCH + 1) * _DAY
        return low, high - 1
    if not _INSTANT.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is no FHIR date")
    at = datetime.fromisoformat(text)
    since = (at if at.tzinfo else at.replace(tzinfo=UTC)) - _EPOCH_TIME
    low = since.days * _DAY + since.seconds * 1_000_000 + since.microseconds
    if fraction := _FRACTION.search(text):
        width = 10 ** max(0, 6 - len(fraction[1]))
    else:
        width = 1_000_000 if text.count(":", 0, 19) == 2 else 60_000_000
    return low, low + width - 1


def number(text: str) -> tuple[float, float, float]:
    """A number of a query: (value, lower and upper end of what it means to the digits written).

    ``100`` stands for 99.5 up to, not including, 100.5; ``1.00e2`` for the same with two digits more
    (R4 §3.1.1.4.6).

    :raises ValueError: when it is no decimal.
    """
    if not _NUMBER.fullmatch(text):
        raise ValueError("no decimal number")
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueError("no decimal number") from None
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or abs(value.adjusted()) > 250:
        raise ValueError("beyond all measure")
    half = Decimal(5).scaleb(exponent - 1)
    return float(value), float(value - half), float(value + half)


def target(reference: str) -> str:
    """What a literal reference points to, without version; '' for a contained resource."""
    if reference.startswith("#"):
        return ""
    return reference.partition("/_history/")[0][:TARGET_WIDTH].replace("\0", "")
