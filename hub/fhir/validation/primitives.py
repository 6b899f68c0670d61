"""The primitive types of R4: is this JSON value one of them, and if not, what should it be.

R4 §2.24.0.1 (grammar of each primitive) and §2.6.2 (how they are written in JSON).  Beyond the grammars: a
date must be a day of the calendar, base64 must decode, a text must hold more than white space, and a URI
that says it is a UUID or an OID must be one.  No value is ever quoted in what is said of it.
"""

from __future__ import annotations

import datetime as calendar
import re
from collections.abc import Callable
from decimal import Decimal
from math import isfinite
from typing import Any

Test = Callable[[Any], bool]
Match = Callable[[str], object]
MAX_STRING = 1024 * 1024  # R4 §2.24.0.1: strings SHALL NOT exceed 1 MB

_DATE = r"(?!0000)\d{4}(?:-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12]\d|3[01]))?)?"
_DAY = r"(?!0000)\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"
_TIME = r"(?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d{1,9})?"
_ZONE = r"(?:Z|[+-](?:(?:0\d|1[0-3]):[0-5]\d|14:00))"
_is_date = re.compile(_DATE, re.ASCII).fullmatch
_is_datetime = re.compile(rf"{_DAY}T{_TIME}{_ZONE}|{_DATE}", re.ASCII).fullmatch
_is_instant = re.compile(rf"{_DAY}T{_TIME}{_ZONE}", re.ASCII).fullmatch
_is_time = re.compile(_TIME, re.ASCII).fullmatch
_is_text = re.compile(r"[^\x00-\x08\x0b\x0c\x0e-\x1f]+").fullmatch
_is_code = re.compile(r"[^\s\x00-\x1f]+(?: [^\s\x00-\x1f]+)*").fullmatch
_is_id = re.compile(r"[A-Za-z0-9\-.]{1,64}").fullmatch
_is_uri = re.compile(r"[^\s\x00-\x1f]+").fullmatch
_is_canonical = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*:[^\s\x00-\x1f|]+|#[^\s|]+)(?:\|[^\s|]+)?").fullmatch
_is_oid = re.compile(r"urn:oid:[0-2](?:\.(?:0|[1-9][0-9]*))+").fullmatch
_is_uuid = re.compile(r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").fullmatch
_is_media_type = re.compile(
    r"[A-Za-z0-9][\w!#$&^.+-]{0,126}/[A-Za-z0-9][\w!#$&^.+-]{0,126}(?: ?; ?[^\s;]+)*", re.ASCII
).fullmatch
_is_currency = re.compile(r"[A-Z]{3}").fullmatch
is_absolute = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s]+").match


def _real(day: str) -> bool:
    """Whether a day that fits the grammar is in the calendar; the first 28 always are."""
    if day[8:10] <= "28":
        return True
    try:
        calendar.date(int(day[:4]), int(day[5:7]), int(day[8:10]))
    except ValueError:
        return False
    return True


def boolean(value: Any) -> bool:
    return value is True or value is False


def integer(value: Any) -> bool:
    return type(value) is int and -(2**31) <= value < 2**31


