"""Search over the index tables, with SQLAlchemy Core.

R4 §3.1.1.  The most selective criterion leads; the others are asked row by row through the ``(rid)`` index,
so that a wide one (a date) costs nothing beside a narrow one (a patient).

Order: newest first by creation (``rid`` falls), or by ``Query.sort``.  Pages go by key, never by offset:
a page costs the same however deep, and resources that arrive meanwhile move nothing.

Contract: the index tables hold rows of current, undeleted versions only, and the number of a parameter
belongs to one type, so a positive test implies the type.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    FromClause,
    Integer,
    Join,
    Select,
    Table,
    and_,
    bindparam,
    exists,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    tuple_,
    union,
)

from hub.store.query import Chain, Criterion, Ids, Present, Query, Ref, Sort, Test, Text, Token, When, lift
from hub.store.tables import INDEXES, idx_date, idx_ref, idx_string, idx_token, resource

_NEVER = -(2**62) - 1  # sorts a resource without the value before all dates


class Row(NamedTuple):
    """One hit; ``(key, rid)`` is its place in the order."""

    rid: int
    ref: str
    version: int
    updated: int
    content: bytes
    key: int


Place = tuple[int, int]  # (key, rid) of the last hit of the page before


def search(conn: Connection, query: Query, limit: int, after: Place | None = None) -> list[Row]:
    """At most ``limit`` hits that come after ``after``, in order."""
    values: dict[str, Any] = {"limit": limit}
    if after is not None:
        values["key"], values["rid"] = after
    statement = _statement(lift(query, values), after is not None)
    return [Row(r[0], r[1], r[2], r[3], bytes(r[4]), r[5]) for r in conn.execute(statement, values)]


def count(conn: Connection, query: Query) -> int:
    """How many resources match, exactly."""
    values: dict[str, Any] = {}
    statement = _count(lift(query, values))
    return conn.execute(statement, values).scalar_one()


def _bound(slot: str | int) -> ColumnElement[Any]:
    return bindparam(f"v{slot}")


@lru_cache(maxsize=512)
def _statement(query: Query, further: bool) -> Select[Any]:
    """The page of hits of a lifted query; ``further`` pages begin after (:key, :rid)."""
    source, where = _plan(query)
    rid = _rid(source)
    key = _key(query.sort, rid)
    if further:
        where = [*where, _beyond(query.sort, key, rid)]
    found = (
        select(rid.label("rid"), key.label("key"))
        .select_from(source)
        .where(*where)
        .order_by(*_order(query.sort, key, rid))
        .limit(bindparam("limit", type_=Integer))
        .subquery("found")
    )
    columns = (resource.c.rid, resource.c.ref, resource.c.version, resource.c.updated, resource.c.content)
    return (
        select(*columns, found.c.key)
        .select_from(found.join(resource, resource.c.rid == found.c.rid))
        .order_by(*_order(query.sort, found.c.key, found.c.rid))
    )


@lru_cache(maxsize=512)
def _count(query: Query) -> Select[int]:
    source, where = _plan(query)
    return select(func.count()).select_from(source).where(*where)


def _order(sort: Sort | None, key: ColumnElement[int], rid: ColumnElement[int]) -> Sequence[ColumnElement[Any]]:
    if sort is None:
        return (rid.desc(),)
    return (key.desc(), rid.desc()) if sort.falling else (key.asc(), rid.asc())


def _beyond(sort: Sort | None, key: ColumnElement[int], rid: ColumnElement[int]) -> ColumnElement[bool]:
    if sort is None:
        return rid < bindparam("rid", type_=BigInteger)
    place = tuple_(bindparam("key", type_=BigInteger), bindparam("rid", type_=BigInteger))
    return tuple_(key, rid) < place if sort.falling else tuple_(key, rid) > place


def _key(sort: Sort | None, rid: ColumnElement[int]) -> ColumnElement[int]:
    if sort is None:
        return literal(0)
    if sort.param is None:
        inner = resource.alias("sorted")
        return select(inner.c.updated).where(inner.c.rid == rid).scalar_subquery()
    t = idx_date.alias("sorted")
    earliest = select(func.min(t.c.low)).where(t.c.param == sort.param, t.c.rid == rid).scalar_subquery()
    return func.coalesce(earliest, _NEVER)


def _rid(source: FromClause) -> ColumnElement[int]:
    rid: ColumnElement[int] = (source.left if isinstance(source, Join) else source).c.rid
    return rid


def _plan(query: Query) -> tuple[FromClause, list[ColumnElement[bool]]]:
    """FROM and WHERE of the matching rids, each once."""
    ranked = sorted(query.criteria, key=_width)
    row = resource.alias()
    if not ranked or _width(ranked[0]) >= _TABLE:
        live = [row.c.type == query.type, row.c.deleted == false()]
        return row, [*live, *(_asked(c, row.c.rid, row) for c in ranked)]
    lead, rest = ranked[0], ranked[1:]
    source: FromClause
    where: list[ColumnElement[bool]]
    if len(lead.tests) == 1 and _single(lead.tests[0]):
        source = _table(lead.tests[0]).alias()
        where = [_matches(lead.tests[0], source)]
    else:
        source = union(*map(_found, lead.tests)).subquery()  # a union holds each rid once
        where = []
    rid = source.c.rid
    if any(_on_resource(t) for c in rest for t in c.tests):
        source = source.join(row, row.c.rid == rid)
    return source, [*where, *(_asked(c, rid, row) for c in rest)]


def _found(test: Test) -> Select[tuple[int]]:
    t = _table(test).alias()
    return select(t.c.rid).where(_matches(test, t)).distinct()


# How many rows a criterion may well match; those from _TABLE on cannot lead.
_TABLE = 100


def _width(criterion: Criterion) -> int:
    if criterion.negated:
        return 200
    return max(_test_width(t) for t in criterion.tests)


def _test_width(test: Test) -> int:
    match test:
        case Token(code=None):
            return 60
        case Token(system=system):
            return 10 if system else 20
        case Ref():
            return 11
        case Chain():
            return 30
        case Text(how=how):
            return {"exact": 25, "starts": 30}.get(how, 110)
        case Ids():
            return _TABLE  # the resource table itself leads, through its unique ref
        case When(param=None):
            return _TABLE + 1
        case When():
            return 80
        case Present():
            return 120


def _single(test: Test) -> bool:
    """Whether a test is met by one index row of a resource at most."""
    match test:
        case Token(code=code, system=system):
            return code is not None and system is not None
        case Ref(targets=targets):
            return not targets[1]
    return False


def _on_resource(test: Test) -> bool:
    return isinstance(test, Ids) or (isinstance(test, When) and test.param is None)


def _table(test: Test) -> Table:
    match test:
        case Token():
            return idx_token
        case Text():
            return idx_string
        case When():
            return idx_date
        case Present(kind=kind):
            return INDEXES[kind]
    return idx_ref


def _asked(criterion: Criterion, rid: ColumnElement[int], row: FromClause) -> ColumnElement[bool]:
    """A criterion asked of one resource."""
    asked = []
    for test in criterion.tests:
        if _on_resource(test):
            asked.append(_of_row(test, row))
        else:
            t = _table(test).alias()
            asked.append(exists(select(literal(1)).where(t.c.rid == rid, _matches(test, t))))
    return not_(or_(*asked)) if criterion.negated else or_(*asked)


def _of_row(test: Test, row: FromClause) -> ColumnElement[bool]:
    if isinstance(test, Ids):
        return row.c.ref.in_(bindparam(f"v{test.refs[0]}", expanding=True))
    assert isinstance(test, When)  # noqa: S101 - _on_resource() says so
    return _dated(test, row.c.updated, row.c.updated)


def _matches(test: Test, t: FromClause) -> ColumnElement[bool]:
    """The test on one row of its index table."""
    match test:
        case Token(param=param, code=code, system=system):
            parts = [t.c.param == param]
            if code is not None:
                parts.append(t.c.code == _bound(code))
            if system is not None:
                parts.append(t.c.system == _bound(system))
            return and_(*parts)
        case Text(param=param, value=value, how=how):
            return and_(t.c.param == param, _worded(t, value, how))
        case When(param=param):
            return and_(t.c.param == param, _dated(test, t.c.low, t.c.high))
        case Ref(param=param, targets=targets):
            slot, many = targets
            one = t.c.target.in_(bindparam(f"v{slot}", expanding=True)) if many else t.c.target == _bound(slot)
            return and_(t.c.param == param, one)
        case Chain(param=param, queries=queries):
            return and_(t.c.param == param, or_(*(t.c.target.in_(_refs(q)) for q in queries)))
        case Present(param=param):
            return t.c.param == param
    raise AssertionError(test)


def _worded(t: FromClause, value: str, how: str) -> ColumnElement[bool]:
    if how == "exact":
        return t.c.exact == _bound(value)
    if how == "contains":
        return t.c.folded.like(_bound(value), escape="/")
    return and_(t.c.folded >= _bound(value), t.c.folded < _bound(int(value) + 1))


def _dated(test: When, low: ColumnElement[int], high: ColumnElement[int]) -> ColumnElement[bool]:
    """R4 §3.1.1.4.7: how the interval of a resource stands to the one of the query."""
    first, last = _bound(test.low), _bound(test.high)
    inside = and_(low >= first, low <= last, high <= last)
    match test.prefix:
        case "eq":
            return inside
        case "ne":
            return or_(low < first, high > last)
        case "gt":
            return high > last
        case "lt":
            return low < first
        case "ge":
            return or_(high > last, inside)
        case "le":
            return or_(low < first, inside)
        case "sa":
            return low > last
        case "eb":
            return high < first
        case "ap":
            return and_(low <= last, high >= first)
    raise AssertionError(test.prefix)


def _refs(query: Query) -> Select[tuple[str]]:
    """References (Type/id) of what a query finds."""
    source, where = _plan(query)
    pointed = resource.alias()
    rids = select(_rid(source)).select_from(source).where(*where)
    return select(pointed.c.ref).where(pointed.c.rid.in_(rids))
