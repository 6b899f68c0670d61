"""XML from strangers: parsed within bounds, without DTD, entities or network.

W3C XML 1.0; OWASP, XML External Entity Prevention.  A document with a DOCTYPE is refused before a parser
sees it: no document of the CI-SIS has one, and all entity attacks need one.
"""

from __future__ import annotations

import codecs
import re
from typing import Final

from lxml import etree

from hub.errors import ParseError

MAX_OCTETS: Final = 128 * 1024 * 1024
MAX_DEPTH: Final = 200
_SMALL: Final = 10_000_000  # below, libxml2's own limits suffice; above they refuse a document with a big PDF

_too_deep = etree.XPath(f"boolean({'*/' * MAX_DEPTH}*)")  # 15 µs on a document of 80 KB; a walk takes ten times that

_ENCODINGS: Final = {"utf-8", "iso8859-1", "iso8859-15", "ascii", "cp1252", "utf-16", "utf-16-le", "utf-16-be"}
_DECLARED = re.compile(rb"""<\?xml[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


def parse_xml(octets: bytes, *, instructions: bool = False) -> etree._Element:
    """The root element; comments are dropped, and processing instructions but for what is signed.

    :raises ParseError: with line and column, for what is no XML, too big, too deep, or has a DOCTYPE.
    """
    if len(octets) > MAX_OCTETS:
        raise ParseError(f"more than {MAX_OCTETS} octets of XML", where="1:1", cure="send it without the bulk")
    _check_encoding(octets)
    if _has_doctype(octets):
        raise _doctype()
    parser = etree.XMLParser(
        resolve_entities=False, load_dtd=False, no_network=True, dtd_validation=False, remove_comments=True,
        remove_pis=not instructions, huge_tree=len(octets) > _SMALL,
    )  # fmt: skip
    try:
        root = etree.fromstring(octets, parser)
    except etree.XMLSyntaxError as e:
        line, column = e.position
        raise ParseError(_reason(e), where=f"{line}:{column}", cure="send well-formed XML", code="102") from None
    except ValueError:  # lxml: an encoding declaration its codecs do not know
        raise _encoding("1:1") from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise _doctype()
    if _too_deep(root):
        raise ParseError(f"nested deeper than {MAX_DEPTH}", where="1:1", cure="flatten the document", code="102")
    return root


def _reason(error: etree.XMLSyntaxError) -> str:
    """The kind of the error; the text of libxml2 may quote the document, so it is left out."""
    last = error.error_log.last_error  # type: ignore[attr-defined]  # lxml-stubs do not know it
    kind = last.type_name.removeprefix("ERR_").replace("_", " ").lower() if last is not None else "empty"
    return f"no well-formed XML: {kind}"


def _check_encoding(octets: bytes) -> None:
    for bom, _ in _BOMS:
        if octets.startswith(bom):
            return
    found = _DECLARED.match(octets[:400].lstrip())
    if found is None:
        return
    try:
        name = codecs.lookup(found[1].decode()).name
    except LookupError:
        raise _encoding("1:1") from None
    if name not in _ENCODINGS:
        raise _encoding("1:1")


def _encoding(where: str) -> ParseError:
    return ParseError(
        "an encoding that is not taken", where=where, cure="send UTF-8, UTF-16, ISO-8859-1 or ISO-8859-15", code="102"
    )


def _doctype() -> ParseError:
    return ParseError(
        "the document has a DOCTYPE", where="1:1", cure="send it without a document type declaration", code="102"
    )


def _has_doctype(octets: bytes) -> bool:
    """Look for ``<!DOCTYPE`` in the prolog: before the first element, outside comments and instructions."""
    for bom, codec in _BOMS[1:]:
        if octets.startswith(bom):
            octets = octets[:65536].decode(codec, "ignore").lstrip("\ufeff").encode()
    at = 0
    while True:
        at = octets.find(b"<", at)
        if at < 0:
            return False
        if octets.startswith(b"<!--", at):
            at = octets.find(b"-->", at + 4)
        elif octets.startswith(b"<?", at):
            at = octets.find(b"?>", at + 2)
        else:
            return octets[at : at + 9].upper() == b"<!DOCTYPE"
        if at < 0:
            return False
