"""What can be asked of the index tables: a search without HTTP and without SQL (R4 §3.1.1).

A :class:`Query` is AND of criteria, each an OR of tests.  Values are folded, cut and turned to intervals
already, by the functions of :mod:`hub.fhir.search` that made the index rows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

LAST = "\U0010ffff"  # comes after every letter: value + LAST ends the range of what starts with value
MANY = "many"


@dataclass(frozen=True, slots=True)
class Token:
    """``code``, ``system|code``, ``|code`` (system '') or ``system|`` (code None)."""

    param: int
    code: str | None
    system: str | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """``how``: starts (folded), contains (folded) or exact."""

    param: int
    value: str
    how: str = "starts"


@dataclass(frozen=True, slots=True)
class When:
    """A date of the resource against an interval; ``param`` None is ``_lastUpdated``."""

    param: int | None
    prefix: str
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Ref:
    """A reference to any of the targets, as they are indexed."""

    param: int
    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Chain:
    """A reference to what one of the queries finds."""

    param: int
    queries: tuple[Query, ...]


@dataclass(frozen=True, slots=True)
class Present:
    """Whether there is any value; ``kind`` names the index table."""

    param: int
    kind: str


@dataclass(frozen=True, slots=True)
class Ids:
    """``_id``."""

    refs: tuple[str, ...]


Test = Token | Text | When | Ref | Chain | Present | Ids


@dataclass(frozen=True, slots=True)
class Criterion:
    """At least one of the tests holds; or, negated, none."""

    tests: tuple[Test, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Sort:
    """By ``_lastUpdated`` (``param`` None) or by the earliest date of a parameter."""

    param: int | None
    falling: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked of one type of resource."""

    type: str
    criteria: tuple[Criterion, ...] = ()
    sort: Sort | None = None


def lift(query: Query, values: dict[str, Any]) -> Query:
    """The query with the number of a bound parameter in place of each value, which goes to ``values``.

    What is left is the shape of the question: statements are composed once a shape, not once a search.
    """

    def slot(value: object) -> int:
        values[f"v{len(values)}"] = value
        return len(values) - 1

    def lifted(test: Test) -> Test:
        match test:
            case Token(code=code, system=system):
                return replace(
                    test,
                    code=code if code is None else str(slot(code)),
                    system=system if system is None else str(slot(system)),
                )
            case Text(value=value, how="contains"):
                escaped = re.sub(r"([%_/])", r"/\1", value)
                return replace(test, value=str(slot(f"%{escaped}%")))
            case Text(value=value):
                first = slot(value)
                slot(value + LAST)
                return replace(test, value=str(first))
            case When(low=low, high=high):
                return replace(test, low=slot(low), high=slot(high))
            case Ref(targets=targets):
                many = len(targets) > 1
                return replace(test, targets=(str(slot(targets if many else targets[0])), MANY if many else ""))
            case Ids(refs=refs):
                return Ids((str(slot(refs)),))
            case Chain(queries=queries):
                return replace(test, queries=tuple(below(q) for q in queries))
        return test

    def below(inner: Query) -> Query:
        criteria = tuple(replace(c, tests=tuple(map(lifted, c.tests))) for c in inner.criteria)
        return replace(inner, criteria=criteria)

    return below(query)
