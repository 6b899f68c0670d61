"""Digests and the signature value.

W3C XML Signature 1.1 §3.2 (core validation), §6.4 (signature algorithms); RFC 8017 (RSA), RFC 6931 (ECDSA as
r and s side by side).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from lxml import etree

from hub.security.certificates import weakness
from hub.services.signing import names
from hub.services.signing.canonical import canonical
from hub.services.signing.gate import Form, Info, Reference, base64, info, refuse
from hub.services.signing.names import DS, Method

HASHES: dict[str, type[hashes.HashAlgorithm]] = {
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}


def signed_info(form: Form) -> tuple[bytes, Info]:
    """SignedInfo as it is signed, and what it says; what is read are the octets that are verified.

    :raises RefusedError: for what the gate does not take.
    """
    from hub.services.signing.gate import canonicalization

    element = form.element[0]
    method = element.find(f"{DS}CanonicalizationMethod")
    if method is None:
        raise refuse("signed-info", "SignedInfo has no CanonicalizationMethod")
    octets = canonical(element, *canonicalization(method))
    said = info(octets)
    key = form.certificates[0].public_key()
    weak = weakness(key)
    if weak:
        raise refuse("weak-key", f"the signer has {weak}", "algorithms")
    if said.method.key != ("rsa" if isinstance(key, rsa.RSAPublicKey) else "ec"):
        raise refuse("signature-algorithm", "the algorithm is none for the key of the certificate", "algorithms")
    return octets, said


def digested(reference: Reference, octets: bytes) -> str:
    """See that the digest of a reference is that of the octets; their SHA-256 in hexadecimal.

    :raises RefusedError: when it is not.
    """
    made = hashlib.new(reference.hash, octets)
    if made.digest() != reference.digest:
        raise refuse("digest", "what was signed has changed", "integrity")
    return made.hexdigest() if reference.hash == "sha256" else hashlib.sha256(octets).hexdigest()


def signed(key: CertificatePublicKeyTypes, method: Method, value: bytes, octets: bytes) -> None:
    """See that a signature is one of these octets by this key.

    :raises RefusedError: when it is not.
    """
    try:
        verify_value(key, method, value, octets)
    except (InvalidSignature, ValueError):
        raise refuse("signature", "the signature is none of the signer's", "integrity") from None


def verify_value(key: CertificatePublicKeyTypes, method: Method, value: bytes, octets: bytes) -> None:
    """The arithmetic of :func:`signed`.

    :raises InvalidSignature, ValueError: when it does not come out.
    """
    algorithm = HASHES[method.hash]()
    if isinstance(key, rsa.RSAPublicKey) and method.key == "rsa":
        scheme: padding.AsymmetricPadding = padding.PKCS1v15()
        if method.padding == "pss":
            scheme = padding.PSS(padding.MGF1(algorithm), algorithm.digest_size)
        key.verify(value, octets, scheme, algorithm)
    elif isinstance(key, ec.EllipticCurvePublicKey) and method.key == "ec":
        half = (key.curve.key_size + 7) // 8
        if len(value) != 2 * half:
            raise InvalidSignature
        der = encode_dss_signature(int.from_bytes(value[:half], "big"), int.from_bytes(value[half:], "big"))
        key.verify(der, octets, ec.ECDSA(algorithm))
    else:
        raise InvalidSignature


def same_key(form: Form) -> None:
    """See that a KeyValue is the key of the certificate.

    :raises RefusedError: when it is another.
    """
    key = form.certificates[0].public_key()
    for value in form.keys:
        child, *more = list(value) or [value]
        given = _key(child)
        if more or given is None or given != _numbers(key):
            raise refuse("key-info", "KeyValue is not the key of the certificate")


def _key(element: etree._Element) -> tuple[int, ...] | None:
    if element.tag == f"{DS}RSAKeyValue" and [c.tag for c in element] == [f"{DS}Modulus", f"{DS}Exponent"]:
        return tuple(int.from_bytes(base64(c, "KeyValue"), "big") for c in element)
    dsig11 = "{http://www.w3.org/2009/xmldsig11#}"
    if element.tag == f"{dsig11}ECKeyValue" and [c.tag for c in element] == [
        f"{dsig11}NamedCurve",
        f"{dsig11}PublicKey",
    ]:
        point = base64(element[1], "KeyValue")
        half = len(point) // 2
        if point[:1] == b"\x04" and len(point) % 2:
            return int.from_bytes(point[1 : half + 1], "big"), int.from_bytes(point[half + 1 :], "big")
    return None


def _numbers(key: CertificatePublicKeyTypes) -> tuple[int, ...]:
    if isinstance(key, rsa.RSAPublicKey):
        public = key.public_numbers()
        return public.n, public.e
    if isinstance(key, ec.EllipticCurvePublicKey):
        point = key.public_numbers()
        return point.x, point.y
    return ()


def resolve(
    references: Sequence[Reference], places: Callable[[Reference], tuple[str, etree._Element]]
) -> dict[str, bytes]:
    """The canonical octets of each reference to an element, by what it is; their digests hold.

    :param places: what a reference is of and its element; raises RefusedError for a place that is not taken.
    :raises RefusedError: when one is there twice, or a digest does not hold.
    """
    found: dict[str, bytes] = {}
    for reference in references:
        what, element = places(reference)
        if what in found:
            raise refuse("reference-set", "the same thing is referred to twice")
        if reference.without_signature:
            raise refuse("transform", "enveloped-signature is for the document itself", "algorithms")
        # W3C XML Signature 1.1 §4.4.3.2: without a transform, a node-set is made octets by Canonical XML 1.0.
        octets = canonical(element, reference.canonical or names.INCLUSIVE, reference.prefixes)
        digested(reference, octets)
        found[what] = octets
    return found
