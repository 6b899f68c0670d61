"""Turns the values of a resource into what search compares: folded text, intervals of time, targets.

R4 §3.1.1.4.7 (a date is the interval it may mean), §3.1.1.4.8 (strings without case and accents),
§3.1.1.4.10 (tokens), §3.1.1.4.11 (references).  Values of a resource and values of a query go through
the same functions, so the two can only agree.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any, NamedTuple
from unicodedata import combining, normalize

WIDTH = 199  # of an indexed value; a longer one is cut alike in the index and in the query
TARGET_WIDTH = 255
FOREVER = 2**62  # the open end of a Period; its open start is the negative

_DAY = 86_400_000_000
_EPOCH = date(1970, 1, 1).toordinal()
_EPOCH_TIME = datetime(1970, 1, 1, tzinfo=UTC)
_FRACTION = re.compile(r"\.(\d+)")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?", re.ASCII)
_PARTIAL = re.compile(r"(\d{4})(?:-(\d\d))?", re.ASCII)


class Extracted(NamedTuple):
    """Rows for the index tables, each as (param, values...)."""

    token: list[tuple[int, str, str]]  # code, system
    string: list[tuple[int, str, str]]  # folded, exact
    date: list[tuple[int, int, int]]  # first and last microsecond, UTC
    reference: list[tuple[int, str]]  # "Type/id", absolute URL or urn


def fold(text: str) -> str:
    """``text`` as strings are compared: no case, no accents, single spaces, cut at 199 letters."""
    if not text.isascii():
        text = "".join(c for c in normalize("NFKD", text) if not combining(c)).casefold()
    folded = " ".join(text.lower().split())
    return exact(folded)


def exact(text: str) -> str:
    """``text`` as it is compared octet for octet: cut, and without NUL, which PostgreSQL cannot hold."""
    return text.replace("\0", "")[:WIDTH] if len(text) > WIDTH or "\0" in text else text


# First names, towns and the systems of identifiers come again and again, and each in several parameters.
@lru_cache(maxsize=8192)
def _texts(text: str) -> tuple[str, str]:
    return fold(text), exact(text)


_system = lru_cache(maxsize=1024)(exact)


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


def target(reference: str) -> str:
    """What a literal reference points to, without version; '' for a contained resource."""
    if reference.startswith("#"):
        return ""
    return reference.partition("/_history/")[0][:TARGET_WIDTH].replace("\0", "")


Emit = Callable[[Any, Extracted], None]


def emitter(shape: str, param: int, only: str, logical: int) -> Emit:
    """The function that indexes one value of the given shape.

    :param param: number of the search parameter the rows belong to.
    :param only: the one type of target or system of contact that is meant, or ''.
    :param logical: for references, number of the parameter's ``:identifier`` rows.
    """
    if shape == "reference":
        return _reference(param, only, logical)
    return _contact(param, only) if shape == "contact" else _EMITTERS[shape](param)


def _code(param: int) -> Emit:
    def emit(value: str, out: Extracted) -> None:
        out.token.append((param, exact(value), ""))

    return emit


def _boolean(param: int) -> Emit:
    def emit(value: bool, out: Extracted) -> None:
        out.token.append((param, "true" if value else "false", ""))

    return emit


def _exists(param: int) -> Emit:
    def emit(_value: object, out: Extracted) -> None:
        out.token.append((param, "true", ""))

    return emit


def _pair(param: int, key: str) -> Emit:
    def emit(value: dict[str, Any], out: Extracted) -> None:
        code = value.get(key)
        if code is not None:
            out.token.append((param, exact(code), _system(value.get("system", ""))))

    return emit


def _identifier(param: int) -> Emit:
    return _pair(param, "value")


def _coding(param: int) -> Emit:
    return _pair(param, "code")


def _concept(param: int) -> Emit:
    one = _pair(param, "code")

    def emit(value: dict[str, Any], out: Extracted) -> None:
        for coding in value.get("coding", ()):
            one(coding, out)

    return emit


def _contact(param: int, only: str) -> Emit:
    def emit(value: dict[str, Any], out: Extracted) -> None:
        code = value.get("value")
        if code is not None and (not only or value.get("system") == only):
            out.token.append((param, exact(code), ""))

    return emit


def _string(param: int) -> Emit:
    def emit(value: str, out: Extracted) -> None:
        out.string.append((param, *_texts(value)))

    return emit


def _parts(*keys: str) -> Callable[[int], Emit]:
    """HumanName and Address: any of their texts may match (R4 §3.1.1.4.8)."""

    def make(param: int) -> Emit:
        def emit(value: dict[str, Any], out: Extracted) -> None:
            rows = out.string
            for key in keys:
                part = value.get(key)
                if part is None:
                    continue
                for text in part if part.__class__ is list else (part,):
                    if text is not None:
                        rows.append((param, *_texts(text)))

        return emit

    return make


def _date(param: int) -> Emit:
    def emit(value: str, out: Extracted) -> None:
        try:
            out.date.append((param, *interval(value)))
        except ValueError:
            return  # what is no date is found by no date; validation is where it is judged

    return emit


def _period(param: int) -> Emit:
    def emit(value: dict[str, Any], out: Extracted) -> None:
        start, end = value.get("start"), value.get("end")
        if start is None and end is None:
            return
        try:
            low = interval(start)[0] if start else -FOREVER
            high = interval(end)[1] if end else FOREVER
        except ValueError:
            return
        if low <= high:  # one that ends before it starts (against per-1) is no time at all
            out.date.append((param, low, high))

    return emit


def _reference(param: int, only: str, logical: int) -> Emit:
    head, middle = f"{only}/", f"/{only}/"

    def emit(value: dict[str, Any], out: Extracted) -> None:
        literal = value.get("reference")
        if (
            literal
            and (to := target(literal))
            and (not only or to.startswith(head) or middle in to or value.get("type") == only)
        ):
            out.reference.append((param, to))
        named = value.get("identifier")
        if named is not None and "value" in named and (not only or literal or value.get("type", only) == only):
            out.token.append((logical, exact(named["value"]), exact(named.get("system", ""))))

    return emit


def _uri_target(param: int) -> Emit:
    def emit(value: str, out: Extracted) -> None:
        out.reference.append((param, target(value)))

    return emit


_EMITTERS: dict[str, Callable[[int], Emit]] = {
    "code": _code,
    "boolean": _boolean,
    "exists": _exists,
    "identifier": _identifier,
    "coding": _coding,
    "concept": _concept,
    "string": _string,
    "name": _parts("family", "given", "prefix", "suffix", "text"),
    "address": _parts("line", "city", "district", "state", "postalCode", "country", "text"),
    "date": _date,
    "period": _period,
    "uri": _uri_target,
}
