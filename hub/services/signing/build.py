"""Makes signatures: enveloped XAdES B in a document, and DSG documents over others of any format.

ETSI EN 319 132-1 (XAdES B), IHE ITI DSG (detached).  All with SHA-256 and exclusive canonicalisation, each
transform written out, so that every verifier digests the same octets.  A signature is prepared with all but its
value and completed with it: between the two lies the seal of the hub, or the card of a person.
"""

from __future__ import annotations

import base64
import hashlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from hub.errors import InvalidError
from hub.security import certificates, revocation
from hub.services.signing import gate, names
from hub.services.signing.canonical import canonical
from hub.services.signing.names import DS, DS_URI, HL7, SAML, XADES, XADES_URI
from hub.services.signing.seal import Sealer, algorithm
from hub.services.signing.verdict import RefusedError


@dataclass(frozen=True, slots=True)
class Prepared:
    """A signature without its value.

    :ivar octets: the document with the signature in it, its SignatureValue empty.
    :ivar to_sign: canonical SignedInfo: what the key signs.
    """

    octets: bytes
    to_sign: bytes

    @property
    def digest(self) -> bytes:
        """SHA-256 of what is signed, for a card that is given a digest."""
        return hashlib.sha256(self.to_sign).digest()


def complete(prepared: bytes, value: bytes) -> bytes:
    """Put the value into a prepared signature.

    :raises RefusedError: when there is no signature that waits for one.
    """
    root = gate.document(prepared)
    element = gate.the_signature(root)
    slot = element.find(f"{DS}SignatureValue") if element is not None else None
    if slot is None or len(slot) or slot.text:
        raise gate.refuse("prepared", "there is no signature that waits for its value")
    slot.text = _b64(value)
    return _written(root)


def seal_document(octets: bytes, sealer: Sealer, at: datetime) -> bytes:
    """Seal an XML document by an enveloped signature.

    :raises InvalidError: for what is no XML, has instructions beside its root, is signed already, or is a CDA:
        its schema has no place for a signature, so CDA documents are signed by :func:`seal_documents`.
    """
    try:
        root = gate.document(octets)
        signed = gate.the_signature(root) is not None
    except RefusedError as error:
        raise InvalidError(error.what, cure="seal it by a document of its own (DSG)") from None
    if root.tag == f"{HL7}ClinicalDocument":
        raise InvalidError("a CDA document has no place for a signature", cure="seal it by a document of its own (DSG)")
    if signed or root.getprevious() is not None or root.getnext() is not None:
        what = "it is signed already" if signed else "it has processing instructions beside its root"
        raise InvalidError(what, cure="seal it by a document of its own (DSG)")
    prepared = prepare_enveloped(root, sealer.chain, at)
    return complete(prepared.octets, sealer.sign(prepared.to_sign))


def seal_documents(
    documents: Mapping[str, bytes], sealer: Sealer, at: datetime, *, submission: str = "", purpose: str = "source"
) -> bytes:
    """A DSG document over others.

    :param documents: by the URI that names each (``urn:oid:1.2.3``).
    :param submission: uniqueId of the submission set.
    """
    prepared = prepare_dsg(documents, sealer.chain, at, submission=submission, purpose=purpose)
    return complete(prepared.octets, sealer.sign(prepared.to_sign))


def prepare_enveloped(root: etree._Element, chain: Sequence[x509.Certificate], at: datetime) -> Prepared:
    """An enveloped signature at the end of a document, behind Issuer in an assertion."""
    element, name = _skeleton(chain)
    whole = canonical(root)  # before the signature is in it: that is what the transform leaves
    uri = ""
    if root.tag == f"{SAML}Assertion":
        uri = f"#{root.get('ID')}"
        root.insert(1, element)
    else:
        _properties(element, name, chain[0], at)
        root.append(element)
    root = gate.document(_written(root))  # namespaces as a reader will see them
    found = gate.the_signature(root)
    if found is None:
        raise AssertionError("unreachable")
    info = found[0]
    _reference(info, uri, whole, transforms=(names.ENVELOPED, names.EXCLUSIVE))
    for properties in found.iter(f"{XADES}SignedProperties"):
        _reference(info, f"#{properties.get('Id')}", canonical(properties), names.SIGNED_PROPERTIES, _EXCLUSIVE)
    return Prepared(_written(root), canonical(info))


