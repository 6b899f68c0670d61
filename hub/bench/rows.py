"""The lines of the table, and how one is run: a fresh hub, a warm-up, a measured phase, the drain.

The measured phase begins when all of the warm-up is mapped; "mapped" is counted until nothing waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func, select

from hub.bench import load, measure
from hub.bench.database import Place
from hub.errors import UnavailableError
from hub.store import Store, open_store, tokens
from hub.store.tables import State, message
from hub.testing import samples
from hub.testing.child import ChildHub

CDA_SIZE = 160_000
MDM_DOCUMENT_SIZE = 246_000  # in base64 and its message: 330 KB
_DRAIN = 300.0  # seconds


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    name: str
    what: str
    connections: int
    way: str = "mllp"


@dataclass(frozen=True, slots=True)
class Figures:
    """What one line showed.  Rates are messages a second, waits milliseconds, memory MiB."""

    row: Row
    database: str
    size: int
    answered: int
    bad: int
    answered_rate: float
    mapped_rate: float
    p50: float
    p95: float
    p99: float
    peak: float
    cores: float
    unmapped: int


ROWS = (
    *(Row(f"adt-{n}", "ADT^A01, a new patient each", n) for n in (1, 4, 16)),
    *(Row(f"adt-same-{n}", "ADT^A01, one patient", n) for n in (1, 4, 16)),
    Row("mdm-4", "MDM^T02 with a CDA", 4),
    Row("cda-4", "CDA over HTTP", 4, "http"),
)


def maker(name: str, tag: str) -> load.Make:
    """What makes the messages of one row: each with a control id or a document id of its own."""
    kind = name.rpartition("-")[0]
    if kind == "cda":
        document = samples.grown(samples.read("cda-tumour-board.xml"), CDA_SIZE)
        return lambda n: samples.renumbered(document, f"{tag}{n:08d}".encode())
    if kind == "mdm":
        # Most reports of today travel so: a PDF inside a CDA (level 1) inside OBX-5.
        flat = samples.as_file(samples.read("cda-tumour-board.xml"), b"%PDF-1.7\n")
        document = samples.grown(flat, MDM_DOCUMENT_SIZE)
        board = samples.read("mdm-t02-tumour-board.er7")

        def carrying(n: int) -> bytes:
            number = f"{tag}{n:08d}".encode()
            made = samples.with_control_id(board.replace(b"RCP-2026-0448", number), number)
            return samples.carrying(made, samples.renumbered(document, number))

        return carrying
    admission = samples.read("adt-a01-admission.er7")
    if kind == "adt-same":
        return lambda n: samples.with_control_id(admission, f"{tag}{n:08d}".encode())
    return lambda n: samples.with_control_id(samples.of_patient(admission, n), f"{tag}{n:08d}".encode())


def run(row: Row, place: Place, seconds: float, say: Callable[[str], None]) -> Figures:
    """Run one line against a hub of its own."""
    from hub.channel.site import make_site
    from hub.settings import Settings

    with contextlib.ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hub-bench-")))
        make_site(home, force=True)
        url = stack.enter_context(place.fresh())
        variables = {"HUB_LOG_LEVEL": "warning"} | ({"HUB_DATABASE_URL": url} if url else {})
        child = ChildHub(home, variables)
        child.start()
        stack.callback(child.stop)
        store = stack.enter_context(contextlib.closing(open_store(Settings.load(home, database_url=url or None))))
        figures = asyncio.run(_measure(row, place.name, child, store, seconds))
    say(f"{place.name} {row.name}: {figures.answered_rate:.0f} answered/s, {figures.mapped_rate:.0f} mapped/s")
    return figures


def _target(row: Row, child: ChildHub, store: Store) -> load.Target:
    if row.way == "mllp":
        return load.mllp(child.address("hospital-hl7v2"))
    token = tokens.issue(store, "bench", (tokens.INGEST,), 1)
    return load.http(child.address("http"), "/in/cda", token, "text/xml")


async def _measure(row: Row, database: str, child: ChildHub, store: Store, seconds: float) -> Figures:
    make = maker(row.name, "B")
    client = load.Client(_target(row, child, store), make, row.connections)
    await client.open()
    warm = await client.run(seconds / 4)
    held = await _drained(store)
    measure.reset_peak(child.pid)
    cpu, began = measure.cpu_seconds(child.pid), time.perf_counter()
    seen = await client.run(seconds)
    unmapped = await _drained(store) - held
    whole = time.perf_counter() - began
    cpu = measure.cpu_seconds(child.pid) - cpu
    peak = measure.peak_mib(child.pid)
    await client.close()
    return Figures(
        row, database, len(make(0)), seen.answered, seen.bad + warm.bad,
        seen.answered / seen.seconds, (seen.answered - unmapped) / whole,
        seen.percentile(50), seen.percentile(95), seen.percentile(99), peak, cpu / whole, unmapped,
    )  # fmt: skip


async def _drained(store: Store) -> int:
    """Wait until nothing waits to be mapped; return how many messages are held, which none should be."""
    end = time.monotonic() + _DRAIN
    while _count(store, State.WAITING):
        if time.monotonic() > end:
            raise UnavailableError("messages still wait to be mapped", cure="see `run.log` of the hub")
        await asyncio.sleep(0.02)
    return _count(store, State.HELD)


def _count(store: Store, state: State) -> int:
    with store.reading() as conn:
        return int(conn.execute(select(func.count()).where(message.c.state == int(state))).scalar_one())
