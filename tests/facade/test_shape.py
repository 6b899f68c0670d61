"""The form of an answer and of what is sent: JSON and XML, parts, packing, and the parsing of both headers."""

from __future__ import annotations

import gzip

import orjson
import pytest
from lxml import etree

from hub.facade.asked import Prefer, prefer
from hub.facade.shape import accepted, format_of

from .conftest import Api

XML = "application/fhir+xml"
ANNE = {"resourceType": "Patient", "id": "anne", "name": [{"family": "Lefèvre"}], "birthDate": "1954-04-12"}
IN_XML = (
    '<Patient xmlns="http://hl7.org/fhir"><id value="anne"/><extension url="urn:x"><valueDecimal value="5.270"/>'
    '</extension><name><family value="Lefèvre"/></name></Patient>'
).encode()


def element(data: bytes) -> str:
    """Name of the outermost element."""
    return str(etree.QName(etree.fromstring(data)).localname)


def test_xml_both_ways(each_api: Api) -> None:
    """R4 §3.1.0.1.7: what comes as XML is read as JSON and the other way round, decimals to the digit."""
    made = each_api.send("PUT", "/fhir/Patient/anne", IN_XML, XML, Accept=XML)
    assert (made.status_code, made.content_type, element(made.data)) == (201, f"{XML}; charset=utf-8", "Patient")
    assert b'<valueDecimal value="5.270"/>' in made.data
    assert b'"valueDecimal":5.270' in each_api.ask("/fhir/Patient/anne").data
    assert each_api.ask("/fhir/Patient/anne", headers={"Accept": XML}).data == made.data
    assert each_api.send("PUT", "/fhir/Patient/anne", made.data, XML).headers["ETag"] == 'W/"1"'


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/fhir/Patient?_format=xml", "Bundle"),
        ("/fhir/Patient/anne/_history?_format=application/fhir%2Bxml", "Bundle"),
        ("/fhir/metadata?_format=text/xml", "CapabilityStatement"),
        ("/fhir/Patient/nobody?_format=xml", "OperationOutcome"),
        ("/fhir/Nonsense?_format=xml", "OperationOutcome"),
        ("/fhir/Patient?nonsense=1&_format=xml", "OperationOutcome"),
    ],
)
def test_everything_can_be_xml(api: Api, path: str, name: str) -> None:
    """R4 §3.1.0.1.8: also errors."""
    api.put(ANNE)
    answer = api.ask(path)
    assert (answer.content_type.partition(";")[0], element(answer.data)) == (XML, name)


def test_transactions_in_xml(api: Api) -> None:
    """The answer has the form of the request's Accept, whatever its entries asked of themselves."""
    bundle = (
        '<Bundle xmlns="http://hl7.org/fhir"><type value="{}"/><entry><resource>' + IN_XML.decode() + "</resource>"
        '<request><method value="PUT"/><url value="Patient/anne"/></request></entry></Bundle>'
    )
    for kind in ("batch", "transaction"):
        answer = api.send("POST", "/fhir", bundle.format(kind).encode(), XML, Accept=XML)
        assert (answer.status_code, element(answer.data)) == (200, "Bundle"), answer.data
        assert f'<type value="{kind}-response"/>'.encode() in answer.data


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"<Patient", "line 1"),
        (b'<Patient xmlns="http://hl7.org/fhir"><nonsense/></Patient>', "nonsense"),
        (b'<!DOCTYPE x [<!ENTITY a "b">]><Patient xmlns="http://hl7.org/fhir"/>', "DOCTYPE"),
        (b'<Patient xmlns="http://hl7.org/fhir"><gender value="x"/></Patient>', "Patient.gender"),
        (b"", "no body"),
    ],
)
def test_xml_that_cannot_be_read_is_said(api: Api, body: bytes, said: str) -> None:
    """400 with the place, never a fault."""
    assert said.lower() in str(api.refused(400, "POST", "/fhir/Patient", body, XML)).lower()


