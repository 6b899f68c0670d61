"""METADATA.XML: what an archive says of its documents and of their submission, read and written.

OASIS ebRIM 3.0 (rim, lcm) as IHE ITI TF-3 §4.2 uses it for XDS metadata; ANS CI-SIS, volet Échange de
documents de santé.  Read with tolerance (namespaces missing or undeclared, any order of elements, blanks
before the root); written in the order of the schema, with identifiers that depend on the content alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from lxml import etree

from hub.errors import ParseError, TooLargeError
from hub.source.origin import Text
from hub.source.xml import parse_xml

MAX_OCTETS: Final = 4 << 20
MAX_OBJECTS: Final = 1000
RIM: Final = "urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0"
LCM: Final = "urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0"
_TYPE: Final = "urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:"
DOCUMENT_OBJECT: Final = "urn:uuid:7edca82f-054d-47f2-a032-9b2a5b5186c1"
HAS_MEMBER: Final = "urn:oasis:names:tc:ebxml-regrep:AssociationType:HasMember"
REPLACES: Final = "urn:ihe:iti:2007:AssociationType:RPLC"
SET_NODE: Final = "urn:uuid:a54d6aa5-d40d-43f9-88c5-b4633d873bdd"

# IHE ITI TF-3 §4.2.5.2: the classification and identification schemes, by the name of the attribute.
DOCUMENT: Final = {
    "author": "urn:uuid:93606bcf-9494-43ec-9b4e-a7748d1a838d",
    "class": "urn:uuid:41a5887f-8865-4c09-adf7-e362475b143a",
    "confidentiality": "urn:uuid:f4f85eac-e6cb-4883-b524-f2705394840f",
    "event": "urn:uuid:2c6b8cb7-8b2a-4051-b291-b1ae6a575ef4",
    "format": "urn:uuid:a09d5840-386c-46f2-b5ad-9c3699a4309d",
    "facility": "urn:uuid:f33fb8ac-18af-42cc-ae0e-ed0b0bdb91e1",
    "practice": "urn:uuid:cccf5598-8b07-4b77-a05e-ae952c785ead",
    "type": "urn:uuid:f0306f51-975f-434e-a61c-c59651d33983",
    "patientId": "urn:uuid:58a6f841-87b3-4a3e-92fd-a8ffeff98427",
    "uniqueId": "urn:uuid:2e82c1f6-a085-4c72-9da3-8640a32e42ab",
}
SUBMISSION: Final = {
    "author": "urn:uuid:a7058bb9-b4e4-4307-ba5b-e3f0ab85e12d",
    "contentType": "urn:uuid:aa543740-bdda-424e-8c96-df4873be8500",
    "patientId": "urn:uuid:6b5aea1a-874d-4603-a4bc-96a0a7b38446",
    "sourceId": "urn:uuid:554ac39e-e3fe-47fe-b233-965d2a147832",
    "uniqueId": "urn:uuid:96fdda7c-d067-4183-912e-bf5ee74998a8",
}
_NAMES = {  # what an ExternalIdentifier is called in its own rim:Name
    DOCUMENT["patientId"]: "XDSDocumentEntry.patientId", DOCUMENT["uniqueId"]: "XDSDocumentEntry.uniqueId",
    SUBMISSION["patientId"]: "XDSSubmissionSet.patientId", SUBMISSION["sourceId"]: "XDSSubmissionSet.sourceId",
    SUBMISSION["uniqueId"]: "XDSSubmissionSet.uniqueId",
}  # fmt: skip
_UUIDS = {**{v: v for v in DOCUMENT.values()}, **{v: v for v in SUBMISSION.values()}}
_PREFIX = re.compile(rb"</?([A-Za-z_][\w.-]*):")
_ROOT = re.compile(rb"<[A-Za-z_][\w.:-]*")
Slots = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Code:
    """A Classification: a code, its coding scheme (an OID), its name; of an author the slots."""

    scheme: str
    code: str = ""
    system: str = ""
    display: str = ""
    slots: Slots = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RegistryObject:
    """A document (ExtrinsicObject) or a set of them (RegistryPackage).

    :ivar schemes: names of its attributes, :data:`DOCUMENT` or :data:`SUBMISSION`.
    """

    id: str
    schemes: Mapping[str, str]
    mime: str = ""
    title: str = ""
    comments: str = ""
    slots: Slots = field(default_factory=dict)
    codes: tuple[Code, ...] = ()
    identifiers: Mapping[str, str] = field(default_factory=dict)

    def slot(self, name: str) -> str:
        """The first value of a slot, or ''."""
        return next(iter(self.slots.get(name, ())), "")

    def all(self, name: str) -> list[Code]:
        """The classifications of one attribute: ``type``, ``confidentiality``, ``author``..."""
        scheme = self.schemes[name]
        return [c for c in self.codes if c.scheme == scheme]

    def code(self, name: str) -> Code | None:
        return next(iter(self.all(name)), None)

    def identifier(self, name: str) -> str:
        """``uniqueId``, ``patientId`` or ``sourceId``; '' when it is not told."""
        return self.identifiers.get(self.schemes[name], "")


@dataclass(frozen=True, slots=True)
class Association:
    """``source`` does ``kind`` (HasMember, RPLC) to ``target``; both are ids of objects."""

    kind: str
    source: str
    target: str


@dataclass(frozen=True, slots=True)
class Metadata:
    """One METADATA.XML: the submission set (None when it has none), its documents, and what ties them."""

    submission: RegistryObject | None
    documents: tuple[RegistryObject, ...]
    associations: tuple[Association, ...] = ()

    @property
    def actions(self) -> frozenset[str]:
        """``D`` (delete) or ``C`` (replace): the French extra metadata, in a slot whose name ends so."""
        objects = [*([self.submission] if self.submission else []), *self.documents]
        return frozenset(v for o in objects for n, vs in o.slots.items() if n.lower().endswith("action") for v in vs)


def read(octets: bytes, origins: bool = False) -> Metadata:
    """Read a METADATA.XML.

    :raises ParseError: with line and column; with the object that lacks something.
    """
    if len(octets) > MAX_OCTETS:
        raise TooLargeError(f"more than {MAX_OCTETS} octets of metadata", where="1:1", cure="send fewer documents")
    root = _parse(octets.lstrip(b" \t\r\n"))
    found: dict[str, list[etree._Element]] = {}
    for element in root.iter(etree.Element):
        found.setdefault(_name(element), []).append(element)
    packages, extrinsic = found.get("RegistryPackage", []), found.get("ExtrinsicObject", [])
    if len(packages) + len(extrinsic) > MAX_OBJECTS:
        raise TooLargeError(f"more than {MAX_OBJECTS} objects", where="METADATA.XML", cure="send fewer documents")
    marked = {
        e.get("classifiedObject", "")
        for e in found.get("Classification", ())
        if e.get("classificationNode", "").lower() == SET_NODE
    }
    sets = [p for p in packages if p.get("id") in marked] or [p for p in packages if _is_set(p)]
    if len(sets) > 1:
        raise ParseError(
            "two submission sets in one METADATA.XML", where="RegistryPackage", cure="write one SUBSET each", code="906"
        )
    return Metadata(
        _object(sets[0], SUBMISSION, "RegistryPackage" if origins else "") if sets else None,
        tuple(_object(e, DOCUMENT, f"ExtrinsicObject[{i + 1}]" if origins else "") for i, e in enumerate(extrinsic)),
        tuple(
            Association(e.get("associationType", ""), e.get("sourceObject", ""), e.get("targetObject", ""))
            for e in found.get("Association", ())
        ),
    )


def _parse(octets: bytes) -> etree._Element:
    try:
        return parse_xml(octets)
    except ParseError:
        # Prefixes that nobody declared, as published samples have them: declare them, and try once more.
        declared = set(re.findall(rb"xmlns:([\w.-]+)\s*=", octets))
        missing = sorted({p for p in _PREFIX.findall(octets) if p not in declared})[:10]
        start = _ROOT.search(octets)
        if not missing or start is None:
            raise
        more = b"".join(b' xmlns:%b="urn:undeclared:%b"' % (p, p) for p in missing)
        return parse_xml(octets[: start.end()] + more + octets[start.end() :])


def _name(element: etree._Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _kids(element: etree._Element, name: str) -> list[etree._Element]:
    return [k for k in element if isinstance(k.tag, str) and _name(k) == name]


def _is_set(package: etree._Element) -> bool:
    return any(e.get("identificationScheme", "").lower() == SUBMISSION["uniqueId"] for e in package)


def _text(value: str | None, origin: str) -> str:
    value = (value or "").strip()
    return Text(value, origin) if origin and value else value


def _label(element: etree._Element, name: str, origin: str) -> str:
    for kid in _kids(element, name):
        for text in _kids(kid, "LocalizedString"):
            return _text(text.get("value"), origin and f"{origin}/{name}")
    return ""


def _slots(element: etree._Element, origin: str) -> dict[str, tuple[str, ...]]:
    made: dict[str, list[str]] = {}
    for slot in _kids(element, "Slot"):
        name = slot.get("name", "")
        at = origin and f"{origin}/{name}"
        values = (_text(v.text, at) for kid in _kids(slot, "ValueList") for v in _kids(kid, "Value"))
        made.setdefault(name, []).extend(v for v in values if v)
    return {name: tuple(values) for name, values in made.items()}


def _object(element: etree._Element, schemes: Mapping[str, str], origin: str) -> RegistryObject:
    named = {uuid: name for name, uuid in schemes.items()}
    codes = []
    for kid in _kids(element, "Classification"):
        scheme = kid.get("classificationScheme", "").lower()
        if scheme in _UUIDS:
            at = origin and f"{origin}/{named.get(scheme, scheme)}"
            slots = _slots(kid, at)
            system = next(iter(slots.get("codingScheme", ())), "")
            code = _text(kid.get("nodeRepresentation"), at)
            codes.append(Code(_UUIDS[scheme], code, system, _label(kid, "Name", at), slots))
    known = {}
    for kid in _kids(element, "ExternalIdentifier"):
        scheme = kid.get("identificationScheme", "").lower()
        known[_UUIDS.get(scheme, scheme)] = _text(kid.get("value"), origin and f"{origin}/{named.get(scheme, scheme)}")
    return RegistryObject(
        element.get("id", ""), schemes, _text(element.get("mimeType"), origin and f"{origin}/@mimeType"),
        _label(element, "Name", origin), _label(element, "Description", origin), _slots(element, origin),
        tuple(codes), known,
    )  # fmt: skip


def write(metadata: Metadata) -> bytes:
    """A lcm:SubmitObjectsRequest, in the order of the schema."""
    root = etree.Element(f"{{{LCM}}}SubmitObjectsRequest", nsmap={"lcm": LCM, "rim": RIM})
    inside = _add(root, "RegistryObjectList")
    numbers = iter(range(1, 1_000_000))
    for one in metadata.documents:
        _write(_add(inside, "ExtrinsicObject", id=one.id, mimeType=one.mime, objectType=DOCUMENT_OBJECT), one, numbers)
    if (made := metadata.submission) is not None:
        _write(_add(inside, "RegistryPackage", id=made.id), made, numbers)
        _add(
            inside, "Classification", id=f"id{next(numbers)}", classifiedObject=made.id, classificationNode=SET_NODE,
            objectType=f"{_TYPE}Classification",
        )  # fmt: skip
    for tie in metadata.associations:
        element = _add(
            inside, "Association", id=f"id{next(numbers)}", associationType=tie.kind, sourceObject=tie.source,
            targetObject=tie.target, objectType=f"{_TYPE}Association",
        )  # fmt: skip
        if tie.kind == HAS_MEMBER:
            _write_slots(element, {"SubmissionSetStatus": ("Original",)})
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def _add(parent: etree._Element, tag: str, /, **attributes: str) -> etree._Element:
    return etree.SubElement(parent, f"{{{RIM}}}{tag}", {k: v for k, v in attributes.items() if v})


def _write(element: etree._Element, one: RegistryObject, numbers: Iterable[int]) -> None:
    count = iter(numbers)
    _write_slots(element, one.slots)
    _write_label(element, "Name", one.title)
    _write_label(element, "Description", one.comments)
    for code in one.codes:
        made = _add(
            element, "Classification", id=f"id{next(count)}", classificationScheme=code.scheme,
            classifiedObject=one.id, objectType=f"{_TYPE}Classification",
        )  # fmt: skip
        made.set("nodeRepresentation", code.code)  # of an author it is there, and empty
        _write_slots(made, code.slots or {"codingScheme": (code.system,)})
        _write_label(made, "Name", code.display)
    for scheme, value in one.identifiers.items():
        made = _add(
            element, "ExternalIdentifier", id=f"id{next(count)}", identificationScheme=scheme, registryObject=one.id,
            value=value, objectType=f"{_TYPE}ExternalIdentifier",
        )  # fmt: skip
        _write_label(made, "Name", _NAMES.get(scheme, ""))


def _write_slots(element: etree._Element, slots: Slots) -> None:
    for name, values in slots.items():
        inside = _add(_add(element, "Slot", name=name), "ValueList")
        for value in values:
            _add(inside, "Value").text = value


def _write_label(element: etree._Element, name: str, text: str) -> None:
    if text:
        _add(_add(element, name), "LocalizedString", value=text)
