"""ITI-66 Find Document Lists, ITI-67 Find Document References, ITI-68 Retrieve Document, and changes of metadata
(IHE MHD 4.2.3 §3.66 to §3.68; PDSm 3.1.1, flux 3 to 7)."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from . import mhd
from .conftest import Api
from .test_mhd_provide import ANNE, CHU, provided

JSON_PATCH = "application/json-patch+json"
XML_PATCH = "application/xml-patch+xml"
MASKED = {"coding": [{"system": f"{mhd.NOS}TRE_A07-StatusVisibiliteDocument/FHIR/TRE-A07-StatusVisibiliteDocument",
                      "code": "MASQUE_PS"}]}  # fmt: skip


@pytest.fixture
def shared(each_api: Api) -> Api:
    """With a document of one patient that replaces an older one, and one of another patient."""
    each_api.put(
        ANNE, CHU, {"resourceType": "Patient", "id": "bea", "identifier": [{"system": "urn:ins", "value": "2"}]}
    )
    _, old, _ = provided(each_api, mhd.good(1))
    sent = mhd.good(2, relatesTo=mhd.replaces(old))
    sent["entry"][0]["resource"]["entry"].append({"item": {"reference": mhd.FOLDER}})
    sent["entry"].append(mhd.entry(mhd.listed("folder", "1.2.250.1.9.3.1", mhd.DOC), mhd.FOLDER))
    sent["entry"][1]["resource"]["extension"] = [{"url": mhd.ARCHIVED, "valueBoolean": True}]
    sent["entry"][0]["resource"]["extension"].append({"url": mhd.ARCHIVED, "valueBoolean": True})
    org = {"url": f"{mhd.IHE}ihe-authorOrg", "valueReference": {"reference": "Organization/chu"}}
    sent["entry"][0]["resource"]["extension"].append(org)
    provided(each_api, sent)
    other = mhd.good(3, patient="Patient/bea")
    other["entry"][0]["resource"]["subject"] = {"reference": "Patient/bea"}
    other["entry"][1]["resource"]["contained"][0]["name"] = [{"family": "Durand"}]
    provided(each_api, other)
    return each_api


def found(api: Api, path: str, query: str) -> Any:
    """By GET and by POST, which agree; with an exact total and full URLs."""
    by_get = api.json(f"/fhir/{path}?{query}")
    posted = api.ask(f"/fhir/{path}/_search", "POST", data=query, content_type="application/x-www-form-urlencoded")
    by_post = orjson.loads(posted.data)
    assert [e["fullUrl"] for e in by_get.get("entry", ())] == [e["fullUrl"] for e in by_post.get("entry", ())]
    assert by_get["total"] == by_post["total"] == len(by_get.get("entry", ()))
    return by_get["total"]


@pytest.mark.parametrize(
    ("query", "total"),
    [
        ("patient=Patient/anne&status=current", 1),
        ("patient.identifier=urn:ins|1&status=current", 1),
        ("patient.identifier=urn:ins|1&status=current,superseded", 2),
        ("patient=Patient/bea&status=superseded", 0),
        ("identifier=urn:ietf:rfc:3986|urn:oid:1.2.250.1.9.1.3", 1),
        ("category=10", 3),
        ("type=http://loinc.org|34794-8", 3),
        ("date=ge2026-03-02", 3),
        ("date=lt2026-03-02", 0),
        ("creation=2026-03-02", 3),
        ("creation=gt2026-03-03", 0),
        ("event=x", 0),
        ("facility=SA01", 3),
        ("facility=SA02", 0),
        ("setting=ETABLISSEMENT", 3),
        ("format=urn:asip:ci-sis:frcp:2011", 3),
        ("security-label=N", 3),
        ("security-label=R", 0),
        ("period=ge2026-03-02", 3),
        ("period-start=2026-03-02", 3),
        ("period-end=2026-03-02", 0),
        ("isArchived=true", 1),
        ("isArchived:not=true", 2),
        ("author.family=moreau", 2),
        ("author.family=durand", 1),
        ("author.given=luc", 2),
        ("author.given=x", 0),
        ("related:identifier=x", 0),
        ("relatesto:missing=false", 1),
    ],
)
def test_document_references_are_found(shared: Api, query: str, total: int) -> None:
    """§3.67.4.1.2.1 and the search parameters of PDSm."""
    assert found(shared, "DocumentReference", query) == total


@pytest.mark.parametrize(
    ("query", "total"),
    [
        ("patient=Patient/anne&code=submissionset&status=current", 2),
        ("patient.identifier=urn:ins|2&code=submissionset", 1),
        (f"code={mhd.LIST_TYPES}|folder&patient=Patient/anne&status=current", 1),
        ("status=retired", 0),
        ("identifier=urn:ietf:rfc:3986|urn:oid:1.2.250.1.9.3.1", 1),
        ("date=2026-03-02", 4),
        ("date=gt2026-04", 0),
        ("designationType=http://loinc.org|34794-8", 4),
        ("designationType=x", 0),
        ("title=rcp", 4),
        ("sourceId=urn:ietf:rfc:3986|urn:oid:1.2.250.1.9", 3),
        ("sourceId=urn:oid:1.2", 0),
        ("isArchived=true", 1),
        ("source.family=Moreau", 4),
        ("source.given=Luc", 4),
        ("source.family=Durand", 0),
        ("authorOrg=Organization/chu", 1),
    ],
)
def test_lists_are_found(shared: Api, query: str, total: int) -> None:
    """§3.66.4.1.2.1 and the search parameters of PDSm."""
    assert found(shared, "List", query) == total


def test_names_of_authors_that_are_not_contained(shared: Api) -> None:
    """§3.67.4.1.2.1: author.family is a chain; it follows references out of the document as well."""
    shared.put({"resourceType": "Practitioner", "id": "p", "name": [{"family": "Petit"}]})
    uncontained = mhd.document("1.9", author=[{"reference": "Practitioner/p"}], contained=[])
    shared.put(uncontained | {"id": "plain"})
    assert shared.ids("/fhir/DocumentReference?author.family=petit") == ["plain"]
    assert shared.ids("/fhir/DocumentReference?author:Practitioner.family=petit") == ["plain"]


def test_they_are_told(shared: Api) -> None:
    """The CapabilityStatement has them, with the definitions of the guides."""
    (rest,) = shared.json("/fhir/metadata")["rest"]
    of = {
        r["type"]: {p["name"]: p["definition"] for p in r["searchParam"] if "definition" in p} for r in rest["resource"]
    }
    assert {"author.family", "creation", "isArchived", "period-start"} <= set(of["DocumentReference"])
    assert of["List"]["sourceId"] == "https://profiles.ihe.net/ITI/MHD/SearchParameter/List-SourceId"
    assert of["List"]["code"].startswith("http://hl7.org/fhir/SearchParameter/")


def test_a_bundle_in_xml(shared: Api) -> None:
    """MHD: a responder answers in both forms."""
    query = "/fhir/DocumentReference?patient=Patient/anne&status=current"
    answer = shared.ask(query, headers={"Accept": "application/fhir+xml"})
    text = answer.get_data(as_text=True)
    assert '<total value="1"/>' in text
    assert "<fullUrl value=" in text
    assert shared.ask(f"{query}&_format=xml").data.count(b"<DocumentReference") == 1


def test_a_document_is_retrieved(shared: Api) -> None:
    """§3.68.4.1.2: the octets in their own media type, or the resource; by HEAD, and 304 for who has it."""
    (entry,) = shared.json("/fhir/DocumentReference?patient=Patient/bea")["entry"]
    url = f"/fhir/{entry['resource']['content'][0]['attachment']['url']}"
    for accept in ("application/pdf", "*/*", ""):
        answer = shared.ask(url, headers={"Accept": accept})
        assert (answer.data, answer.content_type) == (mhd.PDF, mhd.MIME)
    for accept in ("application/fhir+json", "application/fhir+xml"):
        answer = shared.ask(url, headers={"Accept": accept})
        assert answer.content_type.startswith(accept)
        assert b"JVBERi0xLjcgY29tcHRlIHJlbmR1" in answer.data
    head = shared.ask(url, "HEAD")
    assert (head.status_code, head.data, head.headers["Content-Length"]) == (200, b"", str(len(mhd.PDF)))
    assert shared.ask(url, headers={"If-None-Match": head.headers["ETag"]}).status_code == 304


def op(kind: str, path: str, value: dict[str, Any] | None = None, name: str = "") -> dict[str, Any]:
    parts = [{"name": "type", "valueCode": kind}, {"name": "path", "valueString": path}]
    parts += [{"name": "name", "valueString": name}] if name else []
    parts += [{"name": "value", **value}] if value else []
    return {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]}


LABEL = (b'<diff xmlns="http://hl7.org/fhir"><replace sel="DocumentReference/securityLabel/coding/code/@value">R'
         b"</replace></diff>")  # fmt: skip


@pytest.mark.parametrize(
    ("media", "patch"),
    [
        (JSON_PATCH, [{"op": "add", "path": "/securityLabel/-", "value": MASKED}]),
        (JSON_PATCH, [{"op": "replace", "path": "/status", "value": "superseded"}]),
        (JSON_PATCH, [{"op": "add", "path": "/extension", "value": [{"url": mhd.ARCHIVED, "valueBoolean": True}]}]),
        ("application/fhir+json", op("add", "DocumentReference", {"valueCodeableConcept": MASKED}, "securityLabel")),
        ("application/fhir+json", op("replace", "DocumentReference.status", {"valueCode": "entered-in-error"})),
        (XML_PATCH, LABEL),
    ],
)
def test_what_may_be_changed(shared: Api, media: str, patch: Any) -> None:
    """Flux 3: status, securityLabel and isArchived, in three dialects, addressed by the identifier: 200, ETag, body."""
    where = "/fhir/DocumentReference?identifier=urn:ietf:rfc:3986|urn:oid:1.2.250.1.9.1.3"
    answer = shared.send("PATCH", where, patch, media)
    assert (answer.status_code, answer.headers["ETag"]) == (200, 'W/"2"')
    assert orjson.loads(answer.data)["resourceType"] == "DocumentReference"


@pytest.mark.parametrize(
    ("media", "patch", "element"),
    [
        (JSON_PATCH, [{"op": "add", "path": "/description", "value": "x"}], "description"),
        (JSON_PATCH, [{"op": "replace", "path": "/subject/reference", "value": "Patient/anne"}], "subject"),
        (
            JSON_PATCH,
            [{"op": "add", "path": "/extension", "value": [{"url": "urn:x", "valueBoolean": True}]}],
            "extension",
        ),
        (JSON_PATCH, [{"op": "add", "path": "/meta/tag", "value": [{"code": "x"}]}], "meta"),
        (
            JSON_PATCH,
            [{"op": "replace", "path": "/status", "value": "superseded"}, {"op": "remove", "path": "/date"}],
            "date",
        ),
        ("application/fhir+json", op("delete", "DocumentReference.custodian"), "custodian"),
        (XML_PATCH, b'<diff><remove sel="DocumentReference/context"/></diff>', "context"),
    ],
)
def test_what_may_not(shared: Api, media: str, patch: Any, element: str) -> None:
    """Flux 3: anything else is 405, and nothing is written."""
    where = "/fhir/DocumentReference?identifier=urn:ietf:rfc:3986|urn:oid:1.2.250.1.9.1.3"
    answer = shared.send("PATCH", where, patch, media)
    assert (answer.status_code, "PATCH" in answer.headers["Allow"]) == (405, True)
    assert orjson.loads(answer.data)["issue"][0]["expression"] == [f"DocumentReference.{element}"]
    assert (
        shared.json("/fhir/DocumentReference?patient=Patient/bea")["entry"][0]["resource"]["meta"]["versionId"] == "1"
    )


def test_in_a_transaction_as_well(shared: Api) -> None:
    """An entry of a transaction is no way around it."""
    ref = shared.json("/fhir/DocumentReference?patient=Patient/bea")["entry"][0]["resource"]["id"]
    patch = mhd.entry(op("delete", "DocumentReference.custodian"), "", "PATCH", f"DocumentReference/{ref}")
    sent = {"resourceType": "Bundle", "type": "transaction", "entry": [patch]}
    assert "custodian" in shared.refused(405, "POST", "/fhir", sent)["expression"][0]


def test_a_document_is_deleted(shared: Api) -> None:
    """PDSm4DMP TD3.3: DELETE by id or by identifier; it is found no more, a read is 410, its versions stay."""
    ref = shared.json("/fhir/DocumentReference?patient=Patient/bea")["entry"][0]["resource"]["id"]
    where = "/fhir/DocumentReference?identifier=urn:ietf:rfc:3986|urn:oid:1.2.250.1.9.1.3"
    assert shared.send("DELETE", where).status_code == 204
    assert shared.json("/fhir/DocumentReference?patient=Patient/bea")["total"] == 0
    assert shared.issue(f"/fhir/DocumentReference/{ref}", 410)
    assert shared.json(f"/fhir/DocumentReference/{ref}/_history")["total"] == 2
