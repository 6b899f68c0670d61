"""The host: channels are started, reloaded and stopped, each apart from the others."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from hub import clock
from hub.engine import host as host_module
from hub.engine.connector import Outgoing
from hub.engine.counters import Counters
from hub.engine.host import Changes, Host, destination_called
from hub.engine.model import Part
from hub.engine.threads import ThreadRunner
from hub.errors import ConfigError, UnavailableError
from hub.settings import Settings
from hub.store import Store
from hub.store.tables import State, channel_revision, channel_run, delivery, message
from tests.waiting import until

from .bench import Bench, FakeSource, body, word
from .rows import rows, states


@pytest.fixture
def host(store: Store, settings: Settings, bench: Bench) -> Iterator[Host]:
    counters = Counters()
    made: Host | None = None

    def feed(channel: str, item: Outgoing) -> None:
        assert made is not None
        made.feed(channel, item)

    made = Host(settings, store, ThreadRunner(store, counters, feed), counters)
    yield made
    made.stop()


def port(bench: Bench, number: int, **options: Any) -> Part:
    return Part("fake", {"bench": bench, "port": number, **options})


def run_of(store: Store) -> dict[str, tuple[str, str, str, str]]:
    return {r.channel: (r.revision, r.state, r.detail, r.address) for r in rows(store, channel_run)}


def test_channels_start(store: Store, bench: Bench, host: Host) -> None:
    """Each with its source; the store says what runs, where, by which revision, and keeps its text."""
    host.apply(Changes([bench.spec("adt"), bench.spec("oru")]))
    assert [s.started for s in bench.sources] == [True, True]
    assert run_of(store) == {"adt": ("r1", "running", "", "fake:adt:0"), "oru": ("r1", "running", "", "fake:oru:0")}
    assert [(r.channel, r.revision, r.text) for r in rows(store, channel_revision)] == [
        ("adt", "r1", "channel: adt"),
        ("oru", "r1", "channel: oru"),
    ]
    source = bench.sources[0]
    receipt = source.context.receive_now(body(), peer="", answer=word)
    assert receipt.verdict.status == "accepted"
    until(lambda: State.DONE in states(store))


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        (ConfigError("no such folder", where="source.path", cure="make it"), "source.path: no such folder (make it)"),
        (KeyError("MARTIN"), "KeyError in the connector fake"),
    ],
)
def test_one_that_fails_stops_no_other(
    store: Store, bench: Bench, host: Host, error: Exception, detail: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Its reason is where people look; an exception of a library without its text."""

    def start(source: FakeSource) -> None:
        if source.context.channel == "adt":
            raise error

    bench.on_start = start
    host.apply(Changes([bench.spec("adt"), bench.spec("oru")]))
    assert ("r1", "failed", detail, "") == run_of(store)["adt"]
    assert run_of(store)["oru"][1] == "running"
    assert ("failed", detail) == (host.channels["adt"].state, host.channels["adt"].detail)
    assert "MARTIN" not in caplog.text
    assert [r.channel for r in rows(store, channel_revision)] != ["adt"], "it never ran"


