"""XHTML of a section to StrucDoc, and the anchors that entries refer to.

HL7 CDA R2 §4.3.5; the inverse of :mod:`..narrative`: what FHIR has as narrative is kept, and what entries say without
having it in the narrative is put behind it, so that a person reads all that a program does.
"""

from __future__ import annotations

from typing import Final

from lxml import etree

from hub.source.xml import parse_xml

from ...shape import Element
from .build import Made, el

_TAGS: Final = {
    "p": "paragraph", "span": "content", "ul": "list", "ol": "list", "li": "item", "table": "table",
    "thead": "thead", "tbody": "tbody", "tfoot": "tfoot", "tr": "tr", "th": "th", "td": "td", "sub": "sub",
    "sup": "sup", "col": "col", "colgroup": "colgroup", "a": "linkHtml", "div": "footnote", "br": "br",
}  # fmt: skip
_STYLES = {"b": "Bold", "strong": "Bold", "i": "Italics", "em": "Emphasis"}
_KEPT = {"id": "ID", "colspan": "colspan", "rowspan": "rowspan", "span": "span", "href": "href"}
_ROWS = ("table", "thead", "tbody", "tfoot", "tr")


class Narrative:
    """The narrative of one section, to which words may be added.

    :ivar anchors: ID -> the words there.
    """

    __slots__ = ("_more", "_text", "anchors", "name")

    def __init__(self, told: Element | None, name: str) -> None:
        """:param name: starts the IDs of what is added; no two sections have the same."""
        self.name = name
        self._more: list[Made] = []
        self._text = _strucdoc(str(told["div"])) if told and told.get("div") else el("text")
        self.anchors = {
            str(x.get("ID")): " ".join("".join(x.itertext()).split())  # type: ignore[arg-type]  # no comments
            for x in self._text.iter() if x.get("ID")
        }  # fmt: skip

    def reference(self, link: str | None, words: str) -> Made:
        """``text`` of an entry: what it refers to is where ``link`` says, or where ``words`` are, or is added.

        :param link: the valueUrl of the extension narrativeLink.
        """
        anchor = (link or "").partition("#")[2]
        if anchor not in self.anchors:
            anchor = next((a for a, said in self.anchors.items() if said == words), "") or self._add(words)
        return el("text", None, el("reference", {"value": f"#{anchor}"}))

    def _add(self, words: str) -> str:
        anchor = f"{self.name}-{len(self._more) + 1}"
        self._more.append(el("paragraph", None, el("content", {"ID": anchor}, words)))
        self.anchors[anchor] = " ".join(words.split())
        return anchor

    def element(self) -> Made | None:
        """section/text."""
        self._text.extend(self._more)
        self._more = []
        return self._text if len(self._text) or self._text.text else None


def _strucdoc(div: str) -> Made:
    """:raises ParseError: when the narrative is no XHTML."""
    root = parse_xml(div.encode())
    made = el("text", None, root.text or "")
    for child in root:
        _copy(child, made)
    return made


def _copy(source: etree._Element, parent: Made) -> None:
    tag = etree.QName(source).localname
    if tag in _STYLES and _alone(source):  # a style is one of what it fills
        styles = [*filter(None, [parent.get("styleCode")]), _STYLES[tag]]
        parent.set("styleCode", " ".join(styles))
        made = parent
        made.text = source.text
    else:
        within = etree.QName(parent).localname
        name = "caption" if tag == "p" and within == "table" else _TAGS.get(tag, "content")
        attributes = {_KEPT[k]: str(v) for k, v in source.attrib.items() if k in _KEPT}
        if tag == "ol":
            attributes["listType"] = "ordered"
        if tag in _STYLES:
            attributes["styleCode"] = _STYLES[tag]
        made = el(name, attributes, source.text or "")
        made.tail = source.tail
        parent.append(made)
    for child in source:
        _copy(child, made)


def _alone(source: etree._Element) -> bool:
    """Whether an element is all that stands in another (not the text of the section itself)."""
    parent = source.getparent()
    if parent is None or parent.getparent() is None or len(parent) > 1:
        return False
    return not ((parent.text or "").strip() or (source.tail or "").strip())
