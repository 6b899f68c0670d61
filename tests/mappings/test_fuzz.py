"""Whatever a sender writes: valid resources, or an error that says where; never anything else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from hub.errors import HubError
from hub.fhir.draft import Draft
from hub.fhir.validate import validate

from .run import mapped, message, sample

A01 = sample("a01.hl7").decode().split("\r")
MDM = message(b"%PDF-1", ed="^application^PDF^Base64^").decode().split("\r")
REPORT = sample("report.xml")
VALUE = st.one_of(
    st.text("A1^~&|\\ .é-", max_size=14),
    st.sampled_from(['""', "20260230", "^^^", "~", "&&&^&", "\\X00\\", "Y", "N", "U", " ", "1.2.250.1.213.1.4.8"]),
)
EDITS = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 40), VALUE), min_size=1, max_size=4)


def empties(node: Any, path: str = "") -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield from empties(value, f"{path}.{key}")
    if isinstance(node, list):
        for i, value in enumerate(node):
            yield from empties(value, f"{path}[{i}]")
    if node is None or node in ("", [], {}):
        yield path


def judge(name: str, body: bytes) -> None:
    try:
        draft: Draft = mapped(name, body)
    except HubError as error:
        told = error
    else:
        told = None
        for entry in draft.entries.values():
            assert list(empties(entry.resource, entry.type)) == []
            assert validate({**entry.resource, "id": entry.id}) == []
    assert told is None or (told.where and told.what)


def edited(lines: list[str], edits: list[tuple[int, int, str]]) -> bytes:
    lines = list(lines)
    for at, number, value in edits:
        line = 1 + at % (len(lines) - 2)
        fields = lines[line].split("|")
        fields += [""] * (number + 1 - len(fields))
        fields[number] = value
        lines[line] = "|".join(fields)
    return "\r".join(lines).encode()


@settings(max_examples=80, deadline=None)
@given(EDITS)
def test_any_adt(edits: list[tuple[int, int, str]]) -> None:
    """Fields of anything in any segment but MSH."""
    judge("hl7v2.messages.adt", edited(A01, edits))


@settings(max_examples=60, deadline=None)
@given(EDITS)
def test_any_mdm(edits: list[tuple[int, int, str]]) -> None:
    """The same in a message that carries a document."""
    judge("hl7v2.messages.mdm", edited(MDM, edits))


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 2000), st.sampled_from(("drop", "null", "bare", "odd", "text"))),
        min_size=1,
        max_size=5,
    )
)
def test_any_cda(edits: list[tuple[int, str]]) -> None:
    """Elements dropped, null, bare or of odd content, anywhere."""
    root = etree.fromstring(REPORT)
    for at, what in edits:
        elements = list(root.iterdescendants())
        if not elements:
            break
        element = elements[at % len(elements)]
        if what == "drop":
            element.getparent().remove(element)
        elif what == "null":
            element.attrib.clear()
            element.set("nullFlavor", "UNK")
        elif what == "bare":
            element.attrib.clear()
        elif what == "odd":
            for name in element.attrib:
                element.set(name, " é^ ")
        else:
            element.text = " x "
    judge("cda.documents.header", etree.tostring(root))
