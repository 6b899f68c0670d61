"""Certificates of professionals and of establishments: read, judged as keys, and who they name.

RFC 5280; ANS IGC-Santé, gabarits des certificats: a card names its holder by PS_IdNat in the commonName of one
multi-valued RDN, an establishment by Struct_IdNat in its organizationalUnitName.  Both are read from the
attributes: a DN written as one string can be made to say another name (``CN=801…,CN=802…``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import NameOID

PERSONS: Final = "1.2.250.1.71.4.2.1"  # PS_IdNat
STRUCTURES: Final = "1.2.250.1.71.4.2.2"  # Struct_IdNat
MAX_OCTETS: Final = 16 * 1024
UNREADABLE: Final = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)

Kind = Literal["person", "organisation"]

# 0 ADELI, 8 RPPS; 1 FINESS, 3 FINESS, 4 SIREN, 5 SIRET, 6 RPPS of a practice, each with a number given there.
_PERSON = re.compile(r"8\d{11}|0[0-9A-Z]{9}|[13456][0-9A-Z]{8,14}/[A-Za-z0-9._-]{1,32}", re.ASCII)
# 0 ADELI, 1 FINESS, 2 SIREN, 3 SIRET, 4 RPPS and a rank.
_STRUCTURE = re.compile(r"0[0-9A-Z]{9,14}|1[0-9A-Z]{9}|2\d{9}|3\d{14}|4\d{11}[0-9A-Z-]{0,14}", re.ASCII)
_PROFESSION, _SPECIALITY, _CARD = "1.2.250.1.71.1.2.7", "1.2.250.1.71.4.2.5", "1.2.250.1.71.1.2.3"
_STRINGS = (0x0C, 0x13, 0x16)  # UTF8String, PrintableString, IA5String
_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_RSA_LEAST, _RSA_MOST = 2048, 8192  # cards have 2048; above 8192 a signature only costs time


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a certificate names.

    :ivar id: PS_IdNat of a person, Struct_IdNat of an organisation.
    :ivar structure: Struct_IdNat; '' for a person whose card names none.
    :ivar profession: code of TRE_G15; ``speciality`` of TRE_R38 or R01; '' when the card does not say.
    :ivar card: number of the card, '' of a certificate that is in a file.
    """

    kind: Kind
    id: str
    structure: str = ""
    name: str = ""
    profession: str = ""
    speciality: str = ""
    card: str = ""

    @property
    def system(self) -> str:
        """OID of the system that ``id`` is of."""
        return PERSONS if self.kind == "person" else STRUCTURES


def read(der: bytes) -> x509.Certificate:
    """One DER certificate.

    :raises ValueError: when it is none, is too big, or has extensions that cannot be read.
    """
    if len(der) > MAX_OCTETS:
        raise ValueError("a certificate of this size is none")
    try:
        found = x509.load_der_x509_certificate(der)
        _ = found.extensions, found.public_key(), found.subject, found.not_valid_after_utc
    except UNREADABLE:
        raise ValueError("no readable certificate") from None
    return found


def read_all(octets: bytes) -> list[x509.Certificate]:
    """All certificates of a file, PEM or DER.

    :raises ValueError: when there is none, or one cannot be read.
    """
    if b"-----BEGIN" not in octets:
        return [x509.load_der_x509_certificate(octets)]
    return x509.load_pem_x509_certificates(octets)


def identity(certificate: x509.Certificate) -> Identity:
    """Who it names.

    :raises ValueError: when it names nobody in the form of IGC-Santé; the message repeats no name.
    """
    common = _values(certificate, NameOID.COMMON_NAME)
    units = [u for u in _values(certificate, NameOID.ORGANIZATIONAL_UNIT_NAME) if _STRUCTURE.fullmatch(u)]
    surnames, given = _values(certificate, NameOID.SURNAME), _values(certificate, NameOID.GIVEN_NAME)
    if len(common) != 1 or len(units) > 1 or len(surnames) > 1 or len(given) > 1:
        raise ValueError("the subject has an attribute that is missing or repeated")
    structure = units[0] if units else ""
    if surnames:  # only persons have one
        if not _PERSON.fullmatch(common[0]):
            raise ValueError("the commonName of the subject is no PS_IdNat")
        name = f"{given[0]} {surnames[0]}" if given else surnames[0]
        return Identity(
            "person", common[0], structure, name, _private(certificate, _PROFESSION),
            _private(certificate, _SPECIALITY), _private(certificate, _CARD),
        )  # fmt: skip
    if not structure:
        raise ValueError("the subject has neither a surname nor a Struct_IdNat")
    names = _values(certificate, NameOID.ORGANIZATION_NAME)
    return Identity("organisation", structure, structure, names[0] if names else "")


def weakness(key: CertificatePublicKeyTypes) -> str:
    """Why a public key is not accepted (ANSSI, RGS B1 2.03); '' when it is."""
    if isinstance(key, rsa.RSAPublicKey):
        exponent = key.public_numbers().e
        if not _RSA_LEAST <= key.key_size <= _RSA_MOST:
            return f"an RSA key of {key.key_size} bits"
        return "" if 65537 <= exponent < 1 << 32 and exponent & 1 else "an RSA key with an unusual exponent"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return "" if isinstance(key.curve, _CURVES) else f"the curve {key.curve.name}"
    return f"a key of another kind ({type(key).__name__})"


def usage(certificate: x509.Certificate) -> frozenset[str]:
    """What its critical KeyUsage says of signatures: ``digital_signature``, ``content_commitment``."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.KeyUsage)
    except x509.ExtensionNotFound:
        return frozenset()
    names = ("digital_signature", "content_commitment")
    return frozenset(n for n in names if getattr(found.value, n)) if found.critical else frozenset()


def policies(certificate: x509.Certificate) -> frozenset[str]:
    """Policies it was issued under, as OIDs."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.CertificatePolicies)
    except x509.ExtensionNotFound:
        return frozenset()
    return frozenset(p.policy_identifier.dotted_string for p in found.value)


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of the certificate, in hexadecimal."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def _values(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> list[str]:
    values = (a.value for a in certificate.subject.get_attributes_for_oid(oid))
    return [v if isinstance(v, str) else v.decode("ascii", "replace") for v in values]


def _private(certificate: x509.Certificate, oid: str) -> str:
    """The value of an extension of IGC-Santé: one INTEGER or string of DER; '' for anything else."""
    try:
        extension = certificate.extensions.get_extension_for_oid(x509.ObjectIdentifier(oid)).value
    except x509.ExtensionNotFound:
        return ""
    der = extension.value if isinstance(extension, x509.UnrecognizedExtension) else b""
    if len(der) < 3 or der[1] != len(der) - 2:
        return ""
    if der[0] == 2:
        return str(int.from_bytes(der[2:], "big", signed=True))
    return der[2:].decode("utf-8", "replace") if der[0] in _STRINGS else ""
