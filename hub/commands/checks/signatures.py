"""Signatures: the authorities that are believed, revocation lists, and the seal (RFC 5280)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from hub import clock
from hub.commands.checks import DAY, Check, Look
from hub.commands.output import span

if TYPE_CHECKING:
    from cryptography import x509

_SOON = 30 * DAY


def trust(look: Look) -> Iterator[Check]:
    """When each authority and each list expires; nothing when no channel verifies signatures."""
    folder = look.settings.trust_folder
    if not folder.is_dir() and not any(one.spec is not None and one.spec.signature for one in look.channels):
        return
    from hub.security.revocation import key_of
    from hub.security.trust import load

    found = load(folder)
    every = {c for of in found.lists.values() for c in (*of.roots, *of.issuers)}
    for one in sorted(every, key=lambda c: c.not_valid_after_utc):
        yield _expiry(f"authority {_name(one)}", one.not_valid_after_utc, _SOON, "add the one that follows it")
    for one in sorted(every, key=_name):
        lists = found.crls.get(key_of(one), ())
        if lists:
            cure = "hub verify --refresh, or see why no newer one comes"
            yield _expiry(f"revocation list of {_name(one)}", lists[0].next_update, 0, cure)
        elif not found.policy.ocsp:
            what = "none that it signed: what it issued is not believed"
            yield Check(f"revocation list of {_name(one)}", "warn", what, f"put it into {folder / 'crl'}")


def seal(look: Look) -> Iterator[Check]:
    """Whether the seal can be used, and until when."""
    certificate, key = look.settings.seal_certificate, look.settings.seal_key
    if certificate is None or key is None:
        return
    from hub.services.signing.seal import FileSealer

    made = FileSealer.load(certificate, key)
    if key.stat().st_mode & 0o007:
        yield Check("seal", "warn", f"{key} is open to every user of this host", f"chmod 640 {key}")
    yield _expiry("seal", made.chain[0].not_valid_after_utc, _SOON, "renew it")


def _expiry(name: str, ends: datetime, soon: int, cure: str) -> Check:
    left = int(ends.timestamp() * 1_000_000) - clock.now()
    if left <= 0:
        return Check(name, "fail", f"expired {span(-left)} ago", cure)
    return Check(name, "warn" if left < soon else "ok", f"holds for {span(left)}", cure if left < soon else "")


def _name(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string().split(",")[0]
