"""Whom the hub believes: authorities of persons and of organisations apart, revocation lists, and the rules.

RFC 5280 §6 (path validation); ANS IGC-Santé: domains PERSONNES and ORGANISATIONS under shared roots.  A folder::

    trust/persons/*.pem          roots and issuing authorities of cards
    trust/organisations/*.pem    roots and issuing authorities of establishments
    trust/crl/*.crl              revocation lists
    trust/trust.yaml             rules (Policy); all have defaults

Where a list names issuing authorities, only what they issued is of the list: a shared root does not make a
server a doctor.  Files are PEM or DER, ending in .pem, .crt, .cer, .der or .crl.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, get_args

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    PolicyBuilder,
    VerificationError,
)
from cryptography.x509.verification import (
    Policy as ChainPolicy,
)
from cryptography.x509.verification import (
    Store as Anchors,
)
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hub.errors import ConfigError
from hub.security import certificates, revocation
from hub.security.certificates import Identity, Kind
from hub.security.revocation import RevocationList, Standing

MAX_FILES: Final = 500
_SUFFIXES: Final = (".pem", ".crt", ".cer", ".der", ".crl")
_LOOK_AGAIN: Final = 5.0  # seconds between two looks at the folder
_KEPT: Final = 1024  # chains that are remembered
# Folder or beginning of a file name -> of whom; other files of the folder are sorted by their own name.
_LISTS: Final[dict[str, Kind]] = {
    "person": "person", "personne": "person", "organisation": "organisation", "organization": "organisation",
}  # fmt: skip


class Policy(BaseModel):
    """The rules, in ``trust.yaml``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    policies: tuple[str, ...] = Field(
        (), description="certificate policies (OIDs), one of which must be named; none: any"
    )
    skew_seconds: int = Field(300, ge=0, le=3600, description="how far clocks may be apart")
    max_age_hours: int = Field(48, ge=0, description="oldest signing time of what comes in; 0: any")
    grace_hours: int = Field(24, ge=0, le=720, description="past its time, a list makes a verdict wait, not fail")
    signing_time: bool = Field(True, description="documents must say when they were signed (XAdES)")
    crl: tuple[str, ...] = Field((), description="URLs that revocation lists are fetched from (hub verify --refresh)")
    ocsp: str = Field("", description="URL of a responder that is asked when no list holds")

    @property
    def skew(self) -> timedelta:
        return timedelta(seconds=self.skew_seconds)

    @property
    def grace(self) -> timedelta:
        return timedelta(hours=self.grace_hours)


class NotTrustedError(Exception):
    """A certificate that is not believed.

    :ivar code: ``untrusted``, ``expired``, ``not-yet-valid``, ``policy``, ``identity``.
    """

    def __init__(self, code: str, what: str) -> None:
        super().__init__(what)
        self.code, self.what = code, what


@dataclass(frozen=True, slots=True)
class Signer:
    """A certificate that is believed.

    :ivar chain: from it to the root.
    :ivar since, until: the time within which the whole chain is valid.
    """

    identity: Identity
    chain: tuple[x509.Certificate, ...]
    since: datetime
    until: datetime

    @property
    def certificate(self) -> x509.Certificate:
        return self.chain[0]


@dataclass(frozen=True, slots=True)
class Authorities:
    """The list of one domain: ``issuers`` empty means that any authority under the roots will do."""

    roots: tuple[x509.Certificate, ...] = ()
    issuers: tuple[x509.Certificate, ...] = ()


