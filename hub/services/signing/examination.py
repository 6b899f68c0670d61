"""One verification on its way: what was seen so far, and the steps that all forms share.

ANS CI-SIS, security of the transport and of documents; RFC 5280.  A step notes what it saw, or raises; what is
noted at the end is the verdict.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from lxml import etree

from hub.errors import HubError
from hub.security import certificates, revocation
from hub.security.certificates import Identity
from hub.security.trust import NotTrustedError, Trust
from hub.services.signing.gate import Form, Info
from hub.services.signing.integrity import same_key, signed, signed_info
from hub.services.signing.verdict import RefusedError, Status, Verdict, lines
from hub.source.xml import parse_xml

_UNREADABLE = (
    RecursionError, etree.LxmlError, ValueError, TypeError, AttributeError, LookupError, ArithmeticError,
    UnsupportedAlgorithm,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Given:
    """What a verification is done with.

    :ivar at: the time it is judged by.
    :ivar names: who else is known to stand behind it, by where that is known (``session``: PSC or CPS of the
        connection; ``vihf``): each must be the signer.
    :ivar seen: whether a signature (its digest) came before.
    """

    trust: Trust
    at: datetime
    names: Mapping[str, str] = field(default_factory=dict)
    seen: Callable[[str], bool] | None = None


@dataclass(frozen=True)
class Signed:
    """A verdict, and what it is on.

    :ivar documents: what was signed, by name; empty unless the verdict is valid.  Nothing else may be used.
    :ivar facts: what was read of it that callers need (VIHF attributes).
    """

    verdict: Verdict
    documents: Mapping[str, bytes] = field(default_factory=dict)
    signer: Identity | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def octets(self) -> bytes:
        """The canonical octets of the one signed document."""
        return self.documents["document"]

    @cached_property
    def root(self) -> etree._Element:
        """The signed document, read again from the octets that were verified."""
        return parse_xml(self.octets)


@dataclass(slots=True)
class Examination:
    """See the module."""

    form: str
    given: Given
    passed: dict[str, str] = field(default_factory=dict)
    signer: Identity | None = None
    chain: tuple[x509.Certificate, ...] = ()
    proofs: list[Mapping[str, Any]] = field(default_factory=list)
    documents: dict[str, bytes] = field(default_factory=dict)
    hashes: dict[str, str] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    signed_at: datetime | None = None
    signature: str = ""

    def run(self, work: Callable[[Examination], None]) -> Signed:
        """Do the work of a form; a verdict comes out whatever happens."""
        refused: RefusedError | None = None
        try:
            work(self)
        except RefusedError as error:
            refused = error
        except HubError as error:
            refused = RefusedError("structure", "unreadable", error.what)
        except _UNREADABLE as error:
            # A shape that nobody thought of is refused like those that somebody did.
            refused = RefusedError("structure", "unreadable", f"it cannot be read ({type(error).__name__})")
        verdict = self._verdict(refused)
        return Signed(verdict, self.documents, self.signer, self.facts) if verdict.valid else Signed(verdict)

    def info(self, form: Form) -> Info:
        """Verify the signature value; return what it covers.  Digests of references are still to be seen to."""
        octets, said = signed_info(form)
        same_key(form)
        self.passed["structure"] = f"one signature with {len(said.references)} references"
        self.passed["algorithms"] = f"{said.method.key} {said.method.padding} {said.method.hash}".replace("  ", " ")
        signed(form.certificates[0].public_key(), said.method, form.value, octets)
        certificate = bytes.fromhex(certificates.fingerprint(form.certificates[0]))
        self.signature = hashlib.sha256(certificate + octets).hexdigest()
        return said

    def take(self, name: str, octets: bytes, sha256: str) -> None:
        """Keep something that was signed."""
        self.documents[name] = octets
        self.hashes[name] = sha256

    def believe(self, form: Form, *usages: str) -> None:
        """Chain, purpose of the key, revocation.

        :param usages: of KeyUsage, one of which the certificate must have.
        """
        trust, at = self.given.trust, self.given.at
        leaf, *others = form.certificates
        if not certificates.usage(leaf) & set(usages):
            raise RefusedError("certificate", "key-usage", "the certificate is not for signatures of documents")
        try:
            found = trust.signer(leaf, others, at)
        except NotTrustedError as error:
            raise RefusedError("certificate", error.code, error.what) from None
        self.signer, self.chain = found.identity, found.chain
        self.passed["certificate"] = f"{found.identity.kind}, by an authority that is trusted"
        for standing in trust.standings(found.chain, at):
            self.proofs.append({"state": standing.state, **standing.proof})
            if standing.state == "revoked":
                raise RefusedError("revocation", "revoked", "a certificate of the chain was revoked")
            if standing.state == "stale":
                what = "the revocation list is past its time; a newer one is waited for"
                raise RefusedError("revocation", "revocation-stale", what, "indeterminate")
            if standing.state == "unknown":
                raise RefusedError("revocation", "revocation-unknown", "nothing that holds says it was not revoked")
        self.passed["revocation"] = f"{len(self.proofs)} certificates looked up, none revoked"

    def timed(self, at: datetime, oldest: timedelta | None) -> None:
        """See that a time can be: not of the future, not too long ago, within the life of the certificate."""
        self.signed_at = at
        skew = self.given.trust.policy.skew
        if at > self.given.at + skew:
            raise RefusedError("time", "signing-time-future", "it says it was signed in the future")
        if oldest and at < self.given.at - oldest - skew:
            raise RefusedError("time", "signing-time-old", "it was signed too long ago to come in now")
        if self.chain and not all(
            c.not_valid_before_utc - skew <= at <= c.not_valid_after_utc + skew for c in self.chain
        ):
            raise RefusedError("time", "signing-time-certificate", "the certificate was not valid at that time")
        self.passed["time"] = f"signed {revocation.stamp(at)}"

    def bind(self, names: Mapping[str, str]) -> None:
        """See that all that is known of who stands behind it is the signer."""
        known = {**names, **self.given.names}
        for where, who in known.items():
            if self.signer is None or who != self.signer.id:
                raise RefusedError("binding", "binding", f"the signer is not who stands at {where}")
        if known:
            self.passed["binding"] = "the signer is who stands at " + ", ".join(known)

    def once(self) -> None:
        """See that it did not come before, where that is asked."""
        if self.given.seen is None:
            return
        if self.given.seen(self.signature):
            raise RefusedError("replay", "replay", "the same signature came before")
        self.passed["replay"] = "it did not come before"

    @property
    def max_age(self) -> timedelta | None:
        hours = self.given.trust.policy.max_age_hours
        return timedelta(hours=hours) if hours else None

    def _verdict(self, refused: RefusedError | None) -> Verdict:
        status: Status = "valid" if refused is None else refused.status
        policy = self.given.trust.policy
        relied: dict[str, Any] = {
            "certificates": [_certificate(c) for c in self.chain],
            "revocation": [dict(p) for p in self.proofs],
            "policy": policy.model_dump(mode="json", exclude={"crl", "ocsp"}),
        }
        return Verdict(
            status, self.form, refused.code if refused else "", refused.what if refused else "",
            lines(self.passed, refused), _signer(self.signer),
            revocation.stamp(self.signed_at) if self.signed_at else "", revocation.stamp(self.given.at),
            self.hashes, self.signature, relied,
        )  # fmt: skip


def now() -> datetime:
    """The present."""
    return datetime.now(UTC)


def _signer(who: Identity | None) -> dict[str, str]:
    if who is None:
        return {}
    kept = {
        "kind": who.kind, "id": who.id, "system": f"urn:oid:{who.system}", "structure": who.structure,
        "name": who.name, "profession": who.profession, "speciality": who.speciality,
    }  # fmt: skip
    return {name: value for name, value in kept.items() if value}


@lru_cache(maxsize=256)
def _certificate(one: x509.Certificate) -> dict[str, str]:
    return {
        "subject": one.subject.rfc4514_string(), "issuer": one.issuer.rfc4514_string(),
        "serial": f"{one.serial_number:x}", "sha256": certificates.fingerprint(one),
        "notBefore": revocation.stamp(one.not_valid_before_utc), "notAfter": revocation.stamp(one.not_valid_after_utc),
    }  # fmt: skip
