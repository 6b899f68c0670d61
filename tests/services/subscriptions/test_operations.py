"""$status and $events: Subscriptions R5 Backport IG 1.1."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from hub.services.subscriptions import asking, consent
from hub.store import tokens
from tests.services.subscriptions.conftest import Hub
from tests.services.subscriptions.conftest import asking as asked
from tests.waiting import until


def _values(parameters: dict[str, Any]) -> dict[str, Any]:
    return {p["name"]: next(v for k, v in p.items() if k != "name") for p in parameters["parameter"]}


def test_status_tells_of_one_and_of_many(each_hub: Hub) -> None:
    """A searchset of Parameters with status, type query-status and the number of events."""
    hub = each_hub
    one = hub.subscribe()
    hub.patient("a")
    until(hub.events)
    two = hub.subscribe("Observation?status=final")
    found = hub.api.json(f"/fhir/Subscription/{one}/$status")
    values = _values(found["entry"][0]["resource"])
    assert tuple(values[n] for n in ("status", "type", "events-since-subscription-start")) == (
        "active",
        "query-status",
        "1",
    )
    assert hub.api.json("/fhir/Subscription/$status")["total"] == 2
    assert hub.api.json("/fhir/Subscription/$status?status=error")["total"] == 0
    listed = hub.api.json(f"/fhir/Subscription/$status?id={two}&id=nobody")
    assert [f"https://hub.example.org/fhir/Subscription/{two}"] == [
        _values(e["resource"])["subscription"]["reference"] for e in listed["entry"]
    ]
    assert hub.api.ask("/fhir/Subscription/nobody/$status").status_code == 404


def test_status_has_the_reason_of_an_error(hub: Hub) -> None:
    hub.write(asked(f"{hub.peer.url}/hook", type="websocket") | {"id": "w"})
    until(lambda: hub.read("w")["status"] == "error")
    found = hub.api.json("/fhir/Subscription/w/$status")
    assert "websocket" in _values(found["entry"][0]["resource"])["error"]["text"]


def test_events_are_told_again_by_number(each_hub: Hub) -> None:
    """What did not arrive is asked for: eventsSinceNumber and eventsUntilNumber, with the versions of then."""
    hub = each_hub
    fid = hub.subscribe(content="id-only")
    for name in "abc":
        hub.patient(name)
        until(lambda: hub.sendings() and set(hub.sendings()) == {1})
    until(lambda: len(hub.events()) == 3)
    hub.write({"resourceType": "Patient", "id": "b", "gender": "male"})
    path = f"/fhir/Subscription/{fid}/$events"
    found = hub.api.json(f"{path}?eventsSinceNumber=2&eventsUntilNumber=2&content=full-resource")
    told = _values(found["entry"][0]["resource"])
    assert (told["type"], told["events-since-subscription-start"]) == ("query-event", "3")
    assert (
        found["entry"][1]["resource"]["gender"],
        found["entry"][1]["resource"]["meta"]["versionId"],
    ) == ("female", "1")
    assert len(hub.api.json(path)["entry"]) == 4
    assert "resource" not in hub.api.json(path)["entry"][1]
    assert len(hub.api.json(f"{path}?content=empty")["entry"]) == 1


@pytest.mark.parametrize(("query", "status"), [("eventsSinceNumber=x", 400), ("content=all", 400)])
def test_what_makes_no_sense_is_refused(hub: Hub, query: str, status: int) -> None:
    fid = hub.subscribe()
    assert status == hub.api.ask(f"/fhir/Subscription/{fid}/$events?{query}").status_code
    assert hub.api.ask("/fhir/Subscription/nobody/$events").status_code == 404


def test_events_need_the_right_to_see_them_and_consent(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """$events shows resources, so it takes what a search takes; and what may not be sent is not shown."""
    fid = hub.subscribe()
    hub.patient("a")
    until(hub.events)
    narrow = tokens.issue(hub.store, "narrow", ["system/Subscription.read"])
    assert hub.api.ask(f"/fhir/Subscription/{fid}/$events", token=narrow).status_code == 403
    monkeypatch.setattr(consent.rules, "may_send", lambda *_: False)
    assert len(orjson.loads(asking.events(hub.store, fid, content="full-resource"))["entry"]) == 1