@dataclass(frozen=True, slots=True)
class Trust:
    """All of it, read once.

    :ivar lists: by kind of who is named.
    :ivar crls: by SHA-256 of the authority (``tbsCertificate``).
    """

    policy: Policy
    lists: dict[Kind, Authorities]
    crls: dict[bytes, tuple[RevocationList, ...]]
    folder: Path = Path()
    _known: dict[tuple[bytes, ...], Signer] = field(default_factory=dict, repr=False, compare=False)
    _standings: dict[bytes, Standing] = field(default_factory=dict, repr=False, compare=False)

    def signer(self, leaf: x509.Certificate, others: Sequence[x509.Certificate], at: datetime) -> Signer:
        """The chain of a certificate to a root of the list that it belongs to, and who it names.

        :raises NotTrustedError: when there is none, it is not valid at that time, or it names nobody.
        """
        key = tuple(c.fingerprint(_SHA256) for c in (leaf, *others))
        known = self._known.get(key)
        if known is not None and known.since <= at <= known.until:
            return known
        if at < leaf.not_valid_before_utc:
            raise NotTrustedError("not-yet-valid", f"it is valid from {revocation.stamp(leaf.not_valid_before_utc)}")
        if at > leaf.not_valid_after_utc:
            raise NotTrustedError("expired", f"it was valid until {revocation.stamp(leaf.not_valid_after_utc)}")
        try:
            who = certificates.identity(leaf)
        except ValueError as error:
            raise NotTrustedError("identity", str(error)) from None
        chain = self._chain(self.lists.get(who.kind, Authorities()), who.kind, leaf, others, at)
        if self.policy.policies and not certificates.policies(leaf) & set(self.policy.policies):
            raise NotTrustedError("policy", "it was issued under none of the policies that are accepted")
        found = Signer(
            who, chain, max(c.not_valid_before_utc for c in chain), min(c.not_valid_after_utc for c in chain)
        )
        if len(self._known) >= _KEPT:
            self._known.clear()
        self._known[key] = found
        return found

    def _chain(
        self, of: Authorities, kind: Kind, leaf: x509.Certificate, others: Sequence[x509.Certificate], at: datetime
    ) -> tuple[x509.Certificate, ...]:
        if not of.roots:
            raise NotTrustedError("untrusted", f"no authority of {kind}s is trusted here")
        verifier = (
            PolicyBuilder().store(Anchors(list(of.roots))).time(at).max_chain_depth(3)
            .extension_policies(ee_policy=_LEAF, ca_policy=ExtensionPolicy.webpki_defaults_ca())
            .build_client_verifier()
        )  # fmt: skip
        between = list(of.issuers) or [c for c in others if c.subject != c.issuer]
        try:
            chain = tuple(verifier.verify(leaf, between).chain)
        except (VerificationError, ValueError):
            raise NotTrustedError("untrusted", f"no valid chain leads to an authority of {kind}s") from None
        if of.issuers and len(chain) > 1 and chain[1] not in of.issuers:
            raise NotTrustedError("untrusted", f"its issuer is no authority of {kind}s")
        return chain

    def standings(self, chain: Sequence[x509.Certificate], at: datetime) -> list[Standing]:
        """What is known of each certificate of a chain but the root: none of it good by default."""
        return [self._standing(one, issuer, at) for one, issuer in pairwise(chain)]

    def _standing(self, one: x509.Certificate, issuer: x509.Certificate, at: datetime) -> Standing:
        key = one.fingerprint(_SHA256)
        known = self._standings.get(key)
        if known is not None and known.state == "good" and at <= known.until:
            return known
        lists = self.crls.get(revocation.key_of(issuer), ())
        found = revocation.look_up(one, lists, at, self.policy.skew, self.policy.grace)
        if found.state in ("stale", "unknown") and self.policy.ocsp:
            from hub.security import revocation_ocsp

            asked = revocation_ocsp.ask(self.policy.ocsp, one, issuer, at, self.policy.skew)
            found = asked if asked.state != "unknown" else found
        if len(self._standings) >= _KEPT:
            self._standings.clear()
        self._standings[key] = found
        return found


def _signs(policy: ChainPolicy, certificate: x509.Certificate, usage: x509.KeyUsage) -> None:
    del policy, certificate
    if not (usage.content_commitment or usage.digital_signature):
        raise ValueError("not a certificate for signatures")


