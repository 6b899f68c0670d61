"""What a signer says of the signature, under the signature: when, and with which certificate.

ETSI EN 319 132-1 (XAdES 1.3.2) §5.2.1 SigningTime, §5.2.2 SigningCertificate; baseline B.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from hub.services.signing import names
from hub.services.signing.gate import Form, base64, refuse
from hub.services.signing.names import DS, XADES


@dataclass(frozen=True, slots=True)
class Properties:
    """:ivar at: SigningTime, with its zone."""

    at: datetime


def place(form: Form) -> etree._Element | None:
    """The SignedProperties of a signature in their one place; None when there are none.

    :raises RefusedError: when there are several, or they are of another signature.
    """
    found = [q for o in form.objects for q in o if q.tag == f"{XADES}QualifyingProperties"]
    every = sum(1 for _ in form.element.iter(f"{XADES}SignedProperties"))
    if not found and not every:
        return None
    signed = [] if len(found) != 1 else [p for p in found[0] if p.tag == f"{XADES}SignedProperties"]
    if len(signed) != 1 or every != 1:
        raise refuse("signed-properties", "SignedProperties are not once and in their place")
    if found[0].get("Target") != f"#{form.element.get('Id')}":
        raise refuse("signed-properties", "QualifyingProperties are not of this signature")
    return signed[0]


def read(octets: bytes, signer: x509.Certificate) -> Properties:
    """SignedProperties, from the octets that were signed.

    :raises RefusedError: when they do not name the certificate of the signer, or no time.
    """
    head = etree.fromstring(octets).find(f"{XADES}SignedSignatureProperties")
    if head is None:
        raise refuse("signed-properties", "there are no SignedSignatureProperties")
    certificate = [c for c in head if c.tag in (f"{XADES}SigningCertificate", f"{XADES}SigningCertificateV2")]
    if not certificate:
        raise refuse("signing-certificate", "the signature does not say which certificate it was made with")
    der = signer.public_bytes(Encoding.DER)
    for one in certificate:
        digest = one.find(f"{XADES}Cert/{XADES}CertDigest")
        method = digest.find(f"{DS}DigestMethod") if digest is not None else None
        value = digest.find(f"{DS}DigestValue") if digest is not None else None
        if method is None or value is None:
            raise refuse("signing-certificate", "SigningCertificate has no digest")
        name = names.DIGESTS.get(method.get("Algorithm") or "")
        if name is None:
            raise refuse("digest-algorithm", "the digest of SigningCertificate is not accepted", "algorithms")
        if hashlib.new(name, der).digest() != base64(value, "CertDigest"):
            raise refuse("signing-certificate", "the signature was made for another certificate", "integrity")
    times = head.findall(f"{XADES}SigningTime")
    if len(times) != 1:
        raise refuse("signing-time", "there is no SigningTime, or several", "time")
    return Properties(instant(times[0].text or "", "SigningTime"))


def instant(text: str, name: str) -> datetime:
    """A time that is told with its zone, in UTC.

    :raises RefusedError: when it is none.
    """
    try:
        at = datetime.fromisoformat(text.strip()[:40])
        if at.tzinfo is None:
            raise refuse("signing-time", f"{name} has no zone", "time")
        return at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise refuse("signing-time", f"{name} is no time", "time") from None
