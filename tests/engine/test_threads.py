"""The runner of one process: order, catching up from the store, standing by, reloading and stopping."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hub import clock
from hub.engine import threads
from hub.engine.connector import Outgoing
from hub.engine.counters import Counters
from hub.engine.intake import Intake
from hub.engine.model import ChannelSpec, MapRule
from hub.engine.threads import ChannelThread, ThreadRunner
from hub.engine.work import Worker
from hub.errors import UnavailableError
from hub.store import Store, open_store
from hub.store.tables import Sending, State, delivery, message
from tests.waiting import until

from .bench import Bench, body, word
from .rows import receive, rows, states


@pytest.fixture
def runner(store: Store) -> Iterator[Callable[..., ThreadRunner]]:
    """Make a runner of the store, or of another handle on it."""
    made: list[ThreadRunner] = []

    def make(of: Store = store) -> ThreadRunner:
        made.append(ThreadRunner(of, Counters(), lambda channel, item: None))
        made[-1].start()
        return made[-1]

    yield make
    for one in made:
        one.stop(10)


def take(store: Store, spec: ChannelSpec, runner: ThreadRunner, *controls: str) -> None:
    intake = Intake(store, spec, runner, Counters(), "")
    for control in controls:
        intake.receive_now(body(control), peer="", answer=word)


def done(store: Store, count: int, state: State = State.DONE) -> bool:
    return states(store) == [state] * count


def held_at(bench: Bench, control: str) -> tuple[threading.Event, threading.Event]:
    """The mapping of one message says that it began, and waits."""
    began, go_on = threading.Event(), threading.Event()

    def wait(source: Any) -> None:
        if source[1] == control:
            began.set()
            assert go_on.wait(20)

    bench.on_map = wait
    return began, go_on


def test_what_is_taken_in_is_mapped_in_order(store: Store, bench: Bench, runner: Any) -> None:
    """House, step 3."""
    spec, it = bench.spec(), runner()
    it.add(spec)
    controls = [f"C{n}" for n in range(150)]
    take(store, spec, it, *controls)
    until(lambda: done(store, 150))
    assert controls == bench.mapped


def test_what_waited_before_the_start_comes_first(store: Store, bench: Bench, runner: Any) -> None:
    """A hub that was killed: more than one batch waits, and messages go on coming in meanwhile."""
    spec, it = bench.spec(), runner()
    receive(store, spec, *[body(f"C{n}") for n in range(100)])
    began, go_on = held_at(bench, "C0")
    it.add(spec)
    assert began.wait(10)
    take(store, spec, it, *[f"C{n}" for n in range(100, 140)])
    go_on.set()
    until(lambda: done(store, 140))
    assert [f"C{n}" for n in range(140)] == bench.mapped


def test_a_batch_is_bounded(store: Store, bench: Bench, runner: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """In messages and in octets: large documents do not wait for one another's commit."""
    sizes: list[list[int]] = []
    whole = Worker.work

    def watched(self: Worker, items: Any) -> Any:
        sizes.append([row.size for row in items])
        return whole(self, items)

    monkeypatch.setattr(Worker, "work", watched)
    monkeypatch.setattr(threads, "BATCH", 10)
    monkeypatch.setattr(threads, "BATCH_BYTES", 3000)
    spec, it = bench.spec(), runner()
    receive(store, spec, *[body(f"A{n}", text="x" * 1000) for n in range(8)])
    it.add(spec)
    until(lambda: done(store, 8))
    began, go_on = held_at(bench, "B0")
    intake = Intake(store, spec, it, Counters(), "")
    intake.receive_now(body("B0"), peer="", answer=word)
    assert began.wait(10)
    for n in range(30):
        intake.receive_now(body(f"D{n}", text="x" * (1000 if n < 8 else 1)), peer="", answer=word)
    go_on.set()
    until(lambda: done(store, 39))
    assert max(map(len, sizes)) <= 10
    assert max(sum(s) for s in sizes) <= 3000 + 1100, "one message may go beyond"


def test_what_another_process_took_in_is_looked_for(store: Store, bench: Bench, runner: Any) -> None:
    """Told by a nudge, or by the look of every second."""
    spec, it = bench.spec(), runner()
    it.add(spec)
    receive(store, spec, body("C1"))
    it.look("adt")
    until(lambda: done(store, 1))
    receive(store, spec, body("C2"))
    it.sweep()
    until(lambda: done(store, 2))
    it.look("unknown")


