"""Writes that somebody decided: each guarded by what that somebody saw, judged where it is written.

R4 §3.1.0.5 (managing resource contention) and §3.1.0.11.2 (a transaction is all or nothing).  Guards and
rows are read and written under one lock, so of two clients that update one version one wins and the other
is told.  Items that wait together share a commit (:mod:`hub.store.writer`); an item that is refused costs
the others nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from hub import clock
from hub.errors import HubError, PreconditionError
from hub.fhir.canonical import digest
from hub.fhir.draft import Entry, Rank
from hub.store.handle import Store
from hub.store.resources import Batch, Row, Write, with_body
from hub.store.writer import Tx, batched


class GuardError(PreconditionError):
    """A resource is not as the caller asked it to be.

    :ivar ref: which.
    """

    def __init__(self, ref: str, what: str, where: str, cure: str) -> None:
        super().__init__(what, where=where, cure=cure)
        self.ref = ref


@dataclass(slots=True)
class Change:
    """One resource that is to become another.

    :ivar versions: the present version must be one of these (If-Match); None asks for none.
    :ivar absent: there must be no such resource (If-None-Match: *).
    :ivar present: there must be one (If-Match: *).
    :ivar fresh: its id was made for it, so nobody has to look whether it is there.
    """

    write: Write
    versions: frozenset[int] | None = None
    absent: bool = False
    present: bool = False
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Changed:
    """What became of it.

    :ivar version: the present one; 0 when there never was any.
    :ivar updated: when it was made, microseconds.
    :ivar how: ``created``, ``updated``, ``same`` (nothing new, no version), ``deleted`` or ``absent`` (there
        was nothing to delete).
    """

    ref: str
    version: int
    updated: int
    how: str


@dataclass(frozen=True, slots=True)
class Present:
    """A resource as a transaction finds it."""

    version: int
    content: bytes
    octets: bytes | None


@dataclass(slots=True)
class _Item:
    changes: Sequence[Change]
    take_id: Callable[[], int]


@dataclass(slots=True)
class _Found:
    """``resolve`` looks into the store, within the transaction, and says what is to be changed."""

    resolve: Callable[[Connection], Sequence[Change]]
    locks: Sequence[str]
    take_id: Callable[[], int]


Outcome = list[Changed] | HubError


def decided(store: Store, entry: Entry, source: str, rest: bytes, own: bytes, *, gone: bool = False) -> Write:
    """A write that stays, made now.

    :param source: meta.source, as it stands in JSON between its quotes.
    """
    entry.rank = Rank.PERSON
    body = store.bodies.prepare(entry.octets) if entry.octets is not None else None
    made = with_body(digest(own, rest), body)
    return Write(entry, store.take_id(), source, rest, own, made, body, decided=True, gone=gone)


def removal(store: Store, kind: str, fid: str) -> Write:
    """The write that ends a resource; its versions stay (R4 §3.1.0.7)."""
    return decided(store, Entry(kind, fid, {"resourceType": kind}), "urn:oncohub:api", b"}", b"", gone=True)


def change(store: Store, changes: Sequence[Change]) -> list[Changed]:
    """Make some changes, all or none; they are of different resources.

    :raises HubError: of the first guard that does not hold.
    """
    return _told(store.writer("work").call(_change, _Item(changes, store.ids.take)))


def change_found(
    store: Store, resolve: Callable[[Connection], Sequence[Change]], locks: Sequence[str]
) -> list[Changed]:
    """Make the changes that ``resolve`` finds; nobody else who takes one of the ``locks`` comes between.

    :param locks: names, such as the types of resources that are looked for.
    :raises HubError: what ``resolve`` raised, or of the first guard that does not hold.
    """
    return _told(store.writer("work").call(_change_found, _Found(resolve, sorted(set(locks)), store.ids.take)))


def _told(outcome: Outcome) -> list[Changed]:
    if isinstance(outcome, HubError):
        raise outcome
    return outcome


@batched
def _change(tx: Tx, items: list[_Item]) -> list[Outcome]:
    batch = _batch(tx, [c for i in items for c in i.changes], items[0].take_id)
    done = [_one(batch, item.changes) for item in items]
    batch.flush()
    return done


def _change_found(tx: Tx, items: list[_Found]) -> list[Outcome]:
    done: list[Outcome] = []
    for item in items:
        if tx.backend == "postgresql":
            for name in item.locks:
                lock = "pg_advisory_xact_lock(hashtextextended(current_schema() || ' found ' || %s, 0))"
                tx.raw.execute(f"SELECT {lock}", (name,))
        try:
            changes = item.resolve(tx.conn)
        except HubError as refusal:
            done.append(refusal)
            continue
        batch = _batch(tx, changes, item.take_id)
        done.append(_one(batch, changes))
        batch.flush()
    return done


def _batch(tx: Tx, changes: Iterable[Change], take_id: Callable[[], int]) -> Batch:
    return Batch(tx, [c.write.entry.ref for c in changes if not c.fresh], clock.now(), take_id)


def _one(batch: Batch, changes: Sequence[Change]) -> Outcome:
    rows = [batch.rows.get(c.write.entry.ref) for c in changes]
    for one, row in zip(changes, rows, strict=True):
        refusal = _refusal(one, row)
        if refusal is not None:
            return refusal
    return [_make(batch, one, row) for one, row in zip(changes, rows, strict=True)]


def _refusal(one: Change, row: Row | None) -> HubError | None:
    ref, there = one.write.entry.ref, row is not None and row.there
    if one.absent and there:
        return GuardError(ref, "the resource is there already", "http.If-None-Match", "read it, or update it")
    if one.versions is not None and not (row is not None and there and row.version in one.versions):
        now = f"its version is {row.version}" if row is not None and there else "there is no such resource now"
        return GuardError(ref, now, "http.If-Match", "read it again and repeat the change")
    if one.present and not there:
        return GuardError(ref, "there is no such resource now", "http.If-Match", "create it")
    return None


def _make(batch: Batch, one: Change, row: Row | None) -> Changed:
    write = one.write
    ref = write.entry.ref
    if write.gone and not (row is not None and row.there):
        return Changed(ref, row.version if row is not None else 0, row.updated if row is not None else 0, "absent")
    before, existed = (row.version, row.there) if row is not None else (0, False)
    batch.put(write)
    now = batch.rows[ref]
    if now.version == before:
        return Changed(ref, now.version, now.updated, "same")
    return Changed(ref, now.version, now.updated, "deleted" if write.gone else "updated" if existed else "created")