_LEAF = ExtensionPolicy.permit_all().require_present(x509.KeyUsage, Criticality.CRITICAL, _signs)
_SHA256 = hashes.SHA256()


_mutex = threading.Lock()
_current: dict[Path, tuple[float, Any, Trust]] = {}


def current(folder: Path) -> Trust:
    """What the folder says now; it is read again when a file of it changed.

    :raises ConfigError: when it cannot be read, or holds no authority.
    """
    with _mutex:
        known = _current.get(folder)
        if known is not None and time.monotonic() - known[0] < _LOOK_AGAIN:
            return known[2]
        state = [(p, s.st_mtime_ns, s.st_size) for p in _files(folder) for s in [p.stat()]]
        trust = known[2] if known is not None and known[1] == state else load(folder)
        _current[folder] = (time.monotonic(), state, trust)
        return trust


def load(folder: Path) -> Trust:
    """Read a folder of trust.

    :raises ConfigError: with the file that cannot be read.
    """
    files = _files(folder)
    policy, lists, crls = Policy(), {kind: list[x509.Certificate]() for kind in get_args(Kind)}, []
    for file in files:
        try:
            octets = file.read_bytes()
            if file.name == "trust.yaml":
                policy = _policy(file, octets)
            elif file.suffix == ".crl" or b"-----BEGIN X509 CRL" in octets:
                crls += revocation.read_crls(octets)
            else:
                for certificate in certificates.read_all(octets):
                    for kind in _kinds(file.relative_to(folder), certificate):
                        lists[kind].append(certificate)
        except OSError as error:
            raise ConfigError(f"cannot be read: {error.strerror}", where=str(file)) from None
        except certificates.UNREADABLE:
            cure = "PEM or DER, certificates and lists in files of their own"
            raise ConfigError("holds no certificate or list that can be read", where=str(file), cure=cure) from None
    made = {kind: _authorities(found) for kind, found in lists.items()}
    if not any(a.roots for a in made.values()):
        cure = "put those of persons into persons/, those of organisations into organisations/"
        raise ConfigError("there is no certificate of an authority", where=str(folder), cure=cure)
    every = {c for found in lists.values() for c in found}
    return Trust(policy, made, revocation.issued(crls, every), folder)


def _authorities(found: Sequence[x509.Certificate]) -> Authorities:
    roots = tuple(c for c in found if c.subject == c.issuer)
    issuers = tuple(c for c in found if c.subject != c.issuer)
    return Authorities(roots, issuers) if roots else Authorities(issuers, issuers)


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        cure = "make it, with persons/, organisations/ and crl/ in it"
        raise ConfigError("there is no such folder", where=str(folder), cure=cure)
    found = [p for p in sorted(folder.rglob("*")) if (p.suffix in _SUFFIXES or p.name == "trust.yaml") and p.is_file()]
    if len(found) > MAX_FILES:
        raise ConfigError(f"holds more than {MAX_FILES} files", where=str(folder))
    return found


def _kinds(path: Path, certificate: x509.Certificate) -> tuple[Kind, ...]:
    """The list a file belongs to by its folder or name, else by what the authority is called; a root, to both."""
    name = path.parts[0].lower() if len(path.parts) > 1 else path.stem.lower()
    for words in (name, certificate.subject.rfc4514_string().lower()):
        found = {kind for word, kind in _LISTS.items() if word in words}
        if len(found) == 1:
            return tuple(found)
    return get_args(Kind)


def _policy(file: Path, octets: bytes) -> Policy:
    import yaml

    try:
        return Policy(**(yaml.safe_load(octets) or {}))
    except (yaml.YAMLError, TypeError, UnicodeDecodeError):
        raise ConfigError("these are no `name: value` lines", where=str(file)) from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise ConfigError(first["msg"], where=f"{file}: {'.'.join(map(str, first['loc']))}") from None
