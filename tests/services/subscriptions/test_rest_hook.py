"""Rest-hooks: R4 §2.46.7 and the notification Bundle of the Backport IG, over real HTTP."""

from __future__ import annotations

from tests.services.subscriptions.conftest import Hub
from tests.waiting import until


def test_a_handshake_makes_it_active_and_a_hit_sends_an_empty_post(each_hub: Hub) -> None:
    """R4: without payload the endpoint gets a POST without a body; what does not fit, nothing."""
    hub = each_hub
    hub.subscribe()
    assert hub.peer.paths() == ["POST /hook"]
    hub.patient("a")
    hub.patient("m", "male")
    hub.patient("b")
    until(lambda: len(hub.peer.got) == 3)
    assert [g.body for g in hub.peer.got] == [b"", b"", b""]
    until(lambda: hub.sendings() == [1, 1])
    assert hub.events() == [(1, "Patient/a", 1), (2, "Patient/b", 1)]


def test_a_payload_is_an_update_below_the_endpoint(each_hub: Hub) -> None:
    """R4, subscription-channel-type: "If a payload is included, the URL is interpreted as the service base, and an
    update (PUT) is made"; the octets are those of the store."""
    hub = each_hub
    hub.subscribe(payload="application/fhir+json")
    hub.patient("a")
    until(lambda: len(hub.peer.got) == 2)
    got = hub.peer.got[1]
    assert (got.method, got.path) == ("PUT", "/hook/Patient/a")
    assert got.json == hub.api.json("/fhir/Patient/a")
    assert got.headers["content-type"] == "application/fhir+json"
    hub.patient("a", birthDate="1950-01-01")
    until(lambda: len(hub.peer.got) == 3)
    assert hub.peer.got[2].json["meta"]["versionId"] == "2"


def test_what_was_there_before_is_no_event(each_hub: Hub) -> None:
    """A Subscription begins when it becomes active."""
    hub = each_hub
    hub.patient("before")
    hub.subscribe()
    hub.patient("after")
    until(hub.events)
    hub.rounds()
    assert hub.events() == [(1, "Patient/after", 1)]


def test_bundles_say_what_happened_in_order(hub: Hub) -> None:
    """Backport IG 1.1: a history Bundle whose first entry is the status; id-only tells ids and nothing else."""
    fid = hub.subscribe(content="id-only")
    handshake = hub.peer.got[0]
    assert handshake.json["type"] == "history"
    here = f"https://hub.example.org/fhir/Subscription/{fid}"
    assert {"subscription": {"reference": here}, "status": "requested", "type": "handshake",
            "events-since-subscription-start": "0"} == handshake.parameters()  # fmt: skip
    for name in "abc":
        hub.patient(name)
    until(lambda: len(hub.peer.got) == 4)
    told = [g.parameters() for g in hub.peer.got[1:]]
    assert [p["events-since-subscription-start"] for p in told] == ["1", "2", "3"]
    assert {"event-notification"} == {p["type"] for p in told}
    first = {p["name"]: p for p in told[0]["notification-event"]}
    assert first["focus"]["valueReference"] == {"reference": "https://hub.example.org/fhir/Patient/a"}
    (_, focus) = hub.peer.got[1].json["entry"]
    assert focus == {
        "fullUrl": "https://hub.example.org/fhir/Patient/a",
        "request": {"method": "POST", "url": "Patient"},
        "response": {"status": "201"},
    }


def test_a_full_notification_has_the_resource(hub: Hub) -> None:
    """Backport IG 1.1, payload-content full-resource; empty has not even an id."""
    hub.subscribe(content="full-resource")
    hub.patient("a")
    until(lambda: len(hub.peer.got) == 2)
    assert hub.peer.got[1].json["entry"][1]["resource"] == hub.api.json("/fhir/Patient/a")


def test_an_empty_notification_names_nothing(hub: Hub) -> None:
    hub.subscribe(content="empty")
    hub.patient("a")
    until(lambda: len(hub.peer.got) == 2)
    assert b"Patient" not in hub.peer.got[1].body
    assert len(hub.peer.got[1].json["entry"]) == 1


def test_a_hub_that_was_away_goes_on_where_it_was(hub: Hub) -> None:
    """What is written while nobody looks is found later, once."""
    hub.subscribe()
    hub.patient("a")
    until(lambda: len(hub.peer.got) == 2)
    hub.service.stop()
    hub.patient("b")
    from hub.services.subscriptions.service import Service

    hub.service = Service(hub.store)
    hub.service.start()
    until(lambda: len(hub.peer.got) == 3)
    assert hub.events() == [(1, "Patient/a", 1), (2, "Patient/b", 1)]
    hub.rounds()
    assert len(hub.events()) == 2


def test_off_tells_nothing_and_deleting_ends_it(hub: Hub) -> None:
    """R4, subscription-status: off; what was written meanwhile is not told when it begins again."""
    fid = hub.subscribe()
    hub.api.send("PUT", f"/fhir/Subscription/{fid}", hub.read(fid) | {"status": "off"})
    hub.rounds()
    hub.patient("a")
    hub.rounds()
    assert hub.events() == []
    hub.api.send("PUT", f"/fhir/Subscription/{fid}", hub.read(fid) | {"status": "requested"})
    hub.service.look()
    until(lambda: hub.read(fid)["status"] == "active")
    hub.patient("b")
    until(lambda: hub.events() == [(1, "Patient/b", 1)])
    hub.api.send("DELETE", f"/fhir/Subscription/{fid}")
    hub.rounds()
    assert hub.events() == []
