"""The CapabilityStatement says what is there, to everybody."""

from __future__ import annotations

import warnings

import orjson
import pytest

from hub.facade.app import create_app
from hub.facade.context import base_url
from hub.fhir.search import params
from hub.settings import Settings

from .conftest import Api


def test_it_is_public_and_valid(api: Api) -> None:
    """R4 §3.1.0.14; CapabilityStatement as fhir.resources reads it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the packages that are imported
        from fhir.resources.R4B.capabilitystatement import CapabilityStatement

    found = api.json("/fhir/metadata", token="")
    CapabilityStatement.model_validate(found)
    assert (found["fhirVersion"], found["kind"], found["status"]) == ("4.0.1", "instance", "active")
    assert found["implementation"]["url"] == "http://127.0.0.1:8080/fhir"


def test_it_promises_what_is_mounted_and_nothing_else(api: Api) -> None:
    """Every interaction and every search parameter that it lists works."""
    (rest,) = api.json("/fhir/metadata")["rest"]
    for one in rest["resource"]:
        kind = one["type"]
        assert [i["code"] for i in one["interaction"]] == [
            "read", "vread", "update", "patch", "delete", "history-instance", "history-type", "create", "search-type",
        ]  # fmt: skip
        named = {p["name"]: p["type"] for p in one["searchParam"]}
        assert set(named) == {"_id", "_lastUpdated", *params(kind)}
    by_type = {one["type"]: one for one in rest["resource"]}
    assert {"Patient", "Binary", "DocumentReference", "Encounter"} <= set(by_type)
    example = {"token": "x", "string": "x", "date": "2020", "reference": "Patient/x", "uri": "http://x"}
    example |= {"quantity": "5", "number": "5", "composite": "x$x", "special": "1|2"}
    for param in by_type["Encounter"]["searchParam"]:
        assert api.json(f"/fhir/Encounter?{param['name']}={example[param['type']]}")["total"] == 0


def test_its_parameters_have_their_r4_definitions(api: Api) -> None:
    """R4 CapabilityStatement.rest.resource.searchParam.definition."""
    (rest,) = api.json("/fhir/metadata")["rest"]
    (patient,) = [one for one in rest["resource"] if one["type"] == "Patient"]
    defined = {p["name"]: p.get("definition") for p in patient["searchParam"]}
    assert defined["birthdate"] == "http://hl7.org/fhir/SearchParameter/individual-birthdate"
    assert defined["_tag"] == "http://hl7.org/fhir/SearchParameter/Resource-tag"
    assert defined["identifier"] == "http://hl7.org/fhir/SearchParameter/Patient-identifier"


def test_a_client_that_has_it_is_told_so(api: Api) -> None:
    """ETag and 304: clients ask for it again and again."""
    tag = api.ask("/fhir/metadata").headers["ETag"]
    answer = api.ask("/fhir/metadata", headers={"If-None-Match": tag})
    assert (answer.status_code, answer.data) == (304, b"")
    assert tag == create_app(api.store, api.settings).test_client().get("/fhir/metadata").headers["ETag"]


def test_it_can_be_laid_out(api: Api) -> None:
    """R4 §3.1.0.1.8, _pretty."""
    wide = api.ask("/fhir/metadata?_pretty=true&_format=json")
    assert orjson.loads(wide.data) == api.json("/fhir/metadata")
    assert wide.data.startswith(b'{\n  "resourceType"')


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "http://127.0.0.1:8080/fhir"),
        ({"base_url": "https://hub.example/fhir/"}, "https://hub.example/fhir"),
        ({"bind": "0.0.0.0", "http_port": 81}, "http://localhost:81/fhir"),
        ({"bind": "::1"}, "http://[::1]:8080/fhir"),
        ({"tls_certificate": "x.pem"}, "https://127.0.0.1:8080/fhir"),
    ],
)
def test_the_base_follows_from_the_settings(api: Api, given: dict[str, object], expected: str) -> None:
    """Never from the Host header, which any client may forge."""
    assert base_url(Settings.load(api.settings.home, **given)) == expected
    answer = api.json("/fhir/metadata", headers={"Host": "evil.example"})
    assert "evil" not in str(answer)


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("full", "CapabilityStatement"), ("normative", "CapabilityStatement"), ("terminology", "TerminologyCapabilities")],
)
def test_it_has_modes(api: Api, mode: str, kind: str) -> None:
    """R4 §3.1.0.14, mode; each with its own tag."""
    answer = api.ask(f"/fhir/metadata?mode={mode}")
    assert orjson.loads(answer.data)["resourceType"] == kind
    assert api.ask(f"/fhir/metadata?mode={mode}", headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304
    assert api.issue("/fhir/metadata?mode=other", 400)["location"] == ["http.mode"]


def test_it_says_how_writes_behave(api: Api) -> None:
    """R4 CapabilityStatement.rest: interactions of the system, conditions, versions, formats of patches."""
    found = api.json("/fhir/metadata")
    (rest,) = found["rest"]
    assert [i["code"] for i in rest["interaction"]][:2] == ["batch", "transaction"]
    patches = ["application/json-patch+json", "application/xml-patch+xml"]
    assert found["patchFormat"] == [*patches, "application/fhir+json", "application/fhir+xml"]
    one = rest["resource"][0]
    assert (one["versioning"], one["updateCreate"], one["conditionalCreate"], one["conditionalDelete"]) == (
        "versioned-update", True, True, "single",
    )  # fmt: skip
