"""Files: channels, and the certificates that the settings and the channels name (RFC 5280)."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from hub import clock
from hub.commands.checks import DAY, Check, Look
from hub.commands.output import span

_SOON = 30 * DAY
_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def channels(look: Look) -> Iterator[Check]:
    from hub.channel.lint import lint

    folder = look.settings.channels
    if not look.channels:
        yield Check("channels", "warn", f"no channel file in {folder}", "hub init, or hub new channel NAME")
        return
    found = lint([folder], look.settings)
    errors = [f for f in found if f.severity == "error"]
    warnings = [f for f in found if f.severity == "warning"]
    for level, some in (("fail", errors), ("warn", warnings)):
        if some:
            more = f" (and {len(some) - 1} more)" if len(some) > 1 else ""
            yield Check("channels", "fail" if level == "fail" else "warn", f"{some[0]}{more}", "see hub lint")
    if not errors and not warnings:
        enabled = sum(1 for one in look.channels if one.spec and one.spec.enabled)
        yield Check("channels", "ok", f"{len(look.channels)} files, {enabled} enabled, nothing to mend")


def certificates(look: Look) -> Iterator[Check]:
    """Expiry of every certificate, whether its key belongs to it, and who may read the key."""
    pairs = {(look.settings.tls_certificate, look.settings.tls_key): "settings"}
    for loaded in look.channels:
        if loaded.spec is not None and loaded.spec.enabled:
            parts = [loaded.spec.source, *(d.part for d in loaded.spec.destinations)]
            for part in parts:
                pairs |= dict.fromkeys(_named(part.options), loaded.spec.name)
    for (certificate, key), who in pairs.items():
        if certificate is not None:
            yield from certificate_check(certificate, key, who)


def _named(options: Any) -> Iterator[tuple[Path | None, Path | None]]:
    """(certificate, key) and (authority, None) of the TLS options below those of a connector."""
    if not isinstance(options, BaseModel):
        return
    given = {name: getattr(options, name) for name in type(options).model_fields}
    if isinstance(given.get("certificate"), Path):
        yield given["certificate"], given.get("key")
    for name in ("ca", "client_ca"):
        if isinstance(given.get(name), Path):
            yield given[name], None
    for value in given.values():
        yield from _named(value)


def certificate_check(file: Path, key: Path | None, who: str, now: int | None = None) -> Iterator[Check]:
    """One file of certificates: the first to expire counts."""
    name, at = f"certificate of {who}", clock.now() if now is None else now
    try:
        ends = min(map(not_after, _PEM.findall(file.read_bytes())), default=0)
        if ends and key is not None:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(file, key, password="")
    except ssl.SSLError:
        yield Check(name, "fail", f"{key} is not the unencrypted key of {file}", "give both of one request")
        return
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a certificate"
        yield Check(name, "fail", f"{file} or its key: {reason}", "see who may read it, and that it is PEM")
        return
    if not ends:
        yield Check(name, "fail", f"{file} holds no PEM certificate", "write the certificate in PEM")
    elif ends <= at:
        yield Check(name, "fail", f"{file} expired {span(at - ends)} ago", "renew it")
    elif ends - at < _SOON:
        yield Check(name, "warn", f"{file} expires in {span(ends - at)}", "renew it")
    elif key is not None and key.stat().st_mode & 0o007:
        yield Check(name, "warn", f"{key} is open to every user of this host", f"chmod 640 {key}")
    else:
        yield Check(name, "ok", f"{file} holds for {span(ends - at)}")


def not_after(pem: bytes) -> int:
    """``notAfter`` of a certificate (RFC 5280 §4.1.2.5), microseconds since the epoch.

    :raises ValueError: when it is no certificate.
    """
    der = ssl.PEM_cert_to_DER_cert(pem.decode("ascii"))
    try:
        (_, whole), *_ = _elements(der)
        (_, signed), *_ = _elements(whole)
        fields = [one for one in _elements(signed) if one[0] != 0xA0]  # version is optional
        tag, value = _elements(fields[3][1])[1]  # serial, signature, issuer, validity: notBefore, notAfter
        text = value.decode("ascii")
        if tag == 0x17:  # UTCTime: years 1950 to 2049
            text = ("19" if text[:2] >= "50" else "20") + text
        return int(datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()) * 1_000_000
    except (IndexError, ValueError) as error:
        raise ValueError("not a certificate") from error


def _elements(der: bytes) -> list[tuple[int, bytes]]:
    """(tag, content) of elements that stand one after the other (X.690 §8.1)."""
    out, at = [], 0
    while at < len(der):
        tag, length, at = der[at], der[at + 1], at + 2
        if length & 0x80:
            count = length & 0x7F
            length, at = int.from_bytes(der[at : at + count], "big"), at + count
        out.append((tag, der[at : at + length]))
        at += length
    return out
