"""fhirclient, the SMART on FHIR client of Boston Children's (https://github.com/smart-on-fhir/client-py).

Its models are strict: an answer with an element that R4 does not know, or of a wrong type, is refused by them.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import requests

from .conftest import Live

fhirclient = pytest.importorskip("fhirclient.client")
from fhirclient.models import bundle, encounter, humanname, patient  # noqa: E402 - once it is there
from fhirclient.models.fhirdate import FHIRDate  # noqa: E402
from fhirclient.server import FHIRNotFoundException, FHIRUnauthorizedException  # noqa: E402

Ward = Callable[[int], str]


def _client(live: Live, token: str) -> fhirclient.FHIRClient:
    made = fhirclient.FHIRClient(settings={"app_id": "test", "api_base": live.base})
    made.server.session.headers["Authorization"] = f"Bearer {token}"
    made.server.session.trust_env = False
    return made


@pytest.fixture
def smart(live: Live) -> fhirclient.FHIRClient:
    return _client(live, live.token)


def test_it_gets_ready(smart: fhirclient.FHIRClient) -> None:
    """It reads the CapabilityStatement by its model of R4."""
    assert smart.prepare()
    assert smart.ready
    statement = smart.server.capabilityStatement
    assert (statement.fhirVersion, statement.rest[0].mode) == ("4.0.1", "server")


def test_a_resource_from_its_making_to_its_end(smart: fhirclient.FHIRClient) -> None:
    """R4 §3.1.0: create, read, update, delete."""
    anne = patient.Patient({"name": [{"family": "Lefèvre", "given": ["Anne"]}]})
    made = anne.create(smart.server)
    read = patient.Patient.read(made["id"], smart.server)
    assert smart.human_name(read.name[0]) == "Anne Lefèvre"
    read.birthDate = FHIRDate("1950-02-03")
    read.name.append(humanname.HumanName({"family": "Martin", "use": "maiden"}))
    assert read.update(smart.server)["meta"]["versionId"] == "2"
    assert patient.Patient.read(read.id, smart.server).birthDate.isostring == "1950-02-03"
    old = patient.Patient.read_from(f"Patient/{read.id}/_history/1", smart.server)
    assert old.birthDate is None
    past = bundle.Bundle.read_from(f"Patient/{read.id}/_history", smart.server)
    assert [e.request.method for e in past.entry] == ["PUT", "POST"]
    read.delete(smart.server)
    with pytest.raises(requests.HTTPError, match="410"):
        patient.Patient.read(read.id, smart.server)
    with pytest.raises(FHIRNotFoundException):
        patient.Patient.read("nobody", smart.server)


def test_its_searches(smart: fhirclient.FHIRClient, ward: Ward) -> None:
    """R4 §3.1.1: it follows the pages, and resolves references out of the Bundle or from the server."""
    system = ward(5)
    search = patient.Patient.where({"identifier": f"{system}|", "_count": "2"})
    assert sorted(p.birthDate.date.year for p in search.perform_resources_iter(smart.server)) == [*range(1950, 1955)]
    of_one = encounter.Encounter.where({"subject:Patient.name": "lefevre-3", "_include": "Encounter:subject",
                                        "identifier": f"{system}|"})  # fmt: skip
    (found,) = of_one.perform_iter(smart.server)
    assert [e.search.mode for e in found.entry] == ["match", "include"]
    (stay,) = [e.resource for e in found.entry if e.search.mode == "match"]
    assert stay.subject.resolved(patient.Patient).birthDate.date.year == 1953


def test_a_transaction(smart: fhirclient.FHIRClient) -> None:
    """R4 §3.1.0.11."""
    entry = {"resource": {"resourceType": "Patient"}, "request": {"method": "POST", "url": "Patient"}}
    sent = bundle.Bundle({"type": "transaction", "entry": [entry]})
    answer = bundle.Bundle(smart.server.post_json("", sent.as_json()).json())
    assert (answer.type, answer.entry[0].response.status[:3]) == ("transaction-response", "201")


def test_a_stranger_is_told_so(live: Live) -> None:
    """RFC 6750 §3."""
    with pytest.raises(FHIRUnauthorizedException):
        patient.Patient.read("x", _client(live, "x").server)
