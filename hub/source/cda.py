"""CDA-R2: what the hub learns of a document from its header, and how mappings read it.

HL7 CDA Release 2; ANS CI-SIS, volet structuration minimale de documents médicaux (header), référentiel INS.
An auto-presentable document (a style sheet that carries the ClinicalDocument) is read the same way.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cached_property, partial
from typing import ClassVar, Final, Self

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
_ROOT = f"{V3}ClinicalDocument"
_KEY = 199  # longest key the store holds
_XSL = "{http://www.w3.org/1999/XSL/Transform}stylesheet"
_anchored = etree.XPath(".//*[@ID]")  # in C: a walk would cost as much as the whole parse
_FINESS = re.compile(r"1([0-9]{9}|2[AB][0-9]{7})")


class _Tags(dict[str, str]):
    """Names of CDA as lxml has them, each put together once."""

    def __missing__(self, name: str) -> str:
        tag = self[name] = V3 + name
        return tag


_TAGS: Final = _Tags()


class Node:
    """An element of the document, its children by name."""

    __slots__ = ("_kids", "element")
    traced: ClassVar[bool] = False  # whether values keep where they were read

    def __init__(self, element: etree._Element) -> None:
        self.element = element
        self._kids: dict[str, list[Node]] | None = None

    @property
    def kids(self) -> dict[str, list[Node]]:
        """The children by their full name."""
        kids = self._kids
        return self._open() if kids is None else kids

    def _open(self) -> dict[str, list[Node]]:
        kids: dict[str, list[Node]] = {}
        kind = self._kind()
        for child in self.element:
            tag = child.tag
            found = kids.get(tag)
            if found is None:
                kids[tag] = [kind(child)]
            else:
                found.append(kind(child))
        self._kids = kids
        return kids

    def _kind(self) -> Callable[[etree._Element], Node]:
        return Node

    def all(self, name: str, namespace: str = V3) -> list[Node]:
        """The children of that name."""
        kids = self._kids
        tag = _TAGS[name] if namespace is V3 else namespace + name
        return (self._open() if kids is None else kids).get(tag) or []

    def one(self, name: str, *path: str) -> Node | None:
        """The first child of that name, of the first child... along ``path``; None when one is missing."""
        kids = self._kids
        found = (self._open() if kids is None else kids).get(_TAGS[name])
        if found is None:
            return None
        return found[0].one(*path) if path else found[0]

    def attr(self, name: str) -> str | None:
        """An attribute, trimmed; None when it is absent or blank."""
        value = self.element.get(name)
        return (value.strip() or None) if value else None

    def attrs(self) -> dict[str, str]:
        """All attributes that say something, trimmed."""
        return {str(name): text for name, value in self.element.items() if (text := str(value).strip())}

    def text(self) -> str | None:
        """The text below, blanks collapsed; None when there is none."""
        element = self.element
        value = "".join(element.itertext()) if len(element) else element.text or ""  # type: ignore[arg-type]
        return " ".join(value.split()) or None

    def keep(self, value: str, mark: str = "") -> str:
        """``value``, which was read here; one that remembers adds where: its path and ``mark`` (``/@value``)."""
        del mark
        return value

    def leave(self, why: str, *names: str) -> None:
        """Say that what stands here becomes nothing on purpose.

        :param names: of the children or attributes (``@use``) of which alone that is so.
        :param why: a line of ``tables/cda-coverage.csv``.  For the coverage alone; otherwise it does nothing.
        """

    @property
    def null(self) -> str | None:
        """The nullFlavor."""
        return self.attr("nullFlavor")

    @property
    def path(self) -> str:
        """Where it stands below ClinicalDocument: ``recordTarget/patientRole/id[1]``."""
        return path_of(self.element)


class TracedNode(Node):
    """A node whose values remember their place, and which notes what was asked of it.

    :ivar reads: the places that were read: ``path/@attribute``, or the path of an element for its text.
    :ivar left: path of what is left out on purpose -> why.
    """

    __slots__ = ("left", "reads")
    traced = True

    def __init__(self, element: etree._Element, reads: set[str], left: dict[str, str]) -> None:
        Node.__init__(self, element)  # not that of Document, which may stand between
        self.reads, self.left = reads, left

    def _kind(self) -> Callable[[etree._Element], Node]:
        return partial(TracedNode, reads=self.reads, left=self.left)

    def attr(self, name: str) -> str | None:
        value = super().attr(name)
        if value is None:
            return None
        place = f"{self.path}/@{local_name(name)}"
        self.reads.add(place)
        return Text(value, place)

    def attrs(self) -> dict[str, str]:
        return {str(name): value for name in self.element.keys() if (value := self.attr(str(name)))}  # noqa: SIM118

    def text(self) -> str | None:
        value = super().text()
        return None if value is None else self.keep(value)

    def keep(self, value: str, mark: str = "") -> str:
        place = self.path + mark
        self.reads.add(place)
        return Text(value, place)

    def leave(self, why: str, *names: str) -> None:
        path = self.path
        if not names:
            self.left[path] = why
        for name in names:
            if name[0] == "@":
                self.left[f"{path}/{name}"] = why
            for node in self.all(name):
                self.left[node.path] = why


def local_name(name: str) -> str:
    """A name without its namespace, as paths have it."""
    return name.rpartition("}")[2]


def path_of(element: etree._Element | None) -> str:
    """The path of an element below ClinicalDocument, with the place among its like where it has any."""
    steps: list[str] = []
    while element is not None and element.tag != _ROOT:
        steps.append(local_name(element.tag) + _place(element))
        element = element.getparent()
    return "/".join(reversed(steps)) or "ClinicalDocument"


def _place(element: etree._Element) -> str:
    before = sum(1 for _ in element.itersiblings(element.tag, preceding=True))
    if before or next(element.itersiblings(element.tag), None) is not None:
        return f"[{before + 1}]"
    return ""


class Document(Node):
    """A CDA document.

    :ivar octets: as received, the style sheet around it included.
    :ivar presentable: it is wrapped in a style sheet (application/xslt+xml).
    """

    def __new__(cls, octets: bytes, origins: bool = False) -> Self:
        """With ``origins``, a document whose nodes are :class:`TracedNode`."""
        del octets
        return object.__new__(TracedDocument if origins else cls)  # type: ignore[return-value]

    def __init__(self, octets: bytes, origins: bool = False) -> None:
        del origins  # __new__ has seen to it
        root = parse_xml(octets)
        self.octets = octets
        self.presentable = root.tag == _XSL
        found = next(root.iter(_ROOT), None) if self.presentable else root
        if found is None or found.tag != _ROOT:
            raise ParseError(
                "this is no CDA document: its root is not ClinicalDocument of urn:hl7-org:v3",
                where=f"{root.sourceline}:1", cure="send CDA-R2", code="102",
            )  # fmt: skip
        self._begin(found)

    def _begin(self, found: etree._Element) -> None:
        Node.__init__(self, found)

    @cached_property
    def anchors(self) -> dict[str, Node]:
        """What text/reference may point at: the elements of the document by their ID."""
        kind = self._kind()
        found: list[etree._Element] = _anchored(self.element)  # type: ignore[assignment]
        return {element.get("ID", ""): kind(element) for element in reversed(found)}


class TracedDocument(TracedNode, Document):
    """A document whose values remember their place."""

    def _begin(self, found: etree._Element) -> None:
        TracedNode.__init__(self, found, set(), {})

    def __init__(self, octets: bytes, origins: bool = True) -> None:
        Document.__init__(self, octets, origins)


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
