"""The quick read answers what the interaction itself would, or leaves it to it."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from hub.facade import quick
from hub.facade.server import Application
from hub.store import tokens

from .conftest import Api

ANNE = {"resourceType": "Patient", "id": "anne", "text": {"status": "empty", "div": "<div>" + "é" * 900 + "</div>"}}


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """For each request of the API: whether the quick read answered it."""
    seen: list[bool] = []
    whole = quick.make

    def make(store: Any) -> Any:
        read = whole(store)

        def watched(environ: dict[str, Any]) -> Any:
            found = read(environ)
            seen.append(found is not None)
            return found

        return watched

    monkeypatch.setattr(quick, "make", make)
    return seen


def test_it_answers_as_the_interaction_does(each_api: Api, counted: list[bool]) -> None:
    """R4 §3.1.0.2: octets, status and every header are the same."""
    each_api.put(ANNE)
    plain = Application(each_api.store, each_api.settings, {})
    other = Api(each_api.store, each_api.settings, plain, each_api.token)
    fast = other.ask("/fhir/Patient/anne")
    assert counted == [True]
    slow = other.ask("/fhir/Patient/anne", headers={"If-None-Match": 'W/"99"'})
    assert counted == [True, False]
    assert (fast.status_code, fast.data) == (slow.status_code, slow.data)
    assert sorted(h for h in fast.headers if h[0] != "Date") == sorted(h for h in slow.headers if h[0] != "Date")


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/fhir/Patient/nobody", {}, 404),
        ("/fhir/Patient/gone", {}, 410),
        ("/fhir/Binary/anne", {}, 404),
        ("/fhir/Nothing/anne", {}, 404),
        ("/fhir/Patient/anne?_summary=text", {}, 200),
        ("/fhir/Patient/anne/_history/1", {}, 200),
        ("/fhir/Patient/anne", {"Accept": "application/fhir+xml"}, 200),
        ("/fhir/Patient/anne", {"Accept": "image/png"}, 406),
        ("/fhir/Patient/anne", {"Accept-Encoding": "gzip"}, 200),
        ("/fhir/Patient/anne", {"If-None-Match": 'W/"1"'}, 304),
        ("/fhir/Patient/anne", {"Authorization": "Bearer wrong"}, 401),
        ("/fhir/Patient/anne", {"Authorization": ""}, 401),
    ],
)
def test_what_is_not_plain_is_left_to_the_interaction(
    api: Api, counted: list[bool], path: str, headers: dict[str, str], status: int
) -> None:
    """It words no error and knows no form."""
    api.put(ANNE, {"resourceType": "Patient", "id": "gone"})
    it = Api(api.store, api.settings, Application(api.store, api.settings, {}), api.token)
    if path.endswith("/gone"):
        it.store.write(lambda tx: tx.many("UPDATE resource SET deleted = ? WHERE ref = ?", [(True, "Patient/gone")]))
    assert it.ask(path, headers=headers).status_code == status
    assert counted == [False]


def test_a_token_that_may_not_gets_nothing(api: Api, counted: list[bool]) -> None:
    """The scope is asked for each type."""
    api.put(ANNE)
    it = Api(api.store, api.settings, Application(api.store, api.settings, {}), "")
    other = tokens.issue(api.store, "other", ["system/Observation.read"], 1)
    same = tokens.issue(api.store, "same", ["system/Patient.read"], 1)
    assert [it.ask("/fhir/Patient/anne", token=t).status_code for t in (other, same)] == [403, 200]
    assert counted == [False, True]


def test_while_all_is_logged_each_request_has_its_line(api: Api, counted: list[bool]) -> None:
    """Debug: the interaction writes it."""
    api.put(ANNE)
    it = Api(api.store, api.settings, Application(api.store, api.settings, {}), api.token)
    logger = logging.getLogger("hub.facade")
    before = logger.level
    logger.setLevel(logging.DEBUG)
    try:
        assert it.ask("/fhir/Patient/anne").status_code == 200
    finally:
        logger.setLevel(before)
    assert counted == [False]


def test_a_store_that_is_away_is_left_to_the_interaction(
    api: Api, counted: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says so in an OperationOutcome; here nothing is worded."""
    api.put(ANNE)
    it = Api(api.store, api.settings, Application(api.store, api.settings, {}), api.token)

    def away(*_: Any) -> Any:
        raise OSError("away")

    monkeypatch.setattr(api.store.glances, "rows", away)
    assert it.ask("/fhir/Patient/anne").status_code == 200
    assert counted == [False]
