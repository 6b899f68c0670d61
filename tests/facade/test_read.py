"""read, vread, history, and what holds for every answer."""

from __future__ import annotations

import logging
from decimal import Decimal

import orjson
import pytest
from sqlalchemy import insert, select, update

from hub import clock
from hub.facade import failures
from hub.facade.shape import accepted, format_of, pretty
from hub.store import Store, tokens
from hub.store.tables import resource, resource_history

from .conftest import Api

ANNE = {"resourceType": "Patient", "id": "anne", "name": [{"family": "Lefèvre"}]}


def delete(store: Store, ref: str) -> None:
    """Mark a resource as deleted, as version 2 (R4 §3.1.0.7)."""

    def write(tx: object) -> None:
        row = tx.conn.execute(select(resource).where(resource.c.ref == ref)).one()  # type: ignore[attr-defined]
        old = [getattr(row, c.name) for c in resource_history.columns]
        tx.conn.execute(insert(resource_history).values(old))  # type: ignore[attr-defined]
        tx.conn.execute(  # type: ignore[attr-defined]
            update(resource).where(resource.c.ref == ref).values(deleted=True, version=2, updated=clock.now())
        )

    store.write(write)


def test_a_resource_is_served_octet_for_octet(each_api: Api) -> None:
    """R4 §3.1.0.2: with ETag and Last-Modified; what was stored is what is sent."""
    each_api.put(ANNE)
    answer = each_api.ask("/fhir/Patient/anne")
    with each_api.store.reading() as conn:
        row = conn.execute(select(resource)).one()
    assert row.content == answer.data
    assert answer.headers["Content-Type"] == "application/fhir+json; charset=utf-8"
    assert answer.headers["ETag"] == 'W/"1"'
    assert answer.last_modified is not None
    assert int(answer.last_modified.timestamp()) == row.updated // 1_000_000
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_head_is_get_without_the_body(api: Api) -> None:
    """RFC 9110 §9.3.2."""
    api.put(ANNE)
    answer = api.ask("/fhir/Patient/anne", "HEAD")
    assert (answer.status_code, answer.data, answer.headers["ETag"]) == (200, b"", 'W/"1"')
    assert int(answer.headers["Content-Length"]) == len(api.ask("/fhir/Patient/anne").data)


@pytest.mark.parametrize("header", ['W/"1"', '"1"', '"7", W/"1"', "*"])
def test_what_the_client_has_is_not_sent_again(api: Api, header: str) -> None:
    """R4 §3.1.0.1.9: If-None-Match gives 304; the comparison is weak (RFC 9110 §8.8.3.2)."""
    api.put(ANNE)
    answer = api.ask("/fhir/Patient/anne", headers={"If-None-Match": header})
    assert (answer.status_code, answer.data) == (304, b"")


def test_another_version_is_sent(api: Api) -> None:
    """R4 §3.1.0.1.9: the tag differs, so the client gets the new version; so by date."""
    api.put(ANNE)
    assert api.ask("/fhir/Patient/anne", headers={"If-None-Match": 'W/"2"'}).status_code == 200
    modified = api.ask("/fhir/Patient/anne").headers["Last-Modified"]
    assert api.ask("/fhir/Patient/anne", headers={"If-Modified-Since": modified}).status_code == 304
    assert (
        api.ask("/fhir/Patient/anne", headers={"If-Modified-Since": "Sat, 01 Jan 2000 00:00:00 GMT"}).status_code == 200
    )


def test_each_version_can_be_read(each_api: Api) -> None:
    """R4 §3.1.0.3, vread."""
    each_api.put(ANNE)
    each_api.put(ANNE | {"gender": "female"})
    assert "gender" not in each_api.json("/fhir/Patient/anne/_history/1")
    assert each_api.json("/fhir/Patient/anne/_history/2")["gender"] == "female"
    assert each_api.ask("/fhir/Patient/anne/_history/1").headers["ETag"] == 'W/"1"'
    assert each_api.issue("/fhir/Patient/anne/_history/3", 404)["code"] == "not-found"
    assert each_api.issue("/fhir/Patient/nobody/_history/1", 404)["code"] == "not-found"


def test_what_was_deleted_is_gone(each_api: Api) -> None:
    """R4 §3.1.0.2: 410 for a deleted resource; its earlier versions stay, its history tells."""
    each_api.put(ANNE)
    delete(each_api.store, "Patient/anne")
    assert each_api.issue("/fhir/Patient/anne", 410)["code"] == "deleted"
    assert each_api.issue("/fhir/Patient/anne/_history/2", 410)["code"] == "deleted"
    assert each_api.json("/fhir/Patient/anne/_history/1")["id"] == "anne"
    first, second = each_api.json("/fhir/Patient/anne/_history")["entry"]
    assert (first["request"], "resource" in first) == ({"method": "DELETE", "url": "Patient/anne"}, False)
    assert second["request"] == {"method": "POST", "url": "Patient"}


