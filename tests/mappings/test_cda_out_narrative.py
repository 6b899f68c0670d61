"""XHTML to StrucDoc and back (HL7 CDA R2 §4.3.5; the inverse of ``hub.mappings.cda.narrative``)."""

from __future__ import annotations

import pytest
from hub.mappings.cda.narrative import section_narrative
from hub.mappings.cda.out.narrative import Narrative
from hypothesis import given
from hypothesis import strategies as st

from hub.errors import ParseError
from hub.source.cda import Node


def again(inside: str) -> str:
    """What XHTML becomes as StrucDoc and as XHTML again."""
    told = {"status": "additional", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{inside}</div>'}
    element = Narrative(told, "s1").element()
    assert element is not None
    made = section_narrative(Node(element), None)
    assert made is not None
    return str(made["div"]).removeprefix('<div xmlns="http://www.w3.org/1999/xhtml">').removesuffix("</div>")


@pytest.mark.parametrize(
    "inside",
    [
        "words alone", "a &lt; b &amp; c", "<p>one</p><p>two</p>", "<ul><li>a</li></ul><ol><li>b</li></ol>",
        '<table><thead><tr><th colspan="2">h</th></tr></thead><tbody><tr><td id="a">x</td></tr></tbody></table>',
        "<table><p>title</p><tbody><tr><td>x</td></tr></tbody></table>", "<span><b>bold</b></span>",
        '<p>a <span id="k">key</span> b<br/>c</p>', '<p>see <a href="https://example.org/">there</a></p>',
        "<table><tbody><tr><td><i>x</i></td></tr></tbody></table>", "<p>H<sub>2</sub>O</p>",
    ],
)  # fmt: skip
def test_a_narrative_comes_back(inside: str) -> None:
    """The same XHTML."""
    assert again(inside) == inside


def test_a_style_within_words() -> None:
    """``b`` amid other words becomes content of its own, and keeps its style."""
    assert again("<p>a <b>c</b> d</p>") == "<p>a <span><b>c</b></span> d</p>"


@given(st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=60))
def test_any_words_come_back(words: str) -> None:
    """Property: words stay as they are, whatever their characters."""
    from xml.sax.saxutils import escape

    if words.strip() and not any(c in words for c in "\ufffe\uffff"):
        assert again(f"<p>{escape(words)}</p>") == f"<p>{escape(words)}</p>"


def test_words_are_added_once() -> None:
    """What is there is referred to; what is not is put behind, under an ID of its own."""
    narrative = Narrative({"div": '<div xmlns="http://www.w3.org/1999/xhtml"><p id="a">Sein</p></div>'}, "s3")
    made = [
        narrative.reference(*args) for args in (("C/1#a", "?"), (None, "Sein"), ("C/1#x", "Poumon"), (None, "Poumon"))
    ]
    assert [m[0].get("value") for m in made] == ["#a", "#a", "#s3-1", "#s3-1"]
    element = narrative.element()
    assert element is not None
    assert "".join(element.itertext()) == "SeinPoumon"  # type: ignore[arg-type]


def test_no_narrative() -> None:
    """Nothing to read: no element."""
    assert Narrative(None, "s1").element() is None


@pytest.mark.parametrize("div", ["<div>", "<!DOCTYPE x><div/>", "<div>" * 300 + "</div>" * 300])
def test_what_is_no_xhtml_is_an_error(div: str) -> None:
    """Never an unhandled exception, and no entity is read."""
    with pytest.raises(ParseError):
        Narrative({"div": div}, "s1")
