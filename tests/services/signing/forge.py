"""Signatures as anybody can make them, right and wrong: a signer of its own, which refuses nothing.

W3C XML Signature 1.1, ETSI EN 319 132-1.  Every part can be changed before it is digested or signed, so that an
attack is a signature that would hold if one rule were forgotten.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import hmac
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from lxml import etree

from .pki import DOCTOR, Pair

DS, XA = "http://www.w3.org/2000/09/xmldsig#", "http://uri.etsi.org/01903/v1.3.2#"
EXC = "http://www.w3.org/2001/10/xml-exc-c14n#"
C14N = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
ENV = DS + "enveloped-signature"
XPATH = "http://www.w3.org/TR/1999/REC-xpath-19991116"
SPROPS = "http://uri.etsi.org/01903#SignedProperties"
RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
ECDSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
RSA_SHA1 = DS + "rsa-sha1"
HMAC_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"
DIGESTS = {"sha256": "http://www.w3.org/2001/04/xmlenc#sha256", "sha512": "http://www.w3.org/2001/04/xmlenc#sha512",
           "sha1": DS + "sha1", "md5": "http://www.w3.org/2001/04/xmldsig-more#md5"}  # fmt: skip

Element = etree._Element
Edit = Callable[[Element], None]


def ds(name: str) -> str:
    return f"{{{DS}}}{name}"


def xa(name: str) -> str:
    return f"{{{XA}}}{name}"


def c14n(element: Element, algorithm: str = EXC) -> bytes:
    exclusive = algorithm == EXC
    return bytes(etree.tostring(element, method="c14n", exclusive=exclusive, with_comments=False, with_tail=False))


def b64(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


def stamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def tree(octets: bytes) -> Element:
    return etree.fromstring(octets, etree.XMLParser(resolve_entities=False, no_network=True, remove_blank_text=False))


def octets_of(root: Element) -> bytes:
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8"))


def reference(parent: Element, uri: str, octets: bytes, transforms: Sequence[str] = (), kind: str = "",
              digest: str = "sha256") -> Element:  # fmt: skip
    one = etree.SubElement(parent, ds("Reference"), URI=uri)
    if kind:
        one.set("Type", kind)
    if transforms:
        listed = etree.SubElement(one, ds("Transforms"))
        for name in transforms:
            etree.SubElement(listed, ds("Transform"), Algorithm=name)
    etree.SubElement(one, ds("DigestMethod"), Algorithm=DIGESTS[digest])
    etree.SubElement(one, ds("DigestValue")).text = b64(hashlib.new(digest, octets, usedforsecurity=False).digest())
    return one


def properties(certificate, at: datetime, target: str, name: str = "props") -> Element:
    holder = etree.Element(xa("QualifyingProperties"), Target=f"#{target}", nsmap={"xades": XA})
    signed = etree.SubElement(holder, xa("SignedProperties"), Id=name)
    said = etree.SubElement(signed, xa("SignedSignatureProperties"))
    etree.SubElement(said, xa("SigningTime")).text = stamp(at)
    cert = etree.SubElement(etree.SubElement(said, xa("SigningCertificateV2")), xa("Cert"))
    digest = etree.SubElement(cert, xa("CertDigest"))
    etree.SubElement(digest, ds("DigestMethod"), Algorithm=DIGESTS["sha256"])
    etree.SubElement(digest, ds("DigestValue")).text = b64(certificate.fingerprint(hashes.SHA256()))
    return holder


def value(info: Element, pair: Pair, method: str, algorithm: str = EXC) -> bytes:
    octets = c14n(info, algorithm)
    if method == HMAC_SHA256:  # keyed with what everybody knows
        public = pair.certificate.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return hmac.digest(public, octets, "sha256")
    if isinstance(pair.key, ec.EllipticCurvePrivateKey):
        half = (pair.key.curve.key_size + 7) // 8
        r, s = decode_dss_signature(pair.key.sign(octets, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(half, "big") + s.to_bytes(half, "big")
    used = hashes.SHA1() if method == RSA_SHA1 else hashes.SHA256()
    return pair.key.sign(octets, padding.PKCS1v15(), used)


def sign(
    octets: bytes, pair: Pair, *, at: datetime | None = None, method: str = "", digest: str = "sha256",
    transforms: Sequence[str] = (ENV, EXC), uri: str = "", data: bytes | None = None, xades: bool = True,
    before: Edit | None = None, info: Edit | None = None, certificates: Sequence[object] | None = None,
    algorithm: str = EXC, where: Callable[[Element], Element] | None = None, front: int | None = None,
) -> bytes:  # fmt: skip
    """Sign a document, enveloped.

    :param data: what the digest of the document is of; default: the document without the signature.
    :param before: edits Signature before anything is digested; ``info`` edits SignedInfo before it is signed.
    :param where: the parent of Signature; ``front`` its place in it.
    """
    root = tree(octets)
    name = "sig"
    ec_key = isinstance(pair.key, ec.EllipticCurvePrivateKey)
    element = etree.Element(ds("Signature"), Id=name, nsmap={"ds": DS})
    said = etree.SubElement(element, ds("SignedInfo"))
    etree.SubElement(said, ds("CanonicalizationMethod"), Algorithm=algorithm)
    method = method or (ECDSA_SHA256 if ec_key else RSA_SHA256)
    etree.SubElement(said, ds("SignatureMethod"), Algorithm=method)
    slot = etree.SubElement(element, ds("SignatureValue"))
    held = etree.SubElement(etree.SubElement(element, ds("KeyInfo")), ds("X509Data"))
    for one in pair.chain[:2] if certificates is None else certificates:
        etree.SubElement(held, ds("X509Certificate")).text = b64(one.public_bytes(serialization.Encoding.DER))
    if xades:
        etree.SubElement(element, ds("Object")).append(
            properties(pair.certificate, at or datetime.now(UTC), name, "props")
        )
    covered = (c14n(root) if EXC in transforms else c14n(root, C14N)) if data is None else data
    parent = where(root) if where else root
    parent.insert(len(parent) if front is None else front, element)
    if before is not None:
        before(element)
    reference(said, uri, covered, transforms, digest=digest)
    signed = element.find(f".//{xa('SignedProperties')}")
    if signed is not None:
        reference(said, f"#{signed.get('Id')}", c14n(signed), [EXC], SPROPS, digest)
    if info is not None:
        info(said)
    slot.text = b64(value(said, pair, method, algorithm))
    return octets_of(root)


def cda(octets: bytes, doctor: str = DOCTOR) -> bytes:
    """A CDA document that this doctor answers for."""
    head, tag, rest = octets.partition(b"<legalAuthenticator")
    answered = re.sub(
        rb'(<id root="1\.2\.250\.1\.71\.4\.2\.1" extension=")[^"]*', rb"\g<1>" + doctor.encode(), rest, count=1
    )
    return head + tag + answered


def edited(octets: bytes, edit: Edit) -> bytes:
    """A signed document, changed afterwards."""
    root = tree(octets)
    edit(root)
    return octets_of(root)


def copied(element: Element) -> Element:
    return copy.deepcopy(element)
