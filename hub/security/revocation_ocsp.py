"""Asks a responder whether a certificate was revoked.

RFC 6960; RFC 5019 (lightweight profile).  Only the configured responder is called.  An answer counts when the
issuer signed it, or somebody whom the issuer certified for that (§4.2.2.2), and it is of this certificate and of
now; all else is ``unknown``.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from hub.security.revocation import Standing, State, stamp

_SECONDS: Final = 3.0
_MOST: Final = 64 * 1024
_MEDIA: Final = "application/ocsp-request"
_STATES: Final[dict[ocsp.OCSPCertStatus, State]] = {
    ocsp.OCSPCertStatus.GOOD: "good",
    ocsp.OCSPCertStatus.REVOKED: "revoked",
    ocsp.OCSPCertStatus.UNKNOWN: "unknown",
}


def ask(url: str, certificate: x509.Certificate, issuer: x509.Certificate, at: datetime, skew: timedelta) -> Standing:
    """What the responder says; ``unknown`` when it does not answer, or not as it must."""
    import httpx

    request = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, hashes.SHA256()).build()
    unknown = Standing("unknown", {"kind": "ocsp", "url": url}, at)
    try:
        headers = {"Content-Type": _MEDIA}
        octets = request.public_bytes(Encoding.DER)
        answer = httpx.post(url, content=octets, headers=headers, timeout=_SECONDS, follow_redirects=False)
        if answer.status_code != 200 or len(answer.content) > _MOST:
            return unknown
        return judge(answer.content, certificate, issuer, at, skew) or unknown
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, TypeError, UnsupportedAlgorithm):
        return unknown


def judge(
    octets: bytes, certificate: x509.Certificate, issuer: x509.Certificate, at: datetime, skew: timedelta
) -> Standing | None:
    """What an answer says of a certificate; None when it says nothing that counts.

    :raises ValueError: when it cannot be read.
    """
    response = ocsp.load_der_ocsp_response(octets)
    if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        return None
    if not (_of(response, certificate, issuer) and _timely(response, at, skew)):
        return None
    if not _signed(response, issuer, at):
        return None
    ends = response.next_update_utc or response.this_update_utc
    proof = {
        "kind": "ocsp", "issuer": issuer.subject.rfc4514_string(), "serial": f"{certificate.serial_number:x}",
        "thisUpdate": stamp(response.this_update_utc), "nextUpdate": stamp(ends),
    }  # fmt: skip
    return Standing(_STATES[response.certificate_status], proof, ends)


def _of(response: ocsp.OCSPResponse, certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether it is about this certificate of this issuer (§4.1.1, CertID)."""
    builder = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, response.hash_algorithm)
    asked = builder.build()
    return (
        response.serial_number == certificate.serial_number
        and response.issuer_key_hash == asked.issuer_key_hash
        and response.issuer_name_hash == asked.issuer_name_hash
    )


def _timely(response: ocsp.OCSPResponse, at: datetime, skew: timedelta) -> bool:
    ends = response.next_update_utc
    return response.this_update_utc <= at + skew and ends is not None and at <= ends + skew


def _signed(response: ocsp.OCSPResponse, issuer: x509.Certificate, at: datetime) -> bool:
    """By the issuer, or by a responder that it certified for this (id-kp-OCSPSigning)."""
    if _verifies(response, issuer):
        return True
    for one in response.certificates[:4]:
        try:
            one.verify_directly_issued_by(issuer)
            usages = one.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
            continue
        valid = one.not_valid_before_utc <= at <= one.not_valid_after_utc
        if valid and ExtendedKeyUsageOID.OCSP_SIGNING in usages and _verifies(response, one):
            return True
    return False


def _verifies(response: ocsp.OCSPResponse, by: x509.Certificate) -> bool:
    key, algorithm = by.public_key(), response.signature_hash_algorithm
    if algorithm is None or algorithm.name not in ("sha256", "sha384", "sha512"):
        return False
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(response.signature, response.tbs_response_bytes, padding.PKCS1v15(), algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(response.signature, response.tbs_response_bytes, ec.ECDSA(algorithm))
        else:
            return False
    except InvalidSignature:
        return False
    return True
