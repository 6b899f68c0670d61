"""``hub verify``: the verdict on a file or on a message, and ``hub doctor`` on what signatures rest upon."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import orjson
import pytest
from click.testing import CliRunner

from hub.cli import hub
from hub.commands.checks import Look
from hub.commands.checks.signatures import seal, trust
from hub.errors import ConfigError
from hub.services.signing import build
from hub.settings import Settings
from hub.store import Store, open_store
from hub.store.signatures import Kept, keep
from hub.store.tables import State


def _load(name: str) -> ModuleType:
    path = Path(__file__).parents[1] / "services" / "signing" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"signing_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = made
    spec.loader.exec_module(made)
    return made


pki: Any = _load("pki")


class Sealer:
    def __init__(self, pair: Any) -> None:
        self.chain, self.sign = pair.chain, pair.sign


@pytest.fixture(scope="module")
def keys() -> Any:
    return pki.Pki()


@pytest.fixture
def home(keys: Any, tmp_path: Path) -> Path:
    keys.write(tmp_path / "trust")
    sealed = build.seal_document(b"<record xmlns='urn:x'>text</record>", Sealer(keys["seal"]), datetime.now(UTC))
    (tmp_path / "good.xml").write_bytes(sealed)
    (tmp_path / "bad.xml").write_bytes(sealed.replace(b"text", b"other"))
    (tmp_path / "dsg.xml").write_bytes(
        build.seal_documents({"urn:oid:1.2.3": b"%PDF"}, Sealer(keys["seal"]), datetime.now(UTC), submission="1.9")
    )
    (tmp_path / "a.pdf").write_bytes(b"%PDF")
    (tmp_path / "plain.xml").write_bytes(b"<a/>")
    return tmp_path


def run(home: Path, *args: str) -> tuple[int, str]:
    done = CliRunner().invoke(hub, ["verify", "--home", str(home), *args], standalone_mode=False)
    if done.exception is not None:
        raise done.exception
    return int(done.return_value or 0), done.output


def test_good_and_bad(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    status, said = run(home, "good.xml")
    assert status == 0
    assert said.startswith("valid\n")
    assert "organisation 1750000001" in said
    assert "relied on: crl number 7" in said
    status, said = run(home, "bad.xml", "--trust", "trust")
    assert status == 1
    assert said.startswith("invalid (digest): what was signed has changed\n")
    assert run(home, "plain.xml")[0] == 1
    assert "absent" in run(home, "plain.xml")[1]


def test_json(home: Path) -> None:
    status, said = run(home, str(home / "good.xml"), "--format", "json")
    assert status == 0
    assert orjson.loads(said)["status"] == "valid"


def test_documents_beside(home: Path) -> None:
    file, beside = str(home / "dsg.xml"), f"1.2.3={home / 'a.pdf'}"
    assert run(home, file, "--document", beside, "--submission", "1.9")[0] == 0
    assert run(home, file, "--document", f"urn:oid:{beside}")[0] == 0
    assert run(home, file, "--document", beside, "--submission", "1.8")[0] == 1
    assert run(home, file)[0] == 1


def test_who_and_when(home: Path) -> None:
    file = str(home / "good.xml")
    assert run(home, file, "--signer", "1750000001")[0] == 0
    assert run(home, file, "--signer", "801234567897")[0] == 1
    later = (datetime.now(UTC) + timedelta(days=4)).isoformat()
    assert "signing-time-old" in run(home, file, "--at", later)[1]


def test_what_was_signed_is_written(home: Path) -> None:
    run(home, str(home / "good.xml"), "--output", str(home / "out.xml"))
    assert (home / "out.xml").read_bytes() == b'<record xmlns="urn:x">text</record>'
    run(home, str(home / "bad.xml"), "--output", str(home / "none.xml"))
    assert not (home / "none.xml").exists()


@pytest.mark.parametrize(
    "args",
    [[], ["x", "--message", "y"], ["good.xml", "--document", "x"], ["good.xml", "--at", "now"], ["nothing.xml"],
     ["good.xml", "--trust", "nothing"], ["--message", "short"], ["--message", "0000000000001"]],
)  # fmt: skip
def test_wrong_use(home: Path, args: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit status 2, and what to do; see :func:`hub.cli.main`."""
    monkeypatch.chdir(home)
    store = open_store(Settings.load(home))
    store.upgrade()
    store.close()
    import click

    with pytest.raises((click.UsageError, ConfigError)):
        run(home, *args)


@pytest.fixture
def kept(home: Path) -> Iterator[Store]:
    store = open_store(Settings.load(home), "test")
    store.upgrade()
    yield store
    store.close()


def test_a_verdict_that_was_kept(home: Path, kept: Store) -> None:
    from hub import clock
    from hub.store.messages import Finished

    for number, status in ((1, "valid"), (2, "invalid")):
        verdict = orjson.dumps({"status": status, "code": "" if number == 1 else "digest", "what": "x"})
        done = Finished(number, State.DONE, "", 0, 1, signature=Kept("c", verdict))
        kept.write(lambda tx, d=done: keep(tx, [d]))
        assert run(home, "--message", clock.show_id(number))[0] == number - 1


def test_refresh(home: Path) -> None:
    (home / "trust" / "trust.yaml").write_text("crl: ['http://127.0.0.1:9/x']\n", encoding="ascii")
    assert "not fetched" in run(home, str(home / "good.xml"), "--refresh")[1]


def test_the_doctor(home: Path, keys: Any) -> None:
    """Which authority and which list expires when; whether the seal can be used."""
    look = Look(Settings.load(home))
    found = list(trust(look))
    assert {c.level for c in found} == {"ok"}
    assert sum(c.name.startswith("authority") for c in found) == 4
    assert sum(c.name.startswith("revocation list") for c in found) == 4
    now = datetime.now(UTC)
    old = pki.crl(keys.persons, last=now - timedelta(days=9), following=now - timedelta(days=1))
    (home / "trust" / "crl" / "persons.crl").write_bytes(pki.pem(old))
    assert [c.level for c in trust(look)].count("fail") == 1
    (home / "trust" / "crl" / "persons.crl").unlink()
    (missing,) = [c for c in trust(look) if c.level == "warn"]
    assert "not believed" in missing.what
    assert not list(seal(look))
    certificate, key = home / "seal.pem", home / "seal.key"
    certificate.write_bytes(pki.pem(*keys["seal"].chain))
    key.write_bytes(keys["seal"].pem())
    key.chmod(0o644)
    look = Look(Settings.load(home, seal_certificate=certificate, seal_key=key))
    assert [c.level for c in seal(look)] == ["warn", "ok"]
    key.chmod(0o600)
    assert [c.level for c in seal(look)] == ["ok"]


def test_the_doctor_says_nothing_without_signatures(tmp_path: Path) -> None:
    look = Look(Settings.load(tmp_path))
    assert not list(trust(look))
