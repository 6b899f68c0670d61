"""An API over a store of its own, with a client that has a token."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from werkzeug.test import Client, TestResponse

from hub import clock
from hub.facade.server import Application
from hub.fhir.draft import Entry, Rank
from hub.settings import Settings
from hub.store import Store, tokens
from hub.store.resources import apply, prepare


def put(store: Store, *resources: dict[str, Any], octets: bytes | None = None) -> None:
    """Write resources in one transaction, as a person would (the last statement stays)."""
    writes = []
    for resource in resources:
        body = None if octets is None else store.bodies.prepare(octets)
        entry = Entry(
            resource["resourceType"],
            resource["id"],
            {k: v for k, v in resource.items() if k != "id"},
            rank=Rank.PERSON,
            octets=octets,
        )
        writes.append(prepare(entry, store.ids.take(), "test", body))
    store.write(lambda tx: apply(tx, writes, clock.now(), store.ids.take))


@dataclass
class Api:
    """The API as a client sees it."""

    store: Store
    settings: Settings
    application: Application
    token: str

    def put(self, *resources: dict[str, Any], octets: bytes | None = None) -> None:
        put(self.store, *resources, octets=octets)

    def ask(self, path: str, method: str = "GET", *, token: str | None = None, **more: Any) -> TestResponse:
        headers = dict(more.pop("headers", {}))
        given = self.token if token is None else token
        if given:
            headers.setdefault("Authorization", f"Bearer {given}")
        return Client(self.application).open(path, method=method, headers=headers, **more)

    def send(
        self, method: str, path: str, resource: Any = None, media: str = "application/fhir+json", **headers: str
    ) -> TestResponse:
        """A write; keywords are headers, ``If_Match`` for If-Match."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if resource is None:
            return self.ask(path, method, headers=given)
        data = resource if isinstance(resource, bytes) else orjson.dumps(resource)
        return self.ask(path, method, data=data, content_type=media, headers=given)

    def refused(self, status: int, *request: Any, **headers: str) -> dict[str, Any]:
        """The first issue of the answer to a write that is refused."""
        answer = self.send(*request, **headers)
        assert answer.status_code == status, answer.get_data(as_text=True)
        found = orjson.loads(answer.data)
        assert found["resourceType"] == "OperationOutcome"
        return dict(found["issue"][0])

    def json(self, path: str, expected: int = 200, **more: Any) -> Any:
        answer = self.ask(path, **more)
        assert expected == answer.status_code, answer.get_data(as_text=True)
        assert answer.content_type.startswith("application/fhir+json")
        return orjson.loads(answer.data)

    def ids(self, path: str, **more: Any) -> list[str]:
        """Logical ids of the hits of a search."""
        found = self.json(path, **more)
        return [e["resource"]["id"] for e in found.get("entry", ()) if e["search"]["mode"] == "match"]

    def issue(self, path: str, expected: int, **more: Any) -> dict[str, Any]:
        """The one issue of an error."""
        found = self.json(path, expected, **more)
        assert found["resourceType"] == "OperationOutcome"
        (issue,) = found["issue"]
        return dict(issue)


def _api(store: Store) -> Api:
    secret = tokens.issue(store, "tester", [tokens.READ, tokens.WRITE])
    return Api(store, store.settings, Application(store, store.settings, {}, lambda: b"hub_up 1\n"), secret)


@pytest.fixture
def api(sqlite_store: Store) -> Api:
    """Where the database makes no difference."""
    return _api(sqlite_store)


@pytest.fixture
def each_api(store: Store) -> Api:
    """On each database."""
    return _api(store)


@pytest.fixture
def put_into() -> Callable[..., None]:
    return put
