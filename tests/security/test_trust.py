"""Trust: chains, lists of persons and of organisations apart, revocation lists and OCSP (RFC 5280, RFC 6960)."""

from __future__ import annotations

import importlib.util
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hub.errors import ConfigError
from hub.security import certificates, revocation, revocation_fetch, revocation_ocsp, trust

_PATH = Path(__file__).parents[1] / "services" / "signing" / "pki.py"
_SPEC = importlib.util.spec_from_file_location("pki_of_trust", _PATH)
assert _SPEC is not None
pki: Any = importlib.util.module_from_spec(_SPEC)
sys.modules["pki_of_trust"] = pki
assert _SPEC.loader is not None
_SPEC.loader.exec_module(pki)
DAY = pki.DAY


@pytest.fixture(scope="module")
def keys() -> Any:
    return pki.Pki()


@pytest.fixture
def folder(keys: Any, tmp_path: Path) -> Path:
    return keys.write(tmp_path / "trust")


def now() -> datetime:
    return datetime.now(UTC)


def states(found: trust.Trust, keys: Any, leaf: str = "doctor", at: datetime | None = None) -> list[str]:
    return [s.state for s in found.standings(keys[leaf].chain, at or now())]


def code(found: trust.Trust, keys: Any, leaf: str) -> str:
    try:
        found.signer(keys[leaf].certificate, keys[leaf].above, now())
    except trust.NotTrustedError as error:
        return error.code
    return "trusted"


def test_who_is_believed(keys: Any, folder: Path) -> None:
    found = trust.load(folder)
    expected = {
        "doctor": "trusted", "doctor-ec": "trusted", "seal": "trusted", "rogue": "untrusted",
        "self-signed": "untrusted",
        "expired": "expired", "not-yet": "not-yet-valid", "policy": "policy", "bait": "identity",
        "person-by-org": "untrusted",
    }  # fmt: skip
    assert {leaf: code(found, keys, leaf) for leaf in expected} == expected
    for _ in range(2):  # the second time it is remembered
        assert found.signer(keys["doctor"].certificate, (), now()).identity.id == pki.DOCTOR


def test_what_a_chain_remembered_does_not_outlive(keys: Any, folder: Path) -> None:
    found = trust.load(folder)
    found.signer(keys["doctor"].certificate, (), now())
    with pytest.raises(trust.NotTrustedError):
        found.signer(keys["doctor"].certificate, (), now() + 2000 * DAY)


def test_a_shared_root_makes_no_server_a_doctor(keys: Any, tmp_path: Path) -> None:
    """Roots of IGC-Santé stand over both domains."""
    both = tmp_path / "t"
    keys.write(both)
    organisations = pki.authority("TEST AC STANDARD ORGANISATIONS", keys.root, 21)
    roots = pki.pem(keys.root.certificate)
    (both / "organisations" / "b.pem").write_bytes(roots + pki.pem(organisations.certificate))
    false = pki.leaf(pki.person(), organisations)
    found = trust.load(both)
    with pytest.raises(trust.NotTrustedError, match="persons"):
        found.signer(false.certificate, false.above, now())


def test_only_roots(keys: Any, tmp_path: Path) -> None:
    """Then the message brings the authorities between."""
    (tmp_path / "persons.pem").write_bytes(pki.pem(keys.root.certificate))
    found = trust.load(tmp_path)
    one = keys["doctor"]
    assert found.signer(one.certificate, one.above, now()).chain[-1] == keys.root.certificate
    with pytest.raises(trust.NotTrustedError):
        found.signer(one.certificate, (), now())
    with pytest.raises(trust.NotTrustedError, match="organisation"):
        found.signer(keys["seal"].certificate, keys["seal"].above, now())


def test_files_without_folders(keys: Any, tmp_path: Path) -> None:
    """Authorities are sorted by what they are called."""
    for number, one in enumerate((keys.root, keys.persons, keys.root_org, keys.organisations)):
        octets = one.certificate.public_bytes(serialization.Encoding.DER)
        (tmp_path / f"{number}.der").write_bytes(octets)
    found = trust.load(tmp_path)
    assert code(found, keys, "policy") == "trusted"  # no policy is asked for
    assert code(found, keys, "seal") == "trusted"
    assert code(found, keys, "person-by-org") == "untrusted"


