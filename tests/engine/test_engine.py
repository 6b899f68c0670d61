"""The engine in each process of a hub: who takes in, who maps, and what is looked after each second."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hub.engine import engine as module
from hub.engine.engine import Engine
from hub.engine.host import Changes, Sources
from hub.engine.model import ChannelSpec, Part
from hub.engine.nudging import NudgingRunner
from hub.engine.wake import Waker
from hub.errors import UnavailableError
from hub.settings import Settings
from hub.store import Store
from hub.store.tables import State, counter
from tests.waiting import until

from .bench import Bench, body, word
from .rows import rows, states
from .test_host import run_of


@pytest.fixture
def open_one(store: Store, settings: Settings) -> Iterator[Callable[..., Engine]]:
    made: list[Engine] = []

    def make(scan: Callable[[], Changes], kind: Any = module.hosted) -> Engine:
        made.append(kind(settings, store, scan))
        made[-1].start()
        return made[-1]

    yield make
    for one in made:
        one.stop()


def hosted_spec(bench: Bench, **values: Any) -> ChannelSpec:
    return bench.spec(source=Part("hosted", {"bench": bench}), **values)


def test_hosted_sources_start_in_the_http_server(store: Store, settings: Settings, bench: Bench, open_one: Any) -> None:
    """Only they: others belong to the main process, which is nudged for what is taken in here."""
    heard: list[str] = []
    waker = Waker(settings.data, heard.append)
    it = open_one(lambda: Changes([hosted_spec(bench, name="in"), bench.spec("adt")]))
    (source,) = bench.sources
    assert (source.started, run_of(store)) == (True, {"in": ("r1", "running", "", "fake:in:0")})
    source.context.mount("/in", print)
    assert {"/in": print} == it.host.mounts
    assert source.context.receive_now(body(), peer="", answer=word).verdict.status == "accepted"
    until(lambda: heard)
    assert (heard, states(store)) == (["in"], [State.WAITING])
    waker.close()


def test_hosted_application_answers_are_polled(store: Store, bench: Bench, open_one: Any) -> None:
    """The main process maps; its outcome is read from the store."""
    open_one(lambda: Changes([hosted_spec(bench)]))
    answered = threading.Event()
    receipts: list[Any] = []
    bench.sources[0].context.receive(
        body(), peer="", answer=word, done=lambda r: (receipts.append(r), answered.set()), wait=True
    )
    until(lambda: states(store))
    held = "UPDATE message SET state = ?, error = ?"
    store.write(lambda tx: tx.many(held, [(int(State.HELD), '{"what":"no","code":"101"}')]))
    assert answered.wait(10)
    assert [r.answer for r in receipts] == [b"rejected:101"]


def test_hosted_channels_follow_the_files(
    store: Store, bench: Bench, open_one: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Looked at every second; a look that fails does not end the looking, and counts are stored."""
    changes = [Changes([hosted_spec(bench)]), KeyError("MARTIN"), Changes([hosted_spec(bench, revision="r2")])]

    def scan() -> Changes:
        found = changes.pop(0) if changes else Changes()
        if isinstance(found, Exception):
            raise found
        return found

    it = open_one(scan)
    bench.sources[0].context.receive_now(body(), peer="", answer=word)
    until(lambda: run_of(store)["adt"][0] == "r2")
    until(lambda: ("accepted", 1) in [(r.name, r.value) for r in rows(store, counter)])
    assert "housekeeping failed" in caplog.text
    assert "MARTIN" not in caplog.text
    it.stop()
    assert run_of(store)["adt"][1] == "stopped"


def test_hosted_counts_outlive_the_end(
    store: Store, bench: Bench, open_one: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What was counted in the last second is stored; while the store is away it is kept."""
    it = open_one(lambda: Changes([hosted_spec(bench)]))
    bench.sources[0].context.receive_now(body(), peer="", answer=word)

    def away(tx: Any, items: Any) -> Any:
        raise UnavailableError("away")

    with monkeypatch.context() as patch:
        patch.setattr(module.counting, "store", away)
        it._do(it.count)
    assert "housekeeping failed" in caplog.text
    it.stop()
    assert {r.name: r.value for r in rows(store, counter) if r.name == "accepted"} == {"accepted": 1}


def test_the_nudging_runner_works_on_nothing(settings: Settings, store: Store, bench: Bench) -> None:
    """It only nudges."""
    heard: list[str] = []
    waker = Waker(settings.data, heard.append)
    it = NudgingRunner(settings, store)
    it.start()
    it.add(bench.spec())
    it.look("adt")
    it.sweep()
    it.remove("adt")
    until(lambda: heard)
    it.stop(1)
    waker.close()
    assert heard == ["adt"]


def test_what_one_process_takes_in_another_maps(store: Store, settings: Settings, bench: Bench, open_one: Any) -> None:
    """The main process and the mapper: the store is all that they share, a nudge saves the wait."""
    spec = bench.spec("adt")
    taking = open_one(lambda: Changes([spec]), module.intake)
    mapping = open_one(lambda: Changes([spec]), module.mapper)
    assert len(bench.sources) == 1  # the mapper has none
    assert mapping.host.sources is Sources.NONE
    receipt = bench.sources[0].context.receive_now(body(), peer="", answer=word, wait=True)
    assert receipt.verdict.status == "accepted"
    assert states(store) == [State.DONE]
    assert taking.host.runner is not mapping.host.runner


def test_duties_have_their_own_time(store: Store, bench: Bench, settings: Settings) -> None:
    """One that fails is told and ends none of the others."""
    done: list[str] = []

    def bad() -> None:
        done.append("bad")
        raise KeyError("MARTIN")

    it = module.hosted(settings, store, Changes)
    it._duties = [(1, bad), (2, lambda: done.append("second"))]
    it.start()
    until(lambda: done.count("second") >= 1)
    it.stop()
    assert done.count("bad") >= 2


def test_the_wide_runner_is_nudged_in_the_main_process(
    store: Store, settings: Settings, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no mapper: workers map, and it asks them for what the HTTP server took in."""
    import hub.engine.wide

    asked: list[str] = []

    class Wide(NudgingRunner):
        def __init__(self, of: Store, counters: Any, url: str) -> None:
            super().__init__(settings, of)

        def look(self, channel: str) -> None:
            asked.append(channel)

    monkeypatch.setattr(hub.engine.wide, "WideRunner", Wide)
    it = module.intake(settings.model_copy(update={"runner": "celery"}), store, Changes)
    it.start()
    from hub.engine.wake import Nudger

    nudger = Nudger(settings.data)
    nudger.nudge("adt")
    until(lambda: asked)
    nudger.close()
    it.stop()
    assert asked == ["adt"]
