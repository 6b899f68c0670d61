"""Narrative between its two forms: a string of XHTML in JSON, elements in XML.

R4 §2.4.0 (narrative.html): the root is ``div`` in the namespace of XHTML; in XML there are no named entities
of HTML, so ``&nbsp;`` becomes the character it stands for.  The text is passed on as it is written, once it
is known to be whole: a reader could not tell ``</div>`` that closes too early from an element of ours.
"""

from __future__ import annotations

import re
from html.entities import html5
from typing import NoReturn
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

from hub.errors import InvalidError
from hub.fhir.xml.plan import XHTML

_ENTITY = re.compile(r"&([A-Za-z][A-Za-z0-9]{1,31});")
_OF_XML = ("amp", "lt", "gt", "quot", "apos")
_VOID = frozenset(("area", "br", "col", "hr", "img"))


def checked(div: str) -> str:
    """The narrative, ready to stand in an XML document.

    :raises InvalidError: when it is no whole ``div``.
    """
    div = div.strip()
    if not div.startswith("<") or div.startswith(("<?", "<!")):
        raise _no_div()
    root = _root(div)
    if root is None and "&" in div:
        div = _ENTITY.sub(_character, div)
        root = _root(div)
    if root == "div":
        return f'<div xmlns="{XHTML}"{div[4:]}'
    if root != f"{XHTML} div":
        raise _no_div()
    return div


def _character(found: re.Match[str]) -> str:
    name = found[1]
    return found[0] if name in _OF_XML else html5.get(name + ";", found[0])


def _root(div: str) -> str | None:
    """The expanded name of the root element; None when this is no well-formed XML."""
    names: list[str] = []
    parser = expat.ParserCreate("utf-8", " ")

    def start(name: str, _: object) -> None:
        names.append(name)
        parser.StartElementHandler = None

    parser.StartElementHandler = start
    parser.StartDoctypeDeclHandler = _refuse_doctype
    try:
        parser.Parse(div, True)
    except (expat.ExpatError, UnicodeEncodeError):
        return None
    return names[0]


def _refuse_doctype(*_: object) -> NoReturn:
    raise _no_div()


def _no_div() -> InvalidError:
    return InvalidError(
        "the narrative is no well-formed XHTML", where="div", code="structure",
        cure=f'write one <div xmlns="{XHTML}"> that closes all it opens',
    )  # fmt: skip


def standalone(div: str, prefixes: dict[str, str]) -> str:
    """The narrative of a document that names XHTML by a prefix or declares it further up, as one that
    stands alone.

    :param prefixes: prefix -> namespace, as declared outside of it ("" for the default).
    :raises InvalidError: when it is too big to be written anew.
    """
    from lxml import etree

    said = "".join(f" xmlns{':' if p else ''}{p}={quoteattr(uri)}" for p, uri in prefixes.items())
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False)
    try:
        outer = etree.fromstring(f"<outer{said}>{div}</outer>".encode(), parser)
    except etree.XMLSyntaxError:  # beyond the limits of libxml2
        raise _no_div() from None
    made = etree.Element(f"{{{XHTML}}}div", dict(outer[0].attrib), {None: XHTML})  # type: ignore[dict-item]  # None is the default
    made.text = outer[0].text
    made.extend(list(outer[0]))
    for element in made.iter(f"{{{XHTML}}}*"):
        if not len(element) and not element.text and etree.QName(element).localname not in _VOID:
            element.text = ""  # keeps <p></p> from being written <p/>, which HTML takes for an open tag
    etree.cleanup_namespaces(made)
    return etree.tostring(made, encoding="unicode")
