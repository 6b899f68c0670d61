"""What comes along with the hits of a search: ``_include`` and ``_revinclude``.

R4 §3.1.1.5.6.  Of the hits of one page only, by their rids; with ``:iterate`` also of what came along, round
by round, each resource once.  A resource that is not there, or may not be seen, is left out in silence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, ColumnElement, Connection, bindparam, false, select

from hub.fhir.search import params, types
from hub.store.query import Restriction
from hub.store.searchsql import numbered
from hub.store.tables import idx_ref, idx_token, resource

MOST = 1000  # resources that come along with one page
_ROUNDS = 12
_MANY = 400  # values in one statement


@cache
def canonical_types() -> tuple[str, ...]:
    """Types that are pointed to by their canonical URL."""
    return tuple(kind for kind in types() if "url" in params(kind))


@dataclass(frozen=True, slots=True)
class Include:
    """One ``_include`` or ``_revinclude``.

    :ivar type: of the resources that point.
    :ivar params: numbers of the reference parameters meant.
    :ivar target: only targets of this type, or ''.
    """

    type: str
    params: tuple[int, ...]
    target: str = ""
    iterate: bool = False
    reverse: bool = False


class Along(NamedTuple):
    """A resource that comes along."""

    rid: int
    ref: str
    content: bytes


def included(conn: Connection, hits: Sequence[tuple[int, str]], wanted: Sequence[Include],
             visible: Restriction | None = None) -> tuple[list[Along], bool]:  # fmt: skip
    """What comes along with ``hits`` (rid, ref), and whether that is all of it."""
    known = {rid for rid, _ in hits}
    found: list[Along] = []
    fresh = list(hits)
    for turn in range(_ROUNDS):
        made: dict[int, Along] = {}
        for one in wanted if turn == 0 else [w for w in wanted if w.iterate]:
            for row in _follow(conn, fresh, one, visible):
                if row.rid not in known and row.rid not in made:
                    made[row.rid] = row
                    if len(found) + len(made) > MOST:
                        return (found + list(made.values()))[:MOST], False
        found += made.values()
        known |= made.keys()
        fresh = [(r.rid, r.ref) for r in made.values()]
        if not fresh or not any(w.iterate for w in wanted):
            return found, True
    return found, False


def _follow(
    conn: Connection, fresh: Sequence[tuple[int, str]], one: Include, visible: Restriction | None
) -> list[Along]:
    if not one.params:
        return []
    if one.reverse:
        refs = [ref for _, ref in fresh if not one.target or ref.startswith(f"{one.target}/")]
        return _rows(conn, "target", refs, one, visible)
    pointing = [rid for rid, ref in fresh if not one.type or ref.startswith(f"{one.type}/")]
    t = idx_ref.c
    targets: dict[str, None] = {}
    for part in _parts(pointing):
        query = select(t.target).where(t.rid.in_(bindparam("many", expanding=True)), numbered(idx_ref, one.params))
        targets |= dict.fromkeys(r[0] for r in conn.execute(query.distinct(), {"many": part}))
    head = f"{one.target}/"
    literal = [to for to in targets if "://" not in to and (not one.target or to.startswith(head))]
    found = _rows(conn, "ref", literal, one, visible)
    urls = [to.partition("|")[0] for to in targets if ":" in to]
    return found + _rows(conn, "url", list(dict.fromkeys(urls)), one, visible) if urls else found


def _rows(conn: Connection, by: str, values: Sequence[str], one: Include, visible: Restriction | None) -> list[Along]:
    r = resource.c
    many: BindParameter[Any] = bindparam("many", expanding=True)
    if by == "ref":
        fits: ColumnElement[bool] = r.ref.in_(many)
    elif by == "target":
        fits = r.rid.in_(select(idx_ref.c.rid).where(numbered(idx_ref, one.params), idx_ref.c.target.in_(many)))
    else:
        kinds = (one.target,) if one.target else canonical_types()
        numbers = tuple(n for k in kinds if "url" in params(k) for n in params(k)["url"].ids)
        if not numbers:
            return []
        fits = r.rid.in_(select(idx_token.c.rid).where(numbered(idx_token, numbers), idx_token.c.code.in_(many)))
    query = select(r.rid, r.ref, r.content).where(fits, r.deleted == false()).order_by(r.rid.desc()).limit(MOST + 1)
    if visible:
        query = query.where(visible.allows(r.rid))
    seen: dict[str, Any] = dict(visible.values) if visible else {}
    return [
        Along(row[0], row[1], bytes(row[2]))
        for part in _parts(values)
        for row in conn.execute(query, {"many": part, **seen})
    ]


def _parts(values: Sequence[Any]) -> list[Sequence[Any]]:
    return [values[at : at + _MANY] for at in range(0, len(values), _MANY)]
