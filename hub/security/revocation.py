"""Whether a certificate was revoked: lists that are at hand, and one answer over the network when they are not.

RFC 5280 §5 (CRL), RFC 6960 (OCSP).  Lists come from files and from configured places, never from the address
that a certificate itself names: a stranger would choose whom the hub calls.  A list that is missing, forged or
too old proves nothing, and what is not proved is not accepted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

MAX_CRL: Final = 64 * 1024 * 1024

State = Literal["good", "revoked", "stale", "unknown"]


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of one certificate.

    :ivar state: ``good``, ``revoked``, ``stale`` (good by a list that is past its time, within the grace) or
        ``unknown`` (nothing valid says anything).
    :ivar proof: what said so, for the record.
    :ivar until: when it must be looked up again.
    """

    state: State
    proof: Mapping[str, Any]
    until: datetime


@dataclass(frozen=True, slots=True)
class RevocationList:
    """A CRL whose signature was verified with the certificate of its issuer."""

    crl: x509.CertificateRevocationList
    number: str
    sha: str

    @property
    def this_update(self) -> datetime:
        return self.crl.last_update_utc

    @property
    def next_update(self) -> datetime:
        """Without the field the list is past its time at once: nothing says how long it holds."""
        return self.crl.next_update_utc or self.crl.last_update_utc

    @property
    def proof(self) -> dict[str, Any]:
        """What is kept of it with a verdict."""
        return {
            "kind": "crl", "issuer": self.crl.issuer.rfc4514_string(), "number": self.number, "sha256": self.sha,
            "thisUpdate": stamp(self.this_update), "nextUpdate": stamp(self.next_update),
        }  # fmt: skip


def stamp(at: datetime) -> str:
    """A time as records have it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_crls(octets: bytes) -> list[x509.CertificateRevocationList]:
    """All lists of a file, PEM or DER.

    :raises ValueError: when there is none, or one cannot be read.
    """
    if len(octets) > MAX_CRL:
        raise ValueError("a list of this size is not read")
    try:
        if not octets.lstrip().startswith(b"-----BEGIN"):
            return [x509.load_der_x509_crl(octets)]
        end = b"-----END X509 CRL-----"
        return [x509.load_pem_x509_crl(part + end + b"\n") for part in octets.split(end) if b"BEGIN X509 CRL" in part]
    except UnsupportedAlgorithm:
        raise ValueError("a list signed in a way that is not known") from None


def issued(
    crls: Iterable[x509.CertificateRevocationList], authorities: Iterable[x509.Certificate]
) -> dict[bytes, tuple[RevocationList, ...]]:
    """The lists that these authorities signed, newest first, by SHA-256 of the authority.

    A list that is of one reason only, indirect, or a delta says too little, and is left out.
    """
    found: dict[bytes, tuple[RevocationList, ...]] = {}
    usable = [(c, _number(c)) for c in crls if _whole(c)]
    for authority in authorities:
        lists = [
            RevocationList(c, number, hashlib.sha256(c.tbs_certlist_bytes).hexdigest())
            for c, number in usable
            if c.issuer == authority.subject and _may_sign_lists(authority) and _signed(c, authority)
        ]
        found[key_of(authority)] = tuple(sorted(lists, key=lambda one: one.this_update, reverse=True))
    return found


def key_of(authority: x509.Certificate) -> bytes:
    """What lists are found by: SHA-256 of what its issuer signed."""
    return hashlib.sha256(authority.tbs_certificate_bytes).digest()


def look_up(
    certificate: x509.Certificate,
    lists: Iterable[RevocationList],
    at: datetime,
    skew: timedelta,
    grace: timedelta,
) -> Standing:
    """What the newest list that holds says of a certificate."""
    present = max(at, datetime.now(UTC))  # what came in earlier is judged by what is known today
    for one in lists:
        if one.this_update > present + skew:
            continue  # of the future: somebody's clock is wrong
        if one.this_update > certificate.not_valid_after_utc:
            continue  # RFC 5280 §3.3: a list may leave out what has expired
        entry = one.crl.get_revoked_certificate_by_serial_number(certificate.serial_number)
        if entry is not None:
            proof = one.proof | {"revokedOn": stamp(entry.revocation_date_utc)}
            return Standing("revoked", proof, one.next_update)
        if at <= one.next_update:
            return Standing("good", one.proof, one.next_update)
        state: State = "stale" if at <= one.next_update + grace else "unknown"
        return Standing(state, one.proof, at)
    return Standing("unknown", {"kind": "none", "issuer": certificate.issuer.rfc4514_string()}, at)


def _number(crl: x509.CertificateRevocationList) -> str:
    try:
        return str(crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number)
    except x509.ExtensionNotFound:
        return ""


def _whole(crl: x509.CertificateRevocationList) -> bool:
    """Whether it lists all that its issuer revoked; a critical extension that is not known says it may not."""
    for extension in crl.extensions:
        value = extension.value
        if isinstance(value, x509.IssuingDistributionPoint):
            if (
                value.only_contains_attribute_certs
                or value.only_contains_ca_certs
                or value.only_contains_user_certs
                or value.indirect_crl
                or value.only_some_reasons
            ):
                return False
        elif extension.critical:
            return False
    return True


def _may_sign_lists(authority: x509.Certificate) -> bool:
    try:
        return authority.extensions.get_extension_for_class(x509.KeyUsage).value.crl_sign
    except x509.ExtensionNotFound:
        return False


def _signed(crl: x509.CertificateRevocationList, authority: x509.Certificate) -> bool:
    algorithm = crl.signature_hash_algorithm
    if algorithm is None or algorithm.name not in ("sha256", "sha384", "sha512"):
        return False
    try:
        return crl.is_signature_valid(authority.public_key())  # type: ignore[arg-type]  # another kind raises
    except (TypeError, ValueError, UnsupportedAlgorithm):
        return False
