"""The wide runner: Redis says where to look, the store says what there is; losing Redis loses nothing."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from hub import clock
from hub.engine import wide
from hub.engine import workers as workers_module
from hub.engine.counters import Counters
from hub.engine.intake import Intake
from hub.engine.model import ChannelSpec
from hub.engine.pipeline import LANES, lane_of
from hub.engine.wide import DELIVER, MAP, Asker, WideRunner, make_app
from hub.engine.workers import WorkerProcess, make_worker
from hub.errors import UnavailableError
from hub.settings import Settings
from hub.store import Store, open_store
from hub.store.tables import Sending, State, counter, delivery, destination, message, node
from tests.waiting import until

from .bench import Bench, body, word
from .rows import receive, rows, states

pytestmark = pytest.mark.redis


def queued(url: str) -> int:
    """Tasks that no worker has fetched."""
    with redis.Redis.from_url(url) as client:
        return int(client.llen("oncohub.work"))


def asked(url: str) -> set[str]:
    with redis.Redis.from_url(url) as client:
        return {key.decode().removeprefix("hub:asked:") for key in client.scan_iter("hub:asked:*")}


def dead_url() -> str:
    """A port where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"redis://127.0.0.1:{probe.getsockname()[1]}/0"


# Asking.


def test_a_lane_is_asked_for_once(redis_url: str) -> None:
    """Until a worker starts on it; then what comes later brings a task of its own."""
    it = Asker(redis_url)
    assert [it.ask(MAP, "adt", "3") for _ in range(2)] == [True, True]
    assert (1, {"hub.map:adt:3"}) == (queued(redis_url), asked(redis_url))
    it.started(MAP, "adt", "3")
    assert set() == asked(redis_url)
    it.ask(MAP, "adt", "3")
    it.ask(DELIVER, "adt", "peer")
    assert queued(redis_url) == 3
    it.close()


def test_an_asking_that_got_lost_is_repeated(redis_url: str) -> None:
    """A worker was killed with the task, or Redis was flushed: the mark goes by itself within seconds."""
    it = Asker(redis_url)
    it.ask(MAP, "adt", "3")
    with redis.Redis.from_url(redis_url) as client:
        assert 0 < client.ttl("hub:asked:hub.map:adt:3") <= 5
    it.close()


def test_without_redis_nothing_is_asked() -> None:
    """And nothing fails: the sweep of the next second asks again."""
    it = Asker(dead_url())
    assert not it.ask(MAP, "adt", "3")
    it.started(MAP, "adt", "3")
    it.close()


def test_tasks_are_late_acknowledged_json() -> None:
    """A killed worker's task comes back; nothing is unpickled from Redis."""
    app = make_app("redis://127.0.0.1:1/0")
    assert (
        app.conf.task_acks_late, app.conf.task_reject_on_worker_lost, app.conf.accept_content,
        app.conf.task_serializer, app.conf.worker_prefetch_multiplier,
    ) == (True, True, ["json"], "json", 1)  # fmt: skip
    app.close()


