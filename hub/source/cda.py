"""CDA-R2: what the hub learns of a document from its header, and how mappings read it.

HL7 CDA Release 2; ANS CI-SIS, volet structuration minimale de documents médicaux (header), référentiel INS.
An auto-presentable document (a style sheet that carries the ClinicalDocument) is read the same way.
"""

from __future__ import annotations

import re
from typing import Final

from lxml import etree

from hub.errors import ParseError
from hub.source.identity import INS_TYPES, root_system
from hub.source.origin import Text
from hub.source.reader import Envelope, Reader
from hub.source.xml import parse_xml

V3: Final = "{urn:hl7-org:v3}"
PS3_20: Final = "{urn:dicom-org:ps3-20}"
SDTC: Final = "{urn:hl7-org:sdtc}"
STRUCTURES: Final = "1.2.250.1.71.4.2.2"
_KEY = 199  # longest key the store holds
_XSL = "{http://www.w3.org/1999/XSL/Transform}stylesheet"
_FINESS = re.compile(r"1([0-9]{9}|2[AB][0-9]{7})")


class Node:
    """An element of the document, its children by name; what it says keeps its path when asked to."""

    __slots__ = ("_kids", "element", "origins")

    def __init__(self, element: etree._Element, origins: bool) -> None:
        self.element, self.origins = element, origins
        self._kids: dict[str, list[Node]] | None = None

    @property
    def kids(self) -> dict[str, list[Node]]:
        if self._kids is None:
            kids: dict[str, list[Node]] = {}
            origins = self.origins
            for child in self.element:
                kids.setdefault(child.tag, []).append(Node(child, origins))
            self._kids = kids
        return self._kids

    def all(self, name: str, namespace: str = V3) -> list[Node]:
        """The children of that name."""
        return self.kids.get(namespace + name) or []

    def one(self, *path: str) -> Node | None:
        """The first child of that name, of the first child... along ``path``; None when one is missing."""
        node: Node | None = self
        for name in path:
            found = node.kids.get(V3 + name) if node is not None else None
            node = found[0] if found else None
        return node

    def attr(self, name: str) -> str | None:
        """An attribute, trimmed; None when it is absent or blank."""
        value = self.element.get(name)
        if not value or not (value := value.strip()):
            return None
        return Text(value, f"{self.path}/@{name}") if self.origins else value

    def text(self) -> str | None:
        """The text below, blanks collapsed; None when there is none."""
        if len(self.element):
            value = " ".join("".join(str(t) for t in self.element.itertext()).split())
        else:
            value = " ".join((self.element.text or "").split())
        if not value:
            return None
        return Text(value, self.path) if self.origins else value

    @property
    def null(self) -> str | None:
        """The nullFlavor."""
        return self.element.get("nullFlavor")

    @property
    def path(self) -> str:
        """Where it stands below ClinicalDocument: ``recordTarget/patientRole/id[1]``."""
        steps: list[str] = []
        element: etree._Element | None = self.element
        while element is not None and element.tag != f"{V3}ClinicalDocument":
            parent = element.getparent()
            same = [e for e in parent if e.tag == element.tag] if parent is not None else []
            name = etree.QName(element).localname
            steps.append(f"{name}[{same.index(element) + 1}]" if len(same) > 1 else name)
            element = parent
        return "/".join(reversed(steps)) or "ClinicalDocument"


class Document(Node):
    """A CDA document.

    :ivar octets: as received, the style sheet around it included.
    :ivar presentable: it is wrapped in a style sheet (application/xslt+xml).
    """

    __slots__ = ("octets", "presentable")

    def __init__(self, octets: bytes, origins: bool = False) -> None:
        root = parse_xml(octets)
        self.octets = octets
        self.presentable = root.tag == _XSL
        found = next(root.iter(f"{V3}ClinicalDocument"), None) if self.presentable else root
        if found is None or found.tag != f"{V3}ClinicalDocument":
            raise ParseError(
                "this is no CDA document: its root is not ClinicalDocument of urn:hl7-org:v3",
                where=f"{root.sourceline}:1", cure="send CDA-R2", code="102",
            )  # fmt: skip
        super().__init__(found, origins)


