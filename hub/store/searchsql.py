"""The SQL of a search: which rows of the index tables answer which test.

R4 §3.1.1, over SQLAlchemy Core.  One criterion *leads*: its index rows are where the search begins.  All
others are *asked* of each candidate, through the index on (rid) or the key of their table, so that a wide one
(a date) costs nothing beside a narrow one (a patient).  Which one leads is decided in :mod:`hub.store.search`.

Contract: the index tables hold rows of current, undeleted versions only, and the number of a parameter
belongs to one type, so a positive test implies the type.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    Table,
    and_,
    bindparam,
    exists,
    false,
    func,
    literal,
    literal_column,
    not_,
    or_,
    select,
    union,
)

from hub.store.query import (
    Amount,
    Both,
    Chain,
    Criterion,
    Has,
    Ids,
    Listed,
    Present,
    Query,
    Ref,
    Restriction,
    Test,
    Text,
    Token,
    When,
)
from hub.store.tables import INDEXES, idx_date, idx_quantity, idx_ref, idx_string, idx_token, resource

Condition = ColumnElement[bool]
ORDERED = {"idx_token": "code", "idx_string": "folded", "idx_date": "low", "idx_ref": "target", "idx_quantity": "low"}
NARROW = 10  # tests below this width match few resources, whatever is stored
NEVER = 100  # tests from this width on do not lead


def bound(name: str) -> ColumnElement[Any]:
    return bindparam(name)


def typed(query: Query, row: FromClause) -> list[Condition]:
    """That a row of the resource table is of the types of the query."""
    if not query.types:
        return []
    if len(query.types) == 1:
        return [row.c.type == query.types[0]]
    return [row.c.type.in_([literal_column(f"'{t}'") for t in query.types])]


def asked(query: Query, rid: ColumnElement[int], row: FromClause, see: Restriction | None,
          but: Criterion | None = None) -> list[Condition]:  # fmt: skip
    """All criteria of a query but one, asked of one resource; and that it may be seen."""
    seen = [see.allows(rid)] if see else []
    return seen + [_asked(c, rid, row, see) for c in sorted(query.criteria, key=width) if c is not but]


def _asked(criterion: Criterion, rid: ColumnElement[int], row: FromClause, see: Restriction | None) -> Condition:
    held = [holds(t, rid, row, see) for t in criterion.tests]
    one = held[0] if len(held) == 1 else or_(*held)
    return not_(one) if criterion.negated else one


def on_row(criterion: Criterion) -> bool:
    """Whether it asks for a column of the resource table."""
    return any(_needs_row(t) for t in criterion.tests)


def _needs_row(test: Test) -> bool:
    match test:
        case Both(first=first, second=second):
            return _needs_row(first) or _needs_row(second)
        case When(params=()):
            return True
    return isinstance(test, Ids | Has | Listed)


def there(statement: Select[Any]) -> Condition:
    """EXISTS, asked row by row: PostgreSQL must not turn it into a join and begin at its wide end."""
    return exists(statement.suffix_with("OFFSET 0", dialect="postgresql"))


def holds(test: Test, rid: ColumnElement[int], row: FromClause, see: Restriction | None) -> Condition:
    """A test asked of one resource."""
    match test:
        case Both(first=first, second=second):
            return and_(holds(first, rid, row, see), holds(second, rid, row, see))
        case Ids(refs=refs):
            return among(row.c.ref, refs)
        case When(params=()):
            return dated(test, row.c.updated, row.c.updated)
        case Present(where=where):
            return or_(*(there(_any(INDEXES[k].alias(), p, rid)) for k, p in where))
        case Chain(params=params, queries=queries):
            t, to = idx_ref.alias(), resource.alias()
            ways = [and_(*typed(q, to), *asked(q, to.c.rid, to, see)) for q in queries]
            found = select(literal(1)).select_from(t.join(to, to.c.ref == t.c.target))
            return there(found.where(t.c.rid == rid, numbered(t, params), to.c.deleted == false(), or_(*ways)))
        case Has(params=params, query=inner):
            t, by = idx_ref.alias(), resource.alias()
            source: FromClause = t
            needs = [c for c in inner.criteria if on_row(c)]
            if needs:
                source = t.join(by, by.c.rid == t.c.rid)
            found = select(literal(1)).select_from(source)
            return there(found.where(numbered(t, params), t.c.target == row.c.ref, *asked(inner, t.c.rid, by, see)))
        case Listed(params=params):
            t = idx_ref.alias()
            return there(_listed(test, t, see).where(t.c.target == row.c.ref).with_only_columns(literal(1)))
    t = table(test).alias()
    return there(select(literal(1)).where(t.c.rid == rid, matches(test, t, see)))


def _any(t: FromClause, params: Sequence[int], rid: ColumnElement[int]) -> Select[Any]:
    return select(literal(1)).where(t.c.rid == rid, numbered(t, params))


def _listed(test: Listed, t: FromClause, see: Restriction | None) -> Select[Any]:
    whole = resource.alias()
    seen = [see.allows(whole.c.rid)] if see else []
    of = select(whole.c.rid).where(whole.c.ref == bound(test.ref), whole.c.deleted == false(), *seen)
    return select(t.c.target).where(numbered(t, test.params), t.c.rid == of.scalar_subquery())


# --- leading ----------------------------------------------------------------------------------------------


def width(criterion: Criterion) -> int:
    """How many resources a criterion may well match, as a rank."""
    return NEVER + 1 if criterion.negated else max(map(_width, criterion.tests))


def _width(test: Test) -> int:
    match test:
        case Ids():
            return 1
        case Ref(begins=begins, tree=tree):
            return 45 if begins else 12 if tree else 2
        case Token(codes=codes, begins=begins, rare=rare):
            return 60 if not codes else 45 if begins else 3 if rare else 20 + len(codes)
        case Chain(queries=queries):
            inner = max(_inner(q) for q in queries)
            return inner + 2 if inner < NARROW - 3 else inner + 20
        case Has(query=inner_query):
            inner = _inner(inner_query)
            return inner + 2 if inner < NARROW - 3 else inner + 20
        case Listed():
            return 5
        case Text(how=how):
            return {"exact": 25, "starts": 30}.get(how, 70)
        case Both(first=first, second=second):
            return min(_width(first), _width(second))
        case When(params=()):
            return 55
        case When() | Amount():
            return 50
    return NEVER


def _inner(query: Query) -> int:
    return min((width(c) for c in query.criteria), default=NEVER)


def ordered(criterion: Criterion | None) -> bool:
    """Whether its index rows lie in the order of their rids, so that a page need not read them all."""
    if criterion is None:
        return True
    test = criterion.tests[0]
    if len(criterion.tests) > 1 or criterion.negated or not isinstance(test, Token | Ref):
        return False
    values = test.codes if isinstance(test, Token) else test.targets
    plain = not test.begins if isinstance(test, Token) else not (test.begins or test.tree)
    return plain and len(test.params) == 1 and len(values) == 1


Begun = tuple[FromClause, ColumnElement[int], list[Condition]]


def begin(query: Query, lead: Criterion | None, see: Restriction | None) -> Begun:
    """(FROM, rid, WHERE) of the resources a query finds; a rid may come twice.

    :param lead: the criterion to begin with; None walks through all resources of the type.
    """
    row = resource.alias()
    if lead is None:
        live = [*typed(query, row), row.c.deleted == false()]
        return row, row.c.rid, [*live, *asked(query, row.c.rid, row, see)]
    rest = [c for c in query.criteria if c is not lead]
    source: FromClause
    where: list[Condition]
    if len(lead.tests) == 1 and (direct := _direct(lead.tests[0], query, row, see)) is not None:
        source, rid, where = direct
    else:
        ways = [finding(t, query, see) for t in lead.tests]
        # A union holds each rid once. What it holds is found first: PostgreSQL must not begin at the order instead.
        one = ways[0].suffix_with("OFFSET 0", dialect="postgresql") if len(ways) == 1 else union(*ways)
        found = one.subquery()
        source, rid, where = found, found.c.rid, []
    if source is not row and any(map(on_row, rest)):
        source = source.join(row, row.c.rid == rid)
    return source, rid, [*where, *asked(query, rid, row, see, but=lead)]


def _direct(test: Test, query: Query, row: FromClause, see: Restriction | None) -> Begun | None:
    """A test whose own rows can be the FROM."""
    if isinstance(test, Ids) and len(test.refs) == 1:
        return row, row.c.rid, [*typed(query, row), row.c.deleted == false(), among(row.c.ref, test.refs)]
    if isinstance(test, Ids | Has | Listed | Both) or (isinstance(test, When) and not test.params):
        return None
    t = table(test).alias()
    return t, t.c.rid, [matches(test, t, see, leading=True)]


def finding(test: Test, query: Query, see: Restriction | None, *, once: bool = True) -> Select[Any]:
    """The rids that a test finds by itself; each only ``once``, which takes all of them before the first is told."""
    row = resource.alias()
    live = [*typed(query, row), row.c.deleted == false()]
    match test:
        case Both(first=first, second=second):
            lead, other = sorted((first, second), key=_width)
            inside = finding(lead, query, see, once=once).subquery()
            return select(inside.c.rid).where(holds(other, inside.c.rid, row, see))
        case Has(params=params, query=inner):
            t = idx_ref.alias()
            targets = select(t.c.target).where(numbered(t, params), t.c.rid.in_(rids(inner, see)))
            return select(row.c.rid).where(row.c.ref.in_(targets), *live)
        case Listed():
            return select(row.c.rid).where(row.c.ref.in_(_listed(test, idx_ref.alias(), see)), *live)
        case Ids(refs=refs):
            return select(row.c.rid).where(among(row.c.ref, refs), *live)
        case When(params=()):
            when = dated(test, row.c.updated, row.c.updated)
            return select(row.c.rid).where(when, *live)
    index = table(test)
    t = index.alias()
    found = select(t.c.rid).where(matches(test, t, see, leading=True))
    if once:
        return found.distinct()
    if isinstance(test, Present) or len(test.params) > 1:
        return found
    # In the order of the key, so that PostgreSQL takes it and does not look for the first ones all over the table.
    key = t.c[ORDERED[index.name]]
    if isinstance(test, When | Amount) and test.prefix in ("ge", "gt", "sa"):  # what matches lies at the end
        return found.order_by(key.desc(), t.c.rid.desc())
    return found.order_by(key, t.c.rid)


def probing(test: Test, query: Query, see: Restriction | None) -> list[Select[Any]]:
    """What is counted to see whether a test is narrow: what it finds; of a chain, where it would begin."""
    match test:
        case Chain(queries=queries):
            return [rids(q, see) for q in queries]
        case Has(query=inner):
            return [rids(inner, see)]
    return [finding(test, query, see, once=False)]


def rids(query: Query, see: Restriction | None) -> Select[Any]:
    """The resources a query finds, begun at its narrowest criterion."""
    best = min(query.criteria, key=width, default=None)
    source, rid, where = begin(query, best if best and width(best) < NEVER else None, see)
    return select(rid).select_from(source).where(*where)


def refs(query: Query, see: Restriction | None) -> Select[Any]:
    """References (Type/id) of what a query finds."""
    pointed = resource.alias()
    return select(pointed.c.ref).where(pointed.c.rid.in_(rids(query, see)))


# --- one row of an index table ----------------------------------------------------------------------------


def table(test: Test) -> Table:
    match test:
        case Token():
            return idx_token
        case Text():
            return idx_string
        case When():
            return idx_date
        case Amount():
            return idx_quantity
        case Present(where=where):
            return INDEXES[where[0][0]]
    return idx_ref


def numbered(t: FromClause, params: Sequence[Any]) -> Condition:
    """That a row belongs to a parameter; numbers stand in the statement, so that its plan can know them."""
    made = [bound(p) if isinstance(p, str) else literal_column(str(p)) for p in params]
    one: Condition = t.c.param == made[0] if len(made) == 1 else t.c.param.in_(made)
    return one


def among(column: ColumnElement[Any], names: tuple[str, ...]) -> Condition:
    """That a column has the value, or one of the values, that a lifted test names."""
    if len(names) > 1:
        return column.in_(bindparam(names[0], expanding=True))
    return column == bound(names[0])


def _between(column: ColumnElement[Any], names: Sequence[str]) -> Condition:
    return and_(column >= bound(names[0]), column < bound(names[1]))


def matches(test: Test, t: FromClause, see: Restriction | None, *, leading: bool = False) -> Condition:
    """The test on one row of its index table."""
    match test:
        case Token(codes=codes, system=system):
            parts = [numbered(t, test.params)]
            if codes:
                parts.append(_between(t.c.code, codes) if test.begins else among(t.c.code, codes))
            if system is not None:
                parts.append(t.c.system == bound(system))
            return and_(*parts)
        case Text(params=params, value=value, how=how):
            return and_(numbered(t, params), _worded(t, value, how))
        case When(params=params):
            return and_(numbered(t, params), dated(test, t.c.low, t.c.high))
        case Amount():
            return _measured(test, t)
        case Ref(params=params, targets=targets, tree=tree):
            if tree:
                kin = or_(t.c.target == bound(targets[0]), t.c.target.in_(_family(tree, targets[0])))
                return and_(numbered(t, params), kin)
            if test.begins:
                start = bound(targets[0])
                return and_(numbered(t, params), func.substr(t.c.target, 1, func.length(start)) == start)
            return and_(numbered(t, params), among(t.c.target, targets))
        case Chain(params=params, queries=queries) if leading:
            return and_(numbered(t, params), or_(*(t.c.target.in_(refs(q, see)) for q in queries)))
        case Present(where=where):
            return numbered(t, where[0][1])
    raise AssertionError(test)


def _worded(t: FromClause, value: Any, how: str) -> Condition:
    if how == "exact":
        return and_(t.c.exact == bound(value))
    if how == "contains":
        like: Condition = t.c.folded.like(bound(value), escape="/")
        return like
    return _between(t.c.folded, value)


def _family(tree: tuple[Sequence[int], str], name: str) -> Select[Any]:
    """All above or below a reference (R4 §3.1.1.4.11), each once, however it is knotted."""
    params, direction = tree

    def step(known: ColumnElement[Any]) -> Select[Any]:
        t, one = idx_ref.alias(), resource.alias()
        ends = (one.c.ref, t.c.target) if direction == "above" else (t.c.target, one.c.ref)
        both = select(ends[1].label("ref")).select_from(t.join(one, one.c.rid == t.c.rid))
        return both.where(ends[0] == known, numbered(t, params))

    kin = step(bound(name)).cte(recursive=True)
    return select(kin.union(step(kin.c.ref)).c.ref)


def dated(test: When, low: ColumnElement[int], high: ColumnElement[int]) -> Condition:
    """R4 §3.1.1.4.7: how the interval of a resource stands to the one of the query."""
    first, last = bound(test.low), bound(test.high)  # type: ignore[arg-type] # lifted: names
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


def _measured(test: Amount, t: FromClause) -> Condition:
    """R4 §3.1.1.4.6: as for dates, but that a number has no width when it is compared."""
    low, high = t.c.low, t.c.high
    first, last = bound(test.low), bound(test.high)  # type: ignore[arg-type] # lifted: names
    ways: dict[str, Condition] = {
        "eq": and_(low >= first, low < last, high < last),
        "ne": not_(and_(low >= first, high < last)),
        "gt": high > first,
        "lt": low < first,
        "ge": high >= first,
        "le": low <= first,
        "sa": low > first,
        "eb": high < first,
        "ap": and_(low <= last, high >= first),
        "in": and_(low >= first, low <= last),
    }
    parts = [numbered(t, test.params), ways[test.prefix]]
    if test.code is not None:
        parts.append(t.c.code == bound(test.code))
    if test.system is not None:
        parts.append(t.c.system == bound(test.system))
    return and_(*parts)