@pytest.mark.parametrize(
    ("name", "octets", "match"),
    [
        ("persons/x.pem", b"text", "can be read"), ("crl/x.crl", b"text", "can be read"),
        ("trust.yaml", b"a: [", "name: value"), ("trust.yaml", b"- a", "name: value"),
        ("trust.yaml", b"skew_seconds: -1", "greater"), ("trust.yaml", b"nothing: 1", "nothing"),
    ],
)  # fmt: skip
def test_folders_that_cannot_be_read(folder: Path, name: str, octets: bytes, match: str) -> None:
    (folder / name).write_bytes(octets)
    with pytest.raises(ConfigError, match=match):
        trust.load(folder)


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such folder"):
        trust.load(tmp_path / "nothing")
    with pytest.raises(ConfigError, match="no certificate"):
        trust.load(tmp_path)


def test_a_folder_is_read_again_when_it_changed(keys: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trust, "_LOOK_AGAIN", 0.0)
    first = trust.current(folder)
    assert trust.current(folder) is first
    (folder / "trust.yaml").write_text("grace_hours: 1\n", encoding="ascii")
    assert trust.current(folder).policy.grace_hours == 1
    monkeypatch.setattr(trust, "_LOOK_AGAIN", 100.0)
    (folder / "trust.yaml").write_text("grace_hours: 2\n", encoding="ascii")
    assert trust.current(folder).policy.grace_hours == 1


def test_revoked(keys: Any, folder: Path) -> None:
    found = trust.load(folder)
    assert states(found, keys) == ["good", "good"]
    assert states(found, keys, "revoked") == ["revoked", "good"]
    assert states(found, keys, at=now() - 10 * DAY) == ["good", "good"]  # what came earlier, by what is known today


def _lists(folder: Path, keys: Any, *crls: Any) -> trust.Trust:
    (folder / "crl" / "persons.crl").write_bytes(pki.pem(*crls))
    return trust.load(folder)


def test_lists_that_do_not_hold(keys: Any, folder: Path) -> None:
    """Fail closed: stale, forged, of the future, a delta, of somebody else, or none at all."""
    one = keys.persons
    old, older = now() - 10 * DAY, now() - timedelta(hours=3)
    assert states(_lists(folder, keys, pki.crl(one, last=old, following=older)), keys) == ["stale", "good"]
    assert states(_lists(folder, keys, pki.crl(one, last=old, following=now() - 2 * DAY)), keys) == ["unknown", "good"]
    assert states(_lists(folder, keys, pki.crl(one, by=keys.rogue)), keys) == ["unknown", "good"]
    later = pki.crl(one, last=now() + DAY, following=now() + 2 * DAY)
    assert states(_lists(folder, keys, later), keys) == ["unknown", "good"]
    assert states(_lists(folder, keys, pki.crl(one, delta=True)), keys) == ["unknown", "good"]
    assert states(_lists(folder, keys, pki.crl(keys.organisations)), keys) == ["unknown", "good"]
    (folder / "crl" / "persons.crl").unlink()
    assert states(trust.load(folder), keys) == ["unknown", "good"]


def test_the_newest_list_counts(keys: Any, folder: Path) -> None:
    one = keys.persons
    before = pki.crl(one, last=now() - 3 * DAY)
    after = pki.crl(one, [keys["doctor"]])
    assert states(_lists(folder, keys, before, after), keys) == ["revoked", "good"]
    stale = pki.crl(one, [keys["doctor"]], last=now() - 10 * DAY, following=now() - 9 * DAY)
    assert states(_lists(folder, keys, stale), keys) == ["revoked", "good"]


def test_a_list_may_forget_what_has_expired(keys: Any, folder: Path) -> None:
    """RFC 5280 §3.3: an expired certificate that is not on it may have been."""
    assert states(trust.load(folder), keys, "expired", now() - 200 * DAY) == ["unknown", "good"]