def unsigned(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**31


def positive(value: Any) -> bool:
    return type(value) is int and 0 < value < 2**31


def decimal(value: Any) -> bool:
    return type(value) is int or (type(value) in (float, Decimal) and isfinite(value))


def string(value: Any) -> bool:
    if not isinstance(value, str) or not value or value.isspace() or len(value) > MAX_STRING:
        return False
    return value.isprintable() or _is_text(value) is not None


def code(value: Any) -> bool:
    return isinstance(value, str) and _is_code(value) is not None


def identifier(value: Any) -> bool:
    return isinstance(value, str) and _is_id(value) is not None


def uri(value: Any) -> bool:
    if not isinstance(value, str) or not _is_uri(value):
        return False
    if value.startswith("urn:"):
        if value.startswith("urn:uuid:"):
            return _is_uuid(value.lower()) is not None
        return not value.startswith("urn:oid:") or _is_oid(value) is not None
    return True


def canonical(value: Any) -> bool:
    return isinstance(value, str) and _is_canonical(value) is not None


def oid(value: Any) -> bool:
    return isinstance(value, str) and _is_oid(value) is not None


def uuid(value: Any) -> bool:
    return isinstance(value, str) and _is_uuid(value) is not None


def date(value: Any) -> bool:
    return isinstance(value, str) and _is_date(value) is not None and _real(value)


def datetime(value: Any) -> bool:
    return isinstance(value, str) and _is_datetime(value) is not None and _real(value)


def instant(value: Any) -> bool:
    return isinstance(value, str) and _is_instant(value) is not None and _real(value)


def time(value: Any) -> bool:
    return isinstance(value, str) and _is_time(value) is not None


def base64(value: Any) -> bool:
    # White space may stand between the letters; it seldom does, and then only costs a second try.
    return isinstance(value, str) and value != "" and (_decodes(value) or _decodes("".join(value.split())))


def _decodes(value: str) -> bool:
    import pybase64

    try:
        return bool(pybase64.b64decode(value, validate=True))
    except ValueError:  # binascii.Error is one
        return False


def media_type(value: Any) -> bool:
    return isinstance(value, str) and _is_media_type(value) is not None


def currency(value: Any) -> bool:
    return isinstance(value, str) and _is_currency(value) is not None


# type -> (test, what a value of it looks like)
PRIMITIVES: dict[str, tuple[Test, str]] = {
    "boolean": (boolean, "true or false, without quotes"),
    "integer": (integer, "a whole number of 32 bits, without quotes"),
    "unsignedInt": (unsigned, "a whole number from 0 to 2147483647, without quotes"),
    "positiveInt": (positive, "a whole number from 1 to 2147483647, without quotes"),
    "decimal": (decimal, "a number, without quotes"),
    "string": (string, "a text of at most 1 MB that is not blank and has no control characters"),
    "markdown": (string, "a text of at most 1 MB that is not blank and has no control characters"),
    "code": (code, "a code: no white space at its ends, single spaces inside"),
    "id": (identifier, "1 to 64 letters, digits, hyphens and dots"),
    "uri": (uri, "a URI: no spaces; urn:uuid: and urn:oid: are followed by one"),
    "url": (uri, "a URL: no spaces"),
    "canonical": (canonical, "an absolute URL, with |version when needed, or #id"),
    "oid": (oid, "urn:oid: and an OID"),
    "uuid": (uuid, "urn:uuid: and a UUID in small letters"),
    "date": (date, "a day of the calendar: YYYY, YYYY-MM or YYYY-MM-DD"),
    "dateTime": (datetime, "YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss with a time zone"),
    "instant": (instant, "YYYY-MM-DDThh:mm:ss with a time zone"),
    "time": (time, "hh:mm:ss without a time zone"),
    "base64Binary": (base64, "base64 (RFC 4648 §4)"),
    "System.String": (string, "a text that is not blank"),
}
# What most values of a type look like: a match is enough, without the test above.
PLAIN: dict[str, Match] = {
    "date": re.compile(r"[12]\d{3}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])", re.ASCII).fullmatch,
    "dateTime": re.compile(
        rf"[12]\d{{3}}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])(?:T{_TIME}{_ZONE})?", re.ASCII
    ).fullmatch,
}
# Types whose values are few and come again with every resource: those found sound are remembered.
REPEATED = frozenset({"uri", "url", "canonical", "code", "System.String"})
REMEMBERED = 4096  # values a check remembers before it begins anew
# required value sets that no list holds
GRAMMARS: dict[str, tuple[Test, str]] = {
    "mimetypes": (media_type, "a media type such as application/pdf (RFC 6838)"),
    "currencies": (currency, "three capital letters of ISO 4217, such as EUR"),
}
