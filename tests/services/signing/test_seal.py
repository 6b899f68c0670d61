"""The seal of the hub: keys in files and in PKCS #11 modules; what may be sealed, and by whom."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from hub.errors import ConfigError, InvalidError, UnavailableError
from hub.services.signing import build
from hub.services.signing.seal import FileSealer, Pkcs11Sealer
from hub.services.signing.verdict import RefusedError

from .conftest import Bench
from .pki import Pair, pem

MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")
XML = b"<record xmlns='urn:x'>text</record>"


def files(folder: Path, pair: Pair) -> tuple[Path, Path]:
    (folder / "seal.pem").write_bytes(pem(*pair.chain))
    (folder / "seal.key").write_bytes(pair.pem())
    return folder / "seal.pem", folder / "seal.key"


@pytest.mark.parametrize("leaf", ["seal", "seal-ec"])
def test_a_key_in_a_file(bench: Bench, tmp_path: Path, leaf: str) -> None:
    sealer = FileSealer.load(*files(tmp_path, bench.pki[leaf]))
    octets = build.seal_document(XML, sealer, datetime.now(UTC))
    found = bench.judge(octets)
    assert found.verdict.valid, found.verdict
    assert found.verdict.signer["kind"] == "organisation"
    assert found.root.text == "text"


@pytest.mark.parametrize("leaf", ["doctor", "auth", "weak", "person-by-org"])
def test_the_hub_signs_as_no_person(bench: Bench, tmp_path: Path, leaf: str) -> None:
    with pytest.raises(ConfigError):
        FileSealer.load(*files(tmp_path, bench.pki[leaf]))


def test_files_that_are_none(bench: Bench, tmp_path: Path) -> None:
    certificate, key = files(tmp_path, bench.pki["seal"])
    with pytest.raises(ConfigError, match="cannot be read"):
        FileSealer.load(tmp_path / "nothing", key)
    (tmp_path / "text").write_bytes(b"x")
    with pytest.raises(ConfigError):
        FileSealer.load(certificate, tmp_path / "text")
    with pytest.raises(ConfigError):
        FileSealer.load(tmp_path / "text", key)
    (tmp_path / "other.key").write_bytes(bench.pki["doctor"].pem())
    with pytest.raises(ConfigError, match="not that of the certificate"):
        FileSealer.load(certificate, tmp_path / "other.key")


def test_what_cannot_be_sealed_inside(bench: Bench, tmp_path: Path) -> None:
    """The CI-SIS schema of CDA has no place for a signature; instructions beside the root are digested by some."""
    sealer = FileSealer.load(*files(tmp_path, bench.pki["seal"]))
    now = datetime.now(UTC)
    sealed = build.seal_document(XML, sealer, now)
    for octets in (bench.cda, b"no xml", b"<?a b?>" + XML, sealed):
        with pytest.raises(InvalidError):
            build.seal_document(octets, sealer, now)
    for octets in (XML, sealed):
        with pytest.raises(RefusedError):
            build.complete(octets, b"x" * 256)


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bench: Bench) -> Path:
    """A SoftHSM token with the keys of the seals."""
    pytest.importorskip("pkcs11", reason="python-pkcs11 is not installed")
    if not MODULE.exists() or not shutil.which("softhsm2-util"):
        pytest.skip("SoftHSM is not installed (apt-get install softhsm2)")
    (tmp_path / "tokens").mkdir()
    (tmp_path / "conf").write_text(f"directories.tokendir = {tmp_path / 'tokens'}\n", encoding="ascii")
    monkeypatch.setenv("SOFTHSM2_CONF", str(tmp_path / "conf"))
    run = ["softhsm2-util", "--init-token", "--free", "--label", "hub", "--so-pin", "12345678", "--pin", "1234"]
    subprocess.run(run, check=True, capture_output=True, timeout=30)
    for number, leaf in enumerate(("seal", "seal-ec"), 1):
        key = bench.pki[leaf].key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (tmp_path / "key.pem").write_bytes(key)
        run = ["softhsm2-util", "--import", str(tmp_path / "key.pem"), "--token", "hub", "--label", leaf, "--id",
               f"0{number}", "--pin", "1234"]  # fmt: skip
        subprocess.run(run, check=True, capture_output=True, timeout=30)
    return tmp_path


def test_a_key_in_a_module(bench: Bench, token: Path) -> None:
    """One test, for a module is initialised once a process."""
    for leaf in ("seal", "seal-ec"):
        certificate = token / "c.pem"
        certificate.write_bytes(pem(*bench.pki[leaf].chain))
        sealer = Pkcs11Sealer.open(MODULE, "hub", leaf, "1234", certificate)
        found = bench.judge(build.seal_document(XML, sealer, datetime.now(UTC)))
        assert found.verdict.valid, found.verdict
    with pytest.raises(UnavailableError):
        Pkcs11Sealer.open(MODULE, "hub", "nothing", "1234", certificate)


def test_no_module(bench: Bench, tmp_path: Path) -> None:
    certificate, _ = files(tmp_path, bench.pki["seal"])
    with pytest.raises(UnavailableError):
        Pkcs11Sealer.open(tmp_path / "nothing.so", "hub", "seal", "1234", certificate)


def test_no_package(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pkcs11", None)
    certificate, _ = files(tmp_path, bench.pki["seal"])
    with pytest.raises(UnavailableError, match="not installed"):
        Pkcs11Sealer.open(MODULE, "hub", "seal", "1234", certificate)
