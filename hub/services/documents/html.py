"""A CDA document as a page people read: in French, printable, and safe to show inside the hub.

HL7 CDA R2 §4.2, §4.3 (header, body with and without structure); W3C CSP 3; RGAA 4.1 (language, one heading of
first level, landmarks, scope of table heads).  The style sheet a document carries is never run: its content is
rendered by our own rules, element by element.  The page needs nothing from elsewhere and runs nothing, and
says so in a policy that a server also sends as header.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Final

from lxml import etree

from hub.services.documents import header, narrative
from hub.services.documents.header import Row
from hub.source.cda import Document, Node

_PICTURES: Final = ("image/png", "image/jpeg", "image/gif")  # SVG can hold script
_SIGNS: Final = {"image/png": b"\x89PNG", "image/jpeg": b"\xff\xd8\xff", "image/gif": b"GIF8"}
_KINDS: Final = {"application/pdf": "PDF", "text/rtf": "RTF", "application/rtf": "RTF", "image/tiff": "image TIFF"}
_MAX_LEVEL: Final = 6
_BLANK = re.compile(r"\s+")
_NO_XML = re.compile(
    "[^\t\n\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
)  # control characters, XML 1.0 §2.2


@dataclass(frozen=True, slots=True)
class Page:
    """An HTML page.

    :ivar octets: UTF-8.
    :ivar policy: the value of the header Content-Security-Policy it goes with.
    """

    octets: bytes
    policy: str


@cache
def _style() -> tuple[str, str]:
    """(the style sheet, the policy that allows it and nothing else)."""
    text = (Path(__file__).parent / "cda.css").read_text(encoding="utf-8")
    digest = base64.b64encode(sha256(text.encode()).digest()).decode()
    return text, f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"


def render(octets: bytes, *, attachment: str = "") -> Page:
    """The page of a CDA document.

    :param octets: a ClinicalDocument, or a style sheet that carries one.
    :param attachment: address of the body, when it is a file of its own (a PDF), to link to.
    :raises ParseError: when this is no CDA document.
    """
    document = Document(octets)
    style, policy = _style()
    html = etree.Element("html", {"lang": "fr"})
    head, body = etree.SubElement(html, "head"), etree.SubElement(html, "body")
    etree.SubElement(head, "meta", {"charset": "utf-8"})
    etree.SubElement(head, "meta", {"http-equiv": "Content-Security-Policy", "content": policy})
    etree.SubElement(head, "meta", {"name": "viewport", "content": "width=device-width"})
    etree.SubElement(head, "meta", {"name": "referrer", "content": "no-referrer"})
    kind = header.coded(document.one("code"))
    said = document.one("title")
    title = (said.text() if said else None) or kind or "Document"
    etree.SubElement(head, "title").text = title
    etree.SubElement(head, "style").text = style
    _header(body, document, title, kind)
    main = etree.SubElement(body, "main")
    structured, plain = document.one("component", "structuredBody"), document.one("component", "nonXMLBody", "text")
    if structured is not None:
        _Body(document, main).sections(structured)
    elif plain is not None:
        _file(main, plain, attachment)
    else:
        etree.SubElement(main, "p", {"class": "quiet"}).text = "Ce document n'a pas de contenu."
    _footer(body, document)
    made: bytes = etree.tostring(html, encoding="utf-8", method="html", doctype="<!DOCTYPE html>")
    return Page(made, policy)


def _header(body: etree._Element, document: Document, title: str, kind: str) -> None:
    top = etree.SubElement(body, "header")
    etree.SubElement(top, "h1").text = title
    if kind and kind != title.replace("\u2019", "'"):
        etree.SubElement(top, "p", {"class": "kind"}).text = kind
    who, rows = header.patient(document)
    box = etree.SubElement(top, "section", {"class": "patient", "aria-label": "Patient"})
    etree.SubElement(box, "h2").text = who or "Patient non identifié"
    _rows(box, rows)
    _rows(top, header.about(document))


def _rows(parent: etree._Element, rows: list[Row]) -> None:
    listed = etree.SubElement(parent, "dl")
    for label, text in rows:
        etree.SubElement(listed, "dt").text = label
        etree.SubElement(listed, "dd").text = text


def _footer(body: etree._Element, document: Document) -> None:
    known = document.one("id")
    identity = "^".join(filter(None, (known.attr("root"), known.attr("extension")))) if known else ""
    foot = etree.SubElement(body, "footer", {"class": "quiet"})
    etree.SubElement(
        foot, "p"
    ).text = f"Document {identity}. Affichage établi à partir des textes du document ; l'original fait foi."


class _Body:
    """The sections of one document."""

    def __init__(self, document: Document, main: etree._Element) -> None:
        self.document, self.main = document, main
        self.names: list[tuple[str, str]] = []  # id in the page, title

    def sections(self, structured: Node) -> None:
        """Write the sections, and before them a list of them when there are many."""
        at = len(self.main)
        for component in structured.all("component"):
            for section in component.all("section"):
                self.section(section, 2)
        if not self.names:
            etree.SubElement(self.main, "p", {"class": "quiet"}).text = "Ce document n'a pas de texte."
        if len(self.names) < 4:
            return
        nav = etree.Element("nav", {"aria-label": "Sommaire"})
        etree.SubElement(nav, "strong").text = "Sommaire"
        listed = etree.SubElement(nav, "ol")
        for name, title in self.names:
            etree.SubElement(etree.SubElement(listed, "li"), "a", {"href": f"#{name}"}).text = title
        self.main.insert(at, nav)

    def section(self, section: Node, level: int) -> None:
        """Write one section and those inside it."""
        said = section.one("title")
        title = (said.text() if said else None) or header.coded(section.one("code"))
        text = section.one("text")
        box = etree.SubElement(self.main if level == 2 else self.main[-1], "section")
        if title:
            made = etree.SubElement(box, f"h{min(level, _MAX_LEVEL)}")
            made.text = title
            if level == 2:
                name = f"s-{len(self.names) + 1}"
                made.set("id", name)
                self.names.append((name, title))
        if text is not None:
            content = etree.SubElement(box, "div")
            narrative.add(content, text.element, self.picture)
            if not len(content) and not (content.text or "").strip():
                box.remove(content)
        for component in section.all("component"):
            for inner in component.all("section"):
                self.section(inner, level + 1)

    def picture(self, name: str) -> tuple[str, str] | None:
        """A picture that the document carries, as address and description; None when it cannot be shown."""
        media = self.document.anchors.get(name)
        value = media.one("value") if media else None
        if value is None:
            return None
        url = picture_url(value)
        said = media.one("text") if media else None
        return (url, (said.text() if said else None) or "Image du document") if url else None


def picture_url(value: Node) -> str:
    """An ED with a picture as ``data:``; '' when it is none that browsers show without running it."""
    kind = value.attr("mediaType") or ""
    if kind not in _PICTURES or value.attr("representation") != "B64" or value.attr("compression"):
        return ""
    text = _BLANK.sub("", value.element.text or "")
    try:
        start = base64.b64decode(text[:16], validate=True)
    except (binascii.Error, ValueError):
        return ""
    if not start.startswith(_SIGNS[kind]) or not re.fullmatch(r"[A-Za-z0-9+/]+={0,2}", text):
        return ""
    return f"data:{kind};base64,{text}"


def _file(main: etree._Element, body: Node, attachment: str) -> None:
    """A body that is a file: text and pictures are shown, others are linked to."""
    kind = body.attr("mediaType") or "text/plain"
    encoded = body.attr("representation") == "B64"
    if kind == "text/plain":
        etree.SubElement(main, "pre").text = _plain(body.element.text or "", encoded)
        return
    url = picture_url(body)
    if url:
        etree.SubElement(main, "img", {"src": url, "alt": "Document numérisé"})
        return
    size = len(_BLANK.sub("", body.element.text or "")) * 3 // 4 if encoded else 0
    said = f"{_KINDS.get(kind, kind)}, {_size(size)}" if size else _KINDS.get(kind, kind)
    line = etree.SubElement(main, "p", {"class": "warn"})
    if attachment:
        etree.SubElement(line, "a", {"href": attachment}).text = f"Ouvrir le document ({said})"
    else:
        line.text = f"Le contenu de ce document est un fichier joint ({said}), qui s'ouvre à part."


def _plain(text: str, encoded: bool) -> str:
    if not encoded:
        return text
    try:
        octets = base64.b64decode(_BLANK.sub("", text), validate=True)
    except (binascii.Error, ValueError):
        return "[texte illisible]"
    for codec in ("utf-8", "cp1252"):
        try:
            found = octets.decode(codec)
        except UnicodeDecodeError:
            continue
        return _NO_XML.sub("\ufffd", found.replace("\r\n", "\n"))
    return "[texte illisible]"


def _size(octets: int) -> str:
    return f"{octets / 1_000_000:.1f} Mo".replace(".", ",") if octets >= 1_000_000 else f"{-(-octets // 1000)} ko"
