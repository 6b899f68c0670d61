"""Processes that share the store: each takes a number, part of every id it makes."""

from __future__ import annotations

import os

from sqlalchemy import delete, insert, select, update

from hub import clock
from hub.errors import UnavailableError
from hub.store.tables import node
from hub.store.writer import Tx

SEEN_EVERY = 60.0  # seconds
STALE = 3600 * 1_000_000  # a process of another host that has not been seen for an hour is gone


def join(tx: Tx, host: str, pid: int, role: str) -> int:
    """Take the lowest number that no living process has."""
    if tx.backend == "postgresql":
        tx.conn.exec_driver_sql("LOCK TABLE node IN EXCLUSIVE MODE")
    at = clock.now()
    taken = set()
    for row in tx.conn.execute(select(node)):
        if alive(row.host, row.pid, row.started, row.seen, host, at):
            taken.add(row.number)
        else:
            tx.conn.execute(delete(node).where(node.c.number == row.number))
    free = next((n for n in range(256) if n not in taken), None)
    if free is None:
        raise UnavailableError("256 processes share this store already", cure="stop some")
    tx.conn.execute(
        insert(node).values(number=free, host=host, pid=pid, started=clock.process_started(pid), role=role, seen=at)
    )
    return free


def alive(host: str, pid: int, started: str, seen: int, here: str, at: int) -> bool:
    """Whether the process of a row still runs, as far as this host can know."""
    if host != here:
        return at - seen < STALE
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return clock.process_started(pid) == started


def seen(tx: Tx, number: int) -> None:
    """Say that the process is still there."""
    tx.conn.execute(update(node).where(node.c.number == number).values(seen=clock.now()))


def leave(tx: Tx, number: int) -> None:
    """Give the number back."""
    tx.conn.execute(delete(node).where(node.c.number == number))