def ii_text(node: Node | None) -> str:
    """An II as people and XDS write it: ``root^extension``, or ``root`` alone; '' without a root."""
    root = node.attr("root") if node else None
    extension = node.attr("extension") if node else None
    return f"{root}^{extension}" if root and extension else root or ""


def peek(body: bytes) -> Envelope:
    """Read the header.

    :raises ParseError: with line and column when it is no XML or no CDA.
    """
    document = Document(body)
    code = document.one("code")
    kind = (code.attr("code") if code else None) or ""
    custodian = document.one("custodian", "assignedCustodian", "representedCustodianOrganization")
    author = document.one("author", "assignedAuthor", "representedOrganization")
    house = _structure(custodian) or _structure(author)
    finess = _FINESS.fullmatch(house)
    return Envelope(
        type=kind[:64],
        control_id=ii_text(document.one("id"))[:_KEY],
        sender=(_structure(author) or house)[:_KEY],
        establishment=finess[1] if finess else house,
        document=kind,
        order_key=_order_key(document)[:_KEY],
        keys=_keys(document),
        parsed=document,
    )


def _structure(organization: Node | None) -> str:
    """The national identifier of an organisation, else its first."""
    ids = organization.all("id") if organization else []
    best = next((i for i in ids if i.attr("root") == STRUCTURES), ids[0] if ids else None)
    return (best.attr("extension") or best.attr("root") or "") if best else ""


def _patient_ids(document: Document) -> list[tuple[str, str]]:
    role = document.one("recordTarget", "patientRole")
    found = [(i.attr("root"), i.attr("extension")) for i in role.all("id")] if role else []
    return [(root, value) for root, value in found if root and value]


def _order_key(document: Document) -> str:
    ids = _patient_ids(document)
    best = next((i for i in ids if i[0] in INS_TYPES), ids[0] if ids else None)
    return f"{root_system(best[0])}|{best[1]}" if best else ""


def _keys(document: Document) -> tuple[tuple[str, str], ...]:
    keys: dict[tuple[str, str], None] = {}
    for _, value in _patient_ids(document):
        keys["patient", value[:_KEY]] = None
    for node in (*document.all("id"), *document.all("setId")):
        if known := ii_text(node):
            keys["document", known[:_KEY]] = None
    encounter = document.one("componentOf", "encompassingEncounter")
    kind = encounter.one("code") if encounter else None
    board = kind is not None and kind.attr("code") == "VR"  # its ids are those of networks and boards
    for node in encounter.all("id") if encounter and not board else ():
        if number := node.attr("extension"):
            keys["visit", number[:_KEY]] = None
    for fulfilled in document.all("inFulfillmentOf"):
        for order in fulfilled.all("order"):
            for node in order.all("id"):
                if number := node.attr("extension") or node.attr("root"):
                    keys["order", number[:_KEY]] = None
            for node in order.all("accessionNumber", PS3_20):
                if number := node.attr("extension") or node.attr("root"):
                    keys["accession", number[:_KEY]] = None
    return tuple(keys)


def parse(body: bytes, origins: bool = False) -> Document:
    """The document mappings receive."""
    return Document(body, origins)


def check(body: bytes, envelope: Envelope) -> None:
    """What a document needs to be kept at all: who it is (id), what it is (code).

    :raises ParseError: naming the element.
    """
    document = envelope.parsed if isinstance(envelope.parsed, Document) else Document(body)
    identity, code = document.one("id"), document.one("code")
    if identity is None or not identity.attr("root"):
        raise ParseError(
            "the document has no identifier", where="ClinicalDocument/id/@root", cure="send one", code="101"
        )
    if code is None or not code.attr("code"):
        raise ParseError(
            "the document does not say its type", where="ClinicalDocument/code/@code", cure="send one", code="101"
        )


READER: Reader = Reader("cda", "text/xml", peek, parse, check)