def test_those_that_hang_hold_up_no_other(
    store: Store, bench: Bench, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They wait together, not one after the other; whichever starts at last, runs."""
    monkeypatch.setattr(host_module, "START_WITHIN", 0.2)
    go_on = threading.Event()

    def start(source: FakeSource) -> None:
        if source.context.channel != "oru":
            assert go_on.wait(20)

    bench.on_start = start
    host.apply(Changes([bench.spec(f"c{n}") for n in range(5)] + [bench.spec("oru")]))
    assert {"failed"} == {state for name, (_, state, _, _) in run_of(store).items() if name != "oru"}
    assert run_of(store)["c0"][2] == "did not start within 0 s"
    assert run_of(store)["oru"][1] == "running"
    go_on.set()
    until(lambda: {"running"} == {state for _, state, _, _ in run_of(store).values()})


@pytest.mark.parametrize("then", ["removed", "changed"])
def test_one_that_starts_when_it_is_no_longer_wanted(
    store: Store, bench: Bench, host: Host, monkeypatch: pytest.MonkeyPatch, then: str
) -> None:
    """It hung; meanwhile the channel went, or has another source: two must not listen."""
    monkeypatch.setattr(host_module, "START_WITHIN", 0.05)
    go_on = threading.Event()

    def start(source: FakeSource) -> None:
        if source.options["port"] == 1:
            assert go_on.wait(20)

    bench.on_start = start
    host.apply(Changes([bench.spec(source=port(bench, 1))]))
    changed = bench.spec(source=port(bench, 2), revision="r2")
    host.apply(Changes([changed]) if then == "changed" else Changes(removed=["adt"]))
    go_on.set()
    until(lambda: bench.sources[0].stopped)
    if then == "changed":
        assert run_of(store)["adt"] == ("r2", "running", "", "fake:adt:2")
        assert host.channels["adt"].source is bench.sources[1]
    else:
        assert (host.channels, run_of(store)["adt"][1]) == ({}, "stopped")


def test_a_port_that_is_taken_is_tried_again(
    store: Store, bench: Bench, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The former hub was still closing: the channel must not stay down until somebody edits its file."""
    tries: list[int] = []

    def start(source: FakeSource) -> None:
        tries.append(1)
        if len(tries) < 3:
            raise UnavailableError("port 2575 is in use", where="source.mllp.port", cure="take another")

    bench.on_start = start
    host.apply(Changes([bench.spec()]))
    assert run_of(store)["adt"][1] == "failed"
    host.apply(Changes())
    assert tries == [1], "not at once"
    monkeypatch.setattr(host_module, "START_AGAIN", -1.0)
    host.apply(Changes([bench.spec()]))
    host.apply(Changes())
    assert (len(tries), run_of(store)["adt"][1]) == (3, "running")
    host.apply(Changes())
    assert len(tries) == 3


def test_one_that_was_removed_is_not_tried_again(
    store: Store, bench: Bench, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its file is gone."""
    monkeypatch.setattr(host_module, "START_AGAIN", -1.0)

    def start(source: FakeSource) -> None:
        raise UnavailableError("in use")

    bench.on_start = start
    host.apply(Changes([bench.spec()]))
    host.apply(Changes(removed=["adt"]))
    host.apply(Changes())
    assert (len(bench.sources), host.channels) == (1, {})


def test_a_reload_of_the_mapping_keeps_the_socket(store: Store, bench: Bench, host: Host) -> None:
    """Peers stay connected: only what changed is made anew."""
    host.apply(Changes([bench.spec()]))
    (source,) = bench.sources
    host.apply(Changes([bench.spec(revision="r2", accept=("ORU",), text="channel: adt # 2")]))
    assert ([source], False) == (bench.sources, source.stopped)
    assert source.context.receive_now(body(), peer="", answer=word).verdict.status == "rejected"
    assert run_of(store)["adt"][:2] == ("r2", "running")
    assert [r.revision for r in rows(store, channel_revision)] == ["r1", "r2"]
    assert [r.revision for r in rows(store, message)] == ["r2"]


def test_a_reload_of_the_source_makes_it_anew(store: Store, bench: Bench, host: Host) -> None:
    """The old one is stopped first, for it may hold the same port."""
    host.apply(Changes([bench.spec(source=port(bench, 1))]))
    host.apply(Changes([bench.spec(source=port(bench, 2), revision="r2")]))
    old, new = bench.sources
    assert (old.stopped, new.stopped, new.started) == (True, False, True)
    assert run_of(store)["adt"][3] == "fake:adt:2"


def test_a_broken_file_keeps_the_old_revision(
    store: Store, bench: Bench, host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    """A slip of the editor stops nothing; the first finding is logged."""
    host.apply(Changes([bench.spec()]))
    caplog.clear()
    host.apply(Changes(broken={"adt": "channel.yaml:3: no such key"}))
    assert run_of(store)["adt"][:2] == ("r1", "running")
    (record,) = caplog.records
    assert (record.levelno, record.facts["where"]) == (logging.ERROR, "channel.yaml:3: no such key")  # type: ignore[attr-defined] # set by event()
    assert bench.sources[0].context.receive_now(body(), peer="", answer=word).verdict.status == "accepted"


def test_a_channel_that_was_removed(store: Store, bench: Bench, host: Host) -> None:
    """Its source ends; the others go on."""
    host.apply(Changes([bench.spec("adt"), bench.spec("oru")]))
    host.apply(Changes(removed=["adt", "unknown"]))
    assert [s.stopped for s in sorted(bench.sources, key=lambda s: s.context.channel)] == [True, False]
    assert (run_of(store)["adt"][1], run_of(store)["oru"][1]) == ("stopped", "running")
    assert list(host.channels) == ["oru"]


def test_one_that_does_not_stop_in_order_holds_up_no_other(
    store: Store, bench: Bench, host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    """A connector that fails while it is stopped: the rest of the change is carried out."""
    host.apply(Changes([bench.spec("adt", source=port(bench, 1, stop_fails=True)), bench.spec("oru")]))
    host.apply(Changes([bench.spec("new")], removed=["adt", "oru"]))
    assert {k: v[1] for k, v in run_of(store).items()} == {"adt": "stopped", "oru": "stopped", "new": "running"}
    assert "a channel did not stop in order" in caplog.text


def test_a_disabled_channel(store: Store, bench: Bench, host: Host) -> None:
    """``enabled: false`` stops it, and says so; it was never started when it is new."""
    host.apply(Changes([bench.spec("adt"), bench.spec("oru", enabled=False)]))
    host.apply(Changes([bench.spec("adt", enabled=False, revision="r2")]))
    assert [s.stopped for s in bench.sources] == [True]
    assert run_of(store) == {
        "adt": ("r2", "stopped", "enabled: false", ""),
        "oru": ("r1", "stopped", "enabled: false", ""),
    }


def test_a_connector_without_source(store: Store, bench: Bench, host: Host) -> None:
    """A destination's name below ``source:``, which the lint refuses too."""
    host.apply(Changes([bench.spec(source=Part("sink", {"bench": bench}))]))
    assert run_of(store)["adt"][1:3] == ("failed", "source: the connector 'sink' has no source")


def test_a_store_that_is_away_stops_no_start(
    store: Store, bench: Bench, host: Host, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The state cannot be noted, but the channel listens: its peers are told to send again."""

    def away(fn: Any) -> Any:
        raise UnavailableError("away")

    with monkeypatch.context() as patch:
        patch.setattr(store, "write", away)
        host.apply(Changes([bench.spec()]))
    assert (bench.sources[0].started, host.channels["adt"].state) == (True, "running")
    assert "the state of a channel was not noted" in caplog.text


def test_one_channel_feeds_another(store: Store, bench: Bench, host: Host) -> None:
    """By the ``channel`` connector; one that does not run yet is waited for, never refused."""
    host.apply(Changes([bench.spec("adt", bench.to())]))
    source = bench.sources[0]
    source.context.receive_now(body(kind="ADT^feed"), peer="", answer=word)
    until(lambda: any(d.attempts for d in rows(store, delivery)))
    assert states(store) == [State.MAPPED]
    host.apply(Changes([bench.spec("next")]))
    until(lambda: len(rows(store, message, message.c.channel == "next")) == 1)
    first, second = sorted(rows(store, message), key=lambda r: r.id)
    assert (first.id, first.id) == (second.trace, second.parent)


def test_feeding_what_does_not_run(bench: Bench, host: Host) -> None:
    """Tried again later: it may be starting."""
    item = Outgoing(1, 2, "k", b"", "text/plain", trace=clock.show_id(2))
    with pytest.raises(UnavailableError, match=r"channel\.to: no channel called 'next' runs now"):
        host.feed("next", item)


def test_stopping(store: Store, bench: Bench, host: Host) -> None:
    """Sources first, then the work; what was taken in is finished or waits."""
    host.apply(Changes([bench.spec("adt"), bench.spec("h", source=Part("hosted", {"bench": bench}))]))
    host.stop()
    assert [s.stopped for s in bench.sources] == [True]
    assert run_of(store) == {"adt": ("r1", "stopped", "the hub was stopped", "")}
    assert host.channels == {}


def test_a_destination_by_its_name(bench: Bench) -> None:
    """As people write it."""
    one = bench.to("one")
    spec = bench.spec("adt", one)
    assert (one, None) == (destination_called(spec, "one"), destination_called(spec, "two"))
