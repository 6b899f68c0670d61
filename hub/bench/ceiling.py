"""The ceiling: how many rows a second one writer with group commit takes, and nothing else is done."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from hub.bench.database import Place
from hub.settings import Settings
from hub.store import open_store
from hub.store.tables import body
from hub.store.writer import Tx

SIZE = 1024


def inserts(place: Place, waiting: int, seconds: float) -> float:
    """Bodies of 1 KiB a second, each on disk before it counts.

    :param waiting: how many wait for the writer at one time, as connections do.
    """
    with (
        tempfile.TemporaryDirectory(prefix="hub-bench-") as home,
        place.fresh() as url,
        closing(open_store(Settings.load(Path(home), database_url=url or None))) as store,
    ):
        store.upgrade()
        return _run(store.writer("work"), waiting, seconds)


def _run(writer: Any, waiting: int, seconds: float) -> float:
    began = time.perf_counter()
    until = began + seconds
    counted = [0]
    running = threading.Semaphore(0)

    def write(tx: Tx, items: list[Any]) -> Sequence[Any]:
        tx.insert(body, items, ignore=True)
        return items

    def row() -> tuple[bytes, int, bytes]:
        return os.urandom(32), SIZE, bytes(SIZE)

    def done(_result: Any, error: BaseException | None) -> None:
        counted[0] += error is None
        if error is None and time.perf_counter() < until:
            writer.submit(write, row(), done)
        else:
            running.release()

    for _ in range(waiting):
        writer.submit(write, row(), done)
    for _ in range(waiting):
        running.acquire()
    return counted[0] / (time.perf_counter() - began)