def test_what_is_not_r4_cannot_be_written_as_xml(api: Api) -> None:
    """A message may have stored what R4 does not know: 406, in JSON, which it can be."""
    api.put(ANNE | {"nonsense": 1})
    answer = api.ask("/fhir/Patient/anne", headers={"Accept": XML})
    assert (answer.status_code, orjson.loads(answer.data)["resourceType"]) == (406, "OperationOutcome")


def test_xml_laid_out(api: Api) -> None:
    """_pretty: line breaks between elements; the narrative stays as it is."""
    text = {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml"><p>a <b>b</b> c</p></div>'}
    api.put(ANNE | {"text": text})
    data = api.ask("/fhir/Patient/anne?_format=xml&_pretty=true").data
    assert b'\n  <id value="anne"/>' in data
    assert b"<p>a <b>b</b> c</p></div>" in data


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("application/fhir+xml, application/fhir+json;q=0.9", "xml"),
        ("application/xml;q=0.2, application/json;q=0.9", "json"),
        ("text/html, application/xml;q=0.9, */*;q=0.8", "xml"),
        ("application/fhir+xml;fhirVersion=5.0, application/fhir+json;fhirVersion=4.0.1", "json"),
        ("application/pdf", ""),
        ("*/*", "json"),
        (";;,q=", ""),
    ],
)
def test_the_best_form_is_taken(accept: str, form: str) -> None:
    """RFC 9110 §12.5.1."""
    assert accepted(accept) == form


@pytest.mark.parametrize(
    ("text", "form"),
    [("xml", "xml"), ("application/fhir xml", "xml"), ("TEXT/JSON", "json"), ("ttl", ""), ("json;fhirVersion=3.0", "")],
)
def test_a_format_by_name(text: str, form: str) -> None:
    """R4 §3.1.0.1.8."""
    assert format_of(text) == form


def test_parts_of_a_resource(api: Api) -> None:
    """R4 §3.1.1.5.8 and §3.1.1.5.9: marked as parts; not both at once."""
    api.put(ANNE | {"text": {"status": "empty", "div": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'}})
    some = api.json("/fhir/Patient/anne?_elements=birthDate")
    assert ("birthDate" in some, "name" in some, some["meta"]["tag"][0]["code"]) == (True, False, "SUBSETTED")
    assert "text" not in api.json("/fhir/Patient/anne?_summary=true")
    assert "name" not in api.json("/fhir/Patient/anne?_summary=text")
    assert "text" not in api.json("/fhir/Patient/anne?_summary=data")
    assert api.json("/fhir/Patient/anne?_summary=false") == api.json("/fhir/Patient/anne")
    assert api.issue("/fhir/Patient/anne?_summary=few", 400)["location"] == ["http._summary"]
    assert api.issue("/fhir/Patient/anne?_summary=true&_elements=name", 400)["location"] == ["http._elements"]
    assert "rest" not in api.json("/fhir/metadata?_elements=fhirVersion")


@pytest.mark.parametrize(
    ("header", "packed"),
    [("gzip", True), ("br, gzip;q=0.5", True), ("gzip;q=0", False), ("gzip;q=x", False), ("br", False)],
)
def test_packing(api: Api, header: str, packed: bool) -> None:
    """RFC 9110 §12.5.3: for those who take it, and not for a few octets or a document."""
    plain = api.ask("/fhir/metadata").data
    answer = api.ask("/fhir/metadata", headers={"Accept-Encoding": header})
    assert ("Content-Encoding" in answer.headers) is packed
    assert (gzip.decompress(answer.data) if packed else answer.data) == plain
    api.put(ANNE)
    assert "Content-Encoding" not in api.ask("/fhir/Patient/anne", headers={"Accept-Encoding": "gzip"}).headers


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("", Prefer()),
        ("return=minimal", Prefer("minimal")),
        ('return="representation"; handling=lenient', Prefer("representation", lenient=True)),
        ("respond-async, RETURN=operationoutcome, wait=10", Prefer("OperationOutcome", asynchronous=True)),
        ("handling=strict", Prefer()),
        (",;=,x", Prefer()),
    ],
)
def test_preferences(header: str, found: Prefer) -> None:
    """RFC 7240 §2: what is not known is ignored."""
    assert prefer(header) == found
