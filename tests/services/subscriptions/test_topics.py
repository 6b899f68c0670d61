"""Topics of the programme: Subscriptions R5 Backport IG 1.1."""

from __future__ import annotations

from typing import Any

import pytest

from hub.fhir.validation.artefacts import BASE
from hub.services.subscriptions import criteria, model, topics
from hub.settings import Settings
from tests.services.subscriptions.conftest import BACKPORT, Hub, asking
from tests.waiting import until

LOINC = "http://loinc.org"


def about(name: str, *filters: str) -> dict[str, Any]:
    """The criteria of a topic and what narrows it."""
    narrowed = [{"url": f"{BACKPORT}filter-criteria", "valueString": f} for f in filters]
    return {"criteria": f"{BASE}/SubscriptionTopic/{name}"} | (
        {"_criteria": {"extension": narrowed}} if narrowed else {}
    )


def document(fid: str, patient: str = "a", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "DocumentReference", "id": fid, "status": "current",
        "subject": {"reference": f"Patient/{patient}"}, "content": [{"attachment": {"url": "Binary/1"}}],
    } | more  # fmt: skip


def eligibility(value: str, **more: Any) -> dict[str, Any]:
    code = {"coding": [{"system": f"{BASE}/CodeSystem/screening-observation", "code": "eligibility"}]}
    return {
        "resourceType": "Observation", "id": "e", "status": "final", "code": code,
        "valueCodeableConcept": {"coding": [{"code": value}]},
    } | more  # fmt: skip


def test_a_new_document_of_a_patient(each_hub: Hub) -> None:
    """Topic new-document: told once, when it comes; narrowed to one patient by filterBy."""
    hub = each_hub
    hub.write(document("old"))
    hub.subscribe(content="id-only", more=about("new-document", "DocumentReference?patient=Patient/a"))
    topic = f"{BASE}/SubscriptionTopic/new-document"
    assert hub.peer.got[0].parameters()["topic"] == topic
    hub.write(document("one"), document("other", "b"), document("draft", status="superseded"))
    until(hub.events)
    hub.write(document("one", description="again"), document("old", description="again"))
    hub.write(document("two"))
    until(lambda: len(hub.events()) > 1)
    hub.rounds()
    assert [ref for _, ref, _ in hub.events()] == ["DocumentReference/one", "DocumentReference/two"]


def test_a_decision_of_a_tumour_board(hub: Hub) -> None:
    """Topic rcp-decision: every version of a proposal (CarePlan of category LOINC 34794-8), of no other plan."""
    hub.subscribe(content="full-resource", more=about("rcp-decision"))
    plan = {
        "resourceType": "CarePlan", "id": "p", "status": "active", "intent": "proposal",
        "subject": {"reference": "Patient/a"}, "category": [{"coding": [{"system": LOINC, "code": "34794-8"}]}],
    }  # fmt: skip
    hub.write(plan, plan | {"id": "q", "intent": "plan"})
    until(hub.events)
    hub.write(plan | {"status": "revoked"})
    until(lambda: len(hub.events()) == 2)
    hub.rounds()
    assert hub.events() == [(1, "CarePlan/p", 1), (2, "CarePlan/p", 2)]


def test_a_screening_status_that_changes(hub: Hub) -> None:
    """Topic screening-status: the first one and each other one, not a version that says the same."""
    hub.subscribe(content="id-only", more=about("screening-status"))
    hub.write(eligibility("eligible"))
    until(hub.events)
    hub.write(eligibility("eligible", note=[{"text": "looked at again"}]))
    hub.rounds()
    hub.write(eligibility("excluded-temporary"))
    until(lambda: len(hub.events()) == 2)
    hub.rounds()
    assert hub.events() == [(1, "Observation/e", 1), (2, "Observation/e", 3)]


@pytest.mark.parametrize(
    ("name", "filters", "said"),
    [("nothing", (), "no such topic"), ("new-document", ("Patient?name=x",), "another type"),
     ("new-document", ("contenttype=x",), "not filtered by that"), ("new-document", ("",), "not filtered by that")],
)  # fmt: skip
def test_a_topic_is_narrowed_by_what_it_says(name: str, filters: tuple[str, ...], said: str) -> None:
    """SubscriptionTopic.canFilterBy."""
    asked = model.read(asking("https://app.example.org", more=about(name, *filters)))
    with pytest.raises(Exception, match=said):
        criteria.read(asked, Settings())


def test_every_topic_is_a_search_with_filters_the_hub_has() -> None:
    """A row of the table that names a parameter R4 does not have would never be told of."""
    for one in topics._topics(BASE).values():
        criteria.search(one.search, "")
        for name in one.filters:
            criteria.search(f"{one.type}?{name}:missing=false", "")
    assert {t.on for t in topics._topics(BASE).values()} <= {"create", "change"}
