"""The narrative of a CDA section as HTML elements, built one by one: what is not listed here cannot come out.

HL7 CDA R2 §4.3.5 (StrucDoc).  No script, no style of the document, no picture from elsewhere: a picture is
shown when the document carries it (observationMedia), as ``data:``.  Names within the page begin with ``n-``,
so that a document cannot take the place of a part of ours.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from lxml import etree

from hub.source.cda import V3

Picture = Callable[[str], tuple[str, str] | None]  # ID of an observationMedia -> (data: URL, what it shows)

_TAGS: Final = {
    "paragraph": "p", "content": "span", "item": "li", "table": "table", "thead": "thead", "tbody": "tbody",
    "tfoot": "tfoot", "tr": "tr", "th": "th", "td": "td", "caption": "caption", "sub": "sub", "sup": "sup",
    "col": "col", "colgroup": "colgroup", "br": "br", "footnote": "small", "footnoteRef": "span",
}  # fmt: skip
_NUMBERS: Final = {"td": ("colspan", "rowspan"), "th": ("colspan", "rowspan"), "col": ("span",), "colgroup": ("span",)}
_STYLES: Final = {"bold": "b", "italics": "i", "emphasis": "em", "underline": "u"}
_LINK = re.compile(r"(https?://|mailto:|tel:)[^\s]{1,2000}", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9._-]{0,63}")


def add(parent: etree._Element, source: etree._Element, picture: Picture) -> None:
    """Add the content of a StrucDoc element to an HTML element."""
    _say(parent, source.text)
    for child in source:
        if isinstance(child.tag, str):
            _element(parent, child, picture)
        _say(parent, child.tail)


def _say(parent: etree._Element, text: str | None) -> None:
    """Add text behind what stands in an element already."""
    if not text:
        return
    if len(parent):
        parent[-1].tail = (parent[-1].tail or "") + text
    else:
        parent.text = (parent.text or "") + text


def _element(parent: etree._Element, source: etree._Element, picture: Picture) -> None:
    name = source.tag.removeprefix(V3)
    if name == "list":
        made = etree.SubElement(parent, "ol" if source.get("listType") == "ordered" else "ul")
    elif name == "linkHtml":
        made = _link(parent, source)
    elif name == "renderMultiMedia":
        _pictures(parent, source, picture)
        return
    elif name == "caption" and parent.tag != "table":
        made = etree.SubElement(etree.SubElement(parent, "li" if parent.tag in ("ul", "ol") else "p"), "b")
    elif name in _TAGS:
        made = _known(parent, source, _TAGS[name])
    else:
        add(parent, source, picture)  # not of StrucDoc: its text alone
        return
    anchor = source.get("ID") or source.get("id")
    if anchor and _NAME.fullmatch(anchor):
        made.set("id", f"n-{anchor}")
    for style in source.get("styleCode", "").split():
        if style.lower() in _STYLES and made.tag not in ("table", "thead", "tbody", "tfoot", "tr", "col", "colgroup"):
            made = etree.SubElement(made, _STYLES[style.lower()])
    add(made, source, picture)


def _known(parent: etree._Element, source: etree._Element, tag: str) -> etree._Element:
    if tag == "table":
        parent = etree.SubElement(parent, "div", {"class": "table"})
    made = etree.SubElement(parent, tag)
    for name in _NUMBERS.get(tag, ()):
        value = source.get(name, "")
        if value.isascii() and value.isdigit() and len(value) < 4:
            made.set(name, value)
    if tag == "th":
        made.set("scope", "col" if any(a.tag == f"{V3}thead" for a in source.iterancestors()) else "row")
    return made


def _link(parent: etree._Element, source: etree._Element) -> etree._Element:
    target = (source.get("href") or "").strip()
    if target.startswith("#") and _NAME.fullmatch(target[1:]):
        return etree.SubElement(parent, "a", {"href": f"#n-{target[1:]}"})
    if _LINK.fullmatch(target):
        return etree.SubElement(parent, "a", {"href": target, "rel": "noopener noreferrer nofollow"})
    return etree.SubElement(parent, "span")


def _pictures(parent: etree._Element, source: etree._Element, picture: Picture) -> None:
    for name in (source.get("referencedObject") or "").split():
        found = picture(name)
        if found is None:
            _say(parent, "[image non affichée]")
        else:
            etree.SubElement(parent, "img", {"src": found[0], "alt": found[1]})
