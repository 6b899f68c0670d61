"""The narrative of a section (StrucDoc) to safe XHTML.

HL7 CDA R2 §4.3.5 (section.text); R4 §2.27 (narrative: no script, no form, no event, no external style).
Only what is listed here comes out; everything else gives its text alone.

The text is written out by libxml2 and its tags are exchanged one by one: four times as fast as a walk over the
elements, and sound, for libxml2 escapes ``<`` and ``>`` wherever they are no part of a tag.
"""

from __future__ import annotations

import re
from functools import lru_cache
from html import unescape
from xml.sax.saxutils import escape, quoteattr

from lxml import etree

from hub.source.cda import Node

from ..shape import Element, keep

# StrucDoc element -> XHTML element
_TAGS = {
    "paragraph": "p", "content": "span", "list": "ul", "item": "li", "table": "table", "thead": "thead",
    "tbody": "tbody", "tfoot": "tfoot", "tr": "tr", "th": "th", "td": "td", "caption": "p", "sub": "sub",
    "sup": "sup", "col": "col", "colgroup": "colgroup", "linkHtml": "a", "footnote": "div", "footnoteRef": "span",
    "renderMultiMedia": "span", "br": "br",
}  # fmt: skip
_SHORT = 120  # characters of a tag that may come again
_VOID = frozenset(("br", "col"))
_KEPT = {"td": ("colspan", "rowspan"), "th": ("colspan", "rowspan"), "col": ("span",), "colgroup": ("span",)}
_STYLES = {"Bold": "b", "Italics": "i", "Emphasis": "em"}
_LINK = re.compile(r"(https?:|mailto:|tel:|#)", re.IGNORECASE)
ANCHOR = re.compile(r"[A-Za-z_][A-Za-z0-9._-]{0,63}")
_SPLIT = re.compile(r"<([^>]*)>")
_ATTRIBUTE = re.compile(r'([\w:.-]+)="([^"]*)"')
_ID = re.compile(r' ID="([^"&]*)"')
_SEEN = re.compile(r"(?:^|>)\s*[^<\s]")
# A tag that has no attributes: what it opens with.
_PLAIN = {
    name: f"<{tag}/>" if tag in _VOID else f"<{tag}>" for name, tag in _TAGS.items() if name != "renderMultiMedia"
}


# The words between two places of a narrative that was cut at its tags.
Words = tuple[list[str], int, int]


def section_narrative(text: Node | None, title: str | None, anchors: dict[str, Words] | None = None) -> Element | None:
    """section/text to Narrative; a section that only has a title is given that.

    :param anchors: learns where the IDs of this text are (see :func:`words_of`).
    """
    body = ""
    if text is not None:
        element = text.element
        body = xhtml(element, anchors) if len(element) else escape(element.text or "")
        if text.traced:
            body = text.keep(body)
    if not body or not _visible(body):
        if not title:
            return None
        body = keep(f"<p>{escape(title)}</p>", title)
    return {"status": "additional", "div": keep(f'<div xmlns="http://www.w3.org/1999/xhtml">{body}</div>', body)}


def _visible(body: str) -> bool:
    """Whether there is anything to read (invariant txt-2)."""
    return _SEEN.search(body) is not None


def words_of(place: Words) -> str | None:
    """The words of an element of the narrative, blanks collapsed."""
    pieces, start, end = place
    return " ".join(unescape("".join(pieces[start:end:2])).split()) or None


def xhtml(element: etree._Element, anchors: dict[str, Words] | None = None) -> str:
    """What stands inside a StrucDoc element, as XHTML."""
    pieces = _SPLIT.split(etree.tostring(element, encoding="unicode", with_tail=False))
    prefix = f"{element.prefix}:" if element.prefix else ""
    closing: list[str] = []  # what ends each open element
    opened: list[tuple[int, str, int]] = []  # depth, ID and place of the open ones that have one
    for at in range(3, len(pieces) - 2, 2):  # all tags but that of the text itself
        tag = pieces[at]
        if tag[0] == "/":
            pieces[at] = closing.pop() if closing else ""
            if opened and opened[-1][0] == len(closing):
                _, anchor, begun = opened.pop()
                if anchors is not None:
                    anchors.setdefault(anchor, (pieces, begun + 1, at))
            continue
        if prefix:
            tag = tag.removeprefix(prefix)
        plain = _PLAIN.get(tag)
        if plain is not None and plain[-2] != "/":
            pieces[at] = plain
            closing.append(f"</{_TAGS[tag]}>")
            continue
        pieces[at], end = _known(tag) if len(tag) < _SHORT else _opened(tag)
        if tag[-1] == "/":
            pieces[at] += end
        else:
            if ' ID="' in tag and (found := _ID.search(tag)):
                opened.append((len(closing), found[1], at))
            closing.append(end)
    return "".join(pieces[2:-2])


@lru_cache(maxsize=4096)
def _known(tag: str) -> tuple[str, str]:
    return _opened(tag)


def _opened(tag: str) -> tuple[str, str]:
    """The inside of a tag with attributes: what opens the XHTML element, and what ends it."""
    name, _, rest = tag.rstrip("/").partition(" ")
    made = _TAGS.get(name)
    if made is None:
        return "", ""
    known = {key: unescape(value) for key, value in _ATTRIBUTE.findall(rest)} if rest else {}
    if name == "list" and known.get("listType") == "ordered":
        made = "ol"
    attributes = _attributes(known, made)
    if made in _VOID:
        return f"<{made}{attributes}/>", ""
    styles = [_STYLES[s] for s in known.get("styleCode", "").split() if s in _STYLES]
    start = f"<{made}{attributes}>" + "".join(f"<{s}>" for s in styles)
    image = "[image]" if name == "renderMultiMedia" else ""
    return start + image, "".join(f"</{s}>" for s in reversed(styles)) + f"</{made}>"


def _attributes(known: dict[str, str], tag: str) -> str:
    made = ""
    anchor = known.get("ID")
    if anchor and ANCHOR.fullmatch(anchor):
        made = f' id="{anchor}"'
    for name in _KEPT.get(tag, ()):
        value = known.get(name)
        if value and value.isdecimal():
            made += f' {name}="{value}"'
    if tag == "a":
        link = known.get("href", "").strip()
        if _LINK.match(link):
            made += f" href={quoteattr(link)}"
    return made
