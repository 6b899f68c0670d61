"""The processes that share a store, as its ``node`` table knows them."""

from __future__ import annotations

import socket
from dataclasses import dataclass

from sqlalchemy import select

from hub import clock
from hub.store import Store, nodes
from hub.store.tables import node


@dataclass(frozen=True, slots=True)
class Process:
    """One process; ``seen`` is when it last said that it is there (only ``hub`` processes go on saying so)."""

    role: str
    host: str
    pid: int
    seen: int


def living(store: Store) -> list[Process]:
    """Those that run, as far as this host can know."""
    here, at = socket.gethostname(), clock.now()
    with store.reading() as conn:
        rows = conn.execute(select(node).order_by(node.c.number)).all()
    return [
        Process(r.role, r.host, r.pid, int(r.seen))
        for r in rows
        if nodes.alive(r.host, r.pid, r.started, r.seen, here, at)
    ]
