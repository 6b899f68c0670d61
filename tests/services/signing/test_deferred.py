"""A signature in two steps: the hub prepares, the card signs, the hub verifies and keeps a Provenance."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from werkzeug.test import Client

from hub import clock
from hub.errors import ConflictError, InvalidError, NotFoundError
from hub.facade.server import Application
from hub.fhir.draft import Entry, Rank
from hub.services.signing import provenance
from hub.services.signing.deferred import SignatureError, complete_signature, prepare_signature
from hub.services.signing.examination import now
from hub.services.signing.versions import version, with_documents
from hub.store import Store, tokens
from hub.store.resources import apply, prepare

from . import forge
from .cards import Card, b64
from .conftest import Bench
from .pki import DOCTOR, OTHER

PDF = b"%PDF-1.4 report"
DOCUMENT = {
    "resourceType": "DocumentReference", "status": "current",
    "content": [{"attachment": {"contentType": "application/pdf", "url": "Binary/b1"}},
                {"attachment": {"url": "https://elsewhere.example/x"}}],
}  # fmt: skip


def put(store: Store, ref: str, resource: dict[str, Any], octets: bytes | None = None) -> None:
    kind, _, fid = ref.partition("/")
    entry = Entry(kind, fid, resource, rank=Rank.PERSON, octets=octets)
    body = store.bodies.prepare(octets) if octets is not None else None
    write = prepare(entry, store.ids.take(), "test", body)
    store.write(lambda tx: apply(tx, [write], clock.now(), store.ids.take))


@pytest.fixture
def stored(store: Store) -> Store:
    put(store, "Binary/b1", {"resourceType": "Binary", "contentType": "application/pdf"}, PDF)
    put(store, "DocumentReference/d1", DOCUMENT)
    return store


REF = "DocumentReference/d1"


def test_the_whole_way(stored: Store, bench: Bench) -> None:
    for leaf in ("doctor", "doctor-ec"):
        card = Card(bench.pki[leaf])
        prepared, _ = prepare_signature(stored, REF, [card.certificate], now())
        made = complete_signature(stored, bench.trust, REF, prepared.octets, card.sign(prepared.to_sign), now(), DOCTOR)
        references = [t["reference"] for t in made["target"]]
        assert references == ["DocumentReference/d1/_history/1", "Binary/b1/_history/1"]
        assert made["agent"][0]["who"]["identifier"]["value"] == DOCTOR
        kept = version(stored, f"Provenance/{made['id']}")
        assert kept.resource["signature"] == made["signature"]
        targets = {r: version(stored, r.partition("/_history")[0]).resource for r in references}
        targets[references[1]] |= {"data": b64(PDF)}
        assert provenance.verify_provenance(made, targets, bench.given()).verdict.valid
        again = complete_signature(stored, bench.trust, REF, prepared.octets, card.sign(prepared.to_sign), now())
        assert again["id"] == made["id"]  # one SignedInfo of one signer is one signature


def test_a_former_version_stays_verifiable(stored: Store, bench: Bench) -> None:
    card = Card(bench.pki["doctor"])
    prepared, _ = prepare_signature(stored, REF, [card.certificate], now())
    made = complete_signature(stored, bench.trust, REF, prepared.octets, card.sign(prepared.to_sign), now())
    put(stored, REF, {**DOCUMENT, "status": "superseded"})
    first = version(stored, REF, 1)
    targets = {made["target"][0]["reference"]: first.resource, made["target"][1]["reference"]: {
        **version(stored, "Binary/b1").resource, "data": b64(PDF)}}  # fmt: skip
    assert provenance.verify_provenance(made, targets, bench.given()).verdict.valid
    with pytest.raises(NotFoundError):
        version(stored, REF, 7)
    with pytest.raises(NotFoundError):
        with_documents(stored, "DocumentReference/none")


def test_what_changed_meanwhile(stored: Store, bench: Bench) -> None:
    card = Card(bench.pki["doctor"])
    prepared, _ = prepare_signature(stored, REF, [card.certificate], now())
    put(stored, REF, {**DOCUMENT, "status": "superseded"})
    with pytest.raises(ConflictError, match="not as it was prepared"):
        complete_signature(stored, bench.trust, REF, prepared.octets, card.sign(prepared.to_sign), now())


def test_too_late(stored: Store, bench: Bench) -> None:
    card = Card(bench.pki["doctor"])
    prepared, _ = prepare_signature(stored, REF, [card.certificate], now() - timedelta(minutes=20))
    with pytest.raises(ConflictError, match="too long ago"):
        complete_signature(stored, bench.trust, REF, prepared.octets, card.sign(prepared.to_sign), now())


CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "author": lambda d: d.replace(b"1.2.840.10065.1.12.1.1<", b"1.2.840.10065.1.12.1.6<"),
    "time": lambda d: d.replace(b"SigningTime>20", b"SigningTime>21"),
    "document": lambda d: d.replace(b"Binary/b1", b"Binary/b2"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_draft_that_was_changed(stored: Store, bench: Bench, what: str) -> None:
    """Nothing of the first step is believed in the second."""
    card = Card(bench.pki["doctor"])
    prepared, _ = prepare_signature(stored, REF, [card.certificate], now())
    with pytest.raises((SignatureError, ConflictError)):
        complete_signature(stored, bench.trust, REF, CHANGES[what](prepared.octets), card.sign(prepared.to_sign), now())


@pytest.mark.parametrize("leaf", ["revoked", "expired", "rogue", "policy"])
def test_cards_that_are_not_believed(stored: Store, bench: Bench, leaf: str) -> None:
    card = Card(bench.pki[leaf])
    prepared, _ = prepare_signature(stored, REF, [card.certificate], now())
    with pytest.raises(SignatureError):
        complete_signature(stored, bench.trust, REF, prepared.octets, card.sign(prepared.to_sign), now())


def test_another_signs(stored: Store, bench: Bench) -> None:
    card, other = Card(bench.pki["doctor"]), Card(bench.pki["other"])
    prepared, _ = prepare_signature(stored, REF, [card.certificate], now())
    with pytest.raises(SignatureError, match="signer's"):
        complete_signature(stored, bench.trust, REF, prepared.octets, other.sign(prepared.to_sign), now())
    with pytest.raises(SignatureError) as caught:
        complete_signature(stored, bench.trust, REF, prepared.octets, card.sign(prepared.to_sign), now(), OTHER)
    assert caught.value.verdict.code == "binding"


@pytest.mark.parametrize("leaf", ["seal", "auth", "weak", "bait", ""])
def test_certificates_that_cannot_sign(stored: Store, bench: Bench, leaf: str) -> None:
    chain = [Card(bench.pki[leaf]).certificate] if leaf else []
    with pytest.raises(InvalidError):
        prepare_signature(stored, REF, chain, now())
    with pytest.raises(InvalidError):
        prepare_signature(stored, REF, [b"x"], now())
    with pytest.raises(InvalidError, match="purpose"):
        prepare_signature(stored, REF, [Card(bench.pki["doctor"]).certificate], now(), "nothing")


def test_a_seal_is_no_card(stored: Store, bench: Bench) -> None:
    """An organisation cannot complete what a person is to sign."""
    from hub.services.signing import build

    pair = bench.pki["seal"]
    documents = {one.name: one.octets for one in with_documents(stored, REF)}
    for purpose in ("verification", "author"):
        prepared = build.prepare_dsg(documents, pair.chain, now(), purpose=purpose)
        with pytest.raises((InvalidError, SignatureError)):
            complete_signature(stored, bench.trust, REF, prepared.octets, pair.sign(prepared.to_sign), now())


def test_drafts_that_are_none(stored: Store, bench: Bench) -> None:
    for octets in (b"", b"x", b"<a/>", bench.cda):
        with pytest.raises(InvalidError):
            complete_signature(stored, bench.trust, REF, octets, b"x" * 256, now())


@dataclass
class Api:
    application: Application
    token: str

    def post(self, path: str, *parameters: tuple[str, str]) -> tuple[int, dict[str, Any]]:
        body = {"resourceType": "Parameters", "parameter": [
            {"name": n, "valueCode" if n == "purpose" else "valueBase64Binary": v} for n, v in parameters]}  # fmt: skip
        answer = Client(self.application).post(path, json=body, headers={"Authorization": f"Bearer {self.token}"})
        return answer.status_code, orjson.loads(answer.data)


@pytest.fixture
def api(stored: Store, bench: Bench, tmp_path: Path) -> Api:
    stored.settings = stored.settings.model_copy(update={"trust": bench.folder})
    secret = tokens.issue(stored, "tester", [tokens.READ, tokens.WRITE])
    return Api(Application(stored, stored.settings, {}, lambda: b""), secret)


def test_over_the_api(api: Api, bench: Bench) -> None:
    """$prepare-signature, the card, $complete-signature."""
    card = Card(bench.pki["doctor"])
    status, made = api.post(
        f"/fhir/{REF}/$prepare-signature", ("certificate", b64(card.certificate)), ("purpose", "validation")
    )
    assert status == 200, made
    given = {p["name"]: p.get("valueBase64Binary", p.get("valueUri")) for p in made["parameter"]}
    assert given["algorithm"] == forge.RSA_SHA256
    value = card.sign(base64.b64decode(given["toSign"]))
    status, made = api.post(f"/fhir/{REF}/$complete-signature", ("draft", given["draft"]), ("value", b64(value)))
    assert status == 200, made
    assert made["resourceType"] == "Provenance"
    assert made["signature"][0]["type"][0]["code"] == "1.2.840.10065.1.12.1.6"
    status, found = api.post(f"/fhir/{REF}/$complete-signature", ("draft", given["draft"]), ("value", b64(b"x" * 256)))
    assert (status, found["resourceType"]) == (422, "OperationOutcome")
    assert api.post(f"/fhir/{REF}/$complete-signature", ("draft", "?"), ("value", "?"))[0] == 400
    assert api.post(f"/fhir/{REF}/$prepare-signature")[0] == 400
    assert api.post("/fhir/DocumentReference/none/$prepare-signature", ("certificate", b64(card.certificate)))[0] == 404
