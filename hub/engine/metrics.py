"""``/metrics``: what the hub has done and what waits, in the Prometheus text format.

Counts come from the rows that all processes add to; gauges are asked of the store when scraped, from
the small partial indexes only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector, CollectorRegistry
from sqlalchemy import func, select

from hub import clock
from hub.engine.counters import BUCKETS
from hub.store import Store
from hub.store.tables import Sending, State, channel_run, counter, delivery, destination, message, node

COUNTERS = {
    "accepted": ("hub_messages_accepted", "Messages stored and answered positively"),
    "duplicate": ("hub_messages_duplicate", "Messages that came before and got the first answer again"),
    "filtered": ("hub_messages_filtered", "Messages taken but not for their channel"),
    "rejected": ("hub_messages_rejected", "Messages refused and kept in hold"),
    "failed": ("hub_messages_failed", "Messages that could not be stored"),
    "received_bytes": ("hub_received_bytes", "Bytes of messages received"),
    "mapped": ("hub_messages_mapped", "Messages mapped and stored"),
    "held": ("hub_messages_held", "Messages held after reading, mapping or validation"),
}
SENT = {
    "sent": ("hub_deliveries_sent", "Deliveries taken by their peer"),
    "send_failed": ("hub_deliveries_failed_attempts", "Attempts that failed"),
    "delivery_held": ("hub_deliveries_held", "Deliveries that were held"),
}


class _StoreCollector(Collector):
    def __init__(self, store: Store) -> None:
        self._store = store

    def collect(self) -> Iterator[Metric]:
        with self._store.reading() as conn:
            counts: dict[str, dict[str, int]] = defaultdict(dict)
            for row in conn.execute(select(counter)):
                counts[row.name][row.label] = int(row.value)
            yield from _counters(counts)
            yield from self._gauges(conn)

    def _gauges(self, conn: Any) -> Iterator[Metric]:
        waiting = GaugeMetricFamily("hub_messages_waiting", "Messages that wait for their mapping", labels=["channel"])
        oldest = GaugeMetricFamily("hub_waiting_age_seconds", "Age of the oldest of them", labels=["channel"])
        row = message.c
        now = clock.now()
        for name, number, first in conn.execute(
            select(row.channel, func.count(), func.min(row.id))
            .where(row.state == int(State.WAITING))
            .group_by(row.channel)
        ):
            waiting.add_metric([name], number)
            oldest.add_metric([name], max(0, now - clock.id_time(int(first))) / 1e6)
        yield waiting
        yield oldest
        queued = GaugeMetricFamily("hub_deliveries_due", "Deliveries not yet sent", labels=["channel", "destination"])
        age = GaugeMetricFamily("hub_delivery_age_seconds", "Age of the oldest", labels=["channel", "destination"])
        d = delivery.c
        for channel, name, number, first in conn.execute(
            select(d.channel, d.destination, func.count(), func.min(d.made_at))
            .where(d.state == int(Sending.DUE))
            .group_by(d.channel, d.destination)
        ):
            queued.add_metric([channel, name], number)
            age.add_metric([channel, name], max(0, now - int(first)) / 1e6)
        yield queued
        yield age
        away = GaugeMetricFamily(
            "hub_destination_away", "1 while a peer does not answer", labels=["channel", "destination"]
        )
        for r in conn.execute(select(destination)):
            away.add_metric([r.channel, r.name], 1 if r.failures else 0)
        yield away
        running = GaugeMetricFamily("hub_channel_running", "1 while a channel runs", labels=["channel", "revision"])
        for r in conn.execute(select(channel_run)):
            running.add_metric([r.channel, r.revision], 1 if r.state == "running" else 0)
        yield running
        processes = GaugeMetricFamily("hub_processes", "Processes that share the store", labels=["role"])
        for role, number in conn.execute(select(node.c.role, func.count()).group_by(node.c.role)):
            processes.add_metric([role], number)
        yield processes


def _counters(counts: dict[str, dict[str, int]]) -> Iterator[Metric]:
    for key, (name, text) in COUNTERS.items():
        family = CounterMetricFamily(name, text, labels=["channel"])
        for label, value in counts.get(key, {}).items():
            family.add_metric([label], value)
        yield family
    for key, (name, text) in SENT.items():
        family = CounterMetricFamily(name, text, labels=["channel", "destination"])
        for label, value in counts.get(key, {}).items():
            family.add_metric(label.partition("/")[::2], value)
        yield family
    histogram = HistogramMetricFamily("hub_mapped_seconds", "From reception to mapped and stored", labels=["channel"])
    for channel, micros in counts.get("mapped_us_sum", {}).items():
        running, buckets = 0, []
        for bound in (*map(str, BUCKETS), "inf"):
            running += counts.get(f"mapped_ms_le_{bound}", {}).get(channel, 0)
            buckets.append(("+Inf" if bound == "inf" else str(int(bound) / 1000), running))
        histogram.add_metric([channel], buckets, micros / 1e6)
    yield histogram


def render(store: Store) -> bytes:
    """The page of ``/metrics``."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_StoreCollector(store))
    return bytes(generate_latest(registry))
