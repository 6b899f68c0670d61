"""Whatever a sender does to the known models: valid resources, or an error that says where; never anything else."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from hub.registry import reader

from .cda_run import ANY, BOARD, WORK_UP
from .run import mapped, told
from .test_fuzz import judge

ROOTS = {"board": etree.fromstring(BOARD), "work-up": etree.fromstring(WORK_UP)}
EDITS = st.lists(
    st.tuples(st.integers(0, 4000), st.sampled_from(("drop", "null", "bare", "odd", "text", "twice", "move"))),
    min_size=1,
    max_size=6,
)


def changed(root: etree._Element, edits: list[tuple[int, str]]) -> bytes:
    """``root`` with elements dropped, null, bare, odd, doubled or moved."""
    root = copy.deepcopy(root)
    for at, what in edits:
        elements = list(root.iterdescendants())
        element = elements[at % len(elements)]
        parent = element.getparent()
        if what == "drop":
            parent.remove(element)
        elif what == "null":
            element.attrib.clear()
            element.set("nullFlavor", "UNK")
        elif what == "bare":
            element.attrib.clear()
        elif what == "odd":
            for name in element.attrib:
                element.set(name, " é^ ")
        elif what == "twice":
            parent.append(copy.deepcopy(element))
        elif what == "move":
            elements[(at * 7) % len(elements)].append(copy.deepcopy(element))
        else:
            element.text = " x "
    return etree.tostring(root)


@settings(max_examples=60, deadline=None)
@given(EDITS, st.sampled_from(sorted(ROOTS)))
def test_any_change_of_a_known_model(edits: list[tuple[int, str]], name: str) -> None:
    """Entries included."""
    judge(ANY, changed(ROOTS[name], edits))


@settings(max_examples=25, deadline=None)
@given(EDITS, st.sampled_from(sorted(ROOTS)))
def test_origins_change_nothing_of_it(edits: list[tuple[int, str]], name: str) -> None:
    """Lineage is that of what is stored, for odd documents too."""
    body = changed(ROOTS[name], edits)
    try:
        plain = told(mapped(ANY, body))
    except Exception as error:  # the same error, then
        with pytest.raises(type(error)):
            mapped(ANY, body, origins=True)
    else:
        assert plain == told(mapped(ANY, body, origins=True))


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=300), st.integers(0, len(WORK_UP)))
def test_octets_put_anywhere(octets: bytes, at: int) -> None:
    """Broken XML is refused with line and column."""
    body = WORK_UP[:at] + octets + WORK_UP[at:]
    judge(ANY, body)


STYLED = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<?xml-stylesheet type="text/xsl" href="../CDA-FO.xsl"?>\n'
    b'<?oxygen SCHSchema="x.sch"?>\n<!-- <!DOCTYPE no> -->\n'
)


@pytest.mark.parametrize(
    "body",
    [
        STYLED + BOARD.partition(b"?>")[2],
        b"\xef\xbb\xbf" + BOARD,
        BOARD.replace(b"\n", b"\r\n"),
        BOARD.decode().replace('encoding="UTF-8"', 'encoding="UTF-16"').encode("utf-16"),
        BOARD.decode().replace('encoding="UTF-8"', 'encoding="ISO-8859-1"').encode("iso-8859-1"),
    ],
    ids=["instructions", "bom", "crlf", "utf-16", "latin-1"],
)  # fmt: skip
def test_however_it_is_written(body: bytes) -> None:
    """Processing instructions before the root, a BOM, CRLF, encodings: the same resources."""

    def known(octets: bytes) -> dict:
        made = told(mapped(ANY, octets))
        return {k: v for k, v in made.items() if not k.startswith(("DocumentReference/", "Binary/"))}

    assert known(BOARD) == known(body)


def test_three_megabytes_of_base64() -> None:
    """Long lines and much of it: kept octet for octet, once."""
    start, end = WORK_UP.index(b'representation="B64">') + 21, WORK_UP.index(b"</value>", WORK_UP.index(b'"B64">'))
    coded = b"QUJD" * 750_000
    draft = mapped(ANY, WORK_UP[:start] + coded + WORK_UP[end:])
    assert b"ABC" * 750_000 in [e.octets for e in draft.entries.values()]


@pytest.mark.parametrize("depth", [20, 60])
def test_entries_inside_entries(depth: int) -> None:
    """Deep nesting ends in resources, never in a stack that overflows."""
    node = (
        '<entryRelationship typeCode="COMP"><observation classCode="OBS" moodCode="EVN">'
        '<templateId root="1.2.250.1.213.1.1.3.48"/><code code="A"/>'
    )
    inside = node * depth + "</observation></entryRelationship>" * depth
    body = BOARD.replace(b"</procedure>", f"{inside}</procedure>".encode(), 1)
    assert mapped(ANY, body).entries


def test_a_document_nested_too_deep_is_refused() -> None:
    """The bound of the reader (200), before anything is mapped."""
    from hub.errors import ParseError

    body = BOARD.replace(b"<text/>", b"<text>" + b"<content>" * 300 + b"</content>" * 300 + b"</text>", 1)
    with pytest.raises(ParseError, match=r"deep|limit"):
        reader("cda").parse(body, False)


PERSON = (
    '<participant typeCode="PRF"><associatedEntity classCode="PROV">{}<associatedPerson><name><family>X{}</family>'
    "</name></associatedPerson></associatedEntity></participant>"
)
SAME = '<id root="1.2.250.1.71.4.2.1" extension="899700045101"/>'
BAD_FILE = (
    '<entry><observationMedia classCode="OBS" moodCode="EVN"><value mediaType="a/b" representation="B64">*</value>'
    "</observationMedia></entry>"
)


@pytest.mark.parametrize(
    ("before", "much", "code"),
    [
        ("<inFulfillmentOf>", "".join(PERSON.format("", i) for i in range(3_000)), "too-many-people"),
        ("<inFulfillmentOf>", "".join(PERSON.format(SAME, i) for i in range(3_000)), "too-many-people"),
        ("<entry>", '<entry><act classCode="ACT" moodCode="EVN"/></entry>' * 3_000, "no-rule"),
        ("<entry>", BAD_FILE * 3_000, "102"),
    ],
    ids=["people", "one person", "entries", "files"],
)
def test_much_of_one_thing_is_bounded(before: str, much: str, code: str) -> None:
    """People, issues and what is put together of them have bounds: a document never takes the time of its square."""
    draft = mapped(ANY, BOARD.replace(before.encode(), f"{much}{before}".encode(), 1))
    assert 1 <= len([i for i in draft.issues if i.code == code]) <= 50
    assert len(draft.issues) <= 50
    assert all(len(e.resource.get("name", ())) <= 51 for e in draft.entries.values() if e.type == "Practitioner")


def test_attributes_that_look_like_tags_stay_text() -> None:
    """A namespace or attribute with markup in it makes no element of the narrative (R4 §2.27)."""
    from .run import only

    text = '<text xmlns:x="urn:a?b&amp;c"><content styleCode="&lt;script&gt;" ID="&quot;&gt;&lt;b">a</content></text>'
    start = BOARD.index(b"<text>")
    body = BOARD[:start] + text.encode() + BOARD[BOARD.index(b"</text>", start) + 7 :]
    div = only(mapped(ANY, body), "Composition")["section"][0]["text"]["div"]
    assert div == '<div xmlns="http://www.w3.org/1999/xhtml"><span>a</span></div>'
