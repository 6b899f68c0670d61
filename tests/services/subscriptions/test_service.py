"""The service itself: bursts, bounds, defects, and others who write at the same time."""

from __future__ import annotations

from typing import Any

import pytest

from hub.engine.model import Retry
from hub.errors import InvalidError, UnavailableError
from hub.services.subscriptions import matching, model, sender, service, standing, state
from hub.store.tables import Sending
from tests.services.subscriptions.conftest import Hub, asking
from tests.waiting import until


def test_a_burst_is_told_in_full_and_in_order(each_hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """More at once than one page holds: each once, numbered in the order in which it was written."""
    monkeypatch.setattr(matching, "PAGE", 10)
    each_hub.subscribe()
    each_hub.write(*({"resourceType": "Patient", "id": f"p{n:02}", "gender": "female"} for n in range(35)))
    until(lambda: len(each_hub.events()) == 35)
    each_hub.rounds()
    assert each_hub.events() == [(n + 1, f"Patient/p{n:02}", 1) for n in range(35)]
    until(lambda: each_hub.sendings() == [Sending.SENT] * 35)


def test_what_commits_late_is_found(hub: Hub) -> None:
    """The time of a resource is that of the beginning of its batch: looks go back to where it may lie."""
    fid = hub.subscribe()
    hub.patient("first")
    until(hub.events)
    hub.service.stop()
    later = state.states(hub.store)[fid].looked + 30_000_000
    state.note(hub.store, fid, looked=later)
    hub.patient("late")
    assert hub.service.tick(far=False) == 0
    assert hub.service.tick(far=True) == 1


def test_an_endpoint_that_is_not_there(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens: tried some times, then an error that names the host and nothing else."""
    monkeypatch.setattr(sender, "RETRY", Retry(0, 0.01, 0.01))
    hub.peer.close()
    fid = hub.subscribe(status="error")
    assert "127.0.0.1 was not reached" in hub.read(fid)["error"]


def test_more_than_the_hub_serves(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has a thread, so there is a bound; who is beyond it is told."""
    monkeypatch.setattr(service, "MOST", 1)
    hub.subscribe()
    second = hub.subscribe("Observation", status="error")
    assert "serves 1 subscriptions already" in hub.read(second)["error"]


@pytest.mark.parametrize("error", [UnavailableError("away"), ZeroDivisionError()])
def test_a_look_that_fails_is_made_again(hub: Hub, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """The store away, or a defect: nothing is lost, the next look finds it."""
    hub.subscribe()
    real = matching.newest
    failed: list[bool] = []

    def fails(store: Any) -> int:
        if not failed:
            failed.append(True)
            raise error
        return real(store)

    monkeypatch.setattr(matching, "newest", fails)
    hub.patient("a")
    until(lambda: len(hub.peer.got) == 2)
    assert failed


def test_a_search_that_fails_holds_up_no_other(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of one Subscription is its own."""
    bad = hub.subscribe("Patient?gender=male")
    hub.subscribe("Patient?gender=female")
    real = matching.look

    def look(store: Any, asked: model.Subscription, *args: Any, **more: Any) -> int:
        if asked.id == bad:
            raise InvalidError("too much")
        return real(store, asked, *args, **more)

    monkeypatch.setattr(matching, "look", look)
    hub.patient("a")
    until(hub.events)
    until(lambda: hub.read(bad)["status"] == "error")


def test_a_status_is_not_set_over_somebodys_change(hub: Hub) -> None:
    """Who changed, ended or deleted the Subscription meanwhile has the last word."""
    fid = hub.subscribe()
    asked = model.read(hub.read(fid))
    hub.api.send("PUT", f"/fhir/Subscription/{fid}", hub.read(fid) | {"status": "off"})
    assert standing.set_status(hub.store, asked, "active") == 0
    assert hub.read(fid)["status"] == "off"
    other = asking(f"{hub.peer.url}/hook", "Observation") | {"id": fid}
    hub.api.send("PUT", f"/fhir/Subscription/{fid}", other)
    assert standing.set_status(hub.store, asked, "error") == 0
    hub.api.send("DELETE", f"/fhir/Subscription/{fid}")
    assert standing.set_status(hub.store, asked, "error") == 0


def test_another_process_stands_by(hub: Hub) -> None:
    """Two processes on one store tell of nothing twice."""
    until(lambda: hub.service.rounds)  # the first has the lock
    second = service.Service(hub.store)
    second.start()
    hub.subscribe()
    hub.patient("a")
    until(hub.events)
    assert second.rounds == 0
    second.stop()
    assert len(hub.events()) == 1


def test_a_change_of_what_is_asked_is_agreed_anew(hub: Hub) -> None:
    """Other criteria, another handshake; numbers of events go on."""
    fid = hub.subscribe()
    hub.patient("a")
    until(lambda: len(hub.peer.got) == 2)
    hub.api.send("PUT", f"/fhir/Subscription/{fid}", hub.read(fid) | {"criteria": "Patient?gender=male"})
    hub.service.look()
    until(lambda: len(hub.peer.got) == 3)
    until(lambda: state.states(hub.store)[fid].digest == model.digest(hub.read(fid)))
    hub.patient("b")
    hub.patient("c", "male")
    until(lambda: len(hub.events()) == 2)
    assert hub.events() == [(1, "Patient/a", 1), (2, "Patient/c", 1)]
