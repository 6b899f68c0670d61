"""The narrative of sections (CDA R2 §4.3.5) as safe XHTML (R4 §2.27)."""

from __future__ import annotations

import pytest

from hub.fhir.draft import Draft

from .run import cut, edited, mapped, only, sample


def report(*changes: tuple[str, str]) -> Draft:
    return mapped("cda.documents.header", edited(sample("report.xml"), *changes))


def test_the_title_of_an_empty_section_is_its_text() -> None:
    """cmp-1: a section has text, entries or sections; one of nothing is left out."""
    old, _ = cut("structuredBody")
    empty = "<section><title>Rien &lt;</title><text> <br/></text></section>"
    parts = f"<component>{empty}</component><component><section/></component><component/>"
    sections = only(report((old, f"<structuredBody>{parts}</structuredBody>")), "Composition")["section"]
    assert [s["text"]["div"] for s in sections] == ['<div xmlns="http://www.w3.org/1999/xhtml"><p>Rien &lt;</p></div>']


def narrative(text: str) -> str:
    old, _ = cut("text")
    made = only(report((old, f"<text>{text}</text>")), "Composition")["section"][0]["text"]["div"]
    return made.removeprefix('<div xmlns="http://www.w3.org/1999/xhtml">').removesuffix("</div>")


@pytest.mark.parametrize(
    ("strucdoc", "xhtml"),
    [
        ("a &lt; b &amp; c", "a &lt; b &amp; c"),
        ('<content ID="x1" styleCode="Bold Italics xSmall">g</content>', '<span id="x1"><b><i>g</i></b></span>'),
        ('<content ID="1 onclick=x">g</content>', "<span>g</span>"),
        ("<list><item>1</item></list>", "<ul><li>1</li></ul>"),
        ('<table border="1" onclick="x"><tr><td rowspan="2" colspan="x" align="left">1</td></tr></table>',
         '<table><tr><td rowspan="2">1</td></tr></table>'),
        ('<linkHtml href=" JavaScript:alert(1)">l</linkHtml>', "<a>l</a>"),
        ('<linkHtml href="#a&quot;b">l</linkHtml>', "<a href='#a\"b'>l</a>"),
        ("<script>alert(1)</script>", "alert(1)"),
        ('<renderMultiMedia referencedObject="i"><caption>Sein</caption></renderMultiMedia>',
         "<span>[image]<p>Sein</p></span>"),
        ("x<br/>y<sub>2</sub>z", "x<br/>y<sub>2</sub>z"),
        ('<x:b xmlns:x="urn:x">t</x:b>', "t"),
    ],
)  # fmt: skip
def test_narrative_becomes_safe_xhtml(strucdoc: str, xhtml: str) -> None:
    """R4 §2.27: no script, no event, no unknown element; the text always stays."""
    assert xhtml == narrative(strucdoc)
