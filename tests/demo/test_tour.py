"""The tour says so when something is not as promised."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from hub.demo import tour as tours
from hub.demo.tour import Sent, Tour
from hub.source.hl7v2 import READER, build_ack
from hub.store import Store


class Hub:
    """Answers MLLP with one code, HTTP with one status and body."""

    def __init__(self, code: str = "AA", status: int = 200, body: bytes = b"{}") -> None:
        self.code, self.status, self.body = code, status, body

    def ask(self, message: bytes) -> bytes:
        envelope = READER.peek(message)
        return build_ack(envelope, self.code, ack_id="1", at="20261120100000+0100", name="HUB", error=None)

    def post(self, _path: str, _body: bytes, _kind: str) -> tuple[int, bytes]:
        return self.status, self.body

    def get(self, _path: str, **_query: str) -> tuple[int, bytes]:
        return self.status, self.body


@pytest.fixture
def said() -> list[str]:
    return []


def tour(store: Store, hub: Hub, folder: Path, said: list[str]) -> Tour:
    return Tour(store, hub, hub, folder, said.append, "hub show {id}")


def test_another_answer_than_promised_is_told(
    sqlite_store: Store, tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An AE where AA was promised, and nothing in the store: two things are wrong."""
    monkeypatch.setattr(tours, "WITHIN", 0.05)
    made = tour(sqlite_store, Hub("AE"), tmp_path, said)

    made.send([Sent("mllp", "adt-a01-admission.er7", "an admission", "AA")])

    assert made.wrong == ["step 1: the answer is AE, not AA", "step 1: nothing came of it within 0 s"]
    assert [line for line in said if "!!" in line] == [f"   !! {wrong}" for wrong in made.wrong]


def test_a_refused_document_is_told(
    sqlite_store: Store, tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """HTTP 503 where 201 was promised."""
    monkeypatch.setattr(tours, "WITHIN", 0.05)
    made = tour(sqlite_store, Hub(status=503), tmp_path, said)

    made.send([Sent("http", "cda-imaging.xml", "a report", "201")])

    assert made.wrong[0] == "step 1: the answer is 503, not 201"


def test_a_search_that_finds_nothing_is_told(sqlite_store: Store, tmp_path: Path, said: list[str]) -> None:
    """An empty store breaks every promise of the second part."""
    made = tour(sqlite_store, Hub(body=orjson.dumps({"total": 0})), tmp_path, said)

    made.look()

    assert "Patient: 0 found, not 1" in made.wrong
    assert "no Encounter is finished" in made.wrong
    assert "DocumentReference: 0 found, not 3" in made.wrong


def test_a_search_that_fails_is_told(sqlite_store: Store, tmp_path: Path, said: list[str]) -> None:
    """A status other than 200 is wrong by itself."""
    made = tour(sqlite_store, Hub(status=500), tmp_path, said)

    made.look()

    assert any(wrong.endswith("status 500") for wrong in made.wrong)


def test_another_document_than_was_sent_is_told(sqlite_store: Store, tmp_path: Path, said: list[str]) -> None:
    """One octet less is another document."""
    attachment = {"content": [{"attachment": {"url": "Binary/1"}}], "telecom": [{"value": "0600000045"}], "id": "1"}
    hub = Hub(body=orjson.dumps({"total": 1, "entry": [{"resource": attachment}]}))
    made = tour(sqlite_store, hub, tmp_path, said)

    made.look()

    assert made.wrong == [
        "DocumentReference: 1 found, not 3",
        *["GET /fhir/Binary/1: status 200, NOT the document that was sent"] * 2,
    ]
