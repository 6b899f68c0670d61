"""Whatever is done to the octets: a verdict comes out, and it is valid only when what was signed is the same."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.services.signing import build
from hub.services.signing.examination import now
from hub.services.signing.verdict import Verdict

from .conftest import Bench

_SETTINGS = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def signed(bench: Bench) -> bytes:
    return bench.sign()


@given(data=st.data())
@_SETTINGS
def test_an_octet_changed(bench: Bench, signed: bytes, data: st.DataObject) -> None:
    good = bench.judge(signed).octets
    at = data.draw(st.integers(0, len(signed) - 1))
    how = data.draw(st.sampled_from(["set", "cut", "put", "swap"]))
    octet = data.draw(st.binary(min_size=1, max_size=4))
    changed = {
        "set": signed[:at] + octet + signed[at + len(octet) :],
        "cut": signed[:at] + signed[at + len(octet) * 16 :],
        "put": signed[:at] + octet + signed[at:],
        "swap": signed[at:] + signed[:at],
    }[how]
    found = bench.judge(changed)
    if found.verdict.valid:
        assert found.octets == good
    assert Verdict.from_json(found.verdict.to_json()) == found.verdict


@given(octets=st.binary(max_size=300))
@_SETTINGS
def test_any_octets(bench: Bench, octets: bytes) -> None:
    assert bench.judge(octets).verdict.status in ("invalid", "absent")
    assert not bench.judge(b"<a>" + octets + b"</a>").verdict.valid
    assert not bench.judge(b"PK\x03\x04" + octets).verdict.valid


@given(data=st.data())
@_SETTINGS
def test_a_signature_document_changed(bench: Bench, data: st.DataObject) -> None:
    documents = {"urn:oid:1.2": b"text"}
    pair = bench.pki["seal-ec"]
    prepared = build.prepare_dsg(documents, pair.chain, now())
    octets = build.complete(prepared.octets, pair.sign(prepared.to_sign))
    at = data.draw(st.integers(0, len(octets) - 1))
    octet = data.draw(st.binary(min_size=1, max_size=2))
    found = bench.judge(octets[:at] + octet + octets[at + len(octet) :], documents)
    if found.verdict.valid:
        assert dict(found.documents) == documents
