"""Binary: the document itself, or the resource that carries it."""

from __future__ import annotations

from base64 import b64encode

import orjson
import pytest

from .conftest import Api

PDF = b"%PDF-1.7\x00\xff octets"
BINARY = {"resourceType": "Binary", "id": "doc", "contentType": "application/pdf"}


@pytest.mark.parametrize("accept", ["", "*/*", "application/pdf", "text/html,*/*;q=0.8"])
def test_a_document_comes_octet_for_octet(each_api: Api, accept: str) -> None:
    """R4 §2.43: in its own media type, unless FHIR is asked for."""
    each_api.put(BINARY, octets=PDF)
    answer = each_api.ask("/fhir/Binary/doc", headers={"Accept": accept})
    assert (answer.status_code, answer.content_type, answer.data) == (200, "application/pdf", PDF)
    assert answer.headers["ETag"] == 'W/"1"'
    assert answer.headers["Vary"] == "Accept"


def test_a_document_runs_nothing_in_a_browser(api: Api) -> None:
    """It comes from outside: saved rather than shown, never sniffed, in a sandbox."""
    api.put(BINARY | {"contentType": "text/html"}, octets=b"<script>alert(1)</script>")
    headers = api.ask("/fhir/Binary/doc").headers
    assert headers["Content-Disposition"] == "attachment"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"] == "sandbox; default-src 'none'"


@pytest.mark.parametrize(
    ("query", "accept"),
    [
        ("", "application/fhir+json"),
        ("?_format=json", "*/*"),
        ("", "application/fhir+json; fhirVersion=4.0, */*;q=0.1"),
    ],
)
def test_the_resource_carries_the_document_as_base64(api: Api, query: str, accept: str) -> None:
    """R4 §2.43: when FHIR is asked for."""
    api.put(BINARY, octets=PDF)
    found = api.json(f"/fhir/Binary/doc{query}", headers={"Accept": accept})
    assert (found["contentType"], found["data"]) == ("application/pdf", b64encode(PDF).decode())
    assert found["meta"]["versionId"] == "1"


def test_every_version_has_its_own_document(api: Api) -> None:
    """R4 §3.1.0.3: a vread gives the octets of that version."""
    api.put(BINARY, octets=PDF)
    api.put(BINARY, octets=b"second")
    assert api.ask("/fhir/Binary/doc").data == b"second"
    assert api.ask("/fhir/Binary/doc/_history/1").data == PDF
    assert api.ask("/fhir/Binary/doc/_history/2").headers["ETag"] == 'W/"2"'
    assert [e["resource"]["id"] for e in api.json("/fhir/Binary/doc/_history")["entry"]] == ["doc", "doc"]


def test_a_document_that_the_client_has_is_not_sent_again(api: Api) -> None:
    """R4 §3.1.0.1.9, in both forms."""
    api.put(BINARY, octets=PDF)
    for accept in ("*/*", "application/fhir+json"):
        answer = api.ask("/fhir/Binary/doc", headers={"If-None-Match": 'W/"1"', "Accept": accept})
        assert (answer.status_code, answer.data) == (304, b"")


def test_a_binary_with_its_data_inside_is_served_alike(api: Api) -> None:
    """A resource written with `data` has no octets apart."""
    api.put(BINARY | {"data": b64encode(PDF).decode()})
    assert api.ask("/fhir/Binary/doc").data == PDF
    found = api.json("/fhir/Binary/doc", headers={"Accept": "application/fhir+json"})
    assert found["data"] == b64encode(PDF).decode()


@pytest.mark.parametrize("media", ["not a type", "text/plain\r\nX-Evil: 1", None])
def test_a_media_type_that_is_none_becomes_octets(api: Api, media: str | None) -> None:
    """RFC 2046 §4.5.1; a header must not be forged through a stored value."""
    api.put(
        {k: v for k, v in BINARY.items() if k != "contentType"} | ({"contentType": media} if media else {}), octets=PDF
    )
    answer = api.ask("/fhir/Binary/doc")
    assert answer.content_type == "application/octet-stream"
    assert "X-Evil" not in answer.headers


@pytest.mark.parametrize("accept", ["*/*", "application/fhir+json"])
def test_errors_are_fhir_whatever_was_hoped_for(api: Api, accept: str) -> None:
    """R4 §3.1.0.1.5."""
    answer = api.ask("/fhir/Binary/none", headers={"Accept": accept})
    assert (answer.status_code, orjson.loads(answer.data)["issue"][0]["code"]) == (404, "not-found")


def test_a_pruned_document_is_not_found(api: Api) -> None:
    """The resource stays when retention has taken its octets."""
    from sqlalchemy import delete

    from hub.store.tables import body

    api.put(BINARY, octets=PDF)
    api.store.write(lambda tx: tx.conn.execute(delete(body)) and None)
    assert "pruned" in api.issue("/fhir/Binary/doc", 404)["diagnostics"]