def test_a_history_is_newest_first(each_api: Api) -> None:
    """R4 §3.1.0.13: what was done to each version, with its tag and time."""
    for gender in ("male", "female", "other"):
        each_api.put(ANNE | {"gender": gender})
    found = each_api.json("/fhir/Patient/anne/_history")
    assert (found["type"], found["total"]) == ("history", 3)
    assert [e["resource"]["gender"] for e in found["entry"]] == ["other", "female", "male"]
    newest = found["entry"][0]
    assert newest["fullUrl"].endswith("/fhir/Patient/anne")
    assert newest["request"] == {"method": "PUT", "url": "Patient/anne"}
    assert newest["response"] == {
        "status": "200",
        "etag": 'W/"3"',
        "lastModified": newest["resource"]["meta"]["lastUpdated"],
    }


def test_a_long_history_has_pages(api: Api) -> None:
    """R4 §3.1.0.13, _count: links lead to the rest, and the last page has none."""
    for number in range(5):
        api.put(ANNE | {"multipleBirthInteger": number})
    seen: list[int] = []
    path = "/fhir/Patient/anne/_history?_count=2"
    while path:
        found = api.json(path)
        seen += [e["resource"]["multipleBirthInteger"] for e in found["entry"]]
        path = next((link["url"].partition(":8080")[2] for link in found["link"] if link["relation"] == "next"), "")
        assert "anne" not in path
    assert seen == [4, 3, 2, 1, 0]


def test_a_history_may_begin_later(api: Api) -> None:
    """R4 §3.1.0.13, _since."""
    api.put(ANNE)
    assert api.json("/fhir/Patient/anne/_history?_since=2020-01-01T00:00:00Z")["total"] == 1
    later = api.json("/fhir/Patient/anne/_history?_since=2999-01-01T00:00:00%2B01:00")
    assert (later["total"], "entry" in later) == (0, False)


@pytest.mark.parametrize("query", ["_since=soon", "_count=x", "_list=1"])
def test_a_history_refuses_what_it_does_not_know(api: Api, query: str) -> None:
    """R4 §3.1.1.7: no parameter is ignored in silence."""
    api.put(ANNE)
    name = query.partition("=")[0]
    assert api.issue(f"/fhir/Patient/anne/_history?{query}", 400)["location"] == [f"http.{name}"]


@pytest.mark.parametrize(
    "path",
    ["/fhir/Patient/nobody", "/fhir/Patient/a b", "/fhir/Patient/" + "x" * 65, "/fhir/Nonsense", "/fhir/Nonsense/1",
     "/fhir/Patient/nobody/_history", "/fhir/Patient/anne/_history/x", "/fhir//Patient/anne", "/",
     "/other"],
)  # fmt: skip
def test_what_is_not_there_is_404_with_an_outcome(api: Api, path: str) -> None:
    """R4 §3.1.0.1.5: every error carries an OperationOutcome that one can act on."""
    assert api.issue(path, 404)["code"] == "not-found"


@pytest.mark.parametrize(
    ("path", "method", "allowed"),
    [
        ("/fhir/Patient/anne", "POST", {"GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"}),
        ("/fhir/Patient/anne/_history/1", "PUT", {"GET", "HEAD", "OPTIONS"}),
        ("/fhir", "PUT", {"GET", "HEAD", "POST", "OPTIONS"}),
        ("/fhir/Patient/_search", "PUT", {"POST", "OPTIONS"}),
        ("/fhir/metadata", "POST", {"GET", "HEAD", "OPTIONS"}),
        ("/health", "POST", {"GET", "HEAD"}),
    ],
)
def test_a_method_that_is_not_meant_says_which_are(api: Api, path: str, method: str, allowed: set[str]) -> None:
    """RFC 9110 §15.5.6: 405 with Allow."""
    answer = api.ask(path, method)
    assert answer.status_code == 405
    assert set(answer.headers["Allow"].replace(" ", "").split(",")) == allowed
    assert orjson.loads(answer.data)["issue"][0]["code"] == "not-supported"


@pytest.mark.parametrize(
    "path", ["/fhir/Patient/anne", "/fhir/Patient", "/fhir/Binary/1", "/fhir/nothing", "/fhir/_page/x", "/fhir"]
)
def test_nothing_is_told_without_a_token(api: Api, path: str) -> None:
    """Deny by default: not even whether a path or a resource exists."""
    answer = api.ask(path, token="")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="OncoHub"'
    assert orjson.loads(answer.data)["issue"][0]["code"] == "login"


