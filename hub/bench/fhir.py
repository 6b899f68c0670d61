"""The façade under load: a store filled with patients, then one kind of request after the other.

Ten resources a patient: Patient, Encounter, DiagnosticReport, three DocumentReferences and four Observations;
one patient in fifty has twenty DocumentReferences more, all of one year, which is what ITI-67 looks for.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from hub.bench import load, measure
from hub.bench.database import Place
from hub.store import Store, open_store, resources, tokens
from hub.testing import samples
from hub.testing.child import ChildHub

INS = samples.INS_SYSTEM
EVERY = 50  # patients to one with many documents
MANY = 20
_BATCH = 2000  # resources a transaction

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Figures:
    """What one kind of request showed: rate a second, waits in milliseconds, memory in MiB."""

    name: str
    database: str
    rate: float
    bad: int
    p50: float
    p95: float
    p99: float
    worker: float  # highest resident size of one HTTP worker
    cores: float


def resources_of(number: int) -> Iterator[dict[str, Any]]:
    """The resources of one patient, with their ids."""
    subject = {"reference": f"Patient/bench-{number}"}
    ins = samples.ins_of(number).decode()
    day = f"2025-{number % 12 + 1:02d}-{number % 28 + 1:02d}"
    yield {
        "resourceType": "Patient", "id": f"bench-{number}", "active": True,
        "identifier": [{"use": "official", "system": INS, "value": f"{ins}-{number}"}],
        "name": [{"use": "official", "family": f"ESSAI-{number}", "given": ["Camille"]}],
        "gender": "female", "birthDate": f"19{40 + number % 50}-03-{number % 28 + 1:02d}",
    }  # fmt: skip
    yield {
        "resourceType": "Encounter", "id": f"bench-{number}", "status": "finished", "subject": subject,
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        "period": {"start": f"{day}T08:00:00+01:00", "end": f"{day}T09:00:00+01:00"},
    }  # fmt: skip
    yield {
        "resourceType": "DiagnosticReport", "id": f"bench-{number}", "status": "final", "subject": subject,
        "code": {"coding": [{"system": "http://loinc.org", "code": "24606-6"}]}, "effectiveDateTime": day,
        "result": [{"reference": f"Observation/bench-{number}-{n}"} for n in range(4)],
    }  # fmt: skip
    for n in range(3 + (MANY if number % EVERY == 0 else 0)):
        yield {
            "resourceType": "DocumentReference", "id": f"bench-{number}-{n}", "status": "current", "subject": subject,
            "masterIdentifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:oid:2.16.840.1.113883.19.{number}.{n}"},
            "type": {"coding": [{"system": "http://loinc.org", "code": "34794-8"}]},
            "date": f"{2024 if n < 3 else 2025}-{n % 12 + 1:02d}-15T10:00:00+01:00",
            "content": [{"attachment": {"contentType": "text/xml", "url": f"Binary/bench-{number}-{n}"}}],
        }  # fmt: skip
    for n in range(4):
        yield observation(number, n)


def observation(number: int, n: int) -> dict[str, Any]:
    """One result of a patient."""
    return {
        "resourceType": "Observation", "id": f"bench-{number}-{n}", "status": "final",
        "subject": {"reference": f"Patient/bench-{number}"}, "effectiveDateTime": f"2025-06-{n % 28 + 1:02d}",
        "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
        "valueQuantity": {"value": 60 + n, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"},
    }  # fmt: skip


def fill(store: Store, patients: int, say: Say) -> int:
    """Store the resources of so many patients; return how many resources that were."""
    from hub import clock
    from hub.fhir.draft import Entry

    total = 0
    batch: list[resources.Write] = []
    began = time.perf_counter()

    def flush() -> None:
        nonlocal total, batch
        writes, batch = batch, []
        store.write(lambda tx: resources.apply(tx, writes, clock.now(), store.ids.take))
        total += len(writes)

    for number in range(patients):
        for made in resources_of(number):
            id_ = str(made.pop("id"))
            entry = Entry(str(made["resourceType"]), id_, made)
            batch.append(resources.prepare(entry, store.take_id(), "urn:oncohub:bench"))
        if len(batch) >= _BATCH:
            flush()
        if number and number % 20_000 == 0:
            say(f"{total} resources stored, {total / (time.perf_counter() - began):.0f}/s")
    if batch:
        flush()
    store.write(lambda tx: tx.raw.execute("ANALYZE"))  # what a server does by itself within minutes
    return total


def requests(patients: int) -> dict[str, Callable[[int], tuple[str, str, bytes]]]:
    """Kind of request -> the number of a request -> (method, path, body)."""

    def any_of(n: int) -> int:
        return n * 7919 % patients  # spread, and the same each time

    def many_of(n: int) -> int:
        return any_of(n) // EVERY * EVERY

    def create(n: int) -> bytes:
        made = observation(any_of(n), n)
        del made["id"]
        return orjson.dumps(made | {"identifier": [{"system": "urn:bench", "value": str(n)}]})

    def transaction(n: int) -> bytes:
        entries = [
            {"resource": orjson.Fragment(create(n * 10 + i)), "request": {"method": "POST", "url": "Observation"}}
            for i in range(10)
        ]
        return orjson.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries})

    def by_identifier(n: int) -> str:
        number = any_of(n)
        return f"/fhir/Patient?identifier={INS}%7C{samples.ins_of(number).decode()}-{number}"

    def documents(n: int) -> str:
        return f"/fhir/DocumentReference?patient=Patient/bench-{many_of(n)}&date=ge2025-01-01&date=lt2026-01-01"

    return {
        "read": lambda n: ("GET", f"/fhir/Patient/bench-{any_of(n)}", b""),
        "search by identifier": lambda n: ("GET", by_identifier(n), b""),
        "ITI-67 by patient and date, 20 hits": lambda n: ("GET", documents(n), b""),
        "create": lambda n: ("POST", "/fhir/Observation", create(n)),
        "transaction of 10": lambda n: ("POST", "/fhir", transaction(n)),
    }


def run(place: Place, patients: int, seconds: float, workers: int, say: Say) -> list[Figures]:
    """Fill a store, serve it, and measure each kind of request over 16 connections."""
    from hub.channel.site import make_site
    from hub.settings import Settings

    with contextlib.ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hub-bench-")))
        make_site(home, force=True)
        url = stack.enter_context(place.fresh())
        with contextlib.closing(open_store(Settings.load(home, database_url=url or None), "bench")) as store:
            store.upgrade()
            total = fill(store, patients, say)
            token = tokens.issue(store, "bench", (tokens.READ, tokens.WRITE), 1)
        say(f"{place.name}: {total} resources of {patients} patients")
        variables = {"HUB_LOG_LEVEL": "warning", "HUB_HTTP_WORKERS": str(workers)}
        child = ChildHub(home, variables | ({"HUB_DATABASE_URL": url} if url else {}))
        child.start()
        stack.callback(child.stop)
        figures = []
        for name, make in requests(patients).items():
            figures.append(asyncio.run(_measure(name, make, place.name, child, token, seconds)))
            say(f"{place.name} {name}: {figures[-1].rate:.0f}/s")
        return figures


async def _measure(
    name: str, make: Callable[[int], tuple[str, str, bytes]], database: str, child: ChildHub, token: str, seconds: float
) -> Figures:
    target = load.fhir(child.address("http"), token)
    client = load.Client(target, lambda n: load.request(target.address, token, *make(n)), 16)
    await client.open()
    await client.run(min(seconds / 4, 2.0))
    measure.reset_peak(child.pid)
    cpu, began = measure.cpu_seconds(child.pid), time.perf_counter()
    seen = await client.run(seconds)
    whole = time.perf_counter() - began
    cores = (measure.cpu_seconds(child.pid) - cpu) / whole
    await client.close()
    return Figures(
        name, database, seen.answered / seen.seconds, seen.bad,
        seen.percentile(50), seen.percentile(95), seen.percentile(99), _worker(child.pid), cores,
    )  # fmt: skip


def _worker(pid: int) -> float:
    """Highest resident size of the largest process of the HTTP server."""
    serving = [p for p in measure.tree(pid) if b"hub.facade.serve" in _words(p)]
    return max((measure.own_peak_mib(p) for p in serving), default=0.0)


def _words(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
