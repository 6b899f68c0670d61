"""Reads the parameters of a search into a :class:`hub.store.query.Query`.

R4 §3.1.1.3 (parameters, escapes), §3.1.1.4 (kinds, prefixes, modifiers), §3.1.1.4.17 (chains),
§3.1.1.5 (``_sort``, ``_count``, ``_total``, ``_summary``), §3.1.1.7 (``Prefer: handling``).  A parameter
that the hub does not know is refused: ignoring it would answer with more than was asked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from hub import clock
from hub.errors import InvalidError
from hub.fhir.search import Param, exact, fold, interval, params, target, types
from hub.store.query import Chain, Criterion, Ids, Present, Query, Ref, Sort, Test, Text, Token, When

DEFAULT_COUNT = 20
MAX_COUNT = 500
_MAX_CRITERIA = 64
_MAX_VALUES = 1000
_MAX_CHAIN = 3

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}", re.ASCII)
_DATED = re.compile(r"(eq|ne|gt|ge|lt|le|sa|eb|ap)?(\d.*)", re.ASCII | re.DOTALL)
_ANSWER_ONLY = {"_format", "_pretty"}  # shape of the answer, read elsewhere
_MODIFIERS = {
    "token": {"", "not"},
    "string": {"", "exact", "contains"},
    "date": {""},
    "reference": {"", "identifier"},  # and the types of its targets
    "uri": {""},
}
_INDEX = {"uri": "token"}  # kinds that share an index table

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Asked:
    """A search as understood.

    :ivar total: whether the number of hits is wanted; ``only_total``: nothing else is.
    :ivar used: the parameters that were applied, for the self link.
    :ivar ignored: names of those that were not (only when the client is lenient).
    :ivar at: the present, for what is near to it.
    """

    query: Query
    count: int
    total: bool
    only_total: bool
    used: tuple[Pair, ...]
    ignored: tuple[str, ...]
    at: int


class _UnknownError(InvalidError):
    """A parameter or modifier that the hub does not have."""


def read(kind: str, pairs: Iterable[Pair], *, base: str, lenient: bool = False, now: int | None = None) -> Asked:
    """Read the parameters of a search for resources of type ``kind``.

    :param base: URL of this server; references that begin with it are local.
    :raises InvalidError: naming the parameter; never its value, which may identify a person.
    """
    at = clock.now() if now is None else now
    reader = _Reader(base, at)
    criteria: list[Criterion] = []
    used: list[Pair] = []
    ignored: list[str] = []
    controls: dict[str, str] = {}
    for name, value in pairs:
        if name in _ANSWER_ONLY:
            continue
        try:
            if "\0" in value or "\0" in name:
                raise _bad(name, "has a NUL character")
            if name in ("_count", "_sort", "_total", "_summary"):
                _control(kind, name, value)
                controls[name] = value
            else:
                criteria.append(reader.criterion(kind, name, value, name, _MAX_CHAIN))
        except _UnknownError:
            if not lenient:
                raise
            ignored.append(name[:64])
            continue
        used.append((name, value))
    if len(criteria) > _MAX_CRITERIA or reader.values > _MAX_VALUES:
        raise InvalidError("the search has too many values", cure="ask in several searches", code="too-costly")
    count = min(int(controls.get("_count", DEFAULT_COUNT)), MAX_COUNT)
    return Asked(
        query=Query(kind, tuple(criteria), _sorting(kind, controls.get("_sort"))),
        count=count,
        total=controls.get("_total") != "none",
        only_total=count == 0 or controls.get("_summary") == "count",
        used=tuple(used),
        ignored=tuple(ignored),
        at=at,
    )


def _bad(name: str, what: str, cure: str = "") -> InvalidError:
    return InvalidError(what, where=f"http.{name[:64]}", cure=cure, code="value")


def _unknown(name: str, what: str, cure: str) -> _UnknownError:
    return _UnknownError(what, where=f"http.{name[:64]}", cure=cure, code="not-supported")


def _control(kind: str, name: str, value: str) -> None:
    """See that a control of the result is one the hub has."""
    if name == "_count":
        if not (value.isascii() and value.isdigit() and len(value) < 10):
            raise _bad(name, "is no number of resources")
    elif name == "_total" and value not in ("none", "estimate", "accurate"):
        raise _bad(name, "is none, estimate or accurate")
    elif name == "_summary" and value not in ("count", "false"):
        raise _unknown(name, "summaries are not made here", "take _summary=count, or leave it out")
    elif name == "_sort":
        _sorting(kind, value)


def _sorting(kind: str, value: str | None) -> Sort | None:
    if value is None:
        return None
    name = value.removeprefix("-")
    if name == "_lastUpdated":
        return Sort(None, value != name)
    param = params(kind).get(name)
    if param is None or param.kind != "date":
        dated = [p.name for p in params(kind).values() if p.kind == "date"]
        raise _unknown("_sort", "the hub does not sort by that", f"known: {', '.join(['_lastUpdated', *dated])}")
    return Sort(param.id, value != name)


class _Reader:
    """Reads the criteria of one search."""

    def __init__(self, base: str, now: int) -> None:
        self._base = base.rstrip("/") + "/"
        self._now = now
        self.values = 0

    def criterion(self, kind: str, name: str, value: str, full: str, depth: int) -> Criterion:
        """One parameter of resources of type ``kind``; ``full`` is its name as the client wrote it."""
        head, dot, rest = name.partition(".")
        code, _, modifier = head.partition(":")
        if code == "_id" and not dot:
            return self._ids(kind, modifier, value, full)
        if code == "_lastUpdated" and not dot:
            if modifier:
                raise _unknown(full, "_lastUpdated takes no modifier", "leave it out")
            return self._any(value, full, lambda v: self._when(None, v, full))
        param = params(kind).get(code)
        if param is None:
            raise _unknown(
                full, f"{kind} has no such search parameter here", "see searchParam in the CapabilityStatement"
            )
        if dot:
            return Criterion((self._chain(param, modifier, rest, value, full, depth),))
        if modifier == "missing":
            if value not in ("true", "false"):
                raise _bad(full, "is true or false")
            present = Present(param.id, _INDEX.get(param.kind, param.kind))
            return Criterion((present,), negated=value == "true")
        if modifier not in _MODIFIERS[param.kind] and not (param.kind == "reference" and modifier in types()):
            raise _unknown(full, "the hub does not have this modifier", "see the CapabilityStatement")
        make = getattr(self, f"_{param.kind}")
        return self._any(value, full, lambda v: make(param, modifier, v, full), negated=modifier == "not")

    def _any(self, value: str, full: str, make: Callable[[str], Test], *, negated: bool = False) -> Criterion:
        parts = split(value, ",")
        if not all(parts):
            raise _bad(full, "has an empty value", "write a value, or leave the parameter out")
        self.values += len(parts)
        return Criterion(tuple(map(make, parts)), negated)

    def _ids(self, kind: str, modifier: str, value: str, full: str) -> Criterion:
        if modifier:
            raise _unknown(full, "_id takes no modifier", "leave it out")
        ids = [unescape(v) for v in split(value, ",")]
        self.values += len(ids)
        if not all(_ID.fullmatch(i) for i in ids):
            raise _bad(full, "is no logical id")
        return Criterion((Ids(tuple(f"{kind}/{i}" for i in ids)),))

    def _token(self, param: Param, _modifier: str, value: str, full: str) -> Test:
        return _token(param, param.id, value, full)

    def _uri(self, param: Param, _modifier: str, value: str, _full: str) -> Test:
        return Token(param.id, exact(unescape(value)), "")

    def _string(self, param: Param, modifier: str, value: str, full: str) -> Test:
        text = unescape(value)
        if modifier == "exact":
            return Text(param.id, exact(text), "exact")
        folded = fold(text)
        if not folded:
            raise _bad(full, "has an empty value", "write a value, or leave the parameter out")
        return Text(param.id, folded, modifier or "starts")

    def _date(self, param: Param, _modifier: str, value: str, full: str) -> Test:
        return self._when(param.id, value, full)

    def _when(self, param: int | None, value: str, full: str) -> When:
        match = _DATED.fullmatch(unescape(value))
        try:
            # An unescaped + of a zone arrives as a space.
            low, high = interval(match[2].replace(" ", "+")) if match else (0, -1)
        except ValueError:
            match = None
        if match is None:
            raise _bad(full, "is no date", "write YYYY-MM-DD or a date-time with its zone, after a prefix or none")
        prefix = match[1] or "eq"
        if prefix == "ap":  # 10 % of the gap to now (R4 §3.1.1.4.5)
            gap = abs(self._now - (low + high) // 2) // 10
            low, high = low - gap, high + gap
        return When(param, prefix, low, high)

    def _reference(self, param: Param, modifier: str, value: str, full: str) -> Test:
        if modifier == "identifier":
            return _token(param, param.logical, value, full)
        text = target(unescape(value))
        if text.startswith(self._base):
            text = text.removeprefix(self._base)
        if _ID.fullmatch(text):
            kinds: Sequence[str] = (modifier,) if modifier else param.targets or types()
            return Ref(param.id, tuple(f"{k}/{text}" for k in kinds))
        if modifier and not text.startswith(f"{modifier}/"):
            raise _bad(full, f"is no id of a {modifier}")
        return Ref(param.id, (text,))

    def _chain(self, param: Param, modifier: str, rest: str, value: str, full: str, depth: int) -> Chain:
        if param.kind != "reference":
            raise _unknown(full, "only a reference can be followed", "see the CapabilityStatement")
        if depth == 0:
            raise _unknown(full, "the chain is too long", f"follow {_MAX_CHAIN} references at most")
        kinds: Sequence[str] = (modifier,) if modifier else param.targets or types()
        wanted = rest.partition(".")[0].partition(":")[0]
        queries = [
            Query(k, (self.criterion(k, rest, value, full, depth - 1),))
            for k in kinds
            if k in types() and (wanted in params(k) or wanted in ("_id", "_lastUpdated"))
        ]
        if not queries:
            raise _unknown(full, "nothing it points to has such a search parameter", "see the CapabilityStatement")
        return Chain(param.id, tuple(queries))


def _token(param: Param, number: int, value: str, full: str) -> Token:
    parts = [unescape(p) for p in split(value, "|")]
    if len(parts) > 2 or not any(parts):
        raise _bad(full, "is no token", "write code, system|code, |code or system|")
    if len(parts) == 1:
        return Token(number, exact(parts[0]))
    system, code = parts
    if param.systemless and number == param.id:
        # The system of a code, boolean or contact is implied by the element (R4 §3.1.1.4.10).
        return Token(number, exact(code) if code else None)
    return Token(number, exact(code) if code else None, exact(system))


def split(text: str, mark: str) -> list[str]:
    """Split at every ``mark`` that no backslash escapes; escapes stay."""
    if "\\" not in text:
        return text.split(mark)
    parts, start, at = [], 0, 0
    while at < len(text):
        if text[at] == "\\":
            at += 2
            continue
        if text[at] == mark:
            parts.append(text[start:at])
            start = at + 1
        at += 1
    return [*parts, text[start:]]


def unescape(text: str) -> str:
    r"""Undo ``\,``, ``\|``, ``\$`` and ``\\`` (R4 §3.1.1.4.4)."""
    return re.sub(r"\\([,|$\\])", r"\1", text) if "\\" in text else text