def test_a_second_hub_stands_by(store: Store, bench: Bench, runner: Any, caplog: pytest.LogCaptureFixture) -> None:
    """The lock of a channel: one process maps it; when that one ends, the other goes on with what waits."""
    caplog.set_level(logging.INFO)
    spec = bench.spec()
    other = open_store(store.settings, "other")
    active, standby = runner(), runner(other)
    active.add(spec)
    take(store, spec, active, "C1")
    until(lambda: done(store, 1))
    standby.add(spec)
    until(lambda: "standing by" in caplog.text)
    receive(store, spec, body("C2"))
    standby.look("adt")
    receive(store, spec, body("C3"))
    active.stop(10)
    until(lambda: done(store, 3))
    assert bench.mapped == ["C1", "C2", "C3"]
    standby.stop(10)
    other.close()


def test_a_lost_lock_ends_the_work(store: Store, bench: Bench, runner: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL was restarted and another process has the channel now: this one maps nothing more of it."""
    lost = threading.Event()
    taken: list[Any] = []
    take_lock = store.locks.take

    class Lock:
        def __init__(self, inner: Any) -> None:
            self.inner = inner

        def held(self) -> bool:
            return not lost.is_set()

        def release(self) -> None:
            self.inner.release()

    def lock(name: str) -> Any:
        inner = take_lock(name) if not lost.is_set() else None
        if inner is not None:
            taken.append(Lock(inner))
        return taken[-1] if inner is not None else None

    monkeypatch.setattr(store.locks, "take", lock)
    spec, it = bench.spec(), runner()
    it.add(spec)
    take(store, spec, it, "C1")
    until(lambda: done(store, 1))
    lost.set()
    take(store, spec, it, "C2")
    it.look("adt")
    free = until(lambda: take_lock("map:adt"))
    assert bench.mapped == ["C1"]
    free.release()
    lost.clear()
    it.look("adt")
    until(lambda: done(store, 2))
    assert bench.mapped == ["C1", "C2"]


def test_a_reload_counts_from_the_next_batch(store: Store, bench: Bench, runner: Any) -> None:
    """What is in hand is finished by the revision it was begun with."""
    spec, it = bench.spec(), runner()
    it.add(spec)
    began, go_on = held_at(bench, "C1")
    take(store, spec, it, "C1")
    assert began.wait(10)
    it.add(bench.spec(revision="r2", map=(MapRule("ADT", "other"),)))
    go_on.set()
    take(store, spec, it, "C2")
    until(lambda: done(store, 2))
    assert [r.revision for r in rows(store, message)] == ["r1", "r2"]


def test_destinations_come_and_go_with_the_revision(store: Store, bench: Bench, runner: Any) -> None:
    """One that stays keeps its connection; one that changed is made anew; one that went sends no more."""
    one, two = bench.to("one"), bench.to("two")
    it, spec = runner(), bench.spec("adt", one, two)
    it.add(spec)
    take(store, spec, it, "C1")
    until(lambda: len(bench.sent) == 2)
    changed = bench.spec("adt", one, bench.to("three"), revision="r2")
    it.add(changed)
    until(lambda: [d.context.name for d in bench.destinations if d.closed] == ["two"])
    take(store, changed, it, "C2")
    until(lambda: len(bench.sent) == 4)
    names = [(r.control_id, r.destination) for r in rows(store, delivery)]
    assert {("C1", "one"), ("C1", "two"), ("C2", "one"), ("C2", "three")} == set(names)
    assert [[d.context.name for d in bench.destinations].count(n) for n in ("one", "two", "three")] == [1, 1, 1]
    until(lambda: {r.state for r in rows(store, delivery)} == {Sending.SENT})


def test_a_channel_that_was_removed(store: Store, bench: Bench, runner: Any) -> None:
    """Its messages wait in the store; it may come back."""
    spec, it = bench.spec("adt", bench.to()), runner()
    it.add(spec)
    take(store, spec, it, "C1")
    until(lambda: bench.sent)
    it.remove("adt")
    it.remove("adt")
    take(store, spec, it, "C2")
    it.sweep()
    until(lambda: states(store) == [State.DONE, State.WAITING])
    it.add(spec)
    until(lambda: done(store, 2))
    assert [i.control_id for i in bench.sent] == ["C1", "C2"]


def test_an_application_answer_comes_from_the_mapping(store: Store, bench: Bench, runner: Any) -> None:
    """And does not wait for company in its batch."""

    def fails(source: Any, draft: Any, site: Any) -> None:
        draft.error("PID-3", "no identifier", "101")

    bench.mappings["patient"] = fails
    spec, it = bench.spec(), runner()
    it.add(spec)
    intake = Intake(store, spec, it, Counters(), "")
    receipt = intake.receive_now(body(), peer="", answer=word, wait=True)
    assert (receipt.verdict.status, receipt.answer) == ("rejected", b"rejected:101")


def test_the_store_goes_and_comes_back(
    store: Store, bench: Bench, runner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """House, step 8: the channel waits, and goes on with what was in hand."""
    spec, it = bench.spec(), runner()
    tries: list[int] = []
    whole = Worker.work

    def away(self: Worker, items: Any) -> Any:
        tries.append(1)
        if len(tries) < 4:
            raise UnavailableError("away")
        return whole(self, items)

    monkeypatch.setattr(Worker, "work", away)
    it.add(spec)
    take(store, spec, it, "C1")
    until(lambda: done(store, 1))


def test_a_defect_of_ours_stops_no_channel(
    store: Store, bench: Bench, runner: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged without its text; what was in hand is read from the store again."""
    spec, it = bench.spec(), runner()
    tries: list[int] = []
    whole = Worker.work

    def odd(self: Worker, items: Any) -> Any:
        tries.append(1)
        if len(tries) == 1:
            raise KeyError("MARTIN")
        return whole(self, items)

    monkeypatch.setattr(Worker, "work", odd)
    it.add(spec)
    take(store, spec, it, "C1")
    until(lambda: done(store, 1))
    assert "mapping failed" in [r.message for r in caplog.records]
    assert "MARTIN" not in caplog.text


def test_stopping_ends_after_the_batch_in_hand(store: Store, bench: Bench, runner: Any) -> None:
    """What was not begun waits in the store; a thread that does not end in time is told of."""
    spec, it = bench.spec("adt", bench.to()), runner()
    it.add(spec)
    began, go_on = held_at(bench, "C1")
    take(store, spec, it, "C1")
    assert began.wait(10)
    take(store, spec, it, "C2")
    channel, (_, destination) = it._channels["adt"], it._destinations["adt", "peer"]
    stopper = threading.Thread(target=it.stop, args=(10,))
    stopper.start()
    until(lambda: channel._stopping and destination._stopping.is_set())
    go_on.set()
    stopper.join()
    assert states(store) == [State.MAPPED, State.WAITING]


def test_a_thread_that_does_not_end_is_told_of(
    store: Store, bench: Bench, runner: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A mapping that hangs: the hub stops all the same, its message waits in the store."""
    spec, it = bench.spec(), runner()
    it.add(spec)
    began, go_on = held_at(bench, "C1")
    take(store, spec, it, "C1")
    assert began.wait(10)
    thread: ChannelThread = it._channels["adt"]
    it.stop(0.01)
    assert [r.message for r in caplog.records] == ["a thread did not end in time; its work waits in the store"]
    go_on.set()
    assert thread.stop(10)


def test_stopped_while_standing_by(store: Store, bench: Bench, runner: Any) -> None:
    """It never had the lock."""
    lock = store.locks.take("map:adt")
    assert lock is not None
    it = runner()
    it.add(bench.spec())
    it.stop(10)
    lock.release()
    assert store.locks.take("map:adt") is not None


def test_a_delivery_is_handed_to_another_channel(store: Store, bench: Bench) -> None:
    """Through the feed that the host gave the runner, with trace and parent."""
    fed: list[Outgoing] = []
    it = ThreadRunner(store, Counters(), lambda channel, item: fed.append(item))
    spec = bench.spec("adt", bench.to())
    it.add(spec)
    Intake(store, spec, it, Counters(), "").receive_now(body(kind="ADT^feed"), peer="", answer=word)
    until(lambda: fed)
    (row,) = rows(store, message)
    assert (row.id, clock.show_id(row.id)) == (fed[0].message_id, fed[0].trace)
    it.stop(10)
