"""Writes FHIR resources: many at once, each new version only when its content is new.

Of two states of one resource the one with the higher (rank, message id) stays.  The outcome therefore
does not depend on the order in which messages are worked on, on how often, or by how many workers.
Statements about some elements (:mod:`hub.store.statements`) lie over whichever state stays.  What comes
through the API is somebody's decision: it always stays, guarded by what that person saw (:mod:`hub.store.changes`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import orjson

from hub.fhir.canonical import content, digest, unwrap
from hub.fhir.draft import Entry, Patch, Rank
from hub.fhir.search import extract
from hub.store import statements, tables
from hub.store.bodies import BodyRow
from hub.store.statements import Said
from hub.store.writer import Tx


@dataclass(slots=True)
class Write:
    """One resource to be written, prepared outside the transaction.

    :ivar decided: stays whatever the rank and time of the present state.
    :ivar gone: the resource is to be deleted; ``rest`` is ``}``.
    """

    entry: Entry
    message: int  # id of the message it comes from: its place in time
    source: str  # meta.source
    rest: bytes
    own_meta: bytes
    hash: bytes
    body: BodyRow | None = None  # of a Binary
    decided: bool = False
    gone: bool = False


@dataclass(slots=True)
class Saying:
    """A statement to be laid over a resource, and the message it comes from."""

    patch: Patch
    message: int
    source: str


@dataclass(slots=True)
class Row:
    """What is known of a resource while a batch is applied; ``write`` is its newest change, if any.

    Version 0 is of a resource of which only statements are known yet; readers do not see it.
    """

    rid: int
    version: int
    rank: int
    clock: int
    hash: bytes
    deleted: bool = False
    updated: int = 0
    patched: bool = False
    stored: bool = True  # a row of the table, not only of this batch
    write: Write | None = None
    touched: bool = False

    @property
    def there(self) -> bool:
        """Whether a read finds it."""
        return self.version > 0 and not self.deleted


def prepare(entry: Entry, message: int, source: str, body: BodyRow | None = None) -> Write:
    """Make the octets and the hash of an entry."""
    rest, own, made = entry.written()
    return Write(entry, message, source, rest, own, with_body(made, body), body)


def with_body(made: bytes, body: BodyRow | None) -> bytes:
    """The hash of a content together with the octets of its document."""
    return made if body is None else bytes(a ^ b for a, b in zip(made, body[0][:16], strict=True))


_CURRENT = "SELECT ref, rid, version, rank, message, hash, deleted, updated, patched FROM resource WHERE ref IN (*)"


def apply(tx: Tx, writes: Sequence[Write | Saying], at: int, take_id: Callable[[], int]) -> int:
    """Write resources in the order given; return how many new versions came of it.

    :param at: ``lastUpdated``, microseconds.
    :param take_id: makes ids for rows.
    """
    if not writes:
        return 0
    stated = [w.patch.ref for w in writes if isinstance(w, Saying)]
    batch = Batch(tx, [*(w.entry.ref for w in writes if isinstance(w, Write)), *stated], at, take_id, stated)
    for write in writes:
        if isinstance(write, Write):
            batch.put(write)
        else:
            batch.say(write)
    batch.flush()
    return batch.versions


class Batch:
    """The rows of some resources, locked, and what they become.

    :param refs: of every resource that will be written and may be there already.
    :param stated: of those about which something is stated.
    """

    def __init__(
        self, tx: Tx, refs: Iterable[str], at: int, take_id: Callable[[], int], stated: Iterable[str] = ()
    ) -> None:
        self._tx, self._at, self._take_id = tx, at, take_id
        known = list(dict.fromkeys(refs))
        self.rows: dict[str, Row] = {
            r[0]: Row(r[1], r[2], r[3], r[4], bytes(r[5]), bool(r[6]), r[7], bool(r[8]))
            for r in (tx.rows_in(_lock(tx, _CURRENT), known) if known else ())
        }
        wanted = {*stated, *(ref for ref, row in self.rows.items() if row.patched)}
        self._said: dict[str, Said] = statements.load(tx, wanted) if wanted else {}
        self._history: list[tuple[Any, ...]] = []
        self._superseded: list[tuple[int]] = []
        self._bodies: list[BodyRow] = []  # of every version, also of those that another of the batch supersedes
        self.versions = 0

    def put(self, write: Write) -> None:
        """A new description of a resource, or its end."""
        ref = write.entry.ref
        row = self.rows.get(ref)
        if row is None:
            if not write.entry.only_if_exists:
                self.rows[ref] = Row(
                    self._take_id(), 1, write.entry.rank, write.message, write.hash, write.gone, self._at,
                    stored=False, write=write,
                )  # fmt: skip
                self._bodies += [write.body] if write.body else []
                self.versions += 1
            return
        if write.entry.only_if_exists and row.version == 0:
            return
        rank, clock = write.entry.rank, write.message
        if write.decided:
            clock = max(clock, row.clock)
        elif (rank, clock) < (row.rank, row.clock):
            return  # something better or later is already there
        if row.patched and not write.gone:
            said = self._of(ref)
            said.describe((write.own_meta, write.rest))
            write = self._under(write, said, rank, clock)
        if write.hash != row.hash or row.deleted != write.gone:
            self._replace(row, write)
        elif row.rank == rank and (row.clock == clock or row.rank <= Rank.MENTION):
            return  # nothing new, not even its time; rows that every message mentions stay cool
        row.rank, row.clock, row.touched = rank, clock, True

    def say(self, saying: Saying) -> None:
        """A statement about some elements of a resource."""
        patch, ref = saying.patch, saying.patch.ref
        said = self._of(ref)
        if not said.take(patch.topic, statements.read(patch, saying.message)):
            return
        row = self.rows.get(ref)
        if row is None:
            self.rows[ref] = Row(self._take_id(), 0, 0, 0, bytes(16), True, self._at, patched=True, stored=False)
            return
        if not row.patched:
            row.patched = row.touched = True
        if row.deleted or (seen := said.seen(row.rank, row.clock)) is None:
            return
        own, rest = seen
        if row.hash != (made := digest(own, rest)):
            entry = Entry(patch.type, patch.id, _parsed(patch.type, rest), row.rank)
            self._replace(row, Write(entry, saying.message, saying.source, rest, own, made))

    def _replace(self, row: Row, write: Write) -> None:
        if row.write is not None:
            self._history.append(_history(row, self._at))
        elif row.version:
            self._superseded.append((row.rid,))
        row.version += 1
        row.hash, row.write, row.deleted, row.updated = write.hash, write, write.gone, self._at
        self._bodies += [write.body] if write.body else []
        self.versions += 1

    def _of(self, ref: str) -> Said:
        """What is said of a resource; its present description becomes the page under the first slip."""
        said, row = self._said[ref], self.rows.get(ref)
        if said.page is None and row is not None and row.there:
            if row.write is not None:
                said.describe((row.write.own_meta, row.write.rest))
            else:
                ((stored,),) = self._tx.rows("SELECT content FROM resource WHERE rid = ?", (row.rid,))
                said.describe(unwrap(bytes(stored)))
        return said

    @staticmethod
    def _under(write: Write, said: Said, rank: int, clock: int) -> Write:
        own, rest = said.seen(rank, clock) or (write.own_meta, write.rest)
        if rest == write.rest:
            return write
        entry = Entry(write.entry.type, write.entry.id, _parsed(write.entry.type, rest), write.entry.rank)
        made = with_body(digest(own, rest), write.body)
        return Write(entry, write.message, write.source, rest, own, made, write.body, write.decided)

    def flush(self) -> None:
        """Write all of it."""
        tx, at = self._tx, self._at
        made, changed, touched, patched = [], [], [], []
        fresh: list[Row] = []
        for ref, row in self.rows.items():
            w = row.write
            if not row.stored:
                kind = ref.partition("/")[0]
                made.append(
                    (row.rid, ref, kind, row.version, at, row.deleted, int(row.rank), row.clock, row.hash,
                     _content(row, at) if w else b"{}", _octets(row), row.patched)
                )  # fmt: skip
            elif w is not None:
                changed.append(
                    (row.version, at, row.deleted, int(row.rank), row.clock, row.hash, _content(row, at), _octets(row),
                     row.patched, row.rid)
                )  # fmt: skip
            elif row.touched:
                touched.append((row.clock, int(row.rank), row.rid))
                if row.patched:
                    patched.append((row.rid,))
            if w is not None:
                fresh.append(row)
        tx.many(
            "INSERT INTO resource_history (rid, version, updated, deleted, message, content, octets)"
            " SELECT rid, version, updated, deleted, message, content, octets FROM resource WHERE rid = ?",
            self._superseded,
        )
        tx.many(
            "UPDATE resource SET version = ?, updated = ?, deleted = ?, rank = ?, message = ?, hash = ?,"
            " content = ?, octets = ?, patched = ? WHERE rid = ?",
            changed,
        )
        tx.many("UPDATE resource SET message = ?, rank = ? WHERE rid = ?", touched)
        tx.many("UPDATE resource SET patched = TRUE WHERE rid = ?", patched)
        old = [(row.rid,) for row in fresh if row.stored]
        for table in tables.INDEXES.values():
            tx.many(f"DELETE FROM {table.name} WHERE rid = ?", old)
        found = _index_rows(fresh)
        tx.insert_all(
            (tables.body, self._bodies, True),
            (tables.resource_history, self._history, False),
            (tables.resource, made, False),
            *((table, found[kind], False) for kind, table in tables.INDEXES.items()),
        )
        if self._said:
            statements.save(tx, self._said)


def _parsed(kind: str, rest: bytes) -> dict[str, Any]:
    return {"resourceType": kind, **cast("dict[str, Any]", orjson.loads(b"{" + rest))}


def _lock(tx: Tx, statement: str) -> str:
    # SQLite has one writer. On PostgreSQL rows are locked in one order, so that two never wait in a ring.
    return statement + " ORDER BY ref FOR UPDATE" if tx.backend == "postgresql" else statement


def _content(row: Row, at: int) -> bytes:
    w = row.write
    assert w is not None  # noqa: S101 - callers look
    return content(w.entry.type, w.entry.id, row.version, at, w.source, w.own_meta, w.rest)


def _octets(row: Row) -> bytes | None:
    return row.write.body[0] if row.write is not None and row.write.body is not None else None


def _history(row: Row, at: int) -> tuple[Any, ...]:
    assert row.write is not None  # noqa: S101 - callers look
    return row.rid, row.version, at, row.write.gone, row.write.message, _content(row, at), _octets(row)


def _index_rows(fresh: list[Row]) -> dict[str, list[tuple[Any, ...]]]:
    found: dict[str, list[tuple[Any, ...]]] = {kind: [] for kind in tables.INDEXES}
    for row in fresh:
        assert row.write is not None  # noqa: S101 - fresh rows have one
        if row.write.gone:
            continue
        values = extract(row.write.entry.resource)
        for kind, out in found.items():
            out.extend((*value, row.rid) for value in getattr(values, kind))
    return found
