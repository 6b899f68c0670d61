"""Signatures on the way of a message: what each mode of a channel makes of what came in, and what is kept of it."""

from __future__ import annotations

import types
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import select, update

from hub import clock
from hub.channel.model import inspect
from hub.engine.counters import Counters
from hub.engine.intake import Intake
from hub.engine.model import ChannelSpec, MapRule, Part, Signature
from hub.engine.work import Worker
from hub.errors import ConfigError
from hub.security.trust import load
from hub.services.signing import build, provenance, stage
from hub.services.signing.examination import Given, now
from hub.services.signing.verdict import Verdict
from hub.store import Store, messages, prune, signatures, tables
from hub.store.tables import State

from . import forge
from .conftest import Bench
from .pki import crl, pem


@dataclass
class Site:
    """A channel of documents over a store."""

    bench: Bench
    store: Store
    mode: str = "required"
    number: int = 0

    @property
    def spec(self) -> ChannelSpec:
        return ChannelSpec(
            name="signed", source=Part("http", None), format="cda", map=(MapRule("*", "cda.documents.any"),),
            signature=Signature(self.mode, str(self.bench.folder)),
        )  # fmt: skip

    def bring(self, *octets: bytes) -> list[Any]:
        """Take documents in and work on them; rows of the messages."""
        runner: Any = types.SimpleNamespace(came=lambda *a: None)
        intake = Intake(self.store, self.spec, runner, Counters(), "127.0.0.1")
        ids = [intake.receive_now(o, peer="test", answer=lambda v: b"").verdict.message_id for o in octets]
        self.work()
        with self.store.reading() as conn:
            found = {r.id: r for r in conn.execute(select(tables.message))}
        return [found[i] for i in ids]

    def work(self) -> None:
        with self.store.looking() as tx:
            rows, _ = messages.waiting(tx, "signed", 100, 1 << 30)
        if rows:
            Worker(self.store, self.spec, Counters()).work(rows)

    def again(self, id_: int) -> Any:
        """Handle a message once more."""
        waits = update(tables.message).where(tables.message.c.id == id_).values(state=int(State.WAITING))
        self.store.write(lambda tx: tx.conn.execute(waits).rowcount)
        self.work()
        with self.store.reading() as conn:
            return conn.execute(select(tables.message).where(tables.message.c.id == id_)).one()

    def resources(self, kind: str = "") -> list[dict[str, Any]]:
        with self.store.reading() as conn:
            rows = conn.execute(select(tables.resource.c.content)).scalars()
            found = [orjson.loads(bytes(r)) for r in rows]
        return [r for r in found if not kind or r["resourceType"] == kind]


@pytest.fixture
def site(bench: Bench, store: Store) -> Site:
    return Site(bench, store)


def code(row: Any) -> str:
    return str(orjson.loads(row.error)["code"]) if row.error else ""


def fresh(bench: Bench, number: int) -> bytes:
    """Another document each time: the hub takes the same octets once."""
    return bench.cda.replace(b"<title>", b"<title>%d " % number, 1)


def test_what_is_signed_is_mapped_and_the_verdict_kept(site: Site) -> None:
    (row,) = site.bring(site.bench.sign())
    assert row.state == State.DONE, row.error
    kept = signatures.verdict_of(site.store, row.id)
    assert kept is not None
    verdict = Verdict.from_json(kept)
    assert (verdict.status, verdict.form) == ("valid", "xades")
    assert {c["sha256"] for c in kept["reliedOn"]["certificates"]}
    assert [p["state"] for p in kept["reliedOn"]["revocation"]] == ["good", "good"]
    assert verdict.to_json() == kept
    assert ["signature", "valid"] in [[s[0], s[2]] for s in orjson.loads(row.stages)]
    assert site.resources("DocumentReference")
    assert signatures.verdict_of(site.store, 1) is None


def test_only_what_was_signed_is_mapped(site: Site) -> None:
    """Comments are no part of it; the octets as received stay with the message."""
    signed = site.bench.sign().replace(b"<title>", b"<title><!-- x -->", 1)
    (row,) = site.bring(signed)
    assert row.state == State.DONE
    assert site.store.bodies.read(bytes(row.body)) == signed
    with site.store.reading() as conn:
        sha = conn.execute(select(tables.resource.c.octets).where(tables.resource.c.type == "Binary")).scalar()
    assert b"<!--" not in site.store.bodies.read(bytes(sha))


