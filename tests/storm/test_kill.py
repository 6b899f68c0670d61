"""Nothing is lost when the hub is killed, however often and at whatever instant.

House, way of a message, steps 1, 4, 5 and 8: answered means committed; a replay changes nothing;
deliveries are made at least once; losing Redis loses nothing.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import pytest
from sqlalchemy import func, select

from hub.clock import show_id
from hub.settings import Settings
from hub.store import Store, open_store
from hub.store.tables import Sending, State, delivery, message, resource

from .conftest import Hub
from .load import PATIENTS, Load

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

MESSAGES, KILLS = 5000, 50


def _storm(hub: Hub, roles: list[str], flush: Callable[[], None] | None = None) -> None:
    """Send 5,000 messages while the processes are killed fifty times, then look at what is there."""
    chance = random.Random(20260115)
    for role in dict.fromkeys(roles):
        hub.start(role)
    hub.wait_listening()
    load = Load(hub.mllp_port, MESSAGES)
    load.start()
    try:
        for kill in range(KILLS):
            load.wait_answered((kill + 1) * MESSAGES // (KILLS + 1) - 60, 60)
            time.sleep(chance.random() * 0.03)  # the instant is what is being tried
            role = roles[kill % len(roles)]
            hub.kill(role)
            hub.start(role)
            if flush is not None and kill == KILLS // 2:
                flush()
        load.wait_answered(MESSAGES, 60)
    finally:
        load.stop()
    store = open_store(Settings.load(hub.home), "test")
    try:
        _drained(store, hub)
        _nothing_lost(store, hub)
        before = _versions(store)
        hub.command("replay", "channel:storm", "--yes", "--from", "store")
        _drained(store, hub)
        assert before == _versions(store)
        assert _count(store, message.c.runs == 2) == MESSAGES
    finally:
        store.close()


def _count(store: Store, *where: object) -> int:
    with store.reading() as conn:
        return int(conn.execute(select(func.count()).select_from(message).where(*where)).scalar_one())  # type: ignore[arg-type] # conditions


def _drained(store: Store, hub: Hub) -> None:
    deadline = time.monotonic() + 120
    while True:
        with store.reading() as conn:
            waiting = conn.execute(
                select(func.count()).select_from(message).where(message.c.state.in_([State.WAITING, State.MAPPED]))
            ).scalar_one()
            due = conn.execute(
                select(func.count()).select_from(delivery).where(delivery.c.state == Sending.DUE)
            ).scalar_one()
        if not waiting and not due:
            return
        logs = "".join(p.read_text()[-1500:] for p in hub.home.glob("*.log"))
        assert time.monotonic() < deadline, f"{waiting} wait, {due} due\n{logs}"
        time.sleep(0.05)


def _nothing_lost(store: Store, hub: Hub) -> None:
    with store.reading() as conn:
        row = message.c
        rows = conn.execute(select(row.id, row.control_id, row.state, row.runs, row.error)).all()
        sent = conn.execute(select(delivery.c.message, delivery.c.state)).all()
        resources = conn.execute(select(resource.c.ref, resource.c.type, resource.c.version)).all()
    # every message answered AA is in the store, once, and mapped once
    assert sorted(f"S{n:06d}" for n in range(MESSAGES)) == sorted(r.control_id for r in rows)
    assert set() == {r.error for r in rows if r.error}
    assert {(int(State.DONE), 1)} == {(r.state, r.runs) for r in rows}
    # delivered at least once: one delivery a message, each in the folder
    assert sorted(r.id for r in rows) == sorted(d.message for d in sent)
    assert {int(Sending.SENT)} == {d.state for d in sent}
    assert {f"{show_id(r.id)}-folder-1.er7" for r in rows} == {p.name for p in hub.out.glob("*.er7")}
    # no resource twice: each patient once, in its first version
    patients = [r for r in resources if r.type == "Patient"]
    assert len(patients) == PATIENTS
    assert len(resources) == len({r.ref for r in resources})
    assert {1} == {r.version for r in resources}


def _versions(store: Store) -> dict[str, int]:
    with store.reading() as conn:
        return {r.ref: r.version for r in conn.execute(select(resource.c.ref, resource.c.version))}


def test_fifty_kills_with_threads(make_hub: Callable[..., Hub]) -> None:
    """One process, its own threads, on SQLite and on PostgreSQL."""
    _storm(make_hub(), ["run"])


@pytest.mark.redis
def test_fifty_kills_with_celery(make_hub: Callable[..., Hub], redis_url: str) -> None:
    """The main process and the workers are killed in turn, and Redis is flushed in the middle."""
    import redis

    def flush() -> None:
        with redis.Redis.from_url(redis_url) as client:
            client.flushall()

    _storm(make_hub(runner="celery", redis_url=redis_url), ["run", "worker"], flush)
