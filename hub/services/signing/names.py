"""Names and tables of XML signatures: namespaces, algorithms that are taken, bounds.

W3C XML Signature 1.1 §6, RFC 9231 (URIs), ANSSI RGS B1: SHA-256 at least; no HMAC, no DSA, no transform that
computes.  An algorithm that is not in these tables is refused, so there is nothing to switch off.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

DS: Final = "{http://www.w3.org/2000/09/xmldsig#}"
XADES: Final = "{http://uri.etsi.org/01903/v1.3.2#}"
HL7: Final = "{urn:hl7-org:v3}"
SAML: Final = "{urn:oasis:names:tc:SAML:2.0:assertion}"
DS_URI, XADES_URI, SAML_URI = DS[1:-1], XADES[1:-1], SAML[1:-1]
XML_ID: Final = "{http://www.w3.org/XML/1998/namespace}id"
IDS: Final = ("Id", "ID", "id", XML_ID)

EXCLUSIVE: Final = "http://www.w3.org/2001/10/xml-exc-c14n#"
INCLUSIVE: Final = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
INCLUSIVE_11: Final = "http://www.w3.org/2006/12/xml-c14n11"
CANONICAL: Final = frozenset({EXCLUSIVE, INCLUSIVE, INCLUSIVE_11})  # all without comments
ENVELOPED: Final = DS_URI + "enveloped-signature"
XPATH: Final = "http://www.w3.org/TR/1999/REC-xpath-19991116"
SIGNED_PROPERTIES: Final = "http://uri.etsi.org/01903#SignedProperties"
MANIFEST: Final = DS_URI + "Manifest"

DIGESTS: Final = {
    "http://www.w3.org/2001/04/xmlenc#sha256": "sha256",
    "http://www.w3.org/2001/04/xmldsig-more#sha384": "sha384",
    "http://www.w3.org/2001/04/xmlenc#sha512": "sha512",
}
SHA256: Final = "http://www.w3.org/2001/04/xmlenc#sha256"


@dataclass(frozen=True, slots=True)
class Method:
    """A signature algorithm."""

    key: Literal["rsa", "ec"]
    padding: Literal["pkcs1", "pss", ""]
    hash: str


_MORE = "http://www.w3.org/2001/04/xmldsig-more#"
_PSS = "http://www.w3.org/2007/05/xmldsig-more#"
METHODS: Final = {
    **{f"{_MORE}rsa-sha{n}": Method("rsa", "pkcs1", f"sha{n}") for n in (256, 384, 512)},
    **{f"{_PSS}sha{n}-rsa-MGF1": Method("rsa", "pss", f"sha{n}") for n in (256, 384, 512)},
    **{f"{_MORE}ecdsa-sha{n}": Method("ec", "", f"sha{n}") for n in (256, 384, 512)},
}
RSA_SHA256: Final = f"{_MORE}rsa-sha256"
ECDSA_SHA256: Final = f"{_MORE}ecdsa-sha256"

MAX_OCTETS: Final = 64 * 1024 * 1024  # of a signed document
MAX_SIGNATURE: Final = 1024 * 1024  # elements of it that are looked at one by one
MAX_REFERENCES: Final = 6  # of SignedInfo: the data, SignedProperties, KeyInfo, Manifest, purpose
MAX_MANIFEST: Final = 200  # documents of a submission
MAX_CERTIFICATES: Final = 4
MAX_PREFIXES: Final = 64  # canonicalisation compares each with each
MAX_NAMESPACES: Final = 1000
MAX_ATTRIBUTES: Final = 256  # of one element: they are sorted by insertion

# ASTM E1762, in FHIR urn:iso-astm:E1762-95:2013
PURPOSES: Final = {
    "author": ("1.2.840.10065.1.12.1.1", "Author's Signature"),
    "verification": ("1.2.840.10065.1.12.1.5", "Verification Signature"),
    "validation": ("1.2.840.10065.1.12.1.6", "Validation Signature"),
    "event-witness": ("1.2.840.10065.1.12.1.9", "Event Witness Signature"),
    "consent": ("1.2.840.10065.1.12.1.7", "Consent Signature"),
    "review": ("1.2.840.10065.1.12.1.13", "Review Signature"),
    "source": ("1.2.840.10065.1.12.1.14", "Source Signature"),
}
