"""Requests of the API that are answered later: who asked, who works on them, what came of them.

Only the outcome is kept.  A process that dies while it works answers nothing more: its lock is free then,
and whoever asks is told that the work was lost.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, insert, select, update

from hub import clock
from hub.store.handle import Store
from hub.store.tables import job
from hub.store.writer import Tx

KEPT = 24 * 3_600_000_000  # microseconds


@dataclass(frozen=True, slots=True)
class Job:
    """``answer`` is None while it runs; ``lost`` when it never will."""

    id: int
    caller: str
    answer: bytes | None
    lost: bool = False


def begin(store: Store, caller: str, runner: str) -> int:
    """Note a request; its number."""
    number = store.take_id()
    old = (clock.now() - KEPT) << 8  # ids begin with the time

    def write(tx: Tx) -> None:
        tx.conn.execute(delete(job).where(job.c.id < old))
        tx.conn.execute(insert(job).values(id=number, caller=caller, runner=runner))

    store.write(write)
    return number


def end(store: Store, number: int, answer: bytes) -> None:
    """Note what came of it, unless nobody wants to know any more."""
    store.write(lambda tx: tx.conn.execute(update(job).where(job.c.id == number).values(answer=answer)) and None)


def find(store: Store, number: int, caller: str) -> Job | None:
    """A request of this caller."""
    with store.reading() as conn:
        row = conn.execute(select(job).where(job.c.id == number, job.c.caller == caller)).first()
    if row is None:
        return None
    if row.answer is not None:
        return Job(row.id, row.caller, bytes(row.answer))
    lock = store.locks.take(row.runner)
    if lock is None:
        return Job(row.id, row.caller, None)
    lock.release()
    with store.reading() as conn:  # it may have ended between the two looks
        answer = conn.execute(select(job.c.answer).where(job.c.id == number)).scalar()
    return Job(row.id, row.caller, bytes(answer) if answer is not None else None, lost=answer is None)


def forget(store: Store, number: int, caller: str) -> bool:
    """Delete a request of this caller; whether there was one."""

    def write(tx: Tx) -> int:
        return int(tx.conn.execute(delete(job).where(job.c.id == number, job.c.caller == caller)).rowcount)

    return bool(store.write(write))
