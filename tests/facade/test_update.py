"""update: with versions, as create, by condition; and what a message and a person make of one resource."""

from __future__ import annotations

import threading

import orjson
import pytest

from hub.fhir.draft import Entry, Patch, Rank
from hub.settings import Settings
from hub.store.resources import Saying, apply, prepare
from hub.store.tables import resource
from tests.store.rows import rows

from .conftest import Api

ANNE = {"resourceType": "Patient", "id": "anne", "name": [{"family": "Lefèvre"}]}
OTHER = ANNE | {"gender": "female"}


def test_an_update_makes_a_version(each_api: Api) -> None:
    """R4 §3.1.0.4: 201 with the id of the URL, then 200; ETag and Content-Location name the version."""
    first = each_api.send("PUT", "/fhir/Patient/anne", ANNE)
    assert (first.status_code, first.headers["ETag"]) == (201, 'W/"1"')
    assert first.headers["Location"].endswith("/Patient/anne/_history/1")
    second = each_api.send("PUT", "/fhir/Patient/anne", OTHER)
    assert (second.status_code, second.headers["ETag"], "Location" in second.headers) == (200, 'W/"2"', False)
    assert second.headers["Content-Location"].endswith("/fhir/Patient/anne/_history/2")
    assert orjson.loads(second.data) == each_api.json("/fhir/Patient/anne")
    assert "gender" not in each_api.json("/fhir/Patient/anne/_history/1")
    assert each_api.ids("/fhir/Patient?gender=female") == ["anne"]


def test_the_same_content_makes_no_version(each_api: Api) -> None:
    """200 with the ETag that is there; white space and the meta of the server do not count."""
    first = each_api.send("PUT", "/fhir/Patient/anne", ANNE)
    again = each_api.send("PUT", "/fhir/Patient/anne", first.data.replace(b",", b" ,\n"))
    assert (again.status_code, again.headers["ETag"], again.data) == (200, 'W/"1"', first.data)
    assert each_api.json("/fhir/Patient/anne/_history")["total"] == 1


def test_an_update_that_saw_another_version_is_refused(each_api: Api) -> None:
    """R4 §3.1.0.5: 412; a list is any of them; If-None-Match: * creates only."""
    each_api.send("PUT", "/fhir/Patient/anne", ANNE)
    assert each_api.send("PUT", "/fhir/Patient/anne", OTHER, If_Match='W/"1"').status_code == 200
    found = each_api.refused(412, "PUT", "/fhir/Patient/anne", ANNE, If_Match='W/"1"')
    assert (found["code"], found["location"]) == ("conflict", ["http.If-Match"])
    assert "version is 2" in found["diagnostics"]
    assert each_api.send("PUT", "/fhir/Patient/anne", ANNE, If_Match='W/"1", W/"2"').status_code == 200
    assert each_api.refused(412, "PUT", "/fhir/Patient/anne", OTHER, If_None_Match="*")
    assert each_api.refused(412, "PUT", "/fhir/Patient/bea", ANNE | {"id": "bea"}, If_Match="*")
    assert each_api.refused(412, "PUT", "/fhir/Patient/bea", ANNE | {"id": "bea"}, If_Match='W/"1"')
    assert each_api.send("PUT", "/fhir/Patient/bea", ANNE | {"id": "bea"}, If_None_Match="*").status_code == 201
    assert each_api.send("PUT", "/fhir/Patient/bea", OTHER | {"id": "bea"}, If_Match="*").status_code == 200


@pytest.mark.parametrize(("name", "value"), [("If-Match", "3"), ("If-Match", 'W/"x"'), ("If-None-Match", 'W/"1"')])
def test_a_tag_that_cannot_be_read_is_said(api: Api, name: str, value: str) -> None:
    """400: it would else be taken for no condition at all."""
    answer = api.ask("/fhir/Patient/anne", "PUT", json=ANNE, headers={name: value})
    assert (answer.status_code, orjson.loads(answer.data)["issue"][0]["location"]) == (400, [f"http.{name}"])


def test_a_hub_may_ask_for_versions(api: Api) -> None:
    """R4 §3.1.0.5: then an update without If-Match is 400; a first one needs none."""
    strict = Api(api.store, api.settings, _application(api, require_if_match=True), api.token)
    assert strict.send("PUT", "/fhir/Patient/anne", ANNE).status_code == 201
    assert strict.refused(400, "PUT", "/fhir/Patient/anne", OTHER)["code"] == "required"
    assert strict.refused(400, "DELETE", "/fhir/Patient/anne")["code"] == "required"
    assert strict.send("PUT", "/fhir/Patient/anne", OTHER, If_Match='W/"1"').status_code == 200


def test_a_hub_may_let_nobody_choose_ids(api: Api) -> None:
    """R4 §3.1.0.4.1: 405 where an update does not create; the CapabilityStatement says so."""
    strict = Api(api.store, api.settings, _application(api, update_create=False), api.token)
    assert strict.refused(405, "PUT", "/fhir/Patient/anne", ANNE)["code"] == "not-supported"
    assert strict.json("/fhir/metadata")["rest"][0]["resource"][0]["updateCreate"] is False
    api.send("PUT", "/fhir/Patient/anne", ANNE)
    assert strict.send("PUT", "/fhir/Patient/anne", OTHER).status_code == 200


