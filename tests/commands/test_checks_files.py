"""What hub doctor says of certificates."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import trustme

from hub import clock
from hub.commands.checks import files
from tests.rows import DAY

from .conftest import CHANNEL, MIN, Site, look_at


def _certificate(folder: Path, **more: Any) -> tuple[Path, Path]:
    issued = trustme.CA().issue_cert("hub.example", **more)
    certificate, key = folder / "tls.pem", folder / "tls.key"
    certificate.write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(key)
    key.chmod(0o640)
    return certificate, key


def _judged(certificate: Path, key: Path | None, now: int | None = None) -> tuple[str, str]:
    (check,) = files.certificate_check(certificate, key, "adt", now)
    return check.level, check.what


def test_a_certificate_is_told_before_it_expires(tmp_path: Path) -> None:
    """RFC 5280 §4.1.2.5: notAfter; thirty days before, a warning."""
    certificate, key = _certificate(tmp_path, not_after=datetime(2049, 12, 31, tzinfo=UTC))
    ends = clock.from_iso("2049-12-31")
    assert _judged(certificate, key, ends - 31 * DAY) == ("ok", f"{certificate} holds for 31 d")
    assert _judged(certificate, key, ends - 29 * DAY) == ("warn", f"{certificate} expires in 29 d")
    assert _judged(certificate, key, ends + 5 * MIN) == ("fail", f"{certificate} expired 5 min ago")


def test_years_from_2050_are_written_otherwise(tmp_path: Path) -> None:
    """GeneralizedTime from 2050 on, UTCTime before (RFC 5280 §4.1.2.5)."""
    certificate, _ = _certificate(tmp_path, not_after=datetime(2055, 1, 1, tzinfo=UTC))
    leaf = files._PEM.findall(certificate.read_bytes())[0]
    assert files.not_after(leaf) == clock.from_iso("2055-01-01")


def test_a_certificate_that_cannot_serve_fails(tmp_path: Path) -> None:
    """Not there, no PEM, another's key, a key all may read."""
    certificate, key = _certificate(tmp_path, not_after=datetime(2049, 1, 1, tzinfo=UTC))
    other = tmp_path / "other"
    other.mkdir()
    _, foreign = _certificate(other)
    assert _judged(certificate, foreign) == ("fail", f"{foreign} is not the unencrypted key of {certificate}")
    assert _judged(tmp_path / "none.pem", None)[1].endswith("none.pem or its key: No such file or directory")
    key.chmod(0o644)
    assert _judged(certificate, key) == ("warn", f"{key} is open to every user of this host")
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing\n")
    assert _judged(empty, None) == ("fail", f"{empty} holds no PEM certificate")
    broken = ssl.DER_cert_to_PEM_cert(b"0\x03\x02\x01\x01")
    empty.write_text(broken)
    assert _judged(empty, None) == ("fail", f"{empty} or its key: not a certificate")


def _foreign(site: Site) -> Path:
    """A key that belongs to nothing here."""
    folder = site.home / "foreign"
    folder.mkdir()
    return _certificate(folder)[1]


def test_certificates_of_settings_and_of_channels_are_looked_at(site: Site) -> None:
    """Source, destinations and authorities, each by the name of who uses it."""
    certificate, key = _certificate(site.home)
    site.write(
        CHANNEL.replace(
            "{port: 0}", f"{{port: 0, tls: {{certificate: {certificate}, key: {key}, client_ca: {certificate}}}}}"
        )
    )
    found = list(files.certificates(look_at(site, tls_certificate=certificate, tls_key=_foreign(site))))
    assert [c.name for c in found] == ["certificate of settings", "certificate of adt", "certificate of adt"]
    assert [c.level for c in found] == ["fail", "ok", "ok"]
