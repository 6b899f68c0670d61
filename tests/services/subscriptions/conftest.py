"""A store, an endpoint that its settings allow, and the service between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import select

from hub.facade.server import Application
from hub.services.subscriptions.service import Service
from hub.settings import Settings
from hub.store import Store, open_store, tables, tokens
from hub.store.tables import Sending, delivery, resource
from tests.facade.conftest import Api, put
from tests.services.subscriptions.peer import Peer
from tests.waiting import until

BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-"


def asking(url: str, criteria: str = "Patient?gender=female", **channel: Any) -> dict[str, Any]:
    """A Subscription by rest-hook; ``content`` asks for notification Bundles."""
    content = channel.pop("content", None)
    more = channel.pop("more", {})
    made: dict[str, Any] = {"type": "rest-hook", "endpoint": url, **channel}
    if content:
        made["payload"] = "application/fhir+json"
        made["_payload"] = {"extension": [{"url": f"{BACKPORT}payload-content", "valueCode": content}]}
    return {
        "resourceType": "Subscription", "status": "requested", "reason": "follow-up", "criteria": criteria,
        "channel": made, **more,
    }  # fmt: skip


@pytest.fixture
def peer() -> Iterator[Peer]:
    made = Peer()
    yield made
    made.close()


@pytest.fixture
def settings(tmp_path: Path, database_url: str, peer: Peer) -> Settings:
    return Settings.load(
        tmp_path, database_url=database_url or None, subscription_endpoints=f"{peer.url}/hook https://app.example.org/in",
        subscription_private=True, base_url="https://hub.example.org/fhir", secret="s" * 40,
    )  # fmt: skip


@dataclass
class Hub:
    """A store with its API and the service of its Subscriptions."""

    store: Store
    api: Api
    peer: Peer
    service: Service

    def subscribe(self, criteria: str = "Patient?gender=female", *, status: str = "active", **channel: Any) -> str:
        """Post a Subscription and wait until it has a status; its id."""
        answer = self.api.send("POST", "/fhir/Subscription", asking(f"{self.peer.url}/hook", criteria, **channel))
        assert answer.status_code == 201, answer.get_data(as_text=True)
        fid = str(orjson.loads(answer.data)["id"])
        self.service.look()
        until(lambda: self.read(fid)["status"] == status)
        return fid

    def rounds(self, many: int = 2) -> None:
        """Wait for some whole looks that begin from now on."""
        goal = self.service.rounds + many

        def reached() -> bool:
            self.service.look()
            return self.service.rounds >= goal

        until(reached)

    def read(self, fid: str) -> dict[str, Any]:
        return dict(self.api.json(f"/fhir/Subscription/{fid}"))

    def write(self, *resources: dict[str, Any]) -> None:
        put(self.store, *resources)
        self.service.look()

    def patient(self, fid: str, gender: str = "female", **more: Any) -> None:
        self.write({"resourceType": "Patient", "id": fid, "gender": gender, **more})

    def sendings(self) -> list[Sending]:
        with self.store.reading() as conn:
            return [Sending(r[0]) for r in conn.execute(select(delivery.c.state).order_by(delivery.c.id))]

    def events(self) -> list[tuple[int, str, int]]:
        row = tables.subscription_event.c
        with self.store.reading() as conn:
            return [tuple(r) for r in conn.execute(select(row.number, row.ref, row.version).order_by(row.number))]

    def stored(self, fid: str) -> bytes:
        with self.store.reading() as conn:
            found = conn.execute(select(resource.c.content).where(resource.c.ref == f"Subscription/{fid}")).scalar()
        return bytes(found or b"")


def hub_on(store: Store, peer: Peer) -> Hub:
    secret = tokens.issue(store, "tester", [tokens.READ, tokens.WRITE])
    api = Api(store, store.settings, Application(store, store.settings, {}, lambda: b"hub_up 1\n"), secret)
    return Hub(store, api, peer, Service(store))


@pytest.fixture
def each_hub(store: Store, peer: Peer) -> Iterator[Hub]:
    """On each database."""
    made = hub_on(store, peer)
    made.service.start()
    yield made
    made.service.stop()


@pytest.fixture
def hub(tmp_path: Path, peer: Peer) -> Iterator[Hub]:
    """Where the database makes no difference."""
    settings = Settings.load(
        tmp_path, subscription_endpoints=f"{peer.url}/hook https://app.example.org/in", subscription_private=True,
        base_url="https://hub.example.org/fhir", secret="s" * 40,
    )  # fmt: skip
    store = open_store(settings, "test")
    store.upgrade()
    made = hub_on(store, peer)
    made.service.start()
    yield made
    made.service.stop()
    store.close()
