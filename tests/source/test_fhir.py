"""FHIR JSON as a format of channels: type, number, keys; bounded and never an exception of another kind."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.errors import ParseError
from hub.source import fhir
from hub.source.fhir import READER


def message(event: str | None, *resources: dict[str, Any]) -> bytes:
    header = {
        "resourceType": "MessageHeader", "eventCoding": {"code": event}, "source": {"name": "GAP"},
        "sender": {"display": "CHU"},
    }  # fmt: skip
    entries = [{"resource": r} for r in (header, *resources)]
    return json.dumps({"resourceType": "Bundle", "identifier": {"value": "M-1"}, "entry": entries}).encode()


@pytest.mark.parametrize(
    ("event", "kind"),
    [("A01", "ADT^A01"), ("Z99", "ADT^Z99"), ("T02", "MDM^T02"), ("R01", "ORU^R01"), ("Z01", "ZAM^Z01"), ("ACK", "ACK"),
     ("X01", "X01"), (None, "Bundle")],
)  # fmt: skip
def test_the_type_is_that_of_the_event(event: str | None, kind: str) -> None:
    """As HL7 v2 would say it, so that `accept` and `when` read alike."""
    assert READER.peek(message(event)).type == kind


def test_the_head_of_a_message() -> None:
    """Number, sender, patient, visit, order, document."""
    found = READER.peek(message(
        "T02", {"resourceType": "Patient", "identifier": [{"value": "P1"}, {"value": 3}]},
        {"resourceType": "Encounter", "identifier": [{"value": "V1"}]},
        {"resourceType": "DocumentReference", "masterIdentifier": {"value": "D1"},
         "type": {"coding": [{"code": "C"}]}},
    ))  # fmt: skip
    assert (found.control_id, found.sender, found.establishment, found.document) == ("M-1", "GAP|CHU", "CHU", "C")
    assert found.keys == (("patient", "P1"), ("visit", "V1"), ("document", "D1"))
    assert found.order_key == "P1"


def test_a_resource_alone() -> None:
    """Its type is its own."""
    found = READER.peek(b'{"resourceType": "Patient", "id": "7"}')
    assert (found.type, found.control_id, found.sender) == ("Patient", "7", "")


@pytest.mark.parametrize(
    ("body", "where"),
    [(b"", "1:1"), (b'{"a":', "1:6"), (b"[]", "resourceType"), (b'{"resourceType": 1}', "resourceType"),
     (b"[" * 5000, "1:"), (b"\xff", "1:1")],
)  # fmt: skip
def test_what_is_none_is_refused(body: bytes, where: str) -> None:
    """With line and column."""
    with pytest.raises(ParseError) as e:
        READER.peek(body)
    assert e.value.where.startswith(where)


def test_what_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it is parsed."""
    monkeypatch.setattr(fhir, "MAX_OCTETS", 10)
    with pytest.raises(ParseError, match="more than 10"):
        READER.parse(b'{"resourceType": "Patient"}', False)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=6)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(("entry", "resource", "resourceType", "identifier", "value", "type")), inner),
    ),
)


@given(st.one_of(st.binary(max_size=40), JSON.map(lambda made: json.dumps(made).encode())))
def test_any_body(body: bytes) -> None:
    """An envelope, or an error with its place."""
    try:
        found = READER.peek(body)
    except ParseError as error:
        told = error.where
    else:
        told = found.type
        READER.check(body, found)
    assert told
