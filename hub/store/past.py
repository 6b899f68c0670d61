"""Versions of resources, newest first: of one, of a type, of all.

R4 §3.1.0.13.  Current rows and superseded ones lie in two tables, each with an index on ``updated``; a page is
put together from the newest of both.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, func, select
from sqlalchemy.orm import aliased

from hub.store.tables import resource, resource_history

FOREVER = 2**62
_ORDER = attrgetter("updated", "rid", "version")


@dataclass(frozen=True, slots=True)
class Past:
    """Which versions are asked for.

    :ivar ref: of one resource, or ''.
    :ivar kind: resource type, or '' for all.
    :ivar since: made at this time or later; microseconds.
    :ivar low, high: current at some moment of this time (``_at``).
    """

    ref: str = ""
    kind: str = ""
    since: int = -FOREVER
    low: int = -FOREVER
    high: int = FOREVER


def page(conn: Connection, past: Past, limit: int, until: int = FOREVER, skip: int = 0) -> list[Any]:
    """The newest ``limit`` versions made at ``until`` or before, but for the first ``skip`` of them."""
    asked = replace(past, high=min(past.high, until))
    parts = [
        conn.execute(part.order_by(part.selected_columns.updated.desc(), part.selected_columns.rid.desc(),
                                   part.selected_columns.version.desc()).limit(limit + skip)).all()
        for part in (_now(asked), _before(asked))
    ]  # fmt: skip
    merged: list[Any] = list(heapq.merge(*parts, key=_ORDER, reverse=True))
    return merged[skip : skip + limit]


def count(conn: Connection, past: Past) -> int:
    """How many versions there are."""
    parts = (_now(past), _before(past))
    return sum(int(conn.execute(select(func.count()).select_from(p.subquery())).scalar_one()) for p in parts)


def _now(past: Past) -> Any:
    r = resource.c
    found: Any = select(r.ref, r.rid, r.version, r.updated, r.deleted, r.content).where(r.version > 0)
    found = _of(found, past)
    if past.since > -FOREVER:
        found = found.where(r.updated >= past.since)
    return found.where(r.updated <= past.high) if past.high < FOREVER else found


def _before(past: Past) -> Any:
    r, h = resource.c, resource_history.c
    found: Any = select(r.ref, h.rid, h.version, h.updated, h.deleted, h.content).join(resource, r.rid == h.rid)
    found = _of(found, past)
    if past.since > -FOREVER:
        found = found.where(h.updated >= past.since)
    if past.high < FOREVER:
        found = found.where(h.updated <= past.high)
    if past.low > -FOREVER:  # it was superseded after the time asked for began
        later = aliased(resource_history)
        following = select(later.c.updated).where(later.c.rid == h.rid, later.c.version == h.version + 1)
        found = found.where(func.coalesce(following.scalar_subquery(), r.updated) > past.low)
    return found


def _of(found: Any, past: Past) -> Any:
    if past.ref:
        return found.where(resource.c.ref == past.ref)
    return found.where(resource.c.type == past.kind) if past.kind else found