def test_lists_of_some_reasons_only(keys: Any, folder: Path) -> None:
    builder = (
        x509.CertificateRevocationListBuilder().issuer_name(keys.persons.certificate.subject)
        .last_update(now() - DAY).next_update(now() + DAY)
        .add_extension(
            x509.IssuingDistributionPoint(None, None, False, True, None, False, False), critical=True
        )
    )  # fmt: skip
    partial = builder.sign(keys.persons.key, hashes.SHA256())
    assert states(_lists(folder, keys, partial), keys) == ["unknown", "good"]


# --- OCSP ---------------------------------------------------------------------------------------------------


def answer(keys: Any, octets: bytes, status: Any = ocsp.OCSPCertStatus.GOOD, **more: Any) -> bytes:
    asked = ocsp.load_der_ocsp_request(octets)
    leaf = next(p for p in keys.leaves.values() if p.certificate.serial_number == asked.serial_number)
    about = more.get("about", leaf).certificate
    by = more.get("by", keys.persons)
    last = more.get("last", now() - timedelta(minutes=5))
    builder = ocsp.OCSPResponseBuilder().add_response(
        about, keys.persons.certificate, hashes.SHA256(), status, last,
        more.get("following", last + timedelta(hours=1)),
        now() - DAY if status is ocsp.OCSPCertStatus.REVOKED else None, None,
    ).responder_id(ocsp.OCSPResponderEncoding.HASH, by.certificate)  # fmt: skip
    if more.get("attach"):
        builder = builder.certificates([by.certificate])
    return builder.sign(by.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


class Responder(ThreadingHTTPServer):
    """A responder that answers as a test says."""

    daemon_threads = True

    def __init__(self) -> None:
        self.make: Any = lambda octets: b""
        self.status = 200
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"


class _Handler(BaseHTTPRequestHandler):
    server: Responder

    def do_POST(self) -> None:
        octets = self.rfile.read(int(self.headers["Content-Length"]))
        self._send(self.server.make(octets))

    def do_GET(self) -> None:
        self._send(self.server.make(b""))

    def _send(self, octets: bytes) -> None:
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(octets)))
        self.end_headers()
        self.wfile.write(octets)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the signature of the base
        pass


@pytest.fixture
def responder() -> Iterator[Responder]:
    made = Responder()
    thread = threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


def ask(keys: Any, responder: Responder, leaf: str = "doctor") -> str:
    pair = keys[leaf]
    found = revocation_ocsp.ask(responder.url, pair.certificate, keys.persons.certificate, now(), timedelta(minutes=5))
    return found.state


def test_a_responder(keys: Any, responder: Responder) -> None:
    for status in ocsp.OCSPCertStatus:
        responder.make = lambda octets, s=status: answer(keys, octets, s)
        assert ask(keys, responder) == status.name.lower()


def test_a_delegated_responder(keys: Any, responder: Responder) -> None:
    subject = pki.organisation(cn="ocsp")
    signing = [ExtendedKeyUsageOID.OCSP_SIGNING]
    good = pki.leaf(subject, keys.persons, pki.AUTH, eku=signing, key=pki.rsa_key(2048, 30))
    responder.make = lambda octets: answer(keys, octets, by=good, attach=True)
    assert ask(keys, responder) == "good"
    other = pki.leaf(subject, keys.persons, pki.AUTH, key=pki.rsa_key(2048, 31))
    old = pki.leaf(subject, keys.persons, pki.AUTH, eku=signing, end=now() - DAY)
    foreign = pki.leaf(subject, keys.rogue, pki.AUTH, eku=signing)
    for by in (other, old, foreign):
        responder.make = lambda octets, b=by: answer(keys, octets, by=b, attach=True)
        assert ask(keys, responder) == "unknown"


def test_answers_that_do_not_count(keys: Any, responder: Responder) -> None:
    unsuccessful = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER)
    made = (
        lambda octets: answer(keys, octets, about=keys["other"]),
        lambda octets: answer(keys, octets, by=keys.rogue),
        lambda octets: answer(keys, octets, last=now() - 3 * DAY),
        lambda octets: answer(keys, octets, last=now() + DAY),
        lambda octets: answer(keys, octets, following=None),
        lambda octets: unsuccessful.public_bytes(serialization.Encoding.DER),
        lambda octets: b"text",
        lambda octets: b"x" * 100_000,
    )
    for one in made:
        responder.make = one
        assert ask(keys, responder) == "unknown"
    responder.make, responder.status = (lambda octets: answer(keys, octets)), 500
    assert ask(keys, responder) == "unknown"
    responder.status = 302
    assert ask(keys, responder) == "unknown"