@pytest.mark.parametrize(
    ("mode", "what", "state", "reason"),
    [
        ("required", "unsigned", State.HELD, "unsigned"), ("required", "changed", State.HELD, "digest"),
        ("required", "revoked", State.HELD, "revoked"), ("optional", "unsigned", State.DONE, ""),
        ("optional", "changed", State.HELD, "digest"), ("optional", "good", State.DONE, ""),
        ("record-only", "changed", State.DONE, ""), ("record-only", "unsigned", State.DONE, ""),
        ("record-only", "good", State.DONE, ""),
    ],
)  # fmt: skip
def test_modes(site: Site, mode: str, what: str, state: State, reason: str) -> None:
    site.mode, bench = mode, site.bench
    octets = {
        "unsigned": bench.cda, "good": bench.sign(), "revoked": bench.sign("revoked"),
        "changed": bench.sign().replace(b"<title>", b"<title>Not ", 1),
    }[what]  # fmt: skip
    (row,) = site.bring(octets)
    assert (row.state, code(row)) == (state, reason)
    kept = signatures.verdict_of(site.store, row.id)
    assert kept is not None
    assert kept["status"] == {"good": "valid", "unsigned": "absent"}.get(what, "invalid")
    assert bool(site.resources()) == (state == State.DONE)


def test_a_signature_that_came_before(site: Site) -> None:
    """Another message around the same signature brings nothing new: no resource, no delivery."""
    signed = site.bench.sign()
    again = signed.replace(b"<title>", b"<title><!-- again -->", 1)
    (first,) = site.bring(signed)
    before = len(site.resources())
    (second,) = site.bring(again)
    assert (second.state, code(second)) == (State.CANCELLED, "replay")
    assert len(site.resources()) == before
    assert clock.show_id(first.id) in orjson.loads(second.error)["cure"]


def test_two_at_the_same_time(site: Site) -> None:
    """In one batch, one transaction: one of them is the first."""
    signed = site.bench.sign()
    rows = site.bring(signed, signed.replace(b"<title>", b"<title><!-- again -->", 1))
    assert sorted(r.state for r in rows) == [State.DONE, State.CANCELLED]


def test_a_message_may_be_handled_again(site: Site) -> None:
    """Its own signature is no other message's; its time is that of its coming."""
    (row,) = site.bring(site.bench.sign())
    assert site.again(row.id).state == State.DONE
    assert site.again(row.id).runs == 3


def test_what_was_refused_may_come_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signature on a held message is not used up."""
    signed = site.bench.sign()
    monkeypatch.setattr("hub.registry.mapping", _failing)
    (row,) = site.bring(signed)
    assert row.state == State.HELD
    monkeypatch.undo()
    (later,) = site.bring(signed.replace(b"<title>", b"<title><!-- again -->", 1))
    assert later.state == State.DONE


def _failing(name: str) -> Any:
    raise RuntimeError(name)


def test_a_list_that_is_past_its_time_waits(site: Site, bench: Bench, tmp_path: Path) -> None:
    """Indeterminate: held until a newer list is there, then handled again."""
    folder = bench.pki.write(tmp_path / "t")
    old = crl(bench.pki.persons, last=now() - timedelta(days=9), following=now() - timedelta(hours=1))
    (folder / "crl" / "persons.crl").write_bytes(pem(old))
    passed = stage.check("required", str(folder), bench.sign())
    assert passed.status == "indeterminate: revocation-stale"
    assert passed.error is not None
    assert "refresh" in passed.error.cure


def test_no_folder_of_trust(site: Site, tmp_path: Path, bench: Bench) -> None:
    """The message is held, with what to do; the channel goes on."""
    with pytest.raises(ConfigError):
        stage.check("required", str(tmp_path / "nothing"), bench.sign())
    site.bench = replace(bench, folder=tmp_path / "nothing")
    (row,) = site.bring(bench.sign())
    assert row.state == State.HELD
    assert "folder" in orjson.loads(row.error)["what"]


def test_a_bundle_without_what_was_not_signed(bench: Bench) -> None:
    """Narrative and meta are outside ``#static``: they do not come through."""
    resource = {"resourceType": "Observation", "id": "o", "meta": {"versionId": "4"}, "status": "final",
                "text": {"status": "generated", "div": "<div>false</div>"}}  # fmt: skip
    pair = bench.pki["doctor"]
    for name in ("urn:uuid:o", "Observation/o", "Observation/o/_history/4"):
        prepared = build.prepare_dsg({name: provenance.canonical_json(resource)}, pair.chain, now(), purpose="author")
        dsg = build.complete(prepared.octets, pair.sign(prepared.to_sign))
        signature = provenance.signature_element(dsg, "2026-11-20T10:00:00Z", {}, ("x", "y"))
        said = {"resourceType": "Provenance", "target": [{"reference": name}], "signature": [signature]}
        entries = [{"fullUrl": "urn:uuid:o", "resource": resource}, {"resource": said}]
        octets = orjson.dumps({"resourceType": "Bundle", "type": "message", "entry": entries})
        passed = stage.check("required", str(bench.folder), octets)
        assert passed.error is None, passed.status
        assert b"false" not in passed.octets
        assert orjson.loads(passed.octets)["entry"][1]["resource"] == said


