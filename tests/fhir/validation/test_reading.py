"""What only octets show: R4 §2.6.2 (JSON), RFC 8259 §4 (names are unique), and the bounds."""

from __future__ import annotations

import pytest

from hub.errors import ParseError, TooLargeError
from hub.fhir.validation import validate, validate_bytes
from hub.fhir.validation.reading import MAX_DEPTH, deeper, read


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "no JSON"),
        (b"{", "no JSON"),
        (b'{"resourceType": "Patient",}', "no JSON"),
        (b'{"resourceType": "Observation", "valueQuantity": {"value": NaN}}', "no JSON"),
        (b'{"resourceType": "Observation", "valueQuantity": {"value": 01}}', "no JSON"),
        (b'{"resourceType": "Patient", "id": "\xff"}', "no JSON"),
        (b'{"resourceType": "Patient", "id": "\\ud800"}', "no JSON"),
        (b'\xef\xbb\xbf{"resourceType": "Patient"}', "no JSON"),
        (b'{"resourceType": "Patient", "id": "1", "id": "2"}', "the name 'id' stands twice"),
        (b'{"resourceType": "Patient", "name": [{"text": "a", "text": "b"}]}', "the name 'text' stands twice"),
    ],
)
def test_octets_that_are_no_resource(body: bytes, says: str) -> None:
    """Each is one finding that says what and where."""
    (found,) = validate_bytes(body)
    assert found.severity == "error"
    assert says in found.what


def test_depth_and_size_are_bounded() -> None:
    """As JSON, and as a value that somebody else parsed."""
    nested = (
        b'{"resourceType": "Patient", "extension": ' + b'[{"url": "a", "extension": ' * 60 + b"1" + b"}]" * 60 + b"}"
    )
    (found,) = validate_bytes(nested)
    assert found.code == "too-long"
    with pytest.raises(TooLargeError, match="octets"):
        read(b"{}" * 10, limit=10)
    with pytest.raises((ParseError, TooLargeError)):
        read(b"[" * 5000 + b"]" * 5000)
    inner: object = "x"
    for _ in range(3000):
        inner = {"url": "a", "extension": [inner]}
    (found,) = validate({"resourceType": "Patient", "extension": [inner]})
    assert (found.where, found.code) == ("Patient", "too-long")


def test_depth_is_counted_on_every_branch() -> None:
    """The deepest counts, wherever it is."""
    value: object = 1
    for _ in range(MAX_DEPTH):
        value = [value]
    assert not deeper([1, "a", {}], 2)
    assert not deeper(value, MAX_DEPTH)
    assert deeper([1, value], MAX_DEPTH)
    assert deeper({"a": 1, "b": value}, MAX_DEPTH)
    assert not deeper(1, 0)


def test_long_texts_cost_no_more_than_reading_them() -> None:
    """No grammar backtracks: a megabyte of the worst letters ends as any other."""
    for text in ("a" * 10**6, "A/" * 500_000, "1" * 10**6, " " * 10**6, "a " * 500_000, "urn:oid:1" + ".1" * 400_000):
        for name in ("id", "birthDate", "implicitRules", "language", "gender"):
            validate({"resourceType": "Patient", name: text})
        reference = {"reference": text}
        validate({"resourceType": "Patient", "generalPractitioner": [reference], "meta": {"profile": [text]}})
        validate({"resourceType": "Binary", "contentType": text, "data": text})
        validate({"resourceType": "Patient", "text": {"status": "generated", "div": text}})
