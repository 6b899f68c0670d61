"""Search over the index tables: where it begins, in which order it answers, and page by page.

R4 §3.1.1.  Order: newest first by creation (``rid`` falls), or by ``Query.sort``; what has no value comes
last.  Pages go by key, never by offset: a page costs the same however deep, and resources that arrive
meanwhile move nothing.

Where a search begins is decided here and not by the planner of a database, so that it does not turn with the
statistics: at an identifier or reference when there is one; else at the criterion that a probe of at most
``PROBE`` index rows finds narrow; and when all are wide, in the order of the answer, asking each resource.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import (
    Alias,
    ColumnElement,
    Connection,
    FromClause,
    Select,
    and_,
    bindparam,
    false,
    func,
    literal,
    not_,
    or_,
    select,
)

from hub.errors import InvalidError
from hub.store import looks
from hub.store.query import Criterion, Query, Restriction, Sort, lift
from hub.store.searchsql import NARROW, NEVER, asked, begin, numbered, on_row, ordered, probing, there, typed, width
from hub.store.tables import INDEXES, resource

PROBE = 1000
LOOKED = 5000  # candidates whose content one search may look at
_BATCH = 250

Place = tuple[Any, ...]  # (keys..., rid) of the last hit of the page before


class Row(NamedTuple):
    """One hit; ``place`` is where it stands in the order."""

    rid: int
    ref: str
    version: int
    updated: int
    content: bytes
    place: Place


class Way(NamedTuple):
    """How a search goes: begun at the criterion number ``lead`` (None: through all of the type), or along the
    values of what is sorted by."""

    lead: int | None
    sorted: bool = False


def search(conn: Connection, query: Query, limit: int, after: Place | None = None,
           visible: Restriction | None = None) -> list[Row]:  # fmt: skip
    """At most ``limit`` hits that come after ``after``, in order.

    :raises InvalidError: when contents must be looked at (``_text``) and there are too many candidates.
    """
    if query.looks:
        found: list[Row] = []
        for row in _looked(conn, query, after, visible):
            found.append(row)
            if len(found) == limit:
                break
        return found
    return _page(conn, query, _way(conn, query, visible), limit, after, visible)


def count(conn: Connection, query: Query, most: int | None = None, visible: Restriction | None = None) -> int:
    """How many resources match: exactly, or ``most`` when there are as many or more."""
    if query.looks:
        return sum(1 for _ in _looked(conn, query, None, visible))
    values: dict[str, Any] = {}
    way = _way(conn, query, visible)
    if way.sorted or (way.lead is None and query.criteria):  # all are wide: the one with a key to count by
        best = min(range(len(query.criteria)), key=lambda n: width(query.criteria[n]), default=None)
        way = Way(best if best is not None and width(query.criteria[best]) < NEVER else None)
    statement = _count(lift(query, values), way.lead, most is not None, visible)
    if most is not None:
        values["most"] = most
    return int(conn.execute(statement, values | _seen(visible)).scalar_one())


def explain(conn: Connection, query: Query, limit: int, visible: Restriction | None = None) -> list[str]:
    """How the database would answer the first page: where the search begins, and the plan."""
    way = _way(conn, query, visible)
    lead = "the order of the answer" if way.lead is None else f"criterion {way.lead + 1}"
    values: dict[str, Any] = {"limit": limit}
    statement = _statement(lift(query, values), way, None, visible)
    head = "EXPLAIN QUERY PLAN " if conn.dialect.name == "sqlite" else "EXPLAIN "
    compiled = statement.compile(conn, compile_kwargs={"render_postcompile": True})
    # The values themselves stay out: a plan is shown to engineers, who need not know whom it is about.
    bound = values | _seen(visible)
    ready = compiled.construct_params(bound)
    expanded = {k: ready.get(k) for k in compiled.params}
    told = conn.exec_driver_sql(head + str(compiled), _positional(compiled, expanded))
    text = [" ".join(str(v) for v in row if isinstance(v, str)) for row in told]
    return [f"begins at {lead}{', along the sort' if way.sorted else ''}", *(_anonymous(line) for line in text)]


def _positional(compiled: Any, params: dict[str, Any]) -> Any:
    return tuple(params[k] for k in compiled.positiontup) if compiled.positional else params


def _anonymous(line: str) -> str:
    import re

    return re.sub(r"'[^']*'", "'…'", line)


def _seen(visible: Restriction | None) -> dict[str, Any]:
    return dict(visible.values) if visible else {}


# --- where to begin ---------------------------------------------------------------------------------------


def _way(conn: Connection, query: Query, visible: Restriction | None) -> Way:
    criteria = query.criteria
    ranked = sorted((width(c), n) for n, c in enumerate(criteria))
    ranked = [(w, n) for w, n in ranked if w < NEVER]
    if ranked and ranked[0][0] < NARROW:
        return Way(ranked[0][1])
    along = _along(query)
    if not along and len(ranked) == 1 and not query.sort and ordered(criteria[ranked[0][1]]):
        return Way(ranked[0][1])
    if ranked:
        sizes = _probe(conn, query, [n for _, n in ranked], visible)
        least, best = min(zip(sizes, (n for _, n in ranked), strict=True))
        if least <= PROBE:
            return Way(best)
        if not query.sort:
            native = [n for _, n in ranked if ordered(criteria[n])]
            return Way(native[0] if native else None)
    elif query.sort and _small(conn, query):
        along = False
    return Way(None, along) if along or not ranked else Way(ranked[0][1])


def _along(query: Query) -> bool:
    """Whether the values of the sort can be walked along: of one parameter with one number."""
    return len(query.sort) == 1 and query.sort[0].kind != "_id" and len(query.sort[0].params) < 2


def _probe(conn: Connection, query: Query, which: Sequence[int], visible: Restriction | None) -> list[int]:
    """How many resources each of some criteria finds, up to PROBE + 1."""
    if len(which) > 6:
        which = which[:6]
    values: dict[str, Any] = {"probe": PROBE + 1}
    lifted = lift(query, values)
    found = conn.execute(_probes(lifted, tuple(which), visible), values | _seen(visible)).one()
    return [int(n) for n in found]


@lru_cache(maxsize=512)
def _probes(query: Query, which: tuple[int, ...], see: Restriction | None) -> Select[Any]:
    counts = []
    for n in which:
        criterion = query.criteria[n]
        found = [one for t in criterion.tests for one in probing(t, query, see)]
        rows = [one.limit(bindparam("probe")).subquery() for one in found]
        parts = [select(func.count()).select_from(r).scalar_subquery() for r in rows]
        total = parts[0]
        for part in parts[1:]:
            total = total + part  # type: ignore[assignment] # an upper bound is good enough
        counts.append(total)
    return select(*counts)


def _small(conn: Connection, query: Query) -> bool:
    """Whether there are few resources of the type at all."""
    row = resource.c
    some = select(literal(1)).where(*typed(query, resource), row.deleted == false()).limit(PROBE + 1).subquery()
    return int(conn.execute(select(func.count()).select_from(some)).scalar_one()) <= PROBE


# --- pages ------------------------------------------------------------------------------------------------


def _page(conn: Connection, query: Query, way: Way, limit: int, after: Place | None,
          visible: Restriction | None) -> list[Row]:  # fmt: skip
    values: dict[str, Any] = {"limit": limit}
    if after is not None:
        values |= {f"key{n}": k for n, k in enumerate(after[:-1])} | {"rid": after[-1]}
    values |= _seen(visible)
    lifted = lift(query, values)
    gaps = None if after is None else tuple(k is None for k in after[:-1])
    if not way.sorted:
        return _rows(conn, _statement(lifted, way, gaps, visible), values)
    found: list[Row] = []
    if gaps is None or not gaps[0]:  # those with a value come first
        found = _rows(conn, _statement(lifted, way, gaps, visible), values)
        gaps = None
    if len(found) < limit and query.sort[0].kind != "_lastUpdated":
        values["limit"] = limit - len(found)
        found += _rows(conn, _without(lifted, gaps is not None, visible), values)
    return found


def _rows(conn: Connection, statement: Select[Any], values: dict[str, Any]) -> list[Row]:
    found = conn.execute(statement, values)
    return [Row(r[0], r[1], r[2], r[3], bytes(r[4]), (*r[5:], r[0])) for r in found]


@lru_cache(maxsize=1024)
def _statement(query: Query, way: Way, gaps: tuple[bool, ...] | None, see: Restriction | None) -> Select[Any]:
    """The page of hits of a lifted query; a further one begins after (:key0, …, :rid), whose keys are missing
    where ``gaps`` says so."""
    keys: list[ColumnElement[Any]]
    if way.sorted:
        source, rid, key, where = _sorted(query, see)
        keys = [key]
    else:
        lead = None if way.lead is None else query.criteria[way.lead]
        source, rid, where = begin(query, lead, see)
        keys = [_key(s, rid) for s in query.sort]
    falls = [s.falling for s in query.sort]
    named = [k.label(f"key{n}") for n, k in enumerate(keys)]
    inner = select(rid.label("rid"), *named).select_from(source).where(*where)
    if not (isinstance(source, Alias) and source.element is resource):
        inner = inner.distinct()  # an index may hold a resource twice
    if not keys:
        if gaps is not None:
            inner = inner.where(rid < bindparam("rid"))
        found = inner.order_by(rid.desc()).limit(bindparam("limit")).subquery("found")
    elif way.sorted:
        if gaps is not None:
            inner = inner.where(_beyond(keys, falls, gaps, rid))
        found = inner.order_by(*_order(named, falls, rid, gaps=False)).limit(bindparam("limit")).subquery("found")
    else:
        inside = inner.subquery("inside")
        columns = [inside.c[k.name] for k in named]
        outer = select(inside.c.rid, *columns)
        if gaps is not None:
            outer = outer.where(_beyond(columns, falls, gaps, inside.c.rid))
        found = outer.order_by(*_order(columns, falls, inside.c.rid)).limit(bindparam("limit")).subquery("found")
    row = resource.c
    keyed = [found.c[k.name] for k in named]
    whole = select(row.rid, row.ref, row.version, row.updated, row.content, *keyed)
    return whole.select_from(found.join(resource, row.rid == found.c.rid)).order_by(
        *(_order(keyed, falls, found.c.rid) if keyed else [found.c.rid.desc()])
    )


def _order(keys: Sequence[ColumnElement[Any]], falls: Sequence[bool], rid: ColumnElement[int], *,
           gaps: bool = True) -> list[ColumnElement[Any]]:  # fmt: skip
    made: list[ColumnElement[Any]] = []
    for key, falling in zip(keys, falls, strict=True):
        made += [key.is_(None)] if gaps else []
        made.append(key.desc() if falling else key.asc())
    return [*made, rid.desc() if falls[0] else rid.asc()]


def _beyond(keys: Sequence[ColumnElement[Any]], falls: Sequence[bool], gaps: Sequence[bool],
            rid: ColumnElement[int]) -> ColumnElement[bool]:  # fmt: skip
    """After the place of the last hit, in the order of :func:`_order`."""
    ways: list[ColumnElement[bool]] = []
    same: list[ColumnElement[bool]] = []
    for n, (key, falling, gap) in enumerate(zip(keys, falls, gaps, strict=True)):
        if gap:
            same.append(key.is_(None))
            continue
        value: ColumnElement[Any] = bindparam(f"key{n}")
        ways.append(and_(*same, or_(key < value if falling else key > value, key.is_(None))))
        same.append(key == value)
    last: ColumnElement[Any] = bindparam("rid")
    ways.append(and_(*same, rid < last if falls[0] else rid > last))
    return or_(*ways)


_COLUMN = {"date": "low", "string": "folded", "token": "code", "reference": "target", "quantity": "low"}


def _key(sort: Sort, rid: ColumnElement[int]) -> ColumnElement[Any]:
    """What a resource is sorted by: of several values the one that comes first in the order asked for."""
    if sort.kind in ("_lastUpdated", "_id"):
        inner = resource.alias()
        column = inner.c.updated if sort.kind == "_lastUpdated" else inner.c.ref
        return select(column).where(inner.c.rid == rid).scalar_subquery()
    t = INDEXES[sort.kind].alias()
    column = t.c[_COLUMN[sort.kind]]
    first = func.max(column) if sort.falling else func.min(column)
    return select(first).where(t.c.rid == rid, numbered(t, sort.params)).scalar_subquery()


def _sorted(query: Query, see: Restriction | None) -> tuple[FromClause, ColumnElement[int], ColumnElement[Any], list[ColumnElement[bool]]]:  # fmt: skip  # noqa: E501
    """FROM, rid, key and WHERE along the values of the one sort."""
    (sort,) = query.sort
    row = resource.alias()
    if sort.kind == "_lastUpdated":
        where = [*typed(query, row), row.c.deleted == false(), *asked(query, row.c.rid, row, see)]
        return row, row.c.rid, row.c.updated, where
    t, other = INDEXES[sort.kind].alias(), INDEXES[sort.kind].alias()
    key, rival = t.c[_COLUMN[sort.kind]], other.c[_COLUMN[sort.kind]]
    better = select(literal(1)).where(
        other.c.rid == t.c.rid, numbered(other, sort.params), rival > key if sort.falling else rival < key
    )
    source: FromClause = t
    if any(map(on_row, query.criteria)):
        source = t.join(row, row.c.rid == t.c.rid)
    return source, t.c.rid, key, [numbered(t, sort.params), not_(there(better)), *asked(query, t.c.rid, row, see)]


@lru_cache(maxsize=256)
def _without(query: Query, further: bool, see: Restriction | None) -> Select[Any]:
    """The hits that have no value of what is sorted by."""
    (sort,) = query.sort
    row = resource.alias()
    t = INDEXES[sort.kind].alias()
    none = not_(there(select(literal(1)).where(t.c.rid == row.c.rid, numbered(t, sort.params))))
    where = [*typed(query, row), row.c.deleted == false(), none, *asked(query, row.c.rid, row, see)]
    if further:
        where.append(row.c.rid < bindparam("rid") if sort.falling else row.c.rid > bindparam("rid"))
    made = select(row.c.rid, row.c.ref, row.c.version, row.c.updated, row.c.content, literal(None)).where(*where)
    return made.order_by(row.c.rid.desc() if sort.falling else row.c.rid.asc()).limit(bindparam("limit"))


@lru_cache(maxsize=512)
def _count(query: Query, lead: int | None, bounded: bool, see: Restriction | None) -> Select[Any]:
    criterion = None if lead is None else query.criteria[lead]
    source, rid, where = begin(query, criterion, see)
    if not bounded and _once(criterion):
        return select(func.count()).select_from(source).where(*where)
    found = select(rid.label("rid")).select_from(source).where(*where).distinct()
    if bounded:
        found = found.limit(bindparam("most"))
    return select(func.count()).select_from(found.subquery())


def _once(lead: Criterion | None) -> bool:
    """Whether no resource can come twice."""
    from hub.store.query import Ids, Token

    if lead is None:
        return True
    test = lead.tests[0]
    if len(lead.tests) > 1:
        return True  # a union
    if isinstance(test, Ids):
        return True
    return isinstance(test, Token) and ordered(lead) and test.system is not None


# --- contents ---------------------------------------------------------------------------------------------


def _looked(conn: Connection, query: Query, after: Place | None, visible: Restriction | None) -> Iterator[Row]:
    """The hits whose content fits as well."""
    query = looks.narrowed(conn, query)
    way = _way(conn, query, visible)
    seen = 0
    while True:
        rows = _page(conn, query, way, _BATCH, after, visible)
        yield from (r for r in rows if all(looks.fits(look, r.content) for look in query.looks))
        seen += len(rows)
        if len(rows) < _BATCH:
            return
        if seen >= LOOKED:
            raise InvalidError(
                f"more than {LOOKED} resources would have to be read", cure="add a criterion, such as a patient",
                code="too-costly",
            )  # fmt: skip
        after = rows[-1].place


__all__ = ["Place", "Row", "count", "explain", "search"]
