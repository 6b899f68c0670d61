"""XML from strangers (OWASP, XML External Entity Prevention)."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.errors import ParseError
from hub.source import xml
from hub.source.xml import MAX_DEPTH, parse_xml


def refused(octets: bytes) -> ParseError:
    with pytest.raises(ParseError) as e:
        parse_xml(octets)
    assert e.value.cure
    return e.value


@pytest.mark.parametrize(
    "octets",
    [
        b"<!DOCTYPE a><a/>",
        b'<?xml version="1.0"?><!-- <a> --><?x <b?>\n<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
        b'<!DOCTYPE l [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]><l>&b;</l>',
        b"<!doctype a><a/>",
        "<!DOCTYPE a><a/>".encode("utf-16"),
        b"\xfe\xff" + "<!DOCTYPE a><a/>".encode("utf-16-be"),
    ],
)
def test_a_doctype_is_refused(octets: bytes) -> None:
    """Entity bombs and external entities need one; UTF-16 does not hide it."""
    assert "DOCTYPE" in refused(octets).what


def test_a_doctype_in_a_comment_or_in_the_text_is_only_text() -> None:
    """Only the prolog counts."""
    assert parse_xml(b"<!-- <!DOCTYPE a> --><a><![CDATA[<!DOCTYPE b>]]></a>").tag == "a"


def test_an_internal_subset_found_by_the_parser_alone_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second lock: what libxml2 itself reports as a DTD."""
    monkeypatch.setattr(xml, "_has_doctype", lambda octets: False)
    assert "DOCTYPE" in refused(b"<!DOCTYPE a [<!ENTITY b 'c'>]><a/>").what


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        ("<a>é</a>".encode(), "é"),
        ("﻿<a>é</a>".encode(), "é"),
        ('<?xml version="1.0" encoding="ISO-8859-1"?><a>é</a>'.encode("latin-1"), "é"),
        ('<?xml version="1.0" encoding="iso-8859-15"?><a>€</a>'.encode("iso8859-15"), "€"),
        ("<a>é</a>".encode("utf-16"), "é"),
        (b'<?xml version="1.0" encoding="US-ASCII"?><a>e</a>', "e"),
    ],
)
def test_the_encodings_that_are_taken(octets: bytes, text: str) -> None:
    """XML 1.0 §4.3.3: declared, or told by the byte order mark."""
    assert text == parse_xml(octets).text


@pytest.mark.parametrize("name", ["utf-7", "ibm037", "x-unknown", "hex"])
def test_other_encodings_are_refused(name: str) -> None:
    """UTF-7 and EBCDIC are ways around filters."""
    assert "encoding" in refused(f'<?xml version="1.0" encoding="{name}"?><a/>'.encode()).what


@pytest.mark.parametrize("octets", [b"", b"<a>", b"<a><b></a>", b"<a>\xff</a>", b"<a/><b/>", b"text", b"<a>&x;</a>"])
def test_what_is_not_well_formed_is_refused_with_line_and_column(octets: bytes) -> None:
    """The place, never the content: what libxml2 quotes is left out."""
    error = refused(octets)
    assert error.where.replace(":", "").isdecimal()
    assert error.code == "102"


def test_nothing_of_the_document_is_in_the_error() -> None:
    """Errors are stored and shown; names of persons are not for that."""
    assert "DURAND" not in str(refused(b"<name>\n<DURAND></name>"))


def test_depth_is_bounded() -> None:
    """Recursion over a document must end well within the stack."""
    assert "nested" in refused(b"<a>" * (MAX_DEPTH + 30) + b"</a>" * (MAX_DEPTH + 30)).what
    assert None is not parse_xml(b"<a>" * MAX_DEPTH + b"</a>" * MAX_DEPTH)


def test_size_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound nothing is parsed."""
    monkeypatch.setattr(xml, "MAX_OCTETS", 10)
    assert "octets" in refused(b"<a>12345678</a>").what


def test_a_big_document_within_bounds_is_read() -> None:
    """A PDF of more than 10 MB in a CDA is beyond libxml2's own limits, not beyond ours."""
    octets = b"<a>" + b"QUJD" * 2_600_000 + b"</a>"
    assert len(parse_xml(octets).text or "") == 10_400_000


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60))
def test_any_octets_are_read_or_refused(octets: bytes) -> None:
    """No other error comes out of a stranger's octets."""
    for body in (octets, b"<?xml" + octets, b"<a>" + octets + b"</a>", b"<!--" + octets):
        with suppress(ParseError):
            parse_xml(body)