def test_a_token_for_something_else_is_forbidden(api: Api) -> None:
    """RFC 6750 §3.1: 403 with the scope that is missing."""
    secret = tokens.issue(api.store, "sender", ["ingest", "metrics"])
    answer = api.ask("/fhir/Patient", token=secret)
    assert answer.status_code == 403
    assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]
    assert 'scope="system/*.read"' in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize(
    ("accept", "good"),
    [
        ("", True),
        ("*/*", True),
        ("application/fhir+json", True),
        ("application/fhir+json; fhirVersion=4.0", True),
        ("application/json, application/xml;q=0.5", True),
        ("text/plain,*/*;q=0.8", True),
        ("application/fhir+json; fhirVersion=5.0", False),
        ("application/pdf", False),
        ("application/json;q=0", False),
    ],
)
def test_json_and_xml_are_spoken(api: Api, accept: str, good: bool) -> None:
    """R4 §3.1.0.1.8: 406 when no form that the client takes is spoken here."""
    assert bool(accepted(accept)) is good
    answer = api.ask("/fhir/Patient", headers={"Accept": accept})
    assert answer.status_code == (200 if good else 406)
    assert answer.content_type.startswith("application/fhir+json")


@pytest.mark.parametrize(
    ("value", "good"),
    [
        ("json", True),
        ("application/fhir json", True),
        ("application/json; charset=utf-8", True),
        ("xmlx", False),
        ("application/fhir+json;fhirVersion=3.0", False),
        ("", False),
    ],
)
def test_format_overrides_accept(api: Api, value: str, good: bool) -> None:
    """R4 §3.1.0.1.8, _format; its + arrives as a space."""
    assert bool(format_of(value)) is good
    headers = {"Accept": "application/pdf"}
    answer = api.ask("/fhir/Patient", query_string={"_format": value}, headers=headers)
    assert answer.status_code == (200 if good else 406)
    form = api.ask("/fhir/Patient/_search", "POST", data={"_format": value}, headers=headers)
    assert form.status_code == answer.status_code


def test_pretty_changes_white_space_only(api: Api) -> None:
    """R4 §3.1.0.1.8 (_pretty); decimals keep their digits: 5.270 is not 5.27."""
    body = b'{"a":[],"b":{},"c":[1,5.270,-1e3,"x\\"y, {z}: "],"d":{"e":null}}'
    laid_out = pretty(body)
    assert laid_out.splitlines()[:4] == [b"{", b'  "a": [],', b'  "b": {},', b'  "c": [']
    assert b"    5.270," in laid_out
    import json

    assert json.loads(body, parse_float=Decimal) == json.loads(laid_out, parse_float=Decimal)
    api.put(ANNE)
    plain, wide = api.ask("/fhir/Patient/anne"), api.ask("/fhir/Patient/anne?_pretty=true")
    assert wide.data.count(b"\n") > 5
    assert orjson.loads(plain.data) == orjson.loads(wide.data)


def test_a_fault_tells_a_number_and_nothing_else(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """R4 §3.1.0.1.5: 500 with an outcome; neither answer nor log quote the error, which may hold a name."""
    monkeypatch.setattr(type(api.store), "looking", lambda store: 1 // len(store.settings.database_url))
    monkeypatch.setattr(failures.secrets, "token_hex", lambda size: "00112233")
    issue = api.issue("/fhir/Patient/anne", 500)
    assert (issue["severity"], issue["code"]) == ("fatal", "exception")
    assert "00112233" in issue["diagnostics"]
    assert "division" not in str(issue) + caplog.text
    (record,) = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert record.facts["error"] == "ZeroDivisionError"  # type: ignore[attr-defined] # set by hub.logs.event
    assert record.facts["where"].startswith("facade/")  # type: ignore[attr-defined] # as above


@pytest.mark.parametrize("method", ["reading", "looking"])
def test_a_database_that_is_away_is_told_as_such(api: Api, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """503: the client may ask again; nothing is wrong with its question."""
    import sqlite3

    from sqlalchemy.exc import OperationalError

    away = sqlite3.OperationalError("disk I/O error")
    error = OperationalError("SELECT", {}, away) if method == "reading" else away

    def fail(self: object) -> None:
        raise error

    api.put(ANNE)
    api.ask("/fhir/Patient/anne")
    monkeypatch.setattr(type(api.store), method, fail)
    path = "/fhir/Patient" if method == "reading" else "/fhir/Patient/anne?_pretty=true"
    assert api.issue(path, 503)["code"] == "transient"


def test_the_log_knows_the_route_and_never_the_question(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    """Names and identifiers stand in queries; a log is read by many."""
    with caplog.at_level(logging.DEBUG, "hub.facade"):
        api.ask("/fhir/Patient?family=Lefebvre&identifier=275")
        api.ask("/fhir/Patient?nonsense=Lefebvre")
        api.ask("/fhir/Lefebvre")
    facts = [r.facts for r in caplog.records if r.getMessage() == "request"]  # type: ignore[attr-defined] # hub.logs
    assert [(f["method"], f["status"]) for f in facts] == [("GET", 200), ("GET", 400), ("GET", 404)]
    assert facts[0]["route"] == "/fhir/<fhirtype:kind>"
    assert "Lefebvre" not in str(facts) + caplog.text
    assert "275" not in str([{k: v for k, v in f.items() if k not in ("ms", "number")} for f in facts])
