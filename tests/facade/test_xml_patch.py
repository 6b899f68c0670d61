"""XML Patch: RFC 5261, R4 §3.1.0.6."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.errors import HubError
from hub.services.resources import xmlpatch

from .conftest import Api

XML = "application/xml-patch+xml"
ANNE: dict[str, Any] = {
    "resourceType": "Patient", "id": "anne", "active": True,
    "extension": [{"url": "urn:a", "valueBoolean": False}, {"url": "urn:b", "valueDecimal": 5.0}],
    "name": [{"use": "official", "family": "Lefèvre", "given": ["Anne", "Marie"]}, {"use": "usual", "family": "Roy"}],
}  # fmt: skip


def diff(*operations: str, prefix: str = 'xmlns="http://hl7.org/fhir"') -> bytes:
    return f"<diff {prefix}>{''.join(operations)}</diff>".encode()


def patched(*operations: str, **how: str) -> dict[str, Any]:
    made: dict[str, Any] = orjson.loads(xmlpatch.apply(orjson.dumps(ANNE), diff(*operations, **how)))
    return made


def test_replace_add_and_remove() -> None:
    """RFC 5261 §4.3 to §4.5: values by attribute, elements by position, index and condition."""
    made = patched(
        '<replace sel="Patient/active/@value">false</replace>',
        '<add sel="/Patient/active" pos="after"><gender value="female"/></add>',
        "<replace sel=\"Patient/name[use/@value='usual']/family/@value\">Roi</replace>",
        '<add sel="Patient/name[1]"><given value="Zoé"/></add>',
        '<add sel="Patient/name[1]/given[1]" pos="before"><given value="Eve"/></add>',
        "<remove sel=\"Patient/extension[@url='urn:a']\"/>",
        '<add sel="Patient/name[2]" type="@id">n2</add>',
        '<replace sel="Patient/name[2]/use"><use value="old"/></replace>',
    )
    assert (made["active"], made["gender"]) == (False, "female")
    assert made["name"][0]["given"] == ["Eve", "Anne", "Marie", "Zoé"]
    assert made["name"][1] == {"id": "n2", "use": "old", "family": "Roi"}
    assert [e["url"] for e in made["extension"]] == ["urn:b"]


@pytest.mark.parametrize(
    ("prefix", "sel"),
    [
        ('xmlns:f="http://hl7.org/fhir"', "f:Patient/f:active/@value"),
        ("", "Patient/active/@value"),
        ("", "*/active/@value"),
    ],
)
def test_names_and_their_namespace(prefix: str, sel: str) -> None:
    """RFC 5261 §4.2.2: those of the patch; without any, those of FHIR."""
    assert patched(f'<replace sel="{sel}">false</replace>', prefix=prefix)["active"] is False


@pytest.mark.parametrize(
    ("operation", "said"),
    [
        ('<replace sel="Patient/gender/@value">x</replace>', "finds nothing"),
        ('<replace sel="Patient/name/family/@value">x</replace>', "several"),
        ('<replace sel="Patient/active/@id">x</replace>', "no such attribute"),
        ('<replace sel="count(Patient)">x</replace>', "not understood"),
        ('<replace sel="Patient/active/@value/@x">x</replace>', "not understood"),
        ('<replace sel="//active">x</replace>', "not understood"),
        ('<replace sel="">x</replace>', "finds nothing"),
        ("<replace>x</replace>", "finds nothing"),
        ('<replace sel="Patient"><Patient/></replace>', "whole resource"),
        ('<replace sel="Patient/active"/>', "one element"),
        ('<remove sel="Patient"/>', "whole resource"),
        ('<add sel="Patient/active/@value">x</add>', "place for an element"),
        ('<add sel="Patient/active" type="@value">x</add>', "there already"),
        ('<add sel="Patient/active" type="namespace::x">x</add>', "place for an element"),
        ('<add sel="Patient/active" pos="beside"><x/></add>', "pos is"),
        ('<add sel="Patient" pos="before"><x/></add>', "pos is"),
        ('<add sel="Patient"><nonsense value="1"/></add>', "nonsense"),
        ('<jump sel="Patient"/>', "no operation"),
        (f'<remove sel="{"a/" * 200}a"/>', "not understood"),
    ],
)
def test_a_patch_that_does_not_fit(operation: str, said: str) -> None:
    """An error that says what is wrong, never a fault."""
    with pytest.raises(HubError) as caught:
        patched(operation)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"<diff", "no XML"),
        (b"<x><add/></x>", "diff with operations"),
        (b'<!DOCTYPE diff [<!ENTITY a "aaaa">]><diff><add sel="Patient">&a;</add></diff>', "DOCTYPE"),
        (b"<diff>" + b'<remove sel="x"/>' * 1001 + b"</diff>", "more than"),
        (b" " * (xmlpatch.MAX_OCTETS + 1), "more than"),
    ],
)
def test_what_is_no_patch(body: bytes, said: str) -> None:
    with pytest.raises(HubError) as caught:
        xmlpatch.apply(orjson.dumps(ANNE), body)
    assert said in str(caught.value)


def test_over_the_wire(each_api: Api) -> None:
    """200 with the ETag of the version; decimals as they were; told in the CapabilityStatement."""
    each_api.send("PUT", "/fhir/Patient/anne", orjson.dumps(ANNE).replace(b"5.0", b"5.000"))
    patch = diff('<add sel="Patient/active" pos="after"><gender value="female"/></add>')
    answer = each_api.send("PATCH", "/fhir/Patient/anne", patch, XML)
    assert (answer.status_code, answer.headers["ETag"]) == (200, 'W/"2"')
    assert b'"valueDecimal":5.000' in answer.data
    assert each_api.ids("/fhir/Patient?gender=female") == ["anne"]
    assert XML in each_api.json("/fhir/metadata")["patchFormat"]


STEPS = st.lists(st.sampled_from(["Patient", "*", "name", "[1]", "@value", "/", "[use/@value='x']", "f:x", "'", "]"]),
                 max_size=6).map("".join)  # fmt: skip
INSIDE = st.sampled_from(["", "x", "<family value='x'/>", "<Patient/>", "<a:b xmlns:a='urn:x'/>", "<!-- x -->"])


@given(st.sampled_from(["add", "replace", "remove"]), STEPS, INSIDE, st.sampled_from(["", "before", "prepend"]))
def test_no_patch_makes_a_fault(kind: str, sel: str, inside: str, pos: str) -> None:
    """Whatever is sent: a resource, or an error that can be told."""
    more = f' pos="{pos}"' if pos else ""
    with suppress(HubError):
        patched(f'<{kind} sel="{sel}"{more}>{inside}</{kind}>')
