"""The narrative of a section (StrucDoc) to safe XHTML.

HL7 CDA R2 §4.3.5 (section.text); R4 §2.27 (narrative: no script, no form, no event, no external style).
Only what is listed here comes out; everything else gives its text alone.
"""

from __future__ import annotations

import re
from xml.sax.saxutils import escape, quoteattr

from lxml import etree

from hub.source.cda import V3, Node

from ..shape import Element

# StrucDoc element -> XHTML element
_TAGS = {
    "paragraph": "p", "content": "span", "list": "ul", "item": "li", "table": "table", "thead": "thead",
    "tbody": "tbody", "tfoot": "tfoot", "tr": "tr", "th": "th", "td": "td", "caption": "p", "sub": "sub",
    "sup": "sup", "col": "col", "colgroup": "colgroup", "linkHtml": "a", "footnote": "div", "footnoteRef": "span",
    "renderMultiMedia": "span", "br": "br",
}  # fmt: skip
_VOID = frozenset(("br", "col"))
_KEPT = {"td": ("colspan", "rowspan"), "th": ("colspan", "rowspan"), "col": ("span",), "colgroup": ("span",)}
_STYLES = {"Bold": "b", "Italics": "i", "Emphasis": "em"}
_LINK = re.compile(r"(https?:|mailto:|tel:|#)", re.IGNORECASE)
_ID = re.compile(r"[A-Za-z_][A-Za-z0-9._-]{0,63}")


def section_narrative(text: Node | None, title: str | None) -> Element | None:
    """section/text to Narrative; a section that only has a title is given that."""
    out: list[str] = []
    if text is not None:
        _inside(text.element, out)
    body = "".join(out)
    if not _visible(body):
        if not title:
            return None
        body = f"<p>{escape(title)}</p>"
    return {"status": "additional", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{body}</div>'}


def _visible(xhtml: str) -> bool:
    """Whether there is anything to read (invariant txt-2)."""
    return bool(re.sub(r"<[^>]*>|\s|&#160;", "", xhtml))


def _inside(element: etree._Element, out: list[str]) -> None:
    if element.text:
        out.append(escape(element.text))
    for child in element:
        _element(child, out)
        if child.tail:
            out.append(escape(child.tail))


def _element(element: etree._Element, out: list[str]) -> None:
    name = element.tag[len(V3) :] if isinstance(element.tag, str) else ""
    tag = _TAGS.get(name)
    if tag is None:
        _inside(element, out)
        return
    if name == "list" and element.get("listType") == "ordered":
        tag = "ol"
    attributes = _attributes(element, tag)
    if tag in _VOID:
        out.append(f"<{tag}{attributes}/>")
        return
    styles = [_STYLES[s] for s in (element.get("styleCode") or "").split() if s in _STYLES]
    out.append(f"<{tag}{attributes}>" + "".join(f"<{s}>" for s in styles))
    if name == "renderMultiMedia":
        out.append("[image]")
    _inside(element, out)
    out.append("".join(f"</{s}>" for s in reversed(styles)) + f"</{tag}>")


def _attributes(element: etree._Element, tag: str) -> str:
    made = ""
    anchor = element.get("ID")
    if anchor and _ID.fullmatch(anchor):
        made = f' id="{anchor}"'
    for name in _KEPT.get(tag, ()):
        value = element.get(name)
        if value and value.isdecimal():
            made += f' {name}="{value}"'
    if tag == "a":
        link = (element.get("href") or "").strip()
        if _LINK.match(link):
            made += f" href={quoteattr(link)}"
    return made
