"""The exporter as a thread: it survives a store that is away, leaves what others do, and stops after a batch."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from hub.errors import InvalidError, UnavailableError
from hub.services.export import exporter, writing
from hub.services.export.exporter import Exporter
from hub.services.export.jobs import Job, Jobs
from hub.store import Store
from tests.facade.conftest import put
from tests.waiting import until


def ask(store: Store, **more: Any) -> Job:
    return Jobs(store.settings.data).ask(Job("", "me", "http://x/$export", 0, "system", ("Device",), **more))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporter, "EVERY", 0.005)


@pytest.mark.usefixtures("quick")
def test_it_goes_on_after_faults(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the store (the job waits) and of its own (it is logged); one that cannot be done says why."""
    faults: list[Exception] = [UnavailableError("away"), ZeroDivisionError(), UnavailableError("away")]
    original = Exporter.tick

    def tick(self: Exporter) -> None:
        if faults:
            raise faults.pop()
        original(self)

    monkeypatch.setattr(Exporter, "tick", tick)
    put(sqlite_store, {"resourceType": "Device", "id": "d"})
    job, jobs = ask(sqlite_store), Jobs(sqlite_store.settings.data)
    made = Exporter(sqlite_store)
    made.tend()
    made.tend()
    until(lambda: jobs.state(job.id).ended)
    assert (jobs.state(job.id).count, jobs.state(job.id).error) == (1, "")
    made.stop()
    assert not [t for t in threading.enumerate() if t.name == "export"]


def test_a_store_that_goes_away_leaves_the_job(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    job, jobs = ask(sqlite_store), Jobs(sqlite_store.settings.data)
    for error, expected in (
        (UnavailableError("away"), ""),
        (InvalidError("not so", cure="otherwise"), "not so (otherwise)"),
    ):

        def fails(*_: Any, error: Exception = error) -> Any:
            raise error

        monkeypatch.setattr(writing, "search", fails)
        if expected:
            Exporter(sqlite_store).tick()
            assert jobs.state(job.id).error == expected
        else:
            with pytest.raises(UnavailableError):
                Exporter(sqlite_store).tick()
            assert not jobs.state(job.id).ended


def test_one_at_a_time(sqlite_store: Store) -> None:
    job, jobs = ask(sqlite_store), Jobs(sqlite_store.settings.data)
    lock = sqlite_store.locks.take("export")
    assert lock is not None
    Exporter(sqlite_store).tick()
    assert not jobs.state(job.id).ended
    lock.release()
    Exporter(sqlite_store).tick()
    assert jobs.state(job.id).ended


def test_stopping_keeps_the_job_for_the_next(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    put(sqlite_store, *({"resourceType": "Device", "id": f"d{n}"} for n in range(3)))
    monkeypatch.setattr(writing, "BATCH", 1)
    job, jobs = ask(sqlite_store), Jobs(sqlite_store.settings.data)
    made, append = Exporter(sqlite_store), writing._append

    def last(*given: Any) -> None:
        append(*given)
        made.stop()

    monkeypatch.setattr(writing, "_append", last)
    made.tick()
    assert (jobs.state(job.id).count, jobs.state(job.id).ended) == (1, 0)
    made.tick()
    assert jobs.state(job.id).count == 1  # it was told to stop
    monkeypatch.setattr(writing, "_append", append)
    Exporter(sqlite_store).tick()
    assert jobs.state(job.id).count == 3
