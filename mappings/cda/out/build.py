"""Elements of a CDA document, written as they nest.

HL7 CDA R2 (XML ITS 1.0).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from lxml import etree

V3: Final = "urn:hl7-org:v3"
PS3_20: Final = "urn:dicom-org:ps3-20"
_XSI: Final = "http://www.w3.org/2001/XMLSchema-instance"
_NAMESPACES = {None: V3, "xsi": _XSI, "ps3-20": PS3_20}
_NARRATIVE: Final = f"{{{V3}}}text"
TYPE: Final = f"{{{_XSI}}}type"

_UNSOUND = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")

Made = etree._Element
Kid = Made | str | None | Iterable[Made | None]
Attributes = Mapping[str, str | None]


def el(name: str, attributes: Attributes | None = None, *kids: Kid) -> Made:
    """An element with its attributes (those that are None are left out) and what stands in it.

    :param name: of the namespace of CDA, or ``{namespace}name``.
    """
    made = etree.Element(name if name[0] == "{" else f"{{{V3}}}{name}", nsmap=_NAMESPACES)  # type: ignore[arg-type]  # stubs: None is a prefix
    for key, value in (attributes or {}).items():
        if value is not None:
            made.set(key, _sound(value))
    for kid in kids:
        if isinstance(kid, str):
            made.text = (made.text or "") + _sound(kid)
        elif isinstance(kid, etree._Element):
            made.append(kid)
        elif kid is not None:
            made.extend(x for x in kid if x is not None)
    return made


def _sound(text: str) -> str:
    """Text without the characters that XML 1.0 (§2.2) has no way to write."""
    return _UNSOUND.sub("", text)


def some(name: str, attributes: Attributes | None = None, *kids: Kid) -> Made | None:
    """:func:`el`, or None when nothing would stand in it."""
    made = el(name, attributes, *kids)
    return made if len(made) or made.text or made.attrib else None


def null(name: str, flavor: str = "UNK") -> Made:
    """An element that is asked for and of which nothing is known."""
    return el(name, {"nullFlavor": flavor})


def octets(root: Made) -> bytes:
    """The document, as it is sent."""
    etree.cleanup_namespaces(root, keep_ns_prefixes=["xsi"])
    _indent(root, "\n")
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8") + b"\n"


def _indent(parent: Made, line: str) -> None:
    """Put each element on a line; what has words (the narrative) stays as it is."""
    if parent.text or not len(parent) or parent.tag == _NARRATIVE:
        return
    parent.text = line + "  "
    for child in parent:
        _indent(child, line + "  ")
        child.tail = line + "  "
    parent[-1].tail = line
