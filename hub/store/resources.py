"""Writes FHIR resources: many at once, each new version only when its content is new.

Of two states of one resource the one with the higher (rank, message id) stays.  The outcome therefore
does not depend on the order in which messages are worked on, on how often, or by how many workers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hub.fhir.canonical import content, split
from hub.fhir.draft import Entry, Rank
from hub.fhir.search import extract
from hub.store import tables
from hub.store.bodies import BodyRow
from hub.store.writer import Tx


@dataclass(slots=True)
class Write:
    """One resource to be written, prepared outside the transaction."""

    entry: Entry
    message: int  # id of the message it comes from: its place in time
    source: str  # meta.source
    rest: bytes
    own_meta: bytes
    hash: bytes
    body: BodyRow | None = None  # of a Binary


@dataclass(slots=True)
class _Row:
    """What is known of a resource while a batch is applied; ``write`` is its newest change, if any."""

    rid: int
    version: int
    rank: int
    clock: int
    hash: bytes
    deleted: bool = False
    stored: bool = True  # a row of the table, not only of this batch
    write: Write | None = None
    touched: bool = False


def prepare(entry: Entry, message: int, source: str, body: BodyRow | None = None) -> Write:
    """Make the octets and the hash of an entry."""
    rest, own, digest = split(entry.resource)
    if body is not None:
        digest = bytes(a ^ b for a, b in zip(digest, body[0][:16], strict=True))
    return Write(entry, message, source, rest, own, digest, body)


_CURRENT = "SELECT ref, rid, version, rank, message, hash, deleted FROM resource WHERE ref IN (*)"


def apply(tx: Tx, writes: Sequence[Write], at: int, take_id: Any) -> int:
    """Write resources in the order given; return how many new versions came of it.

    :param at: ``lastUpdated``, microseconds.
    :param take_id: makes ids for rows.
    """
    if not writes:
        return 0
    refs = list(dict.fromkeys(w.entry.ref for w in writes))
    rows = {r[0]: _Row(r[1], r[2], r[3], r[4], bytes(r[5]), bool(r[6])) for r in tx.rows_in(_lock(tx, _CURRENT), refs)}
    history: list[tuple[Any, ...]] = []
    superseded: list[tuple[int]] = []
    bodies: list[BodyRow] = []  # of every version, also of those that another of the batch supersedes
    versions = 0
    for write in writes:
        row = rows.get(write.entry.ref)
        if row is None:
            if not write.entry.only_if_exists:
                rows[write.entry.ref] = _Row(
                    take_id(), 1, write.entry.rank, write.message, write.hash, stored=False, write=write
                )
                bodies += [write.body] if write.body else []
                versions += 1
            continue
        if (write.entry.rank, write.message) < (row.rank, row.clock):
            continue  # something better or later is already there
        if write.hash != row.hash or row.deleted:
            if row.write is not None:
                history.append(_history(row, at))
            else:
                superseded.append((row.rid,))
            row.version += 1
            row.hash, row.write, row.deleted = write.hash, write, False
            bodies += [write.body] if write.body else []
            versions += 1
        elif row.rank == write.entry.rank and (row.clock == write.message or row.rank <= Rank.MENTION):
            continue  # nothing new, not even its time; rows that every message mentions stay cool
        row.rank, row.clock, row.touched = write.entry.rank, write.message, True
    _store(tx, rows, history, superseded, bodies, at)
    return versions


def _lock(tx: Tx, statement: str) -> str:
    # SQLite has one writer. On PostgreSQL rows are locked in one order, so that two never wait in a ring.
    return statement + " ORDER BY ref FOR UPDATE" if tx.backend == "postgresql" else statement


def _content(row: _Row, at: int) -> bytes:
    w = row.write
    assert w is not None  # noqa: S101 - callers look
    return content(w.entry.type, w.entry.id, row.version, at, w.source, w.own_meta, w.rest)


def _octets(row: _Row) -> bytes | None:
    return row.write.body[0] if row.write is not None and row.write.body is not None else None


def _history(row: _Row, at: int) -> tuple[Any, ...]:
    assert row.write is not None  # noqa: S101 - callers look
    return row.rid, row.version, at, False, row.write.message, _content(row, at), _octets(row)


def _store(
    tx: Tx,
    rows: dict[str, _Row],
    history: list[tuple[Any, ...]],
    superseded: list[tuple[int]],
    bodies: list[BodyRow],
    at: int,
) -> None:
    made, changed, touched = [], [], []
    fresh: list[_Row] = []
    for ref, row in rows.items():
        w = row.write
        if w is None:
            if row.touched:
                touched.append((row.clock, int(row.rank), row.rid))
            continue
        fresh.append(row)
        if row.stored:
            changed.append(
                (row.version, at, int(row.rank), row.clock, row.hash, _content(row, at), _octets(row), row.rid)
            )
        else:
            made.append(
                (row.rid, ref, w.entry.type, row.version, at, False, int(row.rank), row.clock, row.hash,
                 _content(row, at), _octets(row))
            )  # fmt: skip
    tx.many(
        "INSERT INTO resource_history (rid, version, updated, deleted, message, content, octets)"
        " SELECT rid, version, updated, deleted, message, content, octets FROM resource WHERE rid = ?",
        superseded,
    )
    tx.many(
        "UPDATE resource SET version = ?, updated = ?, deleted = FALSE, rank = ?, message = ?, hash = ?,"
        " content = ?, octets = ? WHERE rid = ?",
        changed,
    )
    tx.many("UPDATE resource SET message = ?, rank = ? WHERE rid = ?", touched)
    old = [(row.rid,) for row in fresh if row.stored]
    for table in tables.INDEXES.values():
        tx.many(f"DELETE FROM {table.name} WHERE rid = ?", old)
    found = _index_rows(fresh)
    tx.insert_all(
        (tables.body, bodies, True),
        (tables.resource_history, history, False),
        (tables.resource, made, False),
        *((table, found[kind], False) for kind, table in tables.INDEXES.items()),
    )


def _index_rows(fresh: list[_Row]) -> dict[str, list[tuple[Any, ...]]]:
    found: dict[str, list[tuple[Any, ...]]] = {kind: [] for kind in tables.INDEXES}
    for row in fresh:
        assert row.write is not None  # noqa: S101 - fresh rows have one
        values = extract(row.write.entry.resource)
        for kind, out in found.items():
            out.extend((*value, row.rid) for value in getattr(values, kind))
    return found
