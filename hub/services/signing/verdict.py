"""The verdict on a signature, check by check, with all that it relied on.

It is written when a document comes in and shown again years later as it was: certificates and lists that it
relied on are named by their SHA-256, number and time, so that nobody has to fetch anything to understand it.
Names of checks are ours; beside each stand the rules of the ANS service eSignSanté that it covers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

Status = Literal["valid", "invalid", "indeterminate", "absent"]
Outcome = Literal["ok", "failed", "unknown", "not reached", "not asked"]

# check -> (what it asks, rules of eSignSanté); in the order in which they are made.
CHECKS: Final = {
    "structure": ("is it a signature of a known form, within bounds?", "FormatSignature, SignatureNonVide"),
    "algorithms": ("does it use only algorithms that are accepted?", "FormatSignature"),
    "integrity": ("is what was signed unchanged?", "DocumentIntact, SignatureIntacte"),
    "certificate": ("is the signer certified by an authority of the trust list?",
                    "ExistenceDuCertificatDeSignature, ExpirationCertificat, TrustedCertificat, NonRepudiation"),
    "revocation": ("was no certificate of the chain revoked?", "RevocationCertificat"),
    "time": ("was it signed at a time that can be?", "ExistenceBaliseSigningTime"),
    "binding": ("is the signer who the document says?", ""),
    "replay": ("did the same signature not come before?", ""),
}  # fmt: skip


class RefusedError(Exception):
    """Why a signature is not accepted.

    :ivar check: of ``CHECKS``.
    :ivar code: short and stable; ``what`` a sentence that repeats nothing of the document.
    """

    def __init__(self, check: str, code: str, what: str, status: Status = "invalid") -> None:
        super().__init__(f"{code}: {what}")
        self.check, self.code, self.what, self.status = check, code, what, status


@dataclass(frozen=True, slots=True)
class Check:
    """One line of a verdict."""

    name: str
    outcome: Outcome
    what: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found.

    :ivar form: ``xades`` (enveloped), ``dsg``, ``vihf``, ``provenance``, or '' when there is none.
    :ivar code, what: why it is not valid.
    :ivar signer: who signed, as the certificate says; empty unless the certificate is believed.
    :ivar signed_at: as the signer says; ``verified_at`` as the clock of the hub says.
    :ivar signed: SHA-256 of each thing that was signed, by name (``document``, or the URI of a manifest).
    :ivar signature: SHA-256 of the certificate and of SignedInfo: the same for the same signature.
    :ivar relied_on: certificates, revocation lists and answers, rules.
    """

    status: Status
    form: str = ""
    code: str = ""
    what: str = ""
    checks: tuple[Check, ...] = ()
    signer: Mapping[str, str] = field(default_factory=dict)
    signed_at: str = ""
    verified_at: str = ""
    signed: Mapping[str, str] = field(default_factory=dict)
    signature: str = ""
    relied_on: Mapping[str, Any] = field(default_factory=dict)

    @property
    def valid(self) -> bool:
        return self.status == "valid"

    def to_json(self) -> dict[str, Any]:
        """As it is stored and shown."""
        kept = {
            "status": self.status, "form": self.form, "code": self.code, "what": self.what,
            "checks": [{"name": c.name, "outcome": c.outcome, "what": c.what} for c in self.checks],
            "signer": dict(self.signer), "signedAt": self.signed_at, "verifiedAt": self.verified_at,
            "signed": dict(self.signed), "signature": self.signature, "reliedOn": dict(self.relied_on),
        }  # fmt: skip
        return {name: value for name, value in kept.items() if value}

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Verdict:
        """What :meth:`to_json` wrote."""
        return cls(
            kept["status"], kept.get("form", ""), kept.get("code", ""), kept.get("what", ""),
            tuple(Check(c["name"], c["outcome"], c.get("what", "")) for c in kept.get("checks", ())),
            kept.get("signer", {}), kept.get("signedAt", ""), kept.get("verifiedAt", ""), kept.get("signed", {}),
            kept.get("signature", ""), kept.get("reliedOn", {}),
        )  # fmt: skip


def lines(passed: Mapping[str, str], refused: RefusedError | None) -> tuple[Check, ...]:
    """Each check, with what it saw."""
    made: list[Check] = []
    for name in CHECKS:
        if refused is not None and name == refused.check:
            made.append(Check(name, "unknown" if refused.status == "indeterminate" else "failed", refused.what))
        elif name in passed:
            made.append(Check(name, "ok" if passed[name] else "not asked", passed[name]))
        else:
            made.append(Check(name, "not reached" if refused is not None else "not asked"))
    return tuple(made)
