"""fhirpy (https://github.com/beda-software/fhir-py) against the API: what its users do all day.

It asks with ``If-None-Match: 1`` without quotes, sends bodies as ``application/json`` and walks pages by
taking their URLs apart: habits of clients that a server meets, and must bear.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fhirpy import SyncFHIRClient
from fhirpy.base.exceptions import AuthorizationError, MultipleResourcesFound, OperationOutcome, ResourceNotFound

from .conftest import Live

Ward = Callable[[int], str]


@pytest.fixture
def client(live: Live) -> SyncFHIRClient:
    return SyncFHIRClient(live.base, authorization=f"Bearer {live.token}")


def test_a_resource_from_its_making_to_its_end(client: SyncFHIRClient) -> None:
    """R4 §3.1.0: create, read, refresh, update, delete; each answer is the resource as it is now."""
    anne = client.resource("Patient", name=[{"family": "Lefèvre", "given": ["Anne"]}], gender="female")
    anne.save()
    assert (anne["meta"]["versionId"], anne.get_by_path(["name", 0, "family"])) == ("1", "Lefèvre")
    anne.refresh()  # 304: it stays as it is
    assert anne["meta"]["versionId"] == "1"
    again = client.get("Patient", anne.id)
    again["birthDate"] = "1950-02-03"
    client.resource("Patient", **again).save()
    anne.refresh()
    assert (anne["meta"]["versionId"], anne["birthDate"]) == ("2", "1950-02-03")
    assert client.reference("Patient", anne.id).to_resource() == anne
    anne.delete()
    with pytest.raises(ResourceNotFound, match="was deleted"):
        anne.refresh()
    with pytest.raises(ResourceNotFound, match="no such resource"):
        client.get("Patient", "nobody")


def test_its_searches(client: SyncFHIRClient, ward: Ward) -> None:
    """R4 §3.1.1: modifiers, prefixes, sorting, counting, pages, chains, includes and reverse includes."""
    system = ward(7)
    stays = client.resources("Encounter").search(identifier=f"{system}|")
    assert stays.count() == 7
    assert [len(page) for page in (stays.limit(3).fetch(), stays.limit(3).fetch_all())] == [3, 7]
    assert len({s.id for s in stays.limit(2)}) == 7
    patients = client.resources("Patient").search(identifier=f"{system}|")
    assert [p["birthDate"][:4] for p in patients.sort("-birthdate").limit(2)] == [str(1956 - n) for n in range(7)]
    assert patients.search(birthdate__lt="1952").count() == 2
    assert patients.search(birthdate__ge="1952", birthdate__lt="1955").count() == 3
    assert patients.search(name__exact="Lefèvre-3").get()["birthDate"] == "1953-01-02"
    assert patients.search(name__contains="fevre-4").first()["birthDate"] == "1954-01-02"
    assert patients.search(gender__not="female").count() == 0
    of_one = stays.search(subject__Patient__name="lefevre-5")
    assert of_one.get()["identifier"][0]["value"] == "stay-5"
    both = of_one.include("Encounter", "subject").fetch_raw()
    assert [e["search"]["mode"] for e in both["entry"]] == ["match", "include"]
    assert [e.resource.resource_type for e in both.entry] == ["Encounter", "Patient"]
    back = patients.search(name="lefevre-6").revinclude("Encounter", "subject").fetch_raw()
    assert [e.resource.resource_type for e in back.entry] == ["Patient", "Encounter"]
    has = patients.has("Encounter", "patient", identifier=f"{system}|stay-2").get()
    assert has["birthDate"] == "1952-01-02"
    assert set(patients.elements("birthDate").first()) >= {"birthDate", "meta", "id", "resourceType"}
    assert "name" not in patients.elements("birthDate").first()
    with pytest.raises(MultipleResourcesFound):
        stays.get()
    with pytest.raises(OperationOutcome, match="colour"):
        client.resources("Patient").search(colour="blue").fetch()


def test_its_conditions(client: SyncFHIRClient) -> None:
    """R4 §3.1.0.4.3, §3.1.0.7.1: update and delete of what a search finds."""
    found = client.resources("Patient").search(identifier="urn:conditions|1")
    body = {"identifier": [{"system": "urn:conditions", "value": "1"}]}
    made, new = found.update(client.resource("Patient", **body))
    same, again = found.update(client.resource("Patient", active=True, **body))
    assert (new, again, made.id, same["active"]) == (True, False, same.id, True)
    answer, status = found.delete()
    assert (status in (200, 204), found.count()) == (True, 0), answer


def test_it_validates_and_transacts(client: SyncFHIRClient) -> None:
    """R4 §3.1.0.11 and Resource-validate."""
    good = client.resource("Patient", gender="female")
    assert good.is_valid()
    assert not client.resource("Patient", gender="blue").is_valid()
    bundle = client.resource("Bundle", type="transaction", entry=[
        {"fullUrl": "urn:uuid:p", "resource": {"resourceType": "Patient"},
         "request": {"method": "POST", "url": "Patient"}},
        {"resource": {"resourceType": "Basic", "code": {"text": "x"}, "subject": {"reference": "urn:uuid:p"}},
         "request": {"method": "POST", "url": "Basic"}},
    ])  # fmt: skip
    bundle.save()
    assert (bundle["type"], [e["response"]["status"][:3] for e in bundle["entry"]]) == (
        "transaction-response", ["201", "201"],
    )  # fmt: skip


def test_its_patches(client: SyncFHIRClient) -> None:
    """R4 §3.1.0.6: a FHIRPath Patch changes; the merge of fields that fhirpy sends by itself, which R4 does not
    have, is refused in words and changes nothing."""
    anne = client.resource("Patient", gender="female")
    anne.save()
    operation = [{"name": "type", "valueCode": "replace"}, {"name": "path", "valueString": "Patient.gender"},
                 {"name": "value", "valueCode": "male"}]  # fmt: skip
    patch = {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": operation}]}
    assert client.execute(anne.reference, "patch", data=patch)["gender"] == "male"
    with pytest.raises(OperationOutcome, match="resourceType"):
        client.patch("Patient", anne.id, gender="other")
    assert client.get("Patient", anne.id)["gender"] == "male"


def test_a_stranger_is_told_so(live: Live) -> None:
    """RFC 6750 §3."""
    with pytest.raises(AuthorizationError, match="unknown, expired or revoked"):
        SyncFHIRClient(live.base, authorization="Bearer x").resources("Patient").fetch()
