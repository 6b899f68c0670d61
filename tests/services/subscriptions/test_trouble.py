"""Endpoints that misbehave: what they cost, what the Subscription says, and that nothing is lost."""

from __future__ import annotations

from typing import Any

import pytest

from hub import clock
from hub.engine import steer
from hub.engine.model import Retry
from hub.services.subscriptions import CHANNEL, consent, sender, state
from hub.store.find import MessageQuery
from hub.store.tables import Sending
from tests.services.subscriptions.conftest import Hub, asking
from tests.waiting import until


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses of milliseconds, and an error soon."""
    monkeypatch.setattr(sender, "RETRY", Retry(0, 0.01, 0.05))
    monkeypatch.setattr(sender, "ERROR_AFTER", 2)


@pytest.mark.parametrize(
    ("answer", "said"),
    [(404, "answered 404"), ("http://127.0.0.1:1/elsewhere", "answered 307"), (500, "answered 500"),
     ("close", "broke off"), ("drip", "within 1 s"), ("hang", "within 1 s")],
)  # fmt: skip
def test_an_endpoint_that_does_not_agree_is_an_error(hub: Hub, answer: Any, said: str) -> None:
    """Backport IG: "requested" becomes "error" when the handshake fails; redirects are not followed."""
    hub.peer.usual = answer
    second = [{"url": "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-timeout",
               "valueUnsignedInt": 1}]  # fmt: skip
    fid = hub.subscribe(status="error", extension=second)
    assert said in hub.read(fid)["error"]
    assert {"POST /hook"} == set(hub.peer.paths())
    hub.patient("a")
    hub.rounds()
    assert hub.events() == []
    hub.peer.usual = 200
    hub.peer.ended.set()
    hub.api.send("PUT", f"/fhir/Subscription/{fid}", hub.read(fid) | {"status": "requested"})
    hub.service.look()
    until(lambda: hub.read(fid)["status"] == "active")


def test_nothing_is_lost_and_the_order_stays_while_it_fails(hub: Hub) -> None:
    """At least once, in order; the status says error, and active again when it goes through."""
    fid = hub.subscribe(content="id-only")
    hub.peer.usual = 503
    for name in "abc":
        hub.patient(name)
    until(lambda: hub.read(fid)["status"] == "error")
    assert "answered 503" in hub.read(fid)["error"]
    hub.peer.usual = 200
    until(lambda: hub.sendings() == [Sending.SENT] * 3)
    until(lambda: hub.read(fid)["status"] == "active")
    assert "error" not in hub.read(fid)
    told = [g.parameters()["events-since-subscription-start"] for g in hub.peer.got[-3:]]
    assert told == ["1", "2", "3"]


def test_what_it_refuses_is_held_and_the_rest_goes_on(hub: Hub) -> None:
    """A notification that the endpoint will never take waits for a person, who may send it again."""
    hub.subscribe()
    hub.peer.answers.append(422)
    hub.patient("a")
    until(lambda: hub.sendings() == [Sending.HELD])
    hub.patient("b")
    until(lambda: hub.sendings() == [Sending.HELD, Sending.SENT])
    (held,) = steer.waiting_deliveries(hub.store, CHANNEL, _only(hub), held=True)
    steer.resend(hub.store, held.id)
    until(lambda: hub.sendings() == [Sending.SENT] * 2)


def test_a_notification_is_replayed_like_any_message(hub: Hub) -> None:
    """``hub replay channel:hub.subscriptions`` delivers again what was delivered."""
    hub.subscribe(payload="application/fhir+json")
    hub.patient("a")
    until(lambda: hub.sendings() == [Sending.SENT])
    assert steer.replay(hub.store, MessageQuery(equal=(("channel", CHANNEL),))).started == 1
    until(lambda: hub.sendings() == [Sending.SENT] * 2)
    assert hub.peer.got[1].body == hub.peer.got[2].body
    assert hub.peer.got[1].headers["idempotency-key"] != hub.peer.got[2].headers["idempotency-key"]


def test_days_of_failure_turn_it_off(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Backport IG: an endpoint that stays away is given up; what waits stays in the queue."""
    fid = hub.subscribe()
    hub.peer.usual = 500
    hub.patient("a")
    until(lambda: hub.read(fid)["status"] == "error")
    monkeypatch.setattr(sender, "OFF_AFTER", 0)
    until(lambda: hub.read(fid)["status"] == "off")
    hub.rounds()
    assert hub.sendings() == [Sending.DUE]
    assert not state.states(hub.store)[fid].greeted


def test_consent_is_asked_again_before_every_sending(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """What may not be sent any more is cancelled, not held: nobody is to release it."""
    asked = []

    def refuses(_store: Any, _subscription: Any, ref: str, content: bytes | None) -> bool:
        asked.append((ref, content is not None))
        return False

    monkeypatch.setattr(consent.rules, "may_send", refuses)
    hub.subscribe(payload="application/fhir+json")
    hub.patient("a")
    until(lambda: hub.sendings() == [Sending.CANCELLED])
    assert asked == [("Patient/a", True)]
    assert hub.peer.paths() == ["POST /hook"]


def test_what_was_made_for_other_terms_is_not_sent_on_these(hub: Hub) -> None:
    """A notification with a resource that waits must not follow a Subscription that now asks for less."""
    fid = hub.subscribe(payload="application/fhir+json")
    hub.peer.usual = 503
    hub.patient("a")
    until(lambda: len(hub.peer.got) > 1)
    changed = asking(f"{hub.peer.url}/hook/other") | {"id": fid}
    assert hub.api.send("PUT", f"/fhir/Subscription/{fid}", changed).status_code == 200
    hub.peer.usual = 200
    hub.service.look()
    until(lambda: hub.sendings() == [Sending.CANCELLED])
    assert [g.body for g in hub.peer.got if g.path.startswith("/hook/other")] == [b""]


def test_an_end_is_kept(hub: Hub) -> None:
    """R4, Subscription.end: "the time for the server to turn the subscription off"."""
    hub.subscribe(status="off", more={"end": clock.iso(clock.now() - 1_000_000)})


def test_heartbeats_come_when_nothing_else_does(hub: Hub) -> None:
    """Backport IG, backport-heartbeat-period."""
    url = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-heartbeat-period"
    hub.subscribe(content="id-only", extension=[{"url": url, "valueUnsignedInt": 1}])
    until(lambda: len(hub.peer.got) > 1)
    assert hub.peer.got[1].parameters()["type"] == "heartbeat"


def _only(hub: Hub) -> str:
    (fid,) = state.states(hub.store)
    return fid
