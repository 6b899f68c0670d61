"""FHIR JSON to XML: R4 §2.6.1 (http://hl7.org/fhir/R4/xml.html), and what cannot be written."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from hub.errors import HubError, InvalidError, ParseError
from hub.fhir.xml import to_json, to_xml

HEAD = b'<?xml version="1.0" encoding="UTF-8"?>\n'
XHTML = 'xmlns="http://www.w3.org/1999/xhtml"'


def inside(json: str) -> str:
    """What stands in the Patient that the JSON members make."""
    octets = to_xml(f'{{"resourceType":"Patient",{json}}}')
    start, stop = HEAD + b'<Patient xmlns="http://hl7.org/fhir">', b"</Patient>"
    assert octets.startswith(start)
    assert octets.endswith(stop)
    return octets[len(start) : -len(stop)].decode()


@pytest.mark.parametrize(
    ("json", "expected"),
    [
        ('"birthDate":"1961","id":"p"', '<id value="p"/><birthDate value="1961"/>'),
        ('"active":false,"multipleBirthInteger":2', '<active value="false"/><multipleBirthInteger value="2"/>'),
        ('"_birthDate":{"id":"i"}', '<birthDate id="i"/>'),
        ('"_birthDate":{"id":"i"},"birthDate":"1961"', '<birthDate value="1961" id="i"/>'),
        (
            '"_birthDate":{"extension":[{"url":"u","valueCode":"c"}]}',
            '<birthDate><extension url="u"><valueCode value="c"/></extension></birthDate>',
        ),
        (
            '"name":[{"given":["A",null],"_given":[null,{"id":"g"}]}]',
            '<name><given value="A"/><given id="g"/></name>',
        ),
        ('"name":[{"id":"n"}]', '<name id="n"/>'),
        ('"name":[]', ""),
        (r'"name":[{"text":"a\n\t\r\"<>&"}]', '<name><text value="a&#10;&#9;&#13;&quot;&lt;>&amp;"/></name>'),
        (
            '"contained":[{"resourceType":"Basic","id":"b"}]',
            '<contained><Basic><id value="b"/></Basic></contained>',
        ),
    ],
)
def test_elements(json: str, expected: str) -> None:
    assert inside(json) == expected


@pytest.mark.parametrize("number", ["5.270", "0.10", "1E-7", "-0", "12345678901234567890.5", "100"])
def test_a_number_keeps_its_digits(number: str) -> None:
    made = to_xml(f'{{"resourceType":"Observation","valueQuantity":{{"value":{number}}}}}')
    assert f'<value value="{number}"/>'.encode() in made


@pytest.mark.parametrize(("number", "text"), [(1.5, "1.5"), (Decimal("5.270"), "5.270"), (3, "3")])
def test_a_parsed_resource_is_written_too(number: Any, text: str) -> None:
    made = to_xml({"resourceType": "Observation", "valueQuantity": {"value": number}})
    assert f'<value value="{text}"/>'.encode() in made


@pytest.mark.parametrize(
    ("div", "expected"),
    [
        (f"<div {XHTML}>a</div>", f"<div {XHTML}>a</div>"),
        (f"  <div {XHTML}/>\n", f"<div {XHTML}/>"),
        ("<div>a</div>", f"<div {XHTML}>a</div>"),
        ("<div/>", f"<div {XHTML}/>"),
        (f"<div {XHTML}>&nbsp;&eacute;&amp;&lt;</div>", f"<div {XHTML}>\xa0é&amp;&lt;</div>"),
    ],
)
def test_narrative_becomes_elements(div: str, expected: str) -> None:
    """R4 §2.4.0: named entities of HTML are not known to XML, and become what they stand for."""
    octets = to_xml({"resourceType": "Patient", "text": {"status": "empty", "div": div}})
    assert f'<text><status value="empty"/>{expected}</text>' in octets.decode()
    etree.fromstring(octets)


@pytest.mark.parametrize(
    "div",
    [
        "",
        "text",
        "<p>a</p>",
        f"<div {XHTML}>a",
        f'<div {XHTML}></div></text><active value="true"/><text><div>',
        f"<div {XHTML}>&nosuch;</div>",
        f"<!DOCTYPE div><div {XHTML}/>",
        f'<?xml version="1.0"?><div {XHTML}/>',
        f"<div {XHTML}>\x00</div>",
        f"<div {XHTML}>\ud800</div>",
        f"<div {XHTML}><div {XHTML}/>",
        '<div xmlns="urn:other"/>',
    ],
)
def test_what_is_no_narrative_is_refused(div: str) -> None:
    with pytest.raises(InvalidError) as caught:
        to_xml({"resourceType": "Patient", "text": {"status": "empty", "div": div}})
    assert caught.value.where == "Patient.text.div"


@pytest.mark.parametrize(
    ("resource", "where"),
    [
        ({}, "resource.resourceType"),
        ([], "resource"),
        ({"resourceType": "Citation"}, "Citation.resourceType"),
        ({"resourceType": ["Patient"]}, "resource.resourceType"),
        ({"resourceType": "Patient", "foo": 1}, "Patient.foo"),
        ({"resourceType": "Patient", "_name": [{}]}, "Patient._name"),
        ({"resourceType": "Patient", "name": {}}, "Patient.name"),
        ({"resourceType": "Patient", "name": ["x"]}, "Patient.name[0]"),
        ({"resourceType": "Patient", "name": [{"text": "x"}, {"given": [1]}]}, "Patient.name[1].given[0]"),
        ({"resourceType": "Patient", "name": [{"given": [None]}]}, "Patient.name[0].given[0]"),
        ({"resourceType": "Patient", "name": [{"id": 1}]}, "Patient.name[0].id"),
        ({"resourceType": "Patient", "birthDate": ["1961"]}, "Patient.birthDate"),
        ({"resourceType": "Patient", "birthDate": 1961}, "Patient.birthDate"),
        ({"resourceType": "Patient", "_birthDate": "x"}, "Patient.birthDate"),
        ({"resourceType": "Patient", "active": "true"}, "Patient.active"),
        ({"resourceType": "Patient", "multipleBirthInteger": "2"}, "Patient.multipleBirthInteger"),
        ({"resourceType": "Patient", "multipleBirthInteger": True}, "Patient.multipleBirthInteger"),
        ({"resourceType": "Observation", "valueQuantity": {"value": float("nan")}}, "Observation.valueQuantity.value"),
        ({"resourceType": "Patient", "text": {"div": 1}}, "Patient.text.div"),
        ({"resourceType": "Bundle", "entry": [{"resource": {}}]}, "Bundle.entry[0].resource.resourceType"),
        ({"resourceType": "Patient", "contained": [7]}, "Patient.contained[0]"),
    ],
)  # fmt: skip
def test_what_cannot_be_written_is_refused_with_its_path(resource: Any, where: str) -> None:
    with pytest.raises(InvalidError) as caught:
        to_xml(resource)
    assert caught.value.where == where
    assert caught.value.cure


@pytest.mark.parametrize("text", [r"a\u0000b", r"\ud800", "\uffff", r"\u001b", r"\ufffe"])
@pytest.mark.parametrize("form", [str, str.encode])
def test_a_character_that_xml_cannot_hold_is_refused(text: str, form: Any) -> None:
    with pytest.raises(InvalidError, match=r"U\+") as caught:
        to_xml(form(f'{{"resourceType":"Patient","birthDate":"{text}"}}'))
    assert caught.value.where == "birthDate"


@pytest.mark.parametrize(
    "octets",
    [b"", b"{", b'{"a":NaN}', b"\xff", b"[" * 100_000, b'{"resourceType":"Patient","active":true,}'],
)
def test_what_is_no_json_is_refused(octets: bytes) -> None:
    with pytest.raises(ParseError) as caught:
        to_xml(octets)
    assert caught.value.where.startswith("line 1 column ")


def test_depth_is_bounded() -> None:
    deep: dict[str, Any] = {"url": "u"}
    for _ in range(150):
        deep = {"url": "u", "extension": [deep]}
    with pytest.raises(InvalidError, match="nested deeper"):
        to_xml({"resourceType": "Patient", "extension": [deep]})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["resourceType", "id", "name", "_birthDate", "birthDate", "text", "div", "extension", "url"]
            )
            | st.text(max_size=3),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON, st.sampled_from(["Patient", "Bundle", "Parameters", "Observation"]))
@settings(max_examples=300, deadline=None)
def test_any_json_gives_xml_that_can_be_parsed_or_a_clean_error(found: Any, kind: str) -> None:
    if isinstance(found, dict):
        found = {**found, "resourceType": kind}
    try:
        octets = to_xml(found)
    except HubError as e:
        assert e.cure  # noqa: PT017 - both ends are good
    else:
        etree.fromstring(octets)


def test_a_hundred_entries_take_no_more_each_than_one() -> None:
    """A Bundle is written once through: no entry is looked at twice."""
    entry = {"resource": {"resourceType": "Patient", "name": [{"family": "X"}]}}
    made = to_xml({"resourceType": "Bundle", "type": "batch", "entry": [entry] * 100})
    assert made.count(b"<Patient>") == 100
    assert to_json(made).count(b'"resourceType":"Patient"') == 100