def prepare_dsg(
    documents: Mapping[str, bytes],
    chain: Sequence[x509.Certificate],
    at: datetime,
    *,
    submission: str = "",
    purpose: str = "source",
) -> Prepared:
    """A DSG document without its value."""
    element, name = _skeleton(chain)
    manifest = _sub(_sub(element, "Object"), "Manifest", Id=f"manifest-{name}")
    if submission:
        # IHE DSG: the submission set is named, with a digest of one octet that says nothing
        _reference(manifest, f"urn:oid:{submission.removeprefix('urn:oid:')}", None)
    for uri, octets in documents.items():
        _reference(manifest, uri, octets)
    holder = _sub(_sub(element, "Object"), "SignatureProperties")
    said = _sub(holder, "SignatureProperty", Id=f"purpose-{name}", Target=f"#{name}")
    said.text = names.PURPOSES[purpose][0]
    _properties(element, name, chain[0], at)
    element = gate.document(_written(element))
    for part, kind in (
        (element.find(f".//{DS}Manifest"), names.MANIFEST),
        (element.find(f".//{DS}SignatureProperty"), f"{DS_URI}SignatureProperty"),
        (element.find(f".//{XADES}SignedProperties"), names.SIGNED_PROPERTIES),
    ):
        if part is not None:
            _reference(element[0], f"#{part.get('Id')}", canonical(part), kind, _EXCLUSIVE)
    return Prepared(_written(element), canonical(element[0]))


_EXCLUSIVE = (names.EXCLUSIVE,)


def _skeleton(chain: Sequence[x509.Certificate]) -> tuple[etree._Element, str]:
    """(Signature, its Id) with methods, an empty value and certificates."""
    name = f"s-{uuid.uuid4()}"
    element = etree.Element(f"{DS}Signature", Id=name, nsmap={"ds": DS_URI})
    info = _sub(element, "SignedInfo")
    _sub(info, "CanonicalizationMethod", Algorithm=names.EXCLUSIVE)
    _sub(info, "SignatureMethod", Algorithm=algorithm(chain[0]))
    _sub(element, "SignatureValue")
    data = _sub(_sub(element, "KeyInfo"), "X509Data")
    for one in chain[: names.MAX_CERTIFICATES]:
        if one.subject != one.issuer:  # whoever verifies has the roots, or has no use for them
            _sub(data, "X509Certificate").text = _b64(one.public_bytes(Encoding.DER))
    return element, name


def _properties(element: etree._Element, name: str, certificate: x509.Certificate, at: datetime) -> None:
    holder = etree.SubElement(
        _sub(element, "Object"), f"{XADES}QualifyingProperties", Target=f"#{name}", nsmap={"xades": XADES_URI}
    )
    signed = etree.SubElement(holder, f"{XADES}SignedProperties", Id=f"properties-{name}")
    said = etree.SubElement(signed, f"{XADES}SignedSignatureProperties")
    etree.SubElement(said, f"{XADES}SigningTime").text = revocation.stamp(at)
    digest = etree.SubElement(
        etree.SubElement(etree.SubElement(said, f"{XADES}SigningCertificateV2"), f"{XADES}Cert"), f"{XADES}CertDigest"
    )
    _sub(digest, "DigestMethod", Algorithm=names.SHA256)
    _sub(digest, "DigestValue").text = _b64(bytes.fromhex(certificates.fingerprint(certificate)))


def _reference(
    parent: etree._Element, uri: str, octets: bytes | None, kind: str = "", transforms: Sequence[str] = ()
) -> None:
    one = _sub(parent, "Reference", URI=uri)
    if kind:
        one.set("Type", kind)
    if transforms:
        listed = _sub(one, "Transforms")
        for name in transforms:
            _sub(listed, "Transform", Algorithm=name)
    _sub(one, "DigestMethod", Algorithm=names.SHA256)
    _sub(one, "DigestValue").text = _b64(b"\0" if octets is None else hashlib.sha256(octets).digest())


def _sub(parent: etree._Element, name: str, **attributes: str) -> etree._Element:
    return etree.SubElement(parent, f"{DS}{name}", attributes)


def _written(root: etree._Element) -> bytes:
    made: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8")
    return made


def _b64(octets: bytes) -> str:
    return base64.b64encode(octets).decode()
