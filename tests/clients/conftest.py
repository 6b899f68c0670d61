"""A hub that serves its API over a socket, for clients that nobody here wrote."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from hub.facade.http_server import HttpServer
from hub.settings import Settings
from hub.store import open_store, tokens


@dataclass(frozen=True)
class Live:
    """A server that runs; ``base`` is the URL of its API, ``token`` may read and write."""

    base: str
    token: str

    def http(self) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/fhir+json"}
        return httpx.Client(base_url=self.base, headers=headers, timeout=60, trust_env=False)


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    settings = Settings.load(tmp_path_factory.mktemp("hub"))
    (settings.home / "channels").mkdir()
    store = open_store(settings)
    store.upgrade()
    token = tokens.issue(store, "client", [tokens.READ, tokens.WRITE])
    store.close()
    server = HttpServer(settings, port=0)
    try:
        server.start()
        server.wait_ready()
        yield Live(f"{server.url}/fhir", token)
    finally:
        server.stop()


_numbers = itertools.count(1)


@pytest.fixture
def ward(live: Live) -> Callable[[int], str]:
    """Makes a ward of so many stays, each with a patient of its own; gives the system of their identifiers."""

    def fill(stays: int) -> str:
        system = f"urn:ward:{next(_numbers)}"
        entries: list[dict[str, Any]] = []
        for n in range(stays):
            patient = {"resourceType": "Patient", "identifier": [{"system": system, "value": f"{n}"}],
                       "name": [{"family": f"Lefèvre-{n}", "given": ["Anne"]}], "birthDate": f"19{50 + n}-01-02",
                       "gender": "female"}  # fmt: skip
            stay = {"resourceType": "Encounter", "status": "finished", "subject": {"reference": f"urn:uuid:{n}"},
                    "identifier": [{"system": system, "value": f"stay-{n}"}],
                    "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"}}  # fmt: skip
            entries += [
                {"fullUrl": f"urn:uuid:{n}", "resource": patient, "request": {"method": "POST", "url": "Patient"}},
                {"resource": stay, "request": {"method": "POST", "url": "Encounter"}},
            ]
        with live.http() as client:
            done = client.post("", json={"resourceType": "Bundle", "type": "transaction", "entry": entries})
        assert done.status_code == 200, done.text
        return system

    return fill
