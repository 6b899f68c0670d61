"""delete, and by condition."""

from __future__ import annotations

import orjson

from hub.facade.server import Application
from hub.settings import Settings

from .conftest import Api

ANNE = {"resourceType": "Patient", "id": "anne", "identifier": [{"value": "1"}], "gender": "female"}


def test_what_is_deleted_is_gone_and_its_versions_stay(each_api: Api) -> None:
    """R4 §3.1.0.7: 204, then 410; vread and history show what it was; no search finds it."""
    each_api.send("PUT", "/fhir/Patient/anne", ANNE)
    answer = each_api.send("DELETE", "/fhir/Patient/anne")
    assert (answer.status_code, answer.data, answer.headers["ETag"]) == (204, b"", 'W/"2"')
    assert each_api.issue("/fhir/Patient/anne", 410)["code"] == "deleted"
    assert each_api.issue("/fhir/Patient/anne/_history/2", 410)["code"] == "deleted"
    assert each_api.json("/fhir/Patient/anne/_history/1")["gender"] == "female"
    assert each_api.ids("/fhir/Patient?gender=female") == []
    assert [e["request"]["method"] for e in each_api.json("/fhir/Patient/anne/_history")["entry"]] == ["DELETE", "POST"]


def test_to_delete_twice_is_to_delete_once(each_api: Api) -> None:
    """R4 §3.1.0.7: what is not there is no error, and makes no version."""
    each_api.send("PUT", "/fhir/Patient/anne", ANNE)
    for _ in range(3):
        assert each_api.send("DELETE", "/fhir/Patient/anne").status_code == 204
    assert each_api.send("DELETE", "/fhir/Patient/nobody").status_code == 204
    assert each_api.json("/fhir/Patient/anne/_history")["total"] == 2
    said = each_api.send("DELETE", "/fhir/Patient/nobody", Prefer="return=OperationOutcome")
    assert (said.status_code, orjson.loads(said.data)["issue"][0]["code"]) == (200, "informational")


def test_an_update_brings_it_back(each_api: Api) -> None:
    """R4 §3.1.0.7: 201, with the next number; the deletion stands in the history."""
    each_api.send("PUT", "/fhir/Patient/anne", ANNE)
    each_api.send("DELETE", "/fhir/Patient/anne")
    back = each_api.send("PUT", "/fhir/Patient/anne", ANNE)
    assert (back.status_code, back.headers["ETag"]) == (201, 'W/"3"')
    assert each_api.ids("/fhir/Patient?gender=female") == ["anne"]


def test_a_deletion_may_say_what_it_saw(each_api: Api) -> None:
    """If-Match: 412 for another version."""
    each_api.send("PUT", "/fhir/Patient/anne", ANNE)
    assert each_api.refused(412, "DELETE", "/fhir/Patient/anne", If_Match='W/"7"')["code"] == "conflict"
    assert each_api.send("DELETE", "/fhir/Patient/anne", If_Match='W/"1"').status_code == 204
    assert each_api.refused(412, "DELETE", "/fhir/Patient/anne", If_Match="*")


def test_a_deletion_by_condition(each_api: Api) -> None:
    """R4 §3.1.0.7.1: one that fits; several are refused, unless the hub is set so; criteria are needed."""
    each_api.send("PUT", "/fhir/Patient/anne", ANNE)
    answer = each_api.send("DELETE", "/fhir/Patient?identifier=1")
    assert (answer.status_code, answer.headers["ETag"]) == (204, 'W/"2"')
    assert each_api.send("DELETE", "/fhir/Patient?identifier=1").status_code == 204
    for fid in "abc":
        each_api.send("PUT", f"/fhir/Patient/{fid}", ANNE | {"id": fid})
    assert each_api.refused(412, "DELETE", "/fhir/Patient?identifier=1")["code"] == "multiple-matches"
    assert each_api.refused(400, "DELETE", "/fhir/Patient")["code"] == "required"
    settings = Settings.load(each_api.settings.home, delete_many=3, database_url=each_api.settings.database_url or None)
    many = Api(each_api.store, settings, Application(each_api.store, settings, {}), each_api.token)
    assert many.json("/fhir/metadata")["rest"][0]["resource"][0]["conditionalDelete"] == "multiple"
    assert many.send("DELETE", "/fhir/Patient?identifier=1").status_code == 204
    assert many.json("/fhir/Patient")["total"] == 0