def test_a_defect_of_the_client_ends_no_asking(
    store: Store, bench: Bench, redis_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever it raises: the next look goes on."""
    tries: list[str] = []
    whole = Asker.ask

    def odd(self: Asker, task: str, channel: str, part: str) -> bool:
        tries.append(part)
        if len(tries) == 1:
            raise KeyError("odd")
        return whole(self, task, channel, part)

    monkeypatch.setattr(Asker, "ask", odd)
    it = WideRunner(store, Counters(), redis_url)
    it.start()
    it.look("adt")
    until(lambda: "asking failed" in caplog.text)
    it.look("adt")
    until(lambda: queued(redis_url) == LANES)
    it.stop(10)


# The main process.


@pytest.fixture
def runner(store: Store, redis_url: str) -> Iterator[Callable[..., WideRunner]]:
    made: list[WideRunner] = []

    def make(url: str = redis_url) -> WideRunner:
        made.append(WideRunner(store, Counters(), url))
        made[-1].start()
        return made[-1]

    yield make
    for one in made:
        one.stop(10)


def test_each_lane_of_a_new_channel_is_looked_at(store: Store, bench: Bench, runner: Any, redis_url: str) -> None:
    """Something may wait from before."""
    runner().add(bench.spec())
    until(lambda: asked(redis_url) == {f"hub.map:adt:{lane}" for lane in range(LANES)})
    assert queued(redis_url) == LANES


def test_what_is_taken_in_asks_for_its_lane(store: Store, bench: Bench, runner: Any, redis_url: str) -> None:
    """Names only: what there is to do stands in the store."""
    it, spec = runner(), bench.spec()
    receive(store, spec, body("C1"), body("C2"), runner=it)
    lane = lane_of("P1", 0)
    until(lambda: asked(redis_url) == {f"hub.map:adt:{lane}"})
    assert {lane} == {r.lane for r in rows(store, message)}


def test_the_sweep_asks_for_what_waits(store: Store, bench: Bench, runner: Any, redis_url: str) -> None:
    """Lanes with messages, destinations with deliveries, of the channels that run, and nothing else."""
    spec = bench.spec("adt", bench.to("one"), bench.to("two"))
    receive(store, spec, body("C1"))
    process = WorkerProcess(store.settings, lambda: {"adt": spec})
    process.asker = Silent()
    process.map_lane("adt", str(lane_of("P1", 0)))
    store.write(lambda tx: tx.many("UPDATE delivery SET state = 1 WHERE destination = ?", [("two",)]))
    receive(store, spec, body("C2", "P2"))
    receive(store, bench.spec("other"), body("C3"))
    it = runner()
    it._specs["adt"] = spec
    it.sweep()
    until(lambda: asked(redis_url) == {f"hub.map:adt:{lane_of('P2', 0)}", "hub.deliver:adt:one"})
    it.remove("adt")
    it.remove("adt")
    process.close()


class Silent:
    """Asks nobody."""

    def ask(self, *_: str) -> bool:
        return True

    def started(self, *_: str) -> None:
        """Nothing to take back."""

    def close(self) -> None:
        """Nothing is open."""


def test_redis_that_is_away_is_told_of_once(
    store: Store, bench: Bench, redis_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """And when it is back, what waits is asked for."""
    caplog.set_level("INFO")
    spec = bench.spec("adt", bench.to())
    receive(store, spec, body())
    it = WideRunner(store, Counters(), dead_url())
    it._specs["adt"] = spec
    it.start()
    it.came(spec.name, rows(store, message)[0].lane)
    until(lambda: "redis is away" in caplog.text)
    store.write(lambda tx: tx.insert(delivery, [_delivery(store)]))
    it.sweep()
    it._asker.close()
    it._asker = Asker(redis_url)
    it.sweep()
    until(lambda: f"hub.map:adt:{lane_of('P1', 0)}" in asked(redis_url))
    assert [r.message for r in caplog.records if "redis is" in r.message] == ["redis is away", "redis is back"]
    it.stop(10)


def _delivery(store: Store) -> tuple[Any, ...]:
    return (store.take_id(), 1, 1, "adt", "peer", 0, "", b"\0" * 32, "", "", "", 1, 0, 0, 0, None, None, None)


def test_a_runner_that_never_started_can_be_stopped(store: Store, redis_url: str) -> None:
    """The hub could not start: it must say why, not fail on its way out."""
    WideRunner(store, Counters(), redis_url).stop(1)


def test_an_application_answer_is_polled(store: Store, bench: Bench, runner: Any) -> None:
    """Whichever worker maps the message."""
    spec, it = bench.spec(), runner()
    told: list[Any] = []
    (receipt,) = receive(store, spec, body(), runner=it)
    it.when_mapped(receipt.verdict.message_id, told.append, 60)
    store.write(lambda tx: tx.many("UPDATE message SET state = ?", [(int(State.DONE),)]))
    until(lambda: told)
    assert told == [(State.DONE, None)]


# A worker process.


@pytest.fixture
def process(store: Store, bench: Bench, redis_url: str) -> Iterator[Callable[..., WorkerProcess]]:
    made: list[WorkerProcess] = []

    def make(*specs: ChannelSpec) -> WorkerProcess:
        settings = store.settings.model_copy(update={"redis_url": redis_url})
        made.append(WorkerProcess(settings, lambda: {s.name: s for s in specs}))
        return made[-1]

    yield make
    for one in made:
        one.close()


def lane(key: str = "P1") -> str:
    return str(lane_of(key, 0))


def test_a_lane_is_mapped_in_order(store: Store, bench: Bench, process: Any, redis_url: str) -> None:
    """All that waits in it, and nothing of other lanes; its destinations are asked for, counts are stored."""
    spec = bench.spec("adt", bench.to())
    receive(store, spec, *[body(f"C{n}") for n in range(100)], body("X", "P2"))
    it = process(spec)
    assert it.map_lane("adt", lane()) == 100
    assert [f"C{n}" for n in range(100)] == bench.mapped
    assert states(store) == [State.MAPPED] * 100 + [State.WAITING]
    assert {"hub.deliver:adt:peer"} == asked(redis_url)
    assert ("mapped", "adt", 100) in [tuple(r) for r in rows(store, counter)]
    assert it.map_lane("adt", lane()) == 0


def test_one_worker_a_lane(store: Store, bench: Bench, process: Any) -> None:
    """House, step 3: the lane's lock; whoever comes second leaves it to the first, who looks again at the end."""
    spec = bench.spec()
    one, two = process(spec), process(spec)
    receive(store, spec, body("C1"))
    found: list[int] = []

    def meanwhile(source: Any) -> None:
        if source[1] == "C1":
            receive(store, spec, body("C2"))
            found.append(two.map_lane("adt", lane()))

    bench.on_map = meanwhile
    assert one.map_lane("adt", lane()) == 2
    assert found == [0]
    assert bench.mapped == ["C1", "C2"]


def test_what_comes_later_brings_its_own_task(store: Store, bench: Bench, process: Any, redis_url: str) -> None:
    """The mark goes before the store is looked at."""
    spec = bench.spec()
    it = process(spec)
    it.asker.ask(MAP, "adt", lane())
    seen: list[set[str]] = []
    receive(store, spec, body("C1"))
    bench.on_map = lambda source: seen.append(asked(redis_url))
    it.map_lane("adt", lane())
    assert [set()] == seen


def test_a_channel_that_is_gone(store: Store, bench: Bench, process: Any) -> None:
    """A task from before: there is nothing to do."""
    it = process()
    assert it.map_lane("adt", "0") == 0
    it.deliver("adt", "peer")
    other = process(bench.spec())
    other.deliver("adt", "peer")
    assert bench.destinations == []


def test_deliveries_are_sent_under_their_lock(store: Store, bench: Bench, process: Any) -> None:
    """By one process at a time; its connection is kept for the next task."""
    spec = bench.spec("adt", bench.to())
    receive(store, spec, body("C1"), body("C2"))
    it = process(spec)
    it.map_lane("adt", lane())
    lock = store.locks.take("deliver:adt:peer")
    assert lock is not None
    it.deliver("adt", "peer")
    assert bench.sent == []
    lock.release()
    it.deliver("adt", "peer")
    assert [i.control_id for i in bench.sent] == ["C1", "C2"]
    receive(store, spec, body("C3"))
    it.map_lane("adt", lane())
    it.deliver("adt", "peer")
    assert ([len(bench.destinations)], bench.destinations[0].closed) == ([1], False)
    assert {Sending.SENT} == {r.state for r in rows(store, delivery)}
    it.close()
    assert bench.destinations[0].closed


def test_a_changed_destination_is_made_anew(
    store: Store, bench: Bench, process: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker looks at the channel files every few seconds."""
    monkeypatch.setattr(workers_module, "RELOAD", -1.0)
    specs = [bench.spec("adt", bench.to()), bench.spec("adt", bench.to(send="fhir"), revision="r2")]
    it = process(specs[0])
    for n, spec in enumerate(specs):
        it._load = lambda spec=spec: {"adt": spec}
        receive(store, spec, body(f"C{n}"))
        it.map_lane("adt", lane())
        it.deliver("adt", "peer")
    assert [d.closed for d in bench.destinations] == [True, False]
    assert [i.body == body(f"C{n}") for n, i in enumerate(bench.sent)] == [True, False]


def test_one_channel_feeds_another_from_a_worker(store: Store, bench: Bench, process: Any, redis_url: str) -> None:
    """It is taken in there, and its lane is asked for; a channel that does not run is waited for."""
    first, second = bench.spec("adt", bench.to()), bench.spec("next")
    receive(store, first, body(kind="ADT^feed"))
    alone = process(first)
    alone.map_lane("adt", lane())
    alone.deliver("adt", "peer")
    assert "no channel called 'next' runs now" in str(rows(store, destination)[0].last_error)
    store.write(lambda tx: tx.many("UPDATE destination SET open_until = ?", [(0,)]))
    both = process(first, second)
    both.deliver("adt", "peer")
    (fed,) = rows(store, message, message.c.channel == "next")
    assert fed.parent == rows(store, message)[0].id
    assert f"hub.map:next:{lane()}" in asked(redis_url)
    both.when_mapped(1, print, 1)


def test_counts_of_a_worker_are_kept_while_the_store_is_away(
    store: Store, bench: Bench, process: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are stored with those of the next task."""
    it = process(bench.spec())
    it.counters.add("mapped", "adt", 2)

    def away(tx: Any, items: Any) -> Any:
        raise UnavailableError("away")

    with monkeypatch.context() as patch:
        patch.setattr(workers_module.counting, "store", away)
        with pytest.raises(UnavailableError):
            it.flush()
    it.flush()
    assert [tuple(r) for r in rows(store, counter)] == [("mapped", "adt", 2)]


def test_the_tasks_of_the_application(
    store: Store, bench: Bench, redis_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Made once a process; a store that is away ends the task, for the message waits there."""
    from celery.signals import worker_process_init, worker_process_shutdown

    for signals in (worker_process_init, worker_process_shutdown):  # they are of the whole process
        monkeypatch.setattr(signals, "receivers", [])
    spec = bench.spec("adt", bench.to())
    settings = store.settings.model_copy(update={"redis_url": redis_url})
    app = make_worker(settings, lambda: {"adt": spec})
    receive(store, spec, body())
    worker_process_init.send(None)
    app.tasks[MAP]("adt", lane())
    app.tasks[DELIVER]("adt", "peer")
    assert [i.control_id for i in bench.sent] == ["C1"]

    def away(*_: Any) -> Any:
        raise UnavailableError("away")

    monkeypatch.setattr(WorkerProcess, "map_lane", away)
    app.tasks[MAP]("adt", lane())
    assert "the store is away" in [r.message for r in caplog.records]
    worker_process_shutdown.send(None)
    worker_process_shutdown.send(None)
    assert bench.destinations[0].closed
    app.close()


# Real workers.


CHANNEL = """\
channel: adt
summary: Admissions become resources; each message is also delivered to a folder.
source: {mllp: {port: 0}}
accept: [ADT^A01]
steps:
  - map: {ADT: hl7v2.messages.adt}
deliver:
  - fhir: {to: store}
  - name: folder
    file: {directory: OUT, name: "{id}.er7"}
"""
ADT = (
    "MSH|^~\\&|GAM|CHU|HUB|HUB|20260115101500||ADT^A01^ADT_A01|C%04d|P|2.5^FRA^2.11|||||FRA|UNICODE UTF-8\r"
    "EVN||20260115101500\r"
    "PID|1||%05d^^^CHU&1.2.250.1.999.7&ISO^PI||MARTIN^CAMILLE^^^^^L||19540412|F\r"
    "PV1|1|I|||||||||||||||||V1^^^CHU&1.2.250.1.999.7&ISO^VN\r"
)


@pytest.fixture
def site(tmp_path: Path, store: Store, redis_url: str) -> Settings:
    """A home with one channel, on the store of the test."""
    folder = tmp_path / "channels" / "adt"
    folder.mkdir(parents=True)
    (tmp_path / "out").mkdir()
    (folder / "channel.yaml").write_text(CHANNEL.replace("OUT", str(tmp_path / "out")), encoding="utf-8")
    lines = {"runner": "celery", "redis_url": redis_url, "log_level": "warning"}
    if store.settings.database_url:
        lines["database_url"] = f'"{store.settings.database_url}"'
    (tmp_path / "hub.yaml").write_text("".join(f"{k}: {v}\n" for k, v in lines.items()), encoding="utf-8")
    return Settings.load(tmp_path)


def start_worker(site: Settings) -> subprocess.Popen[bytes]:
    log = (site.home / "worker.log").open("ab")
    process = subprocess.Popen(
        [sys.executable, "-m", "hub", "worker", "--home", str(site.home), "--processes", "2"],
        stdout=log, stderr=log, start_new_session=True,
        env={k: v for k, v in os.environ.items() if not k.startswith(("HUB_", "COV_"))},
    )  # fmt: skip
    log.close()
    return process


def kill(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.slow
def test_real_workers_are_killed_and_redis_is_flushed(store: Store, site: Settings, redis_url: str) -> None:
    """House, step 8: what was taken in is mapped once and delivered, in the end."""
    from hub.channel.watch import Watcher

    (spec,) = Watcher(site).scan().changed
    it = WideRunner(store, Counters(), redis_url)
    it.start()
    it.add(spec)
    workers = [start_worker(site)]
    sweeping = threading.Event()

    def sweep() -> None:
        while not sweeping.wait(0.5):
            it.sweep()

    sweeper = threading.Thread(target=sweep)
    sweeper.start()
    intake = Intake(store, spec, it, Counters(), "")

    def take(numbers: range) -> None:
        for n in numbers:
            receipt = intake.receive_now((ADT % (n, n % 20)).encode(), peer="", answer=word)
            assert receipt.verdict.status == "accepted"

    try:
        take(range(40))
        until(lambda: (site.home / "worker.log").exists() and State.DONE in states(store), 60)
        take(range(40, 80))
        kill(workers[0])
        with redis.Redis.from_url(redis_url) as client:
            client.flushall()
        take(range(80, 120))
        workers.append(start_worker(site))
        until(lambda: states(store) == [State.DONE] * 120, 90)
    finally:
        sweeping.set()
        sweeper.join()
        it.stop(10)
        for one in workers:
            if one.poll() is None:
                kill(one)
    found = rows(store, message)
    assert ({1}, 120) == ({r.runs for r in found}, len(found))
    sent = rows(store, delivery)
    assert ({Sending.SENT}, 120) == ({d.state for d in sent}, len(sent))
    assert len(list((site.home / "out").glob("*.er7"))) == 120
    others = {r.pid: r.started for r in rows(store, node) if r.pid != os.getpid()}
    # The system ends the children of a killed worker in its own time.
    until(lambda: all(clock.process_started(pid) != started for pid, started in others.items()))
    fresh = open_store(site, "next")
    fresh.take_id()
    assert {os.getpid()} == {r.pid for r in rows(store, node)}, "the numbers of the killed workers are free again"
    fresh.close()


def test_the_lifetime_of_a_mark_is_short() -> None:
    """It outlives a task that was lost with its worker by seconds only."""
    assert wide._ASKED_FOR <= 5