def test_verdicts_go_with_their_messages(site: Site) -> None:
    """Pruned with the message; a signature is remembered longer, so that it cannot come again."""
    (row,) = site.bring(site.bench.sign())
    later = clock.now() + 5 * 86_400_000_000
    assert prune.prune(site.store, "signed", done_days=1, held_days=0, now=later).messages == 1
    assert signatures.verdict_of(site.store, row.id) is None
    with site.store.reading() as conn:
        assert len(conn.execute(select(tables.signature_seen)).all()) == 1


def test_the_seal_of_the_hub(bench: Bench, store: Store, tmp_path: Path) -> None:
    """With a seal, each message gets a Provenance over the versions it wrote, which verifies."""
    pair = bench.pki["seal"]
    (tmp_path / "seal.pem").write_bytes(pem(*pair.chain))
    (tmp_path / "seal.key").write_bytes(pair.pem())
    more = {"seal_certificate": tmp_path / "seal.pem", "seal_key": tmp_path / "seal.key"}
    store.settings = store.settings.model_copy(update=more)
    site = Site(bench, store, "optional")
    rows = site.bring(bench.sign(), fresh(bench, 2))
    assert [r.state for r in rows] == [State.DONE] * 2, [r.error for r in rows]
    sealed = site.resources("Provenance")
    sealed = [p for p in sealed if p.get("signature")]
    assert len(sealed) == 2
    purposes = {p["signature"][0]["type"][0]["code"][-2:] for p in sealed}
    assert purposes == {".5", ".9"}
    from hub.services.signing.versions import version

    for one in sealed:
        targets = {}
        for target in one["target"]:
            kind, fid, _, number = target["reference"].split("/")
            found = version(store, f"{kind}/{fid}", int(number))
            data = {"data": forge.b64(found.octets)} if kind == "Binary" else {}
            targets[target["reference"]] = found.resource | data
        judged = provenance.verify_provenance(one, targets, Given(load(bench.folder), now()))
        assert judged.verdict.valid, judged.verdict
        changed = {k: {**v, "language": "en"} for k, v in targets.items() if not k.startswith("Binary")}
        assert not provenance.verify_provenance(one, targets | changed, Given(load(bench.folder), now())).verdict.valid
    (tmp_path / "seal.key").write_bytes(b"")
    assert site.bring(fresh(bench, 3))[0].state == State.DONE  # a seal that fails costs no message


@pytest.mark.parametrize(
    ("form", "line", "codes"),
    [("cda", "required", []), ("xdm", "record-only", []), ("hl7v2", "required", ["C103"]), ("cda", "always", ["C103"])],
)
def test_in_a_channel_file(sqlite_store: Store, tmp_path: Path, form: str, line: str, codes: list[str]) -> None:
    """``signature:`` beside ``format:``; where no signature can be, it is refused."""
    folder = tmp_path / "channels" / "signed"
    folder.mkdir(parents=True)
    text = f"channel: signed\nsource: {{http: {{path: /in/x}}}}\nformat: {form}\nsignature: {line}\n"
    text += "deliver:\n  - fhir: {to: store}\n"
    (folder / "channel.yaml").write_text(text, encoding="utf-8")
    found = inspect(folder / "channel.yaml", sqlite_store.settings)
    assert [f.code for f in found.document.findings if f.code == "C103"] == codes
    if not codes:
        assert found.spec is not None
        assert found.spec.signature == Signature(line, str(sqlite_store.settings.home / "trust"))
