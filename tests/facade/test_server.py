"""The dispatch by path: what is public, what is local, what the hosted sources get."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

import orjson
import pytest
from sqlalchemy import update
from werkzeug.test import Client

from hub import clock
from hub.errors import ForbiddenError, TooLargeError
from hub.facade import server
from hub.facade.server import Application, make_app
from hub.store import Store, tokens
from hub.store.tables import message

from .conftest import Api

REMOTE = {"REMOTE_ADDR": "192.0.2.7"}


def test_health_is_public_and_tells_of_nobody(each_api: Api) -> None:
    """Load balancers have no token: the store, how much waits, since when; no channel, no person."""
    answer = each_api.ask("/health", token="")
    facts = orjson.loads(answer.data)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    assert set(facts) == {"status", "version", "store", "waiting", "oldest_waiting_seconds", "held"}
    assert (facts["status"], facts["store"], facts["waiting"], facts["held"]) == ("up", "ok", 0, 0)


def _message(store: Store, number: int, state: int) -> None:
    values: dict[str, Any] = dict.fromkeys((c.name for c in message.columns if not c.nullable), "")
    values |= dict.fromkeys(("lane", "size", "flags", "runs", "trace"), 0)
    values |= {"id": number, "state": state, "body": b"\0" * 32}
    store.write(lambda tx: tx.conn.execute(message.insert().values(values)) and None)


def test_health_tells_how_long_the_oldest_waits(api: Api) -> None:
    """What a watcher alarms on."""
    _message(api.store, (clock.now() - 5_000_000) << 8, 0)
    _message(api.store, clock.now() << 8, 0)
    _message(api.store, (clock.now() << 8) + 1, 4)
    facts = orjson.loads(api.ask("/health").data)
    assert (facts["waiting"], facts["held"]) == (2, 1)
    assert 5 <= facts["oldest_waiting_seconds"] < 60


@pytest.mark.parametrize("error", [OSError("secret detail"), server.NotFoundError("the database does not answer")])
def test_health_is_down_without_a_store(api: Api, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """503, with the kind of error and no detail of it."""

    def fail(self: object) -> None:
        raise error

    monkeypatch.setattr(type(api.store), "reading", fail)
    answer = api.ask("/health")
    assert (answer.status_code, orjson.loads(answer.data)["status"]) == (503, "down")
    assert b"secret" not in answer.data


def test_metrics_are_for_this_host_or_a_token(api: Api) -> None:
    """A scraper on the host needs none; from elsewhere the scope `metrics` is asked for."""
    assert api.ask("/metrics", token="", environ_base={"REMOTE_ADDR": "127.0.0.1"}).data == b"hub_up 1\n"
    assert api.ask("/metrics", token="", environ_base=REMOTE).status_code == 401
    assert api.ask("/metrics", environ_base=REMOTE).status_code == 403
    secret = tokens.issue(api.store, "scraper", ["metrics"])
    answer = api.ask("/metrics", token=secret, environ_base=REMOTE)
    assert (answer.status_code, answer.content_type.partition(";")[0]) == (200, "text/plain")


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded"])
def test_what_a_proxy_hands_on_is_not_of_this_host(api: Api, header: str) -> None:
    """Behind a proxy on the same host every request seems local."""
    answer = api.ask("/metrics", token="", environ_base={"REMOTE_ADDR": "::1"}, headers={header: "192.0.2.7"})
    assert answer.status_code == 401


def test_behind_a_proxy_nothing_is_local(api: Api) -> None:
    """With the setting behind_proxy even without such a header."""
    app = Application(api.store, api.settings.model_copy(update={"behind_proxy": True}), {}, lambda: b"")
    assert Client(app).get("/metrics", environ_base={"REMOTE_ADDR": "127.0.0.1"}).status_code == 401


def test_without_metrics_there_is_no_such_path(api: Api) -> None:
    """An application without an engine has none."""
    assert Client(Application(api.store, api.settings, {})).get("/metrics").status_code == 404


def test_head_has_no_body(api: Api) -> None:
    """RFC 9110 §9.3.2."""
    answer = api.ask("/health", "HEAD")
    assert (answer.status_code, answer.data, int(answer.headers["Content-Length"]) > 50) == (200, b"", True)


def test_a_hosted_source_gets_what_is_below_its_path(api: Api) -> None:
    """PEP 3333: SCRIPT_NAME and PATH_INFO; channels come and go while the server runs."""
    seen: list[tuple[str, str]] = []

    def source(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        seen.append((environ["SCRIPT_NAME"], environ["PATH_INFO"]))
        start("200 OK", [])
        return [environ["wsgi.input"].read()]

    mounts: dict[str, Any] = {}
    client = Client(Application(api.store, api.settings, mounts))
    assert client.post("/in/lab", data=b"x").status_code == 404
    mounts["/in/lab"] = source
    mounts["/in/lab/deep"] = source
    assert client.post("/in/lab", data=b"body").data == b"body"
    client.post("/in/lab/a/b")
    client.post("/in/lab/deep/c")
    assert client.post("/in/laboratory").status_code == 404
    assert seen == [("/in/lab", ""), ("/in/lab", "/a/b"), ("/in/lab/deep", "/c")]


def test_a_hosted_source_can_ask_who_calls(api: Api) -> None:
    """environ["hub.authorize"]; what it raises becomes a status with a challenge."""

    def source(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        caller = environ["hub.authorize"](environ, "ingest")
        start("200 OK", [])
        return [caller.name.encode()]

    client = Client(Application(api.store, api.settings, {"/in/x": source}))
    secret = tokens.issue(api.store, "sender", ["ingest"])
    assert client.post("/in/x", headers={"Authorization": f"Bearer {secret}"}).data == b"sender"
    refused = client.post("/in/x")
    assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, 'Bearer realm="OncoHub"')
    assert client.post("/in/x", headers={"Authorization": f"Bearer {api.token}"}).status_code == 403


@pytest.mark.parametrize(
    ("error", "status"),
    [(TooLargeError("too much"), 413), (ForbiddenError("no"), 403), (RuntimeError("Mme Lefebvre"), 500)],
)
def test_an_error_of_a_source_is_an_answer_too(
    api: Api, error: Exception, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """The peer always hears something, and never the text of an unforeseen error."""

    def source(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        raise error

    answer = Client(Application(api.store, api.settings, {"/in/x": source})).post("/in/x")
    assert (answer.status_code, orjson.loads(answer.data)["resourceType"]) == (status, "OperationOutcome")
    assert b"Lefebvre" not in answer.data
    assert "Lefebvre" not in caplog.text
    assert any(r.levelno == logging.ERROR for r in caplog.records) is (status == 500)


def test_the_application_of_a_home_opens_what_it_needs(api: Api) -> None:
    """make_app reads hub.yaml, opens the store and the hosted sources, and lets go of all of it."""
    (api.settings.home / "channels").mkdir(exist_ok=True)
    app = make_app(str(api.settings.home))
    try:
        client = Client(app)
        assert orjson.loads(client.get("/health").data)["status"] == "up"
        assert b"hub_processes" in client.get("/metrics", environ_base={"REMOTE_ADDR": "127.0.0.1"}).data
        assert client.get("/fhir/Patient", headers={"Authorization": f"Bearer {api.token}"}).status_code == 200
    finally:
        app.close()


def test_an_application_may_be_given_its_sources(api: Api) -> None:
    """As tests of connectors do."""

    def source(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        start("204 No Content", [])
        return []

    app = make_app(str(api.settings.home), {"/in/x": source})
    try:
        assert Client(app).post("/in/x").status_code == 204
    finally:
        app.close()


def test_tokens_revoked_elsewhere_stop_within_seconds(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process revokes; this one asks the store anew."""
    from hub.security import bearer

    at = 50.0
    monkeypatch.setattr(bearer.time, "monotonic", lambda: at)
    assert api.ask("/fhir/Patient").status_code == 200
    api.store.write(lambda tx: tx.conn.execute(update(tokens.token).values(revoked_at=1)) and None)
    at += 5
    assert api.ask("/fhir/Patient").status_code == 401
