"""Counts of what happens, kept in memory and added to the store once a second.

Every process of the hub adds to the same rows, so ``/metrics`` of any of them tells of all.
"""

from __future__ import annotations

import threading
from collections import Counter

from hub.store.writer import Tx, batched

# Upper bounds of the latency histogram, in milliseconds (received to mapped).
BUCKETS = (5, 10, 25, 50, 100, 250, 500, 1000, 5000, 30000)


class Counters:
    """Thread-safe; ``flush`` hands over what came since the last one."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, name: str, label: str, count: int = 1) -> None:
        with self._mutex:
            self._counts[name, label] += count

    def latency(self, label: str, micros: int) -> None:
        """Count one message into its bucket and into the sum."""
        ms = micros / 1000
        bucket = next((str(b) for b in BUCKETS if ms <= b), "inf")
        with self._mutex:
            self._counts[f"mapped_ms_le_{bucket}", label] += 1
            self._counts["mapped_us_sum", label] += max(0, micros)

    def take(self) -> list[tuple[str, str, int]]:
        with self._mutex:
            taken = [(name, label, n) for (name, label), n in self._counts.items() if n]
            self._counts.clear()
        return taken

    def put_back(self, taken: list[tuple[str, str, int]]) -> None:
        with self._mutex:
            for name, label, n in taken:
                self._counts[name, label] += n


@batched
def store(tx: Tx, items: list[list[tuple[str, str, int]]]) -> list[None]:
    """Writer handler: add counts to the rows."""
    tx.many(
        "INSERT INTO counter (name, label, value) VALUES (?, ?, ?)"
        " ON CONFLICT (name, label) DO UPDATE SET value = counter.value + excluded.value",
        sorted(row for taken in items for row in taken),
    )
    return [None] * len(items)
