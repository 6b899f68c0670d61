"""FHIR XML as it comes: what R4 §2.6.1 allows is taken, the rest is refused with its place."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.errors import HubError, InvalidError, ParseError, TooLargeError
from hub.fhir.xml import read, to_json, to_xml

DIV = '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'


def patient(inside: str, attributes: str = "") -> bytes:
    return f'<Patient xmlns="http://hl7.org/fhir"{attributes}>{inside}</Patient>'.encode()


def parsed(octets: bytes) -> Any:
    return json.loads(to_json(octets))


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        pytest.param('<active value="true"/>', {"active": True}, id="boolean"),
        pytest.param('<multipleBirthInteger value="-2"/>', {"multipleBirthInteger": -2}, id="choice"),
        pytest.param('<birthDate value="1961"></birthDate>', {"birthDate": "1961"}, id="start and end tag"),
        pytest.param('\n  <!-- said --><?pi x?><active value="true"/>\n', {"active": True}, id="between elements"),
        pytest.param('<name><given value="A"/></name>', {"name": [{"given": ["A"]}]}, id="one is a list too"),
        pytest.param(
            '<name><given value="A"/><given id="g"><extension url="u"><valueCode value="c"/></extension></given>'
            '<given value="C"/></name>',
            {
                "name": [
                    {
                        "given": ["A", None, "C"],
                        "_given": [None, {"id": "g", "extension": [{"url": "u", "valueCode": "c"}]}, None],
                    }
                ]
            },
            id="lists of a primitive keep step",
        ),
        pytest.param(
            '<name><given id="a"/><given id="b"/></name>',
            {"name": [{"_given": [{"id": "a"}, {"id": "b"}]}]},
            id="no values at all",
        ),
        pytest.param(
            '<birthDate><extension url="u"><valueCode value="c"/></extension></birthDate>',
            {"_birthDate": {"extension": [{"url": "u", "valueCode": "c"}]}},
            id="extension without value",
        ),
        pytest.param(
            '<birthDate id="i" value="1961"/>', {"birthDate": "1961", "_birthDate": {"id": "i"}}, id="id of a value"
        ),

        pytest.param(
            '<id value="p"/><name id="n"><text value="x"/></name>',
            {"id": "p", "name": [{"id": "n", "text": "x"}]},
            id="id of a resource, id of an element",
        ),
        pytest.param(
            '<contained><Organization><id value="o"/></Organization></contained>'
            "<contained><Basic><id value='b'/></Basic></contained>",
            {"contained": [{"resourceType": "Organization", "id": "o"}, {"resourceType": "Basic", "id": "b"}]},
            id="contained",
        ),
        pytest.param(
            f'<text><status value="generated"/>{DIV}</text>', {"text": {"status": "generated", "div": DIV}}, id="div"
        ),
        pytest.param(
            '<name><text value="a&#10;b&#9;&lt;&quot;&amp;"/></name>', {"name": [{"text": 'a\nb\t<"&'}]}, id="escapes"
        ),
        pytest.param('<name><text value="a\nb"/></name>', {"name": [{"text": "a b"}]}, id="XML 1.0 §3.3.3"),
    ],
)  # fmt: skip
def test_what_r4_allows(inside: str, expected: dict[str, Any]) -> None:
    assert parsed(patient(inside)) == {"resourceType": "Patient", **expected}


def test_numbers_come_as_they_are_written() -> None:
    octets = (
        b'<Observation xmlns="http://hl7.org/fhir"><valueQuantity><value value="5.270"/></valueQuantity></Observation>'
    )
    assert b'"value":5.270}' in to_json(octets)


@pytest.mark.parametrize("text", ["05", "5.", ".5", "+5", "NaN", "INF", "1e", "0x1", "\uff15", "5 ", "1_0"])
def test_what_is_no_number_is_refused(text: str) -> None:
    octets = (
        f'<Observation xmlns="http://hl7.org/fhir"><valueQuantity><value value="{text}"/></valueQuantity></Observation>'
    )
    with pytest.raises(InvalidError, match="no number"):
        to_json(octets.encode())


def test_other_ways_of_writing_the_same() -> None:
    """XML Namespaces: a prefix, a BOM, a declaration, a schema location change nothing."""
    prefixed = (
        '\ufeff<?xml version="1.0" encoding="utf-8"?>\n'
        '<f:Patient xmlns:f="http://hl7.org/fhir" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
        ' xsi:schemaLocation="http://hl7.org/fhir patient.xsd"><f:active value="true"/></f:Patient>'
    )
    assert parsed(prefixed.encode()) == {"resourceType": "Patient", "active": True}


@pytest.mark.parametrize(
    "octets",
    [
        '<f:Patient xmlns:f="http://hl7.org/fhir" xmlns:h="http://www.w3.org/1999/xhtml"><f:text>'
        '<f:status value="empty"/><h:div title="t">a<h:p></h:p><h:br/></h:div></f:text></f:Patient>',
        '<Patient xmlns="http://hl7.org/fhir"><text><status value="empty"/>'
        '<h:div xmlns:h="http://www.w3.org/1999/xhtml" title="t">a<h:p></h:p><h:br/></h:div></text></Patient>',
    ],
)
def test_a_narrative_with_a_prefix_becomes_one_that_stands_alone(octets: str) -> None:
    div = parsed(octets.encode())["text"]["div"]
    assert div == '<div xmlns="http://www.w3.org/1999/xhtml" title="t">a<p></p><br/></div>'


def test_a_narrative_is_passed_on_as_it_is_written() -> None:
    div = "<div xmlns='http://www.w3.org/1999/xhtml' ><p >é &#233; &lt;</p><p></p><br /><!-- c --><![CDATA[<]]></div >"
    assert parsed(patient(f'<text><status value="empty"/>{div}</text>'))["text"]["div"] == div


@pytest.mark.parametrize(
    ("octets", "where", "what"),
    [
        (patient('<activ value="true"/>'), "Patient", "'activ'"),
        (patient('\n<contact>\n<nme/></contact>'), "Patient.contact", "line 3"),
        (patient('<active value="true"/><active value="true"/>'), "Patient.active", "once"),
        (patient('<active value="1"/>'), "Patient.active", "neither true nor false"),
        (patient('<birthDate value=""/>'), "Patient.birthDate", "empty"),
        (patient("<birthDate/>"), "Patient.birthDate", "without a value"),
        (patient("<name><given/></name>"), "Patient.name.given", "without a value"),
        (patient('<name><given value="A"/><given/></name>'), "Patient.name.given", "without a value"),
        (patient("<name/>"), "Patient.name", "nothing in it"),
        (patient("<contained/>"), "Patient.contained", "no resource"),
        (patient("<contained><Basic/><Basic/></contained>"), "Patient.contained", "Basic"),
        (patient("<contained><Resource/></contained>"), "Patient.contained", "Resource"),
        (patient("<active>true</active>"), "Patient.active", "text"),
        (patient('<active value="true" x="y"/>'), "Patient.active", "'x'"),
        (patient('<name x="y"/>'), "Patient.name", "'x'"),
        (patient("", ' id="p"'), "Patient", "'id'"),
        (patient('<contained id="x"/>'), "Patient.contained", "'id'"),
        (patient('<active value="true" id=""/>'), "Patient.active", "'id'"),
        (patient("<text><div>x</div></text>"), "Patient.text", "'div'"),
        (patient('<name xmlns="urn:other"/>'), "Patient", "urn:other"),
        (b'<Patient><active value="true"/></Patient>', "", "root"),
        (b'<Citation xmlns="http://hl7.org/fhir"/>', "", "root"),
        (b'<DomainResource xmlns="http://hl7.org/fhir"/>', "", "root"),
    ],
)  # fmt: skip
def test_what_r4_does_not_have_is_refused_with_its_place(octets: bytes, where: str, what: str) -> None:
    with pytest.raises(InvalidError) as caught:
        to_json(octets)
    assert caught.value.where == where
    assert what in caught.value.what
    assert "line" in caught.value.what
    assert caught.value.cure


@pytest.mark.parametrize(
    ("octets", "what", "where"),
    [
        (b"", "no element", "line 1 column 1"),
        (b"<Patient", "unclosed token", "line 1 column 1"),
        (patient("<active>"), "mismatched tag", "line 1 column 48"),
        (b'<!DOCTYPE Patient [<!ENTITY e "x">]>' + patient("<id value='&e;'/>"), "DOCTYPE", "line 1 column 19"),
        (patient("<id value='&e;'/>"), "undefined entity", "line 1 column 38"),
        ('<?xml version="1.0" encoding="utf-16"?><x/>'.encode("utf-16"), "UTF-8", "line 1 column 1"),
        (b'<?xml version="1.0" encoding="iso-8859-1"?><x/>', "UTF-8", "line 1 column 1"),
        (patient("<id value='\xe9'/>").decode().encode("latin-1"), "well-formed", "line 1 column 49"),
        (patient("<id value='&#0;'/>"), "well-formed", "line 1 column 49"),
    ],
)
def test_what_is_no_xml_of_ours_is_refused_with_its_place(octets: bytes, what: str, where: str) -> None:
    with pytest.raises(ParseError) as caught:
        to_json(octets)
    assert what in caught.value.what
    assert caught.value.where == where


def test_depth_is_bounded() -> None:
    deep = '<extension url="u">' * 200 + "</extension>" * 200
    with pytest.raises(InvalidError, match="nested deeper"):
        to_json(patient(deep))
    with pytest.raises(InvalidError, match="nested deeper"):
        to_json(patient("<text>" + DIV.replace("x</div>", "<p>" * 200 + "</p>" * 200 + "</div>") + "</text>"))


def test_prefixes_are_bounded() -> None:
    with pytest.raises(InvalidError, match="namespace prefixes"):
        to_json(patient("", "".join(f' xmlns:p{n}="urn:{n}"' for n in range(100))))


def test_a_prefix_of_another_namespace_is_carried_along() -> None:
    div = '<div xmlns="http://www.w3.org/1999/xhtml"><p q:a="1">b</p></div>'
    made = parsed(patient(f"<text><status value='empty'/>{div}</text>", ' xmlns:q="urn:x"'))["text"]["div"]
    assert made == '<div xmlns="http://www.w3.org/1999/xhtml"><p xmlns:q="urn:x" q:a="1">b</p></div>'
    with pytest.raises(InvalidError):  # no name of a namespace, and no way out of the attribute
        to_json(patient(f"<text>{div}</text>", ' xmlns:q="urn:&quot;&gt;&lt;&amp;"'))


def test_a_narrative_too_big_to_be_written_anew_is_refused() -> None:
    div = '<h:div xmlns:h="http://www.w3.org/1999/xhtml">' + "x" * 11_000_000 + "</h:div>"
    with pytest.raises(InvalidError):
        to_json(patient(f'<text><status value="empty"/>{div}</text>'))


def test_size_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "MAX_OCTETS", 100)
    with pytest.raises(TooLargeError):
        to_json(patient("<!-- " + "x" * 100 + " -->"))


def test_nothing_of_the_document_is_quoted_but_names() -> None:
    with pytest.raises(InvalidError) as caught:
        to_json(patient('<birthDate value="1961" Secret="Lefevre"/>'))
    assert "Lefevre" not in str(caught.value)
    assert "1961" not in str(caught.value)


GOOD = to_xml(
    orjson.dumps(
        {
            "resourceType": "Bundle",
            "type": "batch",
            "entry": [
                {
                    "resource": {
                        "resourceType": "Patient",
                        "text": {"status": "empty", "div": DIV},
                        "name": [{"given": ["A", None], "_given": [None, {"id": "x"}]}],
                        "contained": [{"resourceType": "Basic", "id": "b"}],
                    }
                }
            ],
        }
    )
)


@given(st.data())
@settings(max_examples=400, deadline=None)
def test_damage_gives_a_clean_error_or_a_resource(data: st.DataObject) -> None:
    """Octets cut out, put in and changed: never anything but JSON or an error that can be told."""
    octets = bytearray(GOOD)
    pieces = [b"<", b">", b"/", b"&", b'"', b"<given/>", b"</div>", b"<div/>", b"]]>", b"\xff", b' id="q"', b"<!--"]
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(octets)))
        octets[at : at + data.draw(st.integers(0, 12))] = data.draw(st.sampled_from([*pieces, b""]))
    try:
        made = to_json(bytes(octets))
    except HubError as e:
        assert e.cure  # noqa: PT017 - both ends are good
    else:
        json.loads(made)


@given(st.binary(max_size=60))
@settings(max_examples=100, deadline=None)
def test_any_octets_give_a_clean_error(octets: bytes) -> None:
    with pytest.raises(HubError):
        to_json(octets)
