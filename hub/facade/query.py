"""Reads a whole search: its criteria, and what the client wants of the answer.

R4 §3.1.1.5 (``_sort``, ``_count``, ``_include``, ``_total``, ``_summary``, ``_elements``), §3.1.1.7
(``Prefer: handling``), §3.1.0.11.1 (compartments).  Criteria are read in :mod:`hub.store.criteria`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from hub import clock
from hub.errors import InvalidError
from hub.fhir.search import Param, params, types
from hub.fhir.search.compartments import compartments, membership
from hub.store.criteria import Reader, UnknownError, bad, common, split, unescape, unknown
from hub.store.includes import Include
from hub.store.query import Criterion, Ids, Query, Ref, Sort, Test

DEFAULT_COUNT = 20
MAX_COUNT = 500
MAX_SORTS = 4
MAX_INCLUDES = 32

# Of the answer, read elsewhere; and how to count, which fhirpy says (``count()``), where the hub has one way.
_SHAPES = {"_format", "_pretty", "_totalMethod"}
_ONCE = {"_count", "_sort", "_total", "_summary", "_elements", "_contained", "__explain", "_type"}
_INDEX = {"uri": "token", "number": "quantity"}  # kinds that share an index table
_SORTED = {"date", "string", "token", "uri", "reference", "quantity", "number"}

Pair = tuple[str, str]

__all__ = ["DEFAULT_COUNT", "MAX_COUNT", "Asked", "Pair", "Within", "read", "split", "unescape"]


@dataclass(frozen=True, slots=True)
class Within:
    """A compartment: that of the resource ``type``/``id``."""

    type: str
    id: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A search as understood.

    :ivar total: ``none``, ``estimate``, ``accurate``, or '' when the client does not care.
    :ivar only_total: nothing but the number of hits is wanted.
    :ivar used: the parameters that were applied, for the self link.
    :ivar ignored: names of those that were not (only when the client is lenient).
    :ivar at: the present, for what is near to it.
    :ivar summary: ``true``, ``text`` or ``data``, or ''; ``elements``: names of those wanted, or nothing.
    :ivar explain: the plan is wanted as well.
    """

    query: Query
    count: int
    total: str
    only_total: bool
    used: tuple[Pair, ...]
    ignored: tuple[str, ...]
    at: int
    includes: tuple[Include, ...] = ()
    summary: str = ""
    elements: tuple[str, ...] = ()
    explain: bool = False


def read(kind: str, pairs: Iterable[Pair], *, base: str, lenient: bool = False, now: int | None = None,
         within: Within | None = None) -> Asked:  # fmt: skip
    """Read the parameters of a search for resources of type ``kind``; '' is all types, or those of ``_type``.

    :param base: URL of this server; references that begin with it are local.
    :raises InvalidError: naming the parameter; never its value, which may identify a person.
    """
    at = clock.now() if now is None else now
    given = [(n, v) for n, v in pairs if n not in _SHAPES]
    kinds = _kinds(kind, given, within)
    reader = _Asking(Reader(base, at), Query(kinds), kinds)
    used: list[Pair] = []
    ignored: list[str] = []
    if within is not None:
        reader.within(within)
    for name, value in given:
        try:
            reader.take(name, value)
        except UnknownError:
            if not lenient:
                raise
            ignored.append(name[:64])
        else:
            used.append((name, value))
    return reader.asked(tuple(used), tuple(ignored), at)


def _kinds(kind: str, pairs: Sequence[Pair], within: Within | None) -> tuple[str, ...]:
    named = [v for n, v in pairs if n == "_type"]
    if not named and not kind and within is not None:
        return tuple(compartments()[within.type])
    if not named or kind:
        return (kind,) if kind else ()
    kinds = tuple(dict.fromkeys(t for v in named for t in v.split(",")))
    if not set(kinds) <= set(types()):
        raise bad("_type", "names no resource type of R4")
    return kinds