def _application(api: Api, **settings: object) -> object:
    from hub.facade.server import Application

    return Application(api.store, Settings.load(api.settings.home, **settings), {})


@pytest.mark.parametrize(
    ("path", "body", "where"),
    [
        ("/fhir/Patient/anne", ANNE | {"id": "bea"}, "Patient.id"),
        ("/fhir/Patient/anne", {"resourceType": "Patient"}, "Patient.id"),
        ("/fhir/Observation/anne", ANNE, "resourceType"),
        ("/fhir/Patient/a_b", ANNE | {"id": "a_b"}, "Patient.id"),
        ("/fhir/Patient/" + "x" * 65, ANNE, "Patient.id"),
    ],
)
def test_url_and_resource_must_agree(api: Api, path: str, body: object, where: str) -> None:
    """R4 §3.1.0.4: 400 for another id or type, and for what is no id."""
    assert api.refused(400, "PUT", path, body)["expression"] == [where]


def test_of_two_who_saw_one_version_one_wins(each_api: Api) -> None:
    """R4 §3.1.0.5: the other is told (412), and nothing of hers is lost without a word."""
    each_api.send("PUT", "/fhir/Patient/anne", ANNE)
    statuses: list[int] = []
    barrier = threading.Barrier(8)

    def update(number: int) -> None:
        barrier.wait(20)
        body = ANNE | {"multipleBirthInteger": number}
        statuses.append(each_api.send("PUT", "/fhir/Patient/anne", body, If_Match='W/"1"').status_code)

    threads = [threading.Thread(target=update, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] + [412] * 7
    assert each_api.json("/fhir/Patient/anne")["meta"]["versionId"] == "2"


def test_an_update_by_condition(each_api: Api) -> None:
    """R4 §3.1.0.4.3: nothing fits: created, with the id given or one of the server; one: updated; several: 412."""
    one = {"resourceType": "Patient", "identifier": [{"value": "1"}]}
    created = each_api.send("PUT", "/fhir/Patient?identifier=1", one)
    assert created.status_code == 201
    fid = orjson.loads(created.data)["id"]
    updated = each_api.send("PUT", "/fhir/Patient?identifier=1", one | {"gender": "male"})
    assert (updated.status_code, orjson.loads(updated.data)["id"]) == (200, fid)
    assert each_api.refused(400, "PUT", "/fhir/Patient?identifier=1", one | {"id": "another"})["expression"]
    given = {"resourceType": "Patient", "id": "mine", "identifier": [{"value": "2"}]}
    assert orjson.loads(each_api.send("PUT", "/fhir/Patient?identifier=2", given).data)["id"] == "mine"
    each_api.send("POST", "/fhir/Patient", one)
    assert each_api.refused(412, "PUT", "/fhir/Patient?identifier=1", one)["code"] == "multiple-matches"
    assert each_api.refused(400, "PUT", "/fhir/Patient", one)["code"] == "required"
    assert each_api.refused(400, "PUT", "/fhir/Patient?identifier=7", one | {"id": "a_b"})
    assert each_api.refused(412, "PUT", "/fhir/Patient?identifier=2", given, If_Match='W/"9"')


def test_what_a_person_says_outlasts_the_feed(each_api: Api) -> None:
    """A write of the API is a decision: later messages of lower rank do not undo it."""
    store, take_id = each_api.store, each_api.store.ids.take

    def fed(**elements: object) -> None:
        write = prepare(
            Entry("Patient", "anne", {"resourceType": "Patient", **elements}, Rank.FEED), take_id(), "urn:m"
        )
        store.write(lambda tx: apply(tx, [write], 1, take_id))

    fed(gender="male")
    assert each_api.send("PUT", "/fhir/Patient/anne", OTHER, If_Match='W/"1"').status_code == 200
    fed(gender="other")
    assert each_api.json("/fhir/Patient/anne")["gender"] == "female"
    assert rows(store, resource)[0].rank == Rank.PERSON


def test_what_is_only_stated_is_not_there_yet(each_api: Api) -> None:
    """A resource of which only statements are known: 404, no version, in no search; a create finds it free."""
    store, take_id = each_api.store, each_api.store.ids.take
    saying = Saying(Patch("Patient", "anne", "merge", {"active": False}, {}), take_id(), "urn:m")
    store.write(lambda tx: apply(tx, [saying], 1, take_id))
    for path in ("", "/_history", "/_history/0", "/_history/1"):
        assert each_api.issue(f"/fhir/Patient/anne{path}", 404)["code"] == "not-found"
    assert each_api.json("/fhir/_history")["total"] == 0
    assert each_api.refused(412, "PUT", "/fhir/Patient/anne", ANNE, If_Match="*")
    answer = each_api.send("PUT", "/fhir/Patient/anne", ANNE, If_None_Match="*")
    assert (answer.status_code, "active" in orjson.loads(answer.data)) == (201, False)
