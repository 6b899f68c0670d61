"""The newest observations of each kind, of one patient.

R4 §10.1.20.1 (Observation/$lastn): grouped by code, newest first by the time they were made (``effective``).
Those of one moment count as one, so a group may have more than asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
from sqlalchemy import Connection

from hub.fhir.search import fold, params
from hub.store.query import Query, Restriction, Sort
from hub.store.search import Row, search

LOOKED = 5000  # observations that one question may look at
_BATCH = 250


@dataclass(slots=True)
class _Group:
    rows: list[Row] = field(default_factory=list)
    moments: set[Any] = field(default_factory=set)


def latest(conn: Connection, query: Query, most: int, visible: Restriction | None = None) -> tuple[list[Row], bool]:
    """The rows group by group, and whether all observations were looked at.

    :param query: which observations are meant.
    :param most: moments of each group.
    """
    newest = replace(query, sort=(Sort("date", params("Observation")["date"].ids, falling=True),))
    groups: list[_Group] = []
    of: dict[tuple[str, str], _Group] = {}
    seen = 0
    after = None
    while seen < LOOKED:
        rows = search(conn, newest, _BATCH, after, visible)
        for row in rows:
            _sort(row, most, groups, of)
        seen += len(rows)
        if len(rows) < _BATCH:
            return [row for group in groups for row in group.rows], True
        after = rows[-1].place
    return [row for group in groups for row in group.rows], False


def _sort(row: Row, most: int, groups: list[_Group], of: dict[tuple[str, str], _Group]) -> None:
    codes = list(_codes(orjson.loads(row.content).get("code", {})))
    group = next((of[code] for code in codes if code in of), None)
    if group is None:
        group = _Group()
        groups.append(group)
    for code in codes:
        of.setdefault(code, group)
    moment = row.place[0]  # what is sorted by; None of those without a time, which come last
    if moment in group.moments or len(group.moments) < most:
        group.moments.add(moment)
        group.rows.append(row)


def _codes(concept: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Two concepts are alike when they share a coding; without any, when their text is the same."""
    found = [(c.get("system", ""), c["code"]) for c in concept.get("coding", ()) if c.get("code")]
    yield from found or [("text", fold(concept.get("text", "")))]
