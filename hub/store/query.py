"""What can be asked of the index tables: a search without HTTP and without SQL (R4 §3.1.1).

A :class:`Query` is AND of criteria, each an OR of tests.  Values are folded, cut and turned to intervals
already, by the functions of :mod:`hub.fhir.search` that made the index rows.  ``params`` are the numbers
under which the values of a parameter are stored.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import ColumnElement

LAST = "\U0010ffff"  # comes after every letter: value + LAST ends the range of what starts with value
PAIRED = 2**40  # numbers of composites are at least this; they depend on a value, so they are bound, too
Params = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Token:
    """``code``, ``system|code``, ``|code`` (system '') or ``system|`` (no codes).

    :ivar begins: the one code is how the stored one begins (``:below`` of a uri).
    :ivar rare: few resources share such a value (identifiers).
    """

    params: Params
    codes: tuple[str, ...]
    system: str | None = None
    begins: bool = False
    rare: bool = False


@dataclass(frozen=True, slots=True)
class Text:
    """``how``: starts (folded), contains (folded) or exact."""

    params: Params
    value: str
    how: str = "starts"


@dataclass(frozen=True, slots=True)
class When:
    """A date of the resource against an interval; no ``params`` is ``_lastUpdated``."""

    params: Params
    prefix: str
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Amount:
    """A number or quantity against a range, ``high`` not included; with its unit when that is given.

    Of eq, ne and ap ``low`` to ``high`` is what the number may mean; of all others both are its value.
    """

    params: Params
    prefix: str
    low: float
    high: float
    code: str | None = None
    system: str | None = None


@dataclass(frozen=True, slots=True)
class Ref:
    """A reference to any of the targets, as they are indexed.

    :ivar tree: '' or the (param, direction) of a hierarchy: also what lies ``below`` or ``above`` the targets.
    """

    params: Params
    targets: tuple[str, ...]
    tree: tuple[Params, str] | None = None
    begins: bool = False


@dataclass(frozen=True, slots=True)
class Chain:
    """A reference to what one of the queries finds."""

    params: Params
    queries: tuple[Query, ...]


@dataclass(frozen=True, slots=True)
class Has:
    """Something that the query finds points here by ``params``."""

    params: Params
    query: Query


@dataclass(frozen=True, slots=True)
class Listed:
    """An entry of the List with this reference; ``params`` are those of List.item."""

    params: Params
    ref: str


@dataclass(frozen=True, slots=True)
class Present:
    """Whether there is any value: a row in one of the tables, each (kind of index, params)."""

    where: tuple[tuple[str, Params], ...]


@dataclass(frozen=True, slots=True)
class Ids:
    """``_id``."""

    refs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Both:
    """Two tests hold (a composite of one element each)."""

    first: Test
    second: Test


Test = Token | Text | When | Amount | Ref | Chain | Has | Listed | Present | Ids | Both


@dataclass(frozen=True, slots=True)
class Criterion:
    """At least one of the tests holds; or, negated, none."""

    tests: tuple[Test, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Sort:
    """By the values of a parameter; ``kind`` names the index table, or is ``_lastUpdated`` or ``_id``."""

    kind: str
    params: Params = ()
    falling: bool = False


@dataclass(frozen=True, slots=True)
class Look:
    """A question that no index answers: the content of each candidate is looked at.

    :ivar at: text (the narrative), content (all texts) or source (meta.source).
    :ivar words: all of them must be there, folded; of a source, the one value.
    """

    at: str
    words: tuple[str, ...]
    how: str = ""


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked of resources of some types; no types are all of them."""

    types: tuple[str, ...]
    criteria: tuple[Criterion, ...] = ()
    sort: tuple[Sort, ...] = ()
    looks: tuple[Look, ...] = ()


@dataclass(frozen=True)
class Restriction:
    """What somebody may see at all.  It is added at every level of a search: hits, included resources, what a
    chain or ``_has`` goes through, and counts.

    :ivar shape: names the form of the condition; two of one shape differ in ``values`` only.
    :ivar allows: the condition on the ``rid`` of a resource; its bound parameters are named in ``values``.
    """

    shape: str
    allows: Callable[[ColumnElement[int]], ColumnElement[bool]] = field(compare=False)
    values: Mapping[str, Any] = field(compare=False, default_factory=dict)


def lift(query: Query, values: dict[str, Any]) -> Query:
    """The query with the name of a bound parameter in place of each value, which goes to ``values``.

    What is left is the shape of the question: statements are composed once a shape, not once a search.
    Numbers of parameters stay, but for those that depend on a value.
    """

    def slot(value: object) -> Any:
        name = f"v{len(values)}"
        values[name] = value
        return name

    def numbers(params: Params) -> Any:
        return tuple(slot(p) if p >= PAIRED else p for p in params)

    def lifted(test: Test) -> Test:
        match test:
            case Token(codes=codes, system=system):
                return replace(
                    test,
                    params=numbers(test.params),
                    codes=_range(codes[0], slot) if test.begins else _few(codes, slot),
                    system=system if system is None else slot(system),
                )
            case Text(value=value, how="contains"):
                escaped = re.sub(r"([%_/])", r"/\1", value)
                return replace(test, value=slot(f"%{escaped}%"))
            case Text(value=value, how="exact"):
                return replace(test, value=slot(value))
            case Text(value=value):
                return replace(test, value=_range(value, slot))  # type: ignore[arg-type] # names, in pairs
            case When(low=low, high=high):
                return replace(test, low=slot(low), high=slot(high))
            case Amount(low=low, high=high, code=code, system=system):
                return replace(
                    test, params=numbers(test.params), low=slot(low), high=slot(high),
                    code=code if code is None else slot(code), system=system if system is None else slot(system),
                )  # fmt: skip
            case Ref(targets=targets):
                return replace(test, params=numbers(test.params), targets=_few(targets, slot))
            case Ids(refs=refs):
                return Ids(_few(refs, slot))
            case Listed(ref=ref):
                return replace(test, ref=slot(ref))
            case Chain(queries=queries):
                return replace(test, queries=tuple(below(q) for q in queries))
            case Has(query=inner):
                return replace(test, query=below(inner))
            case Both(first=first, second=second):
                return Both(lifted(first), lifted(second))
        return test

    def below(inner: Query) -> Query:
        criteria = tuple(replace(c, tests=tuple(map(lifted, c.tests))) for c in inner.criteria)
        return replace(inner, criteria=criteria, looks=())

    return below(query)


def _few(many: tuple[str, ...], slot: Callable[[object], Any]) -> tuple[str, ...]:
    """(name,) of one value; (name, '*') of a list of any length; nothing of nothing."""
    if len(many) > 1:
        return (slot(list(many)), "*")
    return (slot(many[0]),) if many else ()


def _range(start: str, slot: Callable[[object], Any]) -> tuple[str, str]:
    return slot(start), slot(start + LAST)
