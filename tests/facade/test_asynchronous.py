"""respond-async: an answer that comes later."""

from __future__ import annotations

import threading

import orjson
import pytest

from hub.facade import asynchronous
from hub.store import jobs, tokens
from tests.waiting import until

from .conftest import Api

BASE = "http://127.0.0.1:8080"
ANNE = {"resourceType": "Patient", "id": "anne"}


def begin(api: Api, method: str, path: str, body: object = None, **headers: str) -> str:
    """Path of the outcome."""
    answer = api.send(method, path, body, Prefer="respond-async", **headers)
    assert (answer.status_code, answer.data) == (202, b"")
    return answer.headers["Content-Location"].removeprefix(BASE)


def outcome(api: Api, path: str) -> dict[str, object]:
    """The entry that came of it."""
    answer = until(lambda: (a := api.ask(path)).status_code != 202 and a)
    assert answer.status_code == 200, answer.data
    bundle = orjson.loads(answer.data)
    assert bundle["type"] == "batch-response"
    (entry,) = bundle["entry"]
    return dict(entry)


def test_the_outcome_is_what_would_have_been_answered(each_api: Api) -> None:
    """R4 §3.1.6: 202 with Content-Location; the outcome has status, headers and resource."""
    made = outcome(each_api, begin(each_api, "PUT", "/fhir/Patient/anne", ANNE))
    assert made["response"]["status"] == "201 CREATED".title()  # type: ignore[index]
    assert made["resource"]["id"] == "anne"  # type: ignore[index]
    found = outcome(each_api, begin(each_api, "GET", "/fhir/Patient?_count=5"))
    assert found["resource"]["total"] == 1  # type: ignore[index]
    failed = outcome(each_api, begin(each_api, "GET", "/fhir/Patient/nobody"))
    assert failed["response"]["outcome"]["issue"][0]["code"] == "not-found"  # type: ignore[index]
    entry = {"request": {"method": "POST", "url": "Patient"}, "resource": {"resourceType": "Patient"}}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    assert outcome(each_api, begin(each_api, "POST", "/fhir", bundle))["resource"]["type"] == "transaction-response"  # type: ignore[index]


def test_only_its_caller_sees_it(api: Api) -> None:
    """Others are told that there is no such thing; and nobody gets later what is not allowed at once."""
    path = begin(api, "GET", "/fhir/Patient")
    outcome(api, path)
    other = tokens.issue(api.store, "other", ["system/*.read"])
    assert api.ask(path, token=other).status_code == 404
    assert api.ask(path, "DELETE", token=other).status_code == 404
    assert api.ask("/fhir/_async/nonsense").status_code == 404
    refused = api.ask("/fhir/Patient", "POST", token=other, json=ANNE, headers={"Prefer": "respond-async"})
    assert refused.status_code == 403


def test_one_can_be_given_up(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """R4 §3.1.6: DELETE; what has not begun does not begin, and nothing is kept."""
    gate, begun = threading.Event(), threading.Event()
    real = asynchronous._work

    def slow(*given: object) -> None:
        begun.set()
        gate.wait(20)
        real(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(asynchronous, "_work", slow)
    paths = [begin(api, "PUT", f"/fhir/Patient/p{n}", {"resourceType": "Patient", "id": f"p{n}"}) for n in range(3)]
    begun.wait(20)
    answer = api.ask(paths[2])
    assert (answer.status_code, answer.headers["X-Progress"], answer.headers["Retry-After"]) == (
        202, "the hub works on it", "1",
    )  # fmt: skip
    assert api.ask(paths[2], "DELETE").status_code == 202
    assert api.ask(paths[2]).status_code == 404
    gate.set()
    outcome(api, paths[0])
    outcome(api, paths[1])
    assert api.ask("/fhir/Patient/p2").status_code == 404
    assert api.ask("/fhir/Patient/p1").status_code == 200


def test_too_many_are_refused(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """503: memory is bounded."""
    monkeypatch.setattr(asynchronous, "_WAITING", 0)
    answer = api.ask("/fhir/Patient", headers={"Prefer": "respond-async"})
    assert (answer.status_code, orjson.loads(answer.data)["issue"][0]["code"]) == (503, "throttled")


def test_what_a_dead_process_left_is_told(each_api: Api) -> None:
    """Its lock is free: 410 and what to do, not a wait without end."""
    number = jobs.begin(each_api.store, _number(each_api), "jobs-of-the-dead")
    from hub import clock

    found = each_api.issue(f"/fhir/_async/{clock.show_id(number)}", 410)
    assert "ended" in found["diagnostics"]


def _number(api: Api) -> str:
    return tokens.digest(api.token).hex()[:8]


def test_a_fault_is_an_outcome_too(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for ever."""
    from hub.facade import batch

    monkeypatch.setattr(batch, "entry", lambda response: 1 // 0)
    made = outcome(api, begin(api, "GET", "/fhir/Patient"))
    assert made["response"]["status"] == "500"  # type: ignore[index]
