"""Provenance.signature: FHIR resources in their canonical JSON (R4 §2.36, json.html#canonical)."""

from __future__ import annotations

import base64
import copy
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.services.signing import build, names, provenance
from hub.services.signing.verdict import RefusedError

from .conftest import Bench
from .pki import DOCTOR, OTHER

REPORT = {"resourceType": "Observation", "id": "o1", "status": "final", "text": {"div": "<div/>"},
          "meta": {"versionId": "1"}, "valueQuantity": {"value": 1.5}, "code": {"text": "é"}}  # fmt: skip
PDF = {
    "resourceType": "Binary",
    "id": "b1",
    "contentType": "application/pdf",
    "data": base64.b64encode(b"%PDF").decode(),
}


def bundle(
    bench: Bench, leaf: str = "doctor", who: str = DOCTOR, system: str = "urn:oid:1.2.250.1.71.4.2.1"
) -> dict[str, Any]:
    targets = {"Observation/o1/_history/1": REPORT, "urn:uuid:b": PDF}
    pair = bench.pki[leaf]
    octets = {name: provenance.canonical_json(one) for name, one in targets.items()}
    prepared = build.prepare_dsg(octets, pair.chain, datetime.now(UTC), purpose="author")
    dsg = build.complete(prepared.octets, pair.sign(prepared.to_sign))
    said = {"identifier": {"system": system, "value": who}}
    made = {
        "resourceType": "Provenance",
        "target": [{"reference": name} for name in targets],
        "signature": [provenance.signature_element(dsg, "2026-11-20T10:00:00Z", said, names.PURPOSES["author"])],
    }
    entries = [{"fullUrl": "urn:uuid:o", "resource": REPORT}, {"fullUrl": "urn:uuid:b", "resource": PDF}]
    return {"resourceType": "Bundle", "type": "collection", "entry": [*entries, {"resource": made}]}


def test_a_good_one(bench: Bench) -> None:
    found = bench.judge(orjson.dumps(bundle(bench)))
    assert found.verdict.valid, found.verdict
    assert found.documents["urn:uuid:b"] == b"%PDF"
    assert b"div" not in found.documents["Observation/o1/_history/1"]
    rpps = bundle(bench, who=DOCTOR[1:], system="https://rpps.esante.gouv.fr")
    assert bench.judge(orjson.dumps(rpps)).verdict.valid


def test_narrative_and_meta_are_not_signed(bench: Bench) -> None:
    """They may change, and they are not in what comes out."""
    made = bundle(bench)
    made["entry"][0]["resource"] = {**REPORT, "text": {"div": "<div>other</div>"}}
    assert bench.judge(orjson.dumps(made)).verdict.valid


def _set(path: list[Any], value: Any):
    def change(made: dict[str, Any]) -> None:
        at: Any = made
        for step in path[:-1]:
            at = at[step]
        if value is None:
            del at[path[-1]]
        else:
            at[path[-1]] = value

    return change


P = ["entry", 2, "resource"]
CHANGES = {
    "digest": _set(["entry", 0, "resource", "status"], "amended"),
    "manifest-coverage": lambda m: m["entry"].append({"resource": {"resourceType": "Patient", "id": "p"}}),
    "duplicate-id": lambda m: m["entry"].append({"fullUrl": "urn:uuid:b", "resource": {**PDF, "data": ""}}),
    "signature-count": lambda m: m["entry"].append(copy.deepcopy(m["entry"][2])),
    "signature-format": _set([*P, "signature", 0, "sigFormat"], "application/jose"),
    "target-format": _set([*P, "signature", 0, "targetFormat"], "application/fhir+xml"),
    "targets": lambda m: m["entry"][2]["resource"]["target"].append({"reference": "urn:uuid:b"}),
    "base64": _set([*P, "signature", 0, "data"], "!"),
    "binding": _set([*P, "signature", 0, "who", "identifier", "value"], OTHER),
}


@pytest.mark.parametrize("code", CHANGES)
def test_changes(bench: Bench, code: str) -> None:
    made = copy.deepcopy(bundle(bench))
    CHANGES[code](made)
    bench.refused(orjson.dumps(made), code)


def test_more_that_is_not_taken(bench: Bench) -> None:
    made = copy.deepcopy(bundle(bench))
    made["entry"][2]["resource"]["target"].append({"reference": "urn:uuid:nobody"})
    bench.refused(orjson.dumps(made), "manifest-coverage")
    made = copy.deepcopy(bundle(bench))
    made["entry"][2]["resource"]["signature"] *= 2
    bench.refused(orjson.dumps(made), "signature-count")
    bench.refused(orjson.dumps(bundle(bench, "other")), "binding")
    made = copy.deepcopy(bundle(bench))
    made["entry"][1]["resource"]["data"] = "?"
    bench.refused(orjson.dumps(made), "base64")
    bench.refused(b'{"a":', "not-json")


@pytest.mark.parametrize(
    "octets", [b"{}", b"[]", b'{"resourceType":"Bundle","entry":3}', b'{"entry":[1,{"resource":2}]}']
)
def test_nothing_signed(bench: Bench, octets: bytes) -> None:
    assert bench.judge(octets).verdict.status == "absent"


def test_contained(bench: Bench) -> None:
    pair = bench.pki["doctor"]
    one = {"resourceType": "Observation", "id": "x", "status": "final"}
    prepared = build.prepare_dsg(
        {"#x": provenance.canonical_json(one)}, pair.chain, datetime.now(UTC), purpose="author"
    )
    dsg = build.complete(prepared.octets, pair.sign(prepared.to_sign))
    element = provenance.signature_element(dsg, "2026-11-20T10:00:00Z", {}, names.PURPOSES["author"])
    made = {"resourceType": "Provenance", "contained": [one], "target": [{"reference": "#x"}], "signature": [element]}
    assert bench.judge(orjson.dumps(made)).verdict.valid


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=6), JSON, max_size=5))
def test_canonical_json(resource: dict[str, Any]) -> None:
    """No white space, properties in order; the same from octets and from objects."""
    resource.pop("resourceType", None)
    made = provenance.canonical_json(resource)
    assert made == provenance.canonical_json(orjson.dumps(resource, option=orjson.OPT_INDENT_2))
    assert orjson.loads(made) == {k: v for k, v in resource.items() if k not in ("meta", "text")}


def test_a_property_that_stands_twice(bench: Bench) -> None:
    """One reader takes the first, another the last: nobody may be shown two things."""
    octets = orjson.dumps(bundle(bench)).replace(b'"status":"final"', b'"status":"amended","status":"final"', 1)
    bench.refused(octets, "not-json")


def test_canonical_json_keeps_digits() -> None:
    assert provenance.canonical_json(b'{"b":[1.50,-0],"a":1e3}') == b'{"a":1e3,"b":[1.50,-0]}'
    for wrong in (b"[1]", b"{", b"[" * 100_000, b'{"a":1,"a":2}', b'{"a":{"b":1,"b":1}}'):
        with pytest.raises(RefusedError):
            provenance.canonical_json(wrong)
