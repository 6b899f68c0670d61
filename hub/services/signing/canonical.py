"""Canonical octets of an element.

W3C Canonical XML 1.0 and 1.1, Exclusive XML Canonicalization 1.0, all without comments; by libxml2.  Of a part of
a document libxml2 loses namespaces that it inherits, so a part is made a document of its own first; it also
leaves out inherited ``xml:*`` attributes, so with those inclusive canonicalisation is refused rather than done
wrongly.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lxml import etree

from hub.services.signing import names
from hub.services.signing.gate import refuse

_PLAIN: Any = {"resolve_entities": False, "load_dtd": False, "no_network": True}
_XML = "{http://www.w3.org/XML/1998/namespace}"


def canonical(element: etree._Element, algorithm: str = names.EXCLUSIVE, prefixes: Sequence[str] = ()) -> bytes:
    """The canonical form of an element with all that is in it.

    :raises RefusedError: when there is none, or libxml2 would make another than the standard.
    """
    exclusive = algorithm == names.EXCLUSIVE
    if not exclusive and any(
        isinstance(name, str) and name.startswith(_XML)
        for up in element.iterancestors()
        for name in up.keys()  # noqa: SIM118 - an element is no dict
    ):
        raise refuse("canonicalization", "inclusive canonicalisation below xml: attributes", "integrity")
    try:
        if element.getparent() is not None:  # written out, it declares every namespace that it inherits
            element = etree.fromstring(etree.tostring(element, with_tail=False), etree.XMLParser(**_PLAIN))
        made: bytes = etree.tostring(
            element, method="c14n", exclusive=exclusive, with_comments=False, with_tail=False,
            inclusive_ns_prefixes=list(prefixes) or None,
        )  # fmt: skip
    except (etree.LxmlError, ValueError):
        raise refuse("canonicalization", "there is no canonical form", "integrity") from None
    if not made.startswith(b"<"):  # nothing, digested, would be the same for every document
        raise refuse("canonicalization", "there is no canonical form", "integrity")
    return made


def whole(octets: bytes, algorithm: str) -> bytes:
    """The canonical form of a document that is XML, its instructions outside the root included.

    :raises RefusedError: when it is none.
    """
    from hub.services.signing.gate import document

    tree = document(octets).getroottree()
    try:
        made: bytes = etree.tostring(tree, method="c14n", exclusive=algorithm == names.EXCLUSIVE, with_comments=False)
    except (etree.C14NError, ValueError):
        raise refuse("canonicalization", "there is no canonical form", "integrity") from None
    return made


def take_out(element: etree._Element) -> None:
    """Take an element out of its parent; the text behind it stays."""
    parent, before, tail = element.getparent(), element.getprevious(), element.tail or ""
    if parent is None:
        return
    element.tail = None
    parent.remove(element)
    if before is not None:
        before.tail = (before.tail or "") + tail
    else:
        parent.text = (parent.text or "") + tail