class _Asking:
    """Collects what one search asks for."""

    def __init__(self, reader: Reader, query: Query, kinds: tuple[str, ...]) -> None:
        self._reader, self._query, self._kinds = reader, query, kinds
        self._controls: dict[str, str] = {}
        self._sort: tuple[Sort, ...] = ()
        self._includes: list[Include] = []

    def within(self, place: Within) -> None:
        """Only what belongs to a compartment."""
        here = f"{place.type}/{place.id}"
        tests: list[Test] = []
        for kind in self._kinds:
            found = membership(place.type, kind)
            if found is not None:
                numbers, itself = found
                tests += [Ref(numbers, (here,))] if numbers else []
                tests += [Ids((here,))] if itself else []
        refs = [t for t in tests if isinstance(t, Ref)]
        joined: list[Test] = [Ref(tuple(n for t in refs for n in t.params), (here,))] if refs else []
        joined += [t for t in tests if isinstance(t, Ids)]
        if not joined:
            raise unknown(
                "_type", f"nothing of that type is ever part of a {place.type} compartment", "ask for another"
            )
        self._query = replace(self._query, criteria=(*self._query.criteria, Criterion(tuple(joined))))

    def take(self, name: str, value: str) -> None:
        """One parameter more."""
        if "\0" in value or "\0" in name:
            raise bad(name, "has a NUL character")
        if name in _ONCE:
            self._control(name, value)
            self._controls[name] = value
        elif name.partition(":")[0] in ("_include", "_revinclude"):
            if len(self._includes) == MAX_INCLUDES:
                raise InvalidError("too many includes", where=f"http.{name[:64]}", code="too-costly")
            self._includes.append(self._include(name, value))
        else:
            self._query = self._reader.add(self._query, name, value)

    def _control(self, name: str, value: str) -> None:
        """See that a control of the result is one the hub has."""
        if name == "_type" and len(self._kinds) == 1 and value != self._kinds[0]:
            raise unknown(name, "the type is in the URL", "leave it out")
        if name == "_count" and not (value.isascii() and value.isdigit() and len(value) < 10):
            raise bad(name, "is no number of resources")
        if name == "_total" and value not in ("none", "estimate", "accurate"):
            raise bad(name, "is none, estimate or accurate")
        if name == "_summary" and value not in ("count", "false", "true", "text", "data"):
            raise bad(name, "is true, text, data, count or false")
        if name == "_contained" and value != "false":
            raise unknown(name, "contained resources are not searched", "leave it out")
        if name == "__explain" and value not in ("0", "1"):
            raise bad(name, "is 1 or 0")
        if name == "_elements" and not value.strip(", "):
            raise bad(name, "names no elements")
        if name == "_sort":
            self._sort = self._sorting(value)

    def _sorting(self, value: str) -> tuple[Sort, ...]:
        names = value.split(",")
        if len(names) > MAX_SORTS:
            raise InvalidError("too many sort keys", where="http._sort", cure=f"take {MAX_SORTS} at most")
        known = common(self._kinds or types())
        return tuple(_sort(known, n.strip()) for n in names)

    def _include(self, name: str, value: str) -> Include:
        """``Type:param[:Target]``; ``*`` for all types or parameters (R4 §3.1.1.5.6)."""
        head, _, modifier = name.partition(":")
        if modifier not in ("", "iterate", "recurse"):
            raise unknown(name, "the hub does not have this modifier", "take :iterate")
        reverse, iterate = head == "_revinclude", bool(modifier)
        kind, _, rest = value.partition(":")
        wanted, _, target = rest.partition(":")
        if value == "*":
            kind, wanted = "", "*"
        elif kind not in types() or (target and target not in types()):
            raise bad(name, "names no resource type of R4", "write Type:parameter or Type:parameter:Target")
        if wanted == "*":
            kinds = (kind,) if kind else (types() if reverse or iterate else self._kinds or types())
            numbers = tuple(n for k in kinds for n in _followed(k, self._kinds if reverse else ()))
            return Include(kind, numbers, target, iterate, reverse)
        param = params(kind).get(wanted)
        if param is None or param.kind != "reference":
            raise unknown(
                name, f"{kind} has no such reference parameter", "see searchInclude in the CapabilityStatement"
            )
        return Include(kind, param.ids, target, iterate, reverse)

    def asked(self, used: tuple[Pair, ...], ignored: tuple[str, ...], at: int) -> Asked:
        """What was collected."""
        says = self._controls
        count = min(int(says.get("_count", DEFAULT_COUNT)), MAX_COUNT)
        summary = says.get("_summary", "false")
        if "_elements" in says and summary in ("true", "text", "data"):
            raise bad("_elements", "goes not together with _summary", "take one of them")
        return Asked(
            query=replace(self._query, sort=self._sort),
            count=count,
            total=says.get("_total", ""),
            only_total=count == 0 or summary == "count",
            used=used,
            ignored=ignored,
            at=at,
            includes=tuple(self._includes),
            summary=summary if summary in ("true", "text", "data") else "",
            elements=tuple(e.strip() for e in says.get("_elements", "").split(",") if e.strip()),
            explain=says.get("__explain") == "1",
        )


def _followed(kind: str, targets: Sequence[str]) -> Iterable[int]:
    """Numbers of the reference parameters of a type that may point to one of the targets."""
    for param in params(kind).values():
        if param.kind == "reference" and (not targets or not param.targets or set(targets) & set(param.targets)):
            yield from param.ids


def _sort(known: dict[str, tuple[Param, ...]], text: str) -> Sort:
    name = text.removeprefix("-")
    falling = name != text
    if name in ("_lastUpdated", "_id"):
        return Sort(name, (), falling)
    found = known.get(name)
    if found is None or found[0].kind not in _SORTED or not found[0].groups:
        raise unknown("_sort", "the hub does not sort by that", "name a search parameter, with - for falling order")
    kind = found[0].kind
    return Sort(_INDEX.get(kind, kind), tuple(n for p in found for n in p.ids), falling)
