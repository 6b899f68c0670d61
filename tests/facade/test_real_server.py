"""Writes over real sockets: the main flows, a race of two clients, chunked bodies, and a kill in the middle."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from hub.facade.http_server import HttpServer
from hub.settings import Settings
from hub.store import open_store, tokens
from tests.facade.test_serve import children, ended
from tests.waiting import until

ANNE = {"resourceType": "Patient", "id": "anne", "name": [{"family": "Lefèvre"}]}


@dataclass
class Live:
    """A server that runs, and what clients need of it."""

    server: HttpServer
    token: str

    def client(self) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/fhir+json"}
        return httpx.Client(base_url=f"{self.server.url}/fhir", headers=headers, timeout=60, trust_env=False)


@pytest.fixture
def live(settings: Settings) -> Iterator[Live]:
    """On each database."""
    (settings.home / "channels").mkdir()
    store = open_store(settings)
    store.upgrade()
    token = tokens.issue(store, "tester", [tokens.READ, tokens.WRITE])
    store.close()
    server = HttpServer(settings, port=0)
    server.start()
    server.wait_ready()
    yield Live(server, token)
    server.stop()


def test_the_main_flows(live: Live) -> None:
    """create, read, update, patch, search, history, transaction, delete, as any client does them."""
    with live.client() as client:
        made = client.post("/Patient", json=ANNE)
        path = made.headers["Location"].partition("/fhir")[2].partition("/_history")[0]
        assert (made.status_code, client.get(path).json()["name"]) == (201, ANNE["name"])
        body = made.json() | {"gender": "female"}
        assert client.put(path, json=body, headers={"If-Match": 'W/"1"'}).headers["ETag"] == 'W/"2"'
        patch = [{"op": "add", "path": "/active", "value": True}]
        done = client.patch(path, json=patch, headers={"Content-Type": "application/json-patch+json"})
        assert done.json()["active"] is True
        assert client.get("/Patient", params={"gender": "female"}).json()["total"] == 1
        xml = client.get(path, headers={"Accept": "application/fhir+xml"})
        assert xml.text.startswith('<?xml version="1.0" encoding="UTF-8"?>\n<Patient xmlns="http://hl7.org/fhir">')
        entry = {"request": {"method": "PUT", "url": "Patient/b"}, "resource": {"resourceType": "Patient", "id": "b"}}
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
        assert client.post("/", json=bundle).json()["entry"][0]["response"]["status"] == "201 Created"
        assert client.delete(path).status_code == 204
        assert client.get(path).status_code == 410
        assert client.get(f"{path}/_history").json()["total"] == 4
        assert client.head("/Patient/b").headers["ETag"] == 'W/"1"'
        assert "PUT" in client.options("/Patient/b").headers["Allow"]


def test_a_body_may_come_in_pieces(live: Live) -> None:
    """RFC 9112 §7.1: chunked, without a Content-Length; also large ones."""
    with live.client() as client:
        pieces = (b'{"resourceType":"Patient",', b'"id":"anne"}')
        assert client.put("/Patient/anne", content=iter(pieces)).status_code == 201
        document = os.urandom(3_000_000)
        halves = (document[:1_500_000], document[1_500_000:])
        made = client.post("/Binary", content=iter(halves), headers={"Content-Type": "application/pdf"})
        assert made.status_code == 201
        assert client.get(made.headers["Location"].partition("/fhir")[2].partition("/_hist")[0]).content == document


def test_of_two_clients_one_wins(live: Live) -> None:
    """R4 §3.1.0.5, in twenty rounds: one 200, one 412, and the versions are those of the winners."""
    rounds, statuses = 20, [[0, 0] for _ in range(20)]
    meet = threading.Barrier(2)

    def play(which: int) -> None:
        with live.client() as client:
            for number in range(rounds):
                meet.wait(60)
                body = ANNE | {"multipleBirthInteger": number * 2 + which}
                answer = client.put("/Patient/anne", json=body, headers={"If-Match": f'W/"{number + 1}"'})
                statuses[number][which] = answer.status_code

    with live.client() as client:
        assert client.put("/Patient/anne", json=ANNE).status_code == 201
        threads = [threading.Thread(target=play, args=(n,)) for n in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert all(sorted(both) == [200, 412] for both in statuses), statuses
        assert client.get("/Patient/anne").headers["ETag"] == f'W/"{rounds + 1}"'


def _bundle(name: str) -> dict[str, Any]:
    entries = [
        {"request": {"method": "POST", "url": "Patient"}, "fullUrl": f"urn:uuid:{n}",
         "resource": {"resourceType": "Patient", "identifier": [{"system": "urn:kill", "value": f"{name}"}]}}
        for n in range(1000)
    ]  # fmt: skip
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_transaction_is_all_or_nothing_when_the_server_is_killed(live: Live, settings: Settings) -> None:
    """R4 §3.1.0.11.2: SIGKILL at many instants of 1,000 entries; each is there whole or not at all, and what was
    answered is there."""
    with live.client() as client:
        began = time.monotonic()
        assert client.post("/", json=_bundle("first")).status_code == 200
        took = time.monotonic() - began
    answered = {"first"}
    for number in range(12):
        done: list[int] = []

        def send(name: str = f"k{number}", done: list[int] = done) -> None:
            try:
                with live.client() as client:
                    done.append(client.post("/", json=_bundle(name)).status_code)
            except httpx.HTTPError:
                done.append(0)

        thread = threading.Thread(target=send)
        thread.start()
        thread.join(took * (number + 1) / 11)  # the instant is what is being tried
        workers = children(live.server.pid)
        os.kill(live.server.pid, signal.SIGKILL)
        assert all(ended(p) for p in workers)
        thread.join()
        if done == [200]:
            answered.add(f"k{number}")
        live.server.start()
        live.server.wait_ready()
    with live.client() as client:
        for name in ("first", *(f"k{n}" for n in range(12))):
            total = until(
                lambda n=name: client.get("/Patient", params={"identifier": f"urn:kill|{n}", "_count": 0}).json()
            )["total"]  # type: ignore[misc] # binds the loop's value
            assert total in ((1000,) if name in answered else (0, 1000)), name
        assert client.get("/_history", params={"_count": 0}).json()["total"] % 1000 == 0
    assert len(answered) < 13, "no kill came in time"
