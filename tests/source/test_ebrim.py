"""METADATA.XML (ebRIM 3.0; IHE ITI TF-3 §4.2), as it should be and as it comes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from hub.errors import HubError, ParseError, TooLargeError
from hub.source import ebrim
from hub.source.ebrim import DOCUMENT, HAS_MEMBER, Code
from hub.source.origin import Text
from tests.source.archives import entry, pdf_entry, submission

TOLD = submission(entry(), pdf_entry())
XML = ebrim.write(TOLD)


def test_what_is_written_is_read():
    """Round trip of every attribute, slot, code and association."""
    read = ebrim.read(XML)
    assert read.documents == tuple(with_schemes(e) for e in TOLD.documents)
    assert read.submission == with_schemes(TOLD.submission)
    assert read.associations == TOLD.associations


def with_schemes(one):
    """As it is read back: codes have their codingScheme in a slot too."""
    codes = tuple(c if c.slots else replace(c, slots={"codingScheme": (c.system,)}) for c in one.codes)
    return replace(one, codes=codes)


def test_it_is_written_in_the_order_of_the_schema():
    """ebRIM 3.0 rim.xsd: Slot, Name, Description, Classification, ExternalIdentifier; members are tied to the set."""
    root = etree.fromstring(XML)
    first = next(root.iter("{*}ExtrinsicObject"))
    names = [etree.QName(e).localname for e in first]
    order = ["Slot", "Name", "Description", "Classification", "ExternalIdentifier"]
    assert names == sorted(names, key=order.index)
    ties = [e.get("associationType") for e in root.iter("{*}Association")]
    assert ties == [HAS_MEMBER, HAS_MEMBER]
    ids = [e.get("id") for e in root.iter() if e.get("id")]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    "edit",
    [
        lambda x: b"  \n" + x,
        lambda x: x.replace(b'xmlns:rim="urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0"', b""),
        lambda x: x.replace(b"rim:", b"").replace(b"xmlns:rim", b"xmlns:unused"),
        lambda x: x.replace(b"urn:uuid:93606bcf", b"urn:uuid:93606BCF"),
    ],
    ids=["blanks before", "prefix not declared", "no namespace", "capitals"],
)
def test_what_senders_write_is_read(edit):
    """Defects of published samples (DRIM-M)."""
    read = ebrim.read(edit(XML))
    assert [d.identifier("uniqueId") for d in read.documents] == [d.identifier("uniqueId") for d in TOLD.documents]
    assert read.documents[0].all("author")[0].slots["authorPerson"]


def test_a_set_is_known_by_its_unique_id_when_nothing_marks_it():
    """Without the classification of the set."""
    root = etree.fromstring(XML)
    for element in list(root.iter("{*}Classification")):
        if element.get("classificationNode"):
            element.getparent().remove(element)
    assert ebrim.read(etree.tostring(root)).submission.identifier("uniqueId") == "1.2.250.1.999.7.40.1"


def test_two_sets_are_refused():
    """ITI-32: one METADATA.XML a submission."""
    root = etree.fromstring(XML)
    package = next(root.iter("{*}RegistryPackage"))
    package.getparent().append(etree.fromstring(etree.tostring(package)))
    with pytest.raises(ParseError, match="two submission sets"):
        ebrim.read(etree.tostring(root))


def test_actions_are_found_whatever_they_hang_on():
    """The IG gives the name of the extra metadata and its values, not its place."""
    assert ebrim.read(XML).actions == frozenset()
    told = submission(replace(entry(), slots={"urn:asip:action": ("D",)}))
    assert ebrim.read(ebrim.write(told)).actions == {"D"}


def test_values_know_where_they_were_read():
    """Origins, when they are asked for; none on the hot path."""
    plain, told = ebrim.read(XML).documents[0], ebrim.read(XML, True).documents[0]
    assert plain == told
    assert told.code("type").code.origin == "ExtrinsicObject[1]/type"
    assert told.slot("hash").origin == "ExtrinsicObject[1]/hash"
    assert told.identifier("patientId").origin == "ExtrinsicObject[1]/patientId"
    assert type(plain.slot("hash")) is str
    assert isinstance(told.title, Text)


def test_size_and_number_are_bounded(monkeypatch):
    """Before it is parsed, and after."""
    with pytest.raises(TooLargeError):
        ebrim.read(b" " * (ebrim.MAX_OCTETS + 1))
    monkeypatch.setattr(ebrim, "MAX_OBJECTS", 2)
    with pytest.raises(TooLargeError):
        ebrim.read(XML)


def test_what_is_not_there_is_empty():
    """An object that says nothing of itself."""
    read = ebrim.read(b"<x><ExtrinsicObject><Slot/><Classification/><ExternalIdentifier/></ExtrinsicObject></x>")
    one = read.documents[0]
    assert (read.submission, one.slot("URI"), one.code("type"), one.identifier("uniqueId")) == (None, "", None, "")
    assert Code(DOCUMENT["type"]).code == ""


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 30_000), st.binary(min_size=1, max_size=5)), min_size=1, max_size=5))
def test_any_octets_are_read_or_refused(edits):
    """Nothing else comes out of a stranger's octets."""
    made = bytearray(XML)
    for at, octets in edits:
        start = at % len(made)
        made[start : start + len(octets)] = octets
    try:
        read = ebrim.read(bytes(made))
    except HubError:
        return
    assert len(read.documents) <= 3
