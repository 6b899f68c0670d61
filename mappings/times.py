"""Times of HL7 v2 and CDA (TS) to FHIR dates, as exact as they were written.

HL7 v2.5 §2.A.77 and ISO 21090 TS: ``YYYY[MM[DD[HH[MM[SS[.S]]]]]][+/-ZZZZ]``; R4 §2.24.0.1.  A time without
a zone is local time of the site, France by default; a month or a day that does not exist (INSi gives
such for people born abroad) is left out, never moved.
"""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from .shape import keep

FRANCE = "Europe/Paris"
_TS = re.compile(r"(\d{4})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:[.,]\d{1,6})?)?)?)?)?)?([+-]\d{4}|Z)?")


def ts_date(value: str | None) -> str | None:
    """The day of a TS as a FHIR date, partial where it is partial."""
    return None if value is None or (made := _date(value)) is None else keep(made, value)


def ts_datetime(value: str | None, zone: str = FRANCE) -> str | None:
    """A TS as a FHIR dateTime; without minutes only the day is left (R4 knows no hour alone)."""
    return None if value is None or (made := _datetime(value, zone)) is None else keep(made, value)


def ts_instant(value: str | None, zone: str = FRANCE) -> str | None:
    """A TS as a FHIR instant: None unless it is exact to the minute."""
    made = ts_datetime(value, zone)
    return made if made and "T" in made else None


def ts_micros(value: str | None, zone: str = FRANCE) -> int:
    """A TS as microseconds since the epoch; a day alone is its first moment.  0 when it is no time."""
    made = ts_datetime(value, zone)
    if not made or len(made) < 10:
        return 0
    moment = datetime.fromisoformat(made)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=ZoneInfo(zone))
    return int(moment.timestamp()) * 1_000_000


@lru_cache(maxsize=4096)
def _date(value: str) -> str | None:
    found = _TS.fullmatch(value)
    return _day(*found.group(1, 2, 3)) if found else None


def _day(year: str, month: str | None, day: str | None) -> str | None:
    if year == "0000":
        return None
    if month is None or not 1 <= int(month) <= 12:
        return year
    if day is None or not 1 <= int(day) <= monthrange(int(year), int(month))[1]:
        return f"{year}-{month}"
    return f"{year}-{month}-{day}"


@lru_cache(maxsize=4096)
def _datetime(value: str, zone: str) -> str | None:
    found = _TS.fullmatch(value)
    if not found:
        return None
    year, month, day, hour, minute, second, offset = found.groups()
    date = _day(year, month, day)
    if date is None or len(date) < 10 or minute is None:
        return date
    if int(hour) > 23 or int(minute) > 59 or int(second or 0) > 59:
        return date
    time = f"{date}T{hour}:{minute}:{second or '00'}"
    if offset == "Z":
        return f"{time}Z"
    if offset:
        return f"{time}{offset[:3]}:{offset[3:]}" if int(offset[1:3]) <= 14 and int(offset[3:]) <= 59 else date
    return datetime.fromisoformat(time).replace(tzinfo=ZoneInfo(zone)).isoformat()
