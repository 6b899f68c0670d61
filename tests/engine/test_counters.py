"""Counters and the page of /metrics."""

from __future__ import annotations

import json
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from hub import clock
from hub.engine import counters as counting
from hub.engine import metrics
from hub.engine.counters import BUCKETS, Counters
from hub.store import Store, channels, deliveries
from hub.store.tables import State, counter
from hub.store.writer import Tx

from .bench import Bench, body
from .rows import receive, rows
from .test_work import work_on


def test_counts_add_up() -> None:
    """Handed over once; what could not be stored is put back."""
    it = Counters()
    it.add("accepted", "adt")
    it.add("accepted", "adt", 2)
    it.add("accepted", "oru")
    taken = it.take()
    assert {("accepted", "adt", 3), ("accepted", "oru", 1)} == set(taken)
    assert it.take() == []
    it.add("accepted", "adt")
    it.put_back(taken)
    assert {("accepted", "adt", 4), ("accepted", "oru", 1)} == set(it.take())


def test_nothing_is_lost_between_threads() -> None:
    """Sources, mappers and senders count at the same time."""
    it = Counters()
    threads = [threading.Thread(target=lambda: [it.add("accepted", "adt") for _ in range(500)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert it.take() == [("accepted", "adt", 2000)]


@given(st.integers(-1000, 100_000_000))
def test_a_latency_is_in_the_first_bucket_that_holds_it(micros: int) -> None:
    """Upper bounds are inclusive (Prometheus: ``le``); a clock that was set back counts as nothing."""
    it = Counters()
    it.latency("adt", micros)
    found = {name: n for name, _, n in it.take()}
    (bucket,) = (name.removeprefix("mapped_ms_le_") for name in found if name.startswith("mapped_ms_le_"))
    fitting = [b for b in BUCKETS if micros <= b * 1000]
    assert bucket == (str(fitting[0]) if fitting else "inf")
    assert max(0, micros) == found.get("mapped_us_sum", 0)


def test_processes_add_to_the_same_rows(store: Store) -> None:
    """Several handed over at once, each to what is there."""
    store.write(
        lambda tx: counting.store(tx, [[("accepted", "adt", 2), ("sent", "adt/a", 1)], [("accepted", "adt", 1)]])
    )
    store.writer("work").call(counting.store, [("accepted", "adt", 4)])
    assert {(r.name, r.label): r.value for r in rows(store, counter)} == {("accepted", "adt"): 7, ("sent", "adt/a"): 1}


def _samples(store: Store) -> dict[tuple[str, str], float]:
    page = metrics.render(store).decode()
    return {
        (sample.name, json.dumps(sample.labels, sort_keys=True)): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


def _of(name: str, **labels: str) -> tuple[str, str]:
    return name, json.dumps(labels, sort_keys=True)


def test_an_empty_store_has_a_page(store: Store) -> None:
    """It parses (prometheus.io, text format 0.0.4), and tells of this process at most."""
    assert _samples(store) == {}
    assert b"# TYPE hub_messages_accepted_total counter" in metrics.render(store)


def test_counts_and_gauges(store: Store, bench: Bench) -> None:
    """What was done since the beginning, and what waits now, by channel and destination."""
    spec = bench.spec("adt", bench.to("a"))
    receive(store, spec, body("C1"))
    work_on(store, spec)
    receive(store, spec, body("C2"), body("C3"))
    it = Counters()
    it.add("accepted", "adt", 3)
    it.add("sent", "adt/a", 2)
    for micros in (4_000, 5_000, 6_000, 99_000_000):
        it.latency("adt", micros)
    store.writer("work").call(counting.store, it.take())
    store.write(lambda tx: deliveries.steer(tx, "adt", "b", failures=1, open_until=9))
    at = clock.now()
    store.write(lambda tx: channels.note(tx, "adt", "r1", "running", "", "mllp://127.0.0.1:2575", "text", at))
    store.write(lambda tx: channels.note(tx, "oru", "r1", "failed", "port in use", "", "text", at))
    found = _samples(store)
    expected = {
        _of("hub_messages_accepted_total", channel="adt"): 3,
        _of("hub_deliveries_sent_total", channel="adt", destination="a"): 2,
        _of("hub_messages_waiting", channel="adt"): 2,
        _of("hub_deliveries_due", channel="adt", destination="a"): 1,
        _of("hub_destination_away", channel="adt", destination="b"): 1,
        _of("hub_channel_running", channel="adt", revision="r1"): 1,
        _of("hub_channel_running", channel="oru", revision="r1"): 0,
        _of("hub_processes", role="test"): 1,
        _of("hub_mapped_seconds_count", channel="adt"): 4,
        _of("hub_mapped_seconds_sum", channel="adt"): 99.015,
        _of("hub_mapped_seconds_bucket", channel="adt", le="0.005"): 2,
        _of("hub_mapped_seconds_bucket", channel="adt", le="0.01"): 3,
        _of("hub_mapped_seconds_bucket", channel="adt", le="30.0"): 3,
        _of("hub_mapped_seconds_bucket", channel="adt", le="+Inf"): 4,
    }
    assert expected == {key: found[key] for key in expected}
    assert found[_of("hub_waiting_age_seconds", channel="adt")] >= 0
    assert found[_of("hub_delivery_age_seconds", channel="adt", destination="a")] >= 0


def test_ages_are_of_the_oldest(store: Store, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """In seconds, and never negative."""
    spec = bench.spec()
    first, _ = (r.verdict.message_id for r in receive(store, spec, body("C1"), body("C2")))
    monkeypatch.setattr(metrics.clock, "now", lambda: clock.id_time(first) + 90_000_000)
    assert _samples(store)[_of("hub_waiting_age_seconds", channel="adt")] == 90
    monkeypatch.setattr(metrics.clock, "now", lambda: 0)
    assert _samples(store)[_of("hub_waiting_age_seconds", channel="adt")] == 0


def test_labels_are_escaped(store: Store) -> None:
    """Text format 0.0.4: backslash, quote and line feed."""
    store.writer("work").call(counting.store, [("accepted", 'a"\\\nb', 1)])
    assert _samples(store)[_of("hub_messages_accepted_total", channel='a"\\\nb')] == 1


def test_the_notes_of_a_channel(store: Store) -> None:
    """What runs, by which revision, and every revision that ever ran with its text."""
    from hub.store.tables import channel_revision, channel_run

    notes = (("r1", "running", 1), ("r1", "stopped", 2), ("r2", "failed", 3), ("r1", "running", 4))

    def note(tx: Tx) -> None:
        for revision, state, at in notes:
            channels.note(tx, "adt", revision, state, "why", "here", "text", at)

    store.write(note)
    assert [tuple(r) for r in rows(store, channel_run)] == [("adt", "r1", "running", "why", "here", 4)]
    assert [tuple(r) for r in rows(store, channel_revision)] == [("adt", "r1", 1, "text")]
    assert State.WAITING == 0
