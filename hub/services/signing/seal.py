"""The seal of the hub: the key of the organisation that runs it, in a file or in a module that keeps it.

PKCS #8 and PKCS #11 v2.40 (OASIS).  A sealer signs octets and says with which certificate; who builds what is
signed (``build``) does not know where the key lies.  The certificate must name an organisation: the hub signs as
itself, and never in the name of a person.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from hub.errors import ConfigError, UnavailableError
from hub.security import certificates
from hub.services.signing import names


class Sealer(Protocol):
    """A key that signs."""

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """Its certificate, then those of its issuers."""

    def sign(self, octets: bytes) -> bytes:
        """The signature value of octets, as XML signatures have it, by :func:`algorithm`."""


def algorithm(certificate: x509.Certificate) -> str:
    """The signature algorithm for the key of a certificate.

    :raises ConfigError: for a key that signs in no way that is accepted.
    """
    key = certificate.public_key()
    weak = certificates.weakness(key)
    if weak:
        raise ConfigError(f"the certificate has {weak}", cure="use RSA of 2048 bits or more, or P-256")
    return names.RSA_SHA256 if isinstance(key, rsa.RSAPublicKey) else names.ECDSA_SHA256


def checked(chain: tuple[x509.Certificate, ...], where: str) -> tuple[x509.Certificate, ...]:
    """See that a certificate can be a seal.

    :raises ConfigError: when it is of a person, or not for signatures.
    """
    try:
        who = certificates.identity(chain[0])
    except ValueError as error:
        raise ConfigError(str(error), where=where, cure="use a certificate of the kind ORG SIGN") from None
    if who.kind != "organisation":
        cure = "use the certificate of the organisation; persons sign with their cards"
        raise ConfigError("this is the certificate of a person", where=where, cure=cure)
    if "content_commitment" not in certificates.usage(chain[0]):
        raise ConfigError("the certificate is not for signatures", where=where, cure="use one of the kind ORG SIGN")
    algorithm(chain[0])
    return chain


def side_by_side(der: bytes, bits: int) -> bytes:
    """An ECDSA signature as XML has it: r and s, each as long as the curve (RFC 6931 §2.3.6)."""
    half = (bits + 7) // 8
    return b"".join(number.to_bytes(half, "big") for number in decode_dss_signature(der))


@dataclass(frozen=True, slots=True)
class FileSealer:
    """A key in a PEM file, read once."""

    chain: tuple[x509.Certificate, ...]
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

    @classmethod
    def load(cls, certificate: Path, key: Path, password: bytes | None = None) -> FileSealer:
        """Read both.

        :raises ConfigError: when they cannot be read, are not of one another, or are no seal.
        """
        try:
            chain = tuple(certificates.read_all(certificate.read_bytes()))
            made = serialization.load_pem_private_key(key.read_bytes(), password)
        except OSError as error:
            raise ConfigError(f"cannot be read: {error.strerror}", where=error.filename or "") from None
        except certificates.UNREADABLE:
            cure = "write a PEM certificate chain, and its PEM key"
            raise ConfigError("the seal cannot be read", where=str(certificate), cure=cure) from None
        if not isinstance(made, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
            raise ConfigError("the key is neither RSA nor EC", where=str(key))
        if made.public_key() != chain[0].public_key():
            raise ConfigError("the key is not that of the certificate", where=str(key), cure="give both of one request")
        return cls(checked(chain, str(certificate)), made)

    def sign(self, octets: bytes) -> bytes:
        return sign_with(self.key, octets)


def sign_with(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, octets: bytes) -> bytes:
    """Sign by :func:`algorithm`."""
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(octets, padding.PKCS1v15(), hashes.SHA256())
    return side_by_side(key.sign(octets, ec.ECDSA(hashes.SHA256())), key.curve.key_size)


@dataclass(frozen=True, slots=True)
class Pkcs11Sealer:
    """A key that never leaves its module (a card, an HSM); needs the package ``python-pkcs11``.

    :ivar key: private key of an open session.
    """

    chain: tuple[x509.Certificate, ...]
    key: Any

    @classmethod
    def open(cls, module: Path, token: str, label: str, pin: str, certificate: Path) -> Pkcs11Sealer:
        """Open a session with a token.

        :raises UnavailableError: when the package, the module or the token is not there.
        :raises ConfigError: when the certificate is no seal.
        """
        try:
            import pkcs11
        except ImportError:
            cure = 'pip install "oncohub[pkcs11]"'
            raise UnavailableError("the package python-pkcs11 is not installed", cure=cure) from None
        chain = checked(tuple(certificates.read_all(certificate.read_bytes())), str(certificate))
        try:
            slot = pkcs11.lib(str(module)).get_token(token_label=token)
            try:
                session = slot.open(user_pin=pin)
            except pkcs11.exceptions.UserAlreadyLoggedIn:  # a login is of the process, not of the session
                session = slot.open()
            key = session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, label=label)
        except (pkcs11.PKCS11Error, pkcs11.exceptions.PKCS11Error, OSError, RuntimeError) as error:
            raise UnavailableError(
                f"the token does not give the key ({type(error).__name__})", where=f"{module}: {token}/{label}",
                cure="see that the module is there, and the token, label and PIN are right",
            ) from None  # fmt: skip
        return cls(chain, key)

    def sign(self, octets: bytes) -> bytes:
        import hashlib

        import pkcs11

        public = self.chain[0].public_key()
        if isinstance(public, rsa.RSAPublicKey):
            return bytes(self.key.sign(octets, mechanism=pkcs11.Mechanism.SHA256_RSA_PKCS))
        # CKM_ECDSA signs a digest and gives r and s side by side, as XML has them.
        return bytes(self.key.sign(hashlib.sha256(octets).digest(), mechanism=pkcs11.Mechanism.ECDSA))
