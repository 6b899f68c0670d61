"""A public-key infrastructure of the shape of IGC-Santé, made anew for each run: names are ours, the structure theirs.

Two roots; under one the authority of persons, under the other that of organisations; leaves of each kind, good and
bad; revocation lists of each authority.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)
POLICY = "1.2.250.1.213.1.7.2.1.1.1.1"
DOCTOR, OTHER = "801234567897", "801987654328"
STRUCTURE, ELSEWHERE = "1750000001", "1690000002"


def usage(digital_signature: bool = False, content_commitment: bool = False, ca: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(digital_signature, content_commitment, False, False, False, ca, ca, False, False)


SIGN, AUTH, SEAL = usage(content_commitment=True), usage(digital_signature=True), usage(True, True)


@dataclass(frozen=True)
class Pair:
    """A certificate, its key, and the certificates above it."""

    certificate: x509.Certificate
    key: Key
    above: tuple[x509.Certificate, ...] = ()

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        return (self.certificate, *self.above)

    def sign(self, octets: bytes) -> bytes:
        from hub.services.signing.seal import sign_with

        return sign_with(self.key, octets)

    def pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


@cache
def rsa_key(bits: int = 2048, number: int = 0) -> rsa.RSAPrivateKey:
    del number
    return rsa.generate_private_key(65537, bits)


def name(*parts: Sequence[tuple[ObjectIdentifier, str]]) -> x509.Name:
    return x509.Name([x509.RelativeDistinguishedName([x509.NameAttribute(o, v) for o, v in p]) for p in parts])


def authority(cn: str, issuer: Pair | None = None, number: int = 0) -> Pair:
    key = rsa_key(2048, number)
    subject = name(
        [(NameOID.COUNTRY_NAME, "FR")], [(NameOID.ORGANIZATION_NAME, "HUB-TEST")],
        [(NameOID.ORGANIZATIONAL_UNIT_NAME, "0002 999999999")], [(NameOID.COMMON_NAME, cn)],
    )  # fmt: skip
    by, signing = (issuer.certificate.subject, issuer.key) if issuer else (subject, key)
    certificate = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(by).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(NOW - 3650 * DAY).not_valid_after(NOW + 3650 * DAY)
        .add_extension(x509.BasicConstraints(True, 0 if issuer else None), True)
        .add_extension(usage(ca=True), True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()), False)
        .sign(signing, hashes.SHA256())
    )  # fmt: skip
    return Pair(certificate, key, (issuer.certificate,) if issuer else ())


def leaf(
    subject: x509.Name, issuer: Pair, key_usage: x509.KeyUsage = SIGN, key: Key | None = None,
    start: datetime = NOW - 30 * DAY, end: datetime = NOW + 1000 * DAY, policy: str = POLICY, serial: int = 0,
    eku: Sequence[ObjectIdentifier] = (ExtendedKeyUsageOID.EMAIL_PROTECTION,),
) -> Pair:  # fmt: skip
    key = key or rsa_key(2048, 10)
    builder = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(issuer.certificate.subject)
        .public_key(key.public_key()).serial_number(serial or x509.random_serial_number())
        .not_valid_before(start).not_valid_after(end)
        .add_extension(x509.BasicConstraints(False, None), False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), False)
        .add_extension(key_usage, True)
        .add_extension(x509.ExtendedKeyUsage(list(eku)), False)
        .add_extension(x509.CertificatePolicies([x509.PolicyInformation(ObjectIdentifier(policy), None)]), False)
        .add_extension(x509.UnrecognizedExtension(ObjectIdentifier("1.2.250.1.71.1.2.7"), b"\x02\x01\x0a"), False)
        .add_extension(x509.UnrecognizedExtension(ObjectIdentifier("1.2.250.1.71.4.2.5"), b"\x0c\x04SM26"), False)
    )  # fmt: skip
    return Pair(builder.sign(issuer.key, hashes.SHA256()), key, issuer.chain)


def person(id_: str = DOCTOR, surname: str = "DOC0036624") -> x509.Name:
    one = [(NameOID.GIVEN_NAME, "KIT"), (NameOID.COMMON_NAME, id_), (NameOID.SURNAME, surname)]
    return name([(NameOID.COUNTRY_NAME, "FR")], [(NameOID.TITLE, "Médecin")], one)


def organisation(id_: str = STRUCTURE, cn: str = "cachet.hub.test") -> x509.Name:
    return name(
        [(NameOID.COUNTRY_NAME, "FR")], [(NameOID.ORGANIZATION_NAME, "CENTRE TEST")],
        [(NameOID.ORGANIZATIONAL_UNIT_NAME, id_)], [(NameOID.COMMON_NAME, cn)],
    )  # fmt: skip


def crl(
    issuer: Pair, revoked: Sequence[Pair] = (), last: datetime = NOW - DAY, following: datetime = NOW + 7 * DAY,
    by: Pair | None = None, number: int = 7, delta: bool = False,
) -> x509.CertificateRevocationList:  # fmt: skip
    builder = (
        x509.CertificateRevocationListBuilder().issuer_name(issuer.certificate.subject)
        .last_update(last).next_update(following).add_extension(x509.CRLNumber(number), False)
    )  # fmt: skip
    if delta:
        builder = builder.add_extension(x509.DeltaCRLIndicator(1), True)
    for one in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(one.certificate.serial_number)
        builder = builder.add_revoked_certificate(entry.revocation_date(NOW - 2 * DAY).build())
    return builder.sign((by or issuer).key, hashes.SHA256())


def pem(*things: x509.Certificate | x509.CertificateRevocationList) -> bytes:
    return b"".join(one.public_bytes(serialization.Encoding.PEM) for one in things)


@dataclass
class Pki:
    """All of it; leaves by name."""

    root: Pair = field(default_factory=lambda: authority("TEST AC RACINE STANDARD", number=1))
    root_org: Pair = field(default_factory=lambda: authority("TEST AC RACINE ELEMENTAIRE", number=2))
    rogue_root: Pair = field(default_factory=lambda: authority("TEST AC RACINE STANDARD", number=3))

    def __post_init__(self) -> None:
        self.persons = authority("TEST AC STANDARD PERSONNES", self.root, 4)
        self.organisations = authority("TEST AC ELEMENTAIRE ORGANISATIONS", self.root_org, 5)
        self.rogue = authority("TEST AC STANDARD PERSONNES", self.rogue_root, 6)
        who = person()
        self.leaves = {
            "doctor": leaf(who, self.persons),
            "doctor-ec": leaf(who, self.persons, key=ec.generate_private_key(ec.SECP256R1())),
            "weak": leaf(who, self.persons, key=rsa_key(1024)),
            "curve": leaf(who, self.persons, key=ec.generate_private_key(ec.SECP256K1())),
            "expired": leaf(who, self.persons, start=NOW - 900 * DAY, end=NOW - 100 * DAY),
            "not-yet": leaf(who, self.persons, start=NOW + 2 * DAY),
            "revoked": leaf(who, self.persons),
            "auth": leaf(who, self.persons, AUTH, eku=[ExtendedKeyUsageOID.CLIENT_AUTH]),
            "other": leaf(person(OTHER, "AUTRE"), self.persons, key=rsa_key(2048, 11)),
            "rogue": leaf(who, self.rogue, key=rsa_key(2048, 12)),
            "policy": leaf(who, self.persons, policy="1.2.3.4"),
            "bait": leaf(person(f"{DOCTOR},CN={OTHER}"), self.persons),
            "seal": leaf(organisation(), self.organisations, SEAL, key=rsa_key(2048, 13)),
            "seal-ec": leaf(organisation(), self.organisations, SEAL, key=ec.generate_private_key(ec.SECP256R1())),
            "seal-elsewhere": leaf(organisation(ELSEWHERE), self.organisations, SEAL, key=rsa_key(2048, 14)),
            "person-by-org": leaf(who, self.organisations, SIGN),
        }  # fmt: skip
        own = Pair(leaf(who, self.persons).certificate, rsa_key(2048, 12))
        subject = own.certificate.subject
        self_signed = (
            x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(own.key.public_key())
            .serial_number(1).not_valid_before(NOW - DAY).not_valid_after(NOW + DAY).add_extension(SIGN, True)
            .sign(own.key, hashes.SHA256())
        )  # fmt: skip
        self.leaves["self-signed"] = Pair(self_signed, own.key)

    def __getitem__(self, leaf_name: str) -> Pair:
        return self.leaves[leaf_name]

    def write(self, folder: Path, policy: str = f"policies: ['{POLICY}']\n") -> Path:
        """A folder of trust."""
        for part in ("persons", "organisations", "crl"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        (folder / "persons" / "authorities.pem").write_bytes(pem(self.root.certificate, self.persons.certificate))
        (folder / "organisations" / "a.pem").write_bytes(pem(self.root_org.certificate, self.organisations.certificate))
        (folder / "crl" / "persons.crl").write_bytes(pem(crl(self.persons, [self["revoked"]])))
        rest = [crl(p) for p in (self.root, self.root_org, self.organisations)]
        (folder / "crl" / "rest.crl").write_bytes(pem(*rest))
        (folder / "trust.yaml").write_text(policy, encoding="utf-8")
        return folder
