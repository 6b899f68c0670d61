"""A document as a PDF that anybody can open, for the mail around it.

ANS, référentiel MSSanté n° 2, ECO.2.1.1: each CDA has its PDF beside the archive.  A document of level 1 that is
a PDF is that PDF; of any other the header and the narrative are set in type (ISO 32000-1, fonts embedded).  It
does not claim to be PDF/A-1: nothing here has checked that it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from lxml import etree

from ..shape import Element

_BLOCKS: Final = frozenset({"p", "div", "ul", "ol", "table", "h1", "h2", "h3", "h4", "pre", "blockquote"})
_BOLD: Final = frozenset({"b", "strong", "em", "th"})
# Characters that the font lacks.
_ASCII: Final = {0x2192: "->", 0x3B1: "alpha", 0x3B2: "bêta", 0x3B3: "gamma", 0x2011: "-", 0x202F: " "}
_ROWS: Final = 2000  # lines of tables and paragraphs of one document that are set in type


def pdf(title: str, facts: list[tuple[str, str]], sections: list[Element]) -> bytes:
    """A PDF of the narrative of ``sections`` (Composition.section) below ``facts``; the same for the same content."""
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.units import mm
    from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer

    style = _styles()
    story: list[Any] = [Paragraph(_words(title), style["h1"])]
    story += [Paragraph(f"<b>{_words(name)}</b> : {_words(value)}", style["p"]) for name, value in facts]
    story.append(Spacer(1, 4 * mm))
    for flowable in _sections(sections, style, 2):
        story.append(flowable)
        if len(story) > _ROWS:
            story.append(Paragraph("La suite est dans le document structuré.", style["p"]))
            break
    target = BytesIO()
    document = SimpleDocTemplate(
        target, pagesize=A4, leftMargin=18 * mm, rightMargin=18 * mm, topMargin=16 * mm, bottomMargin=16 * mm,
        title=_plain(title), lang="fr", invariant=1, initialFontName=_fonts(),
    )  # fmt: skip
    document.build(story)
    return target.getvalue()


def _fonts() -> str:
    """Bitstream Vera, which comes with reportlab and may be embedded."""
    import reportlab
    from reportlab.lib.fonts import addMapping
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    if "Vera" not in pdfmetrics.getRegisteredFontNames():
        folder = Path(reportlab.__file__).parent / "fonts"
        for name, bold, italic in (("Vera", 0, 0), ("VeraIt", 0, 1), ("VeraBd", 1, 0), ("VeraBI", 1, 1)):
            pdfmetrics.registerFont(TTFont(name, str(folder / f"{name}.ttf")))
            addMapping("Vera", bold, italic, name)
    return "Vera"


def _styles() -> dict[str, Any]:
    from reportlab.lib.styles import ParagraphStyle

    font = _fonts()
    text = ParagraphStyle("p", fontName=font, fontSize=9, leading=12, spaceAfter=3)
    heads = {
        name: ParagraphStyle(name, text, fontName="VeraBd", fontSize=size, leading=size + 4, spaceBefore=5)
        for name, size in {"h1": 14, "h2": 11, "h3": 10, "h4": 9}.items()
    }
    return {"p": text, "item": ParagraphStyle("item", text, leftIndent=12, bulletIndent=3), **heads}


def _sections(sections: list[Element], style: dict[str, Any], level: int) -> Iterator[Any]:
    from reportlab.platypus import Paragraph

    for section in sections:
        if section.get("title"):
            yield Paragraph(_words(section["title"]), style[f"h{min(level, 4)}"])
        if div := section.get("text", {}).get("div"):
            yield from _flow(etree.fromstring(div), style)
        yield from _sections(section.get("section", []), style, level + 1)


def _flow(element: Any, style: dict[str, Any]) -> Iterator[Any]:
    """XHTML of a narrative to paragraphs, lists and tables."""
    from reportlab.platypus import Paragraph

    name = etree.QName(element).localname
    if name == "table":
        yield from _table(element, style)
        return
    if name in ("ul", "ol"):
        for number, item in enumerate(element, 1):
            yield Paragraph(_inline(item), style["item"], bulletText=f"{number}." if name == "ol" else "•")
        return
    if not any(etree.QName(kid).localname in _BLOCKS for kid in element):
        if text := _inline(element):
            yield Paragraph(text, style["p"])
        return
    if text := _words(element.text or ""):
        yield Paragraph(text, style["p"])
    for kid in element:
        yield from _flow(kid, style)
        if text := _words(kid.tail or ""):
            yield Paragraph(text, style["p"])


def _table(element: Any, style: dict[str, Any]) -> Iterator[Any]:
    from reportlab.lib import colors
    from reportlab.platypus import LongTable, Paragraph

    rows = list(element.iter("{*}tr"))[:_ROWS]
    cells = [[Paragraph(_inline(c), style["p"]) for c in row] for row in rows]
    width = max((len(r) for r in cells), default=0)
    if width:
        grid = [("GRID", (0, 0), (-1, -1), 0.3, colors.grey), ("VALIGN", (0, 0), (-1, -1), "TOP")]
        yield LongTable(
            [r + [""] * (width - len(r)) for r in cells], colWidths=[490 / width] * width, style=grid, splitInRow=1
        )


def _inline(element: Any) -> str:
    """The text below an element with what reportlab understands of its markup."""
    name = etree.QName(element).localname
    inside = _words(element.text or "", trim=False)
    for kid in element:
        inside += _inline(kid) + _words(kid.tail or "", trim=False)
    if name == "br":
        return "<br/>"
    if name in _BLOCKS:
        inside += "<br/>"
    return f"<b>{inside}</b>" if name in _BOLD and inside.strip() else inside


def _plain(text: str) -> str:
    """Text of characters that the font has."""
    return "".join(c if c.isprintable() else " " for c in text.translate(_ASCII))


def _words(text: str, trim: bool = True) -> str:
    made = escape(re.sub(r"\s+", " ", _plain(text)))
    return made.strip() if trim else made