def test_nobody_answers(keys: Any) -> None:
    one = keys["doctor"].certificate
    for url in ("http://127.0.0.1:9/", "not a url", "ftp://127.0.0.1/"):
        found = revocation_ocsp.ask(url, one, keys.persons.certificate, now(), timedelta(minutes=5))
        assert found.state == "unknown"


def test_a_responder_is_asked_when_no_list_holds(keys: Any, folder: Path, responder: Responder) -> None:
    (folder / "crl" / "persons.crl").unlink()
    (folder / "trust.yaml").write_text(f"ocsp: {responder.url}\n", encoding="ascii")
    found = trust.load(folder)
    responder.make = lambda octets: answer(keys, octets)
    assert states(found, keys) == ["good", "good"]
    responder.status = 500
    assert states(found, keys) == ["good", "good"]  # remembered as long as the answer holds
    assert states(found, keys, "other") == ["unknown", "good"]


def test_lists_are_fetched_from_configured_places(keys: Any, folder: Path, responder: Responder) -> None:
    (folder / "crl" / "persons.crl").unlink()
    (folder / "trust.yaml").write_text(f"crl: ['{responder.url}', 'http://127.0.0.1:9/x']\n", encoding="ascii")
    responder.make = lambda octets: b"text"
    assert next(line.rpartition(": ")[2] for line in revocation_fetch.refresh(folder)).startswith("not kept")
    assert not list((folder / "crl").glob("fetched*"))
    responder.status = 404
    assert "404" in next(revocation_fetch.refresh(folder))
    responder.status = 200
    responder.make = lambda octets: pki.pem(pki.crl(keys.persons))
    lines = list(revocation_fetch.refresh(folder))
    assert lines[0].endswith(": fetched")
    assert "ConnectError" in lines[1]
    assert states(trust.load(folder), keys) == ["good", "good"]
    assert not list((folder / "crl").glob("*.part"))


# --- certificates -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "good"),
    [("801234567897", True), ("0912345678", True), ("30B0057881/CPET0002", True), ("3750000001/CPET0002", True),
     ("80123456789", False), ("8012345678977", False), ("801234567897\n", False), ("٨01234567897", False),
     ("801234567897,CN=801987654328", False), ("", False), ("2750000001/X", False), ("3750000001/", False)],
)  # fmt: skip
def test_national_identifiers(keys: Any, number: str, good: bool) -> None:
    try:
        who = certificates.identity(pki.leaf(pki.person(number or " "), keys.persons).certificate)
    except ValueError:
        assert not good
    else:
        assert good
        assert (who.id, who.kind, who.profession, who.speciality) == (number, "person", "10", "SM26")


def test_subjects_that_name_nobody(keys: Any) -> None:
    cn, ou, sn = NameOID.COMMON_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME, NameOID.SURNAME
    for parts in (
        [[(cn, pki.DOCTOR)], [(cn, pki.OTHER)], [(sn, "X")]],
        [[(cn, pki.DOCTOR), (sn, "X")], [(sn, "Y")]],
        [[(cn, "x")]],
        [[(ou, "not one")], [(cn, "x")]],
        [[(ou, "1750000001")], [(ou, "1690000002")], [(cn, "x")]],
    ):
        with pytest.raises(ValueError):  # noqa: PT011 - each has its own words
            certificates.identity(pki.leaf(pki.name(*parts), keys.organisations).certificate)


def test_octets_that_are_no_certificate() -> None:
    for octets in (b"", b"x", b"\x30\x82", b"\0" * 20_000):
        with pytest.raises(ValueError):  # noqa: PT011 - the kind is what matters
            certificates.read(octets)


def test_lists_that_are_none() -> None:
    for octets in (b"", b"x"):
        with pytest.raises(ValueError):  # noqa: PT011 - the kind is what matters
            revocation.read_crls(octets)
    assert revocation.read_crls(b"-----BEGIN X") == []
