"""Properties that hold for any document, beside the single cases: an independent judge, and no crash."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.fhir.outcome import ISSUE_TYPES
from hub.fhir.validation import validate, validate_bytes
from hub.fhir.validation.finding import MOST

from .documents import SOUND, changed
from .oracle import refused

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=6),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=6), below, max_size=3),
    max_leaves=12,
)


@pytest.mark.parametrize("resource", SOUND, ids=lambda r: r["resourceType"])
def test_sound_resources_have_no_error(resource: dict[str, Any]) -> None:
    """What the hub makes, and one of everything written by hand; the judge agrees."""
    assert [i for i in validate(resource) if i.severity == "error"] == []
    assert refused(resource) == []


@given(changed())
def test_what_the_judge_refuses_is_refused(resource: dict[str, Any]) -> None:
    """Whatever fhir.resources finds wrong of structure and types is wrong for us too."""
    found = [i for i in validate(resource) if i.severity == "error"]
    said = refused(resource)
    assert found or not said, said
    assert {i.code for i in found} <= ISSUE_TYPES
    assert all(i.where.startswith(resource["resourceType"]) for i in found)
    assert len(found) <= MOST


@given(changed())
def test_what_is_wrong_of_structure_is_refused_by_the_judge_or_beyond_it(resource: dict[str, Any]) -> None:
    """A missing element or an unknown name is never our invention."""
    ours = [i for i in validate(resource) if i.code == "required" or "is no element of" in i.what]
    assert not ours or refused(resource), ours


@given(JSON)
def test_any_json_is_judged(value: Any) -> None:
    """Nothing raises, whatever is sent, by itself or inside of a resource."""
    assert validate(value)
    for kind in ("Patient", "Observation", "Bundle", "Questionnaire", "Parameters"):
        validate({"resourceType": kind, "item": value, "contained": value, "entry": value, "valueRange": value})
        validate({"resourceType": kind, "item": [value], "contained": [value], "entry": [{"resource": value}]})


@given(st.sampled_from(SOUND), st.data())
def test_rules_see_any_value(resource: dict[str, Any], data: st.DataObject) -> None:
    """Invariants are asked about objects whose parts have any type: they never raise."""
    key = data.draw(st.sampled_from(sorted(resource)))
    if key != "resourceType":
        validate({**resource, key: data.draw(JSON)})
        validate({**resource, key: [data.draw(JSON)]})


@given(st.binary(max_size=64) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_octets_are_judged(body: bytes) -> None:
    """Neither malformed JSON nor foreign encodings raise."""
    assert validate_bytes(body)


@given(changed())
def test_no_value_is_told(resource: dict[str, Any]) -> None:
    """Findings are logged and stored: they hold names of elements, never what stood there."""
    secret = "MARTIN-RESEE-DURAND"
    marked = orjson.loads(orjson.dumps(resource).replace(b'"x"', f'"{secret}"'.encode()))
    assert not [i for i in validate(marked) if secret in i.what]


def test_threads_that_begin_together_judge_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """A type that is being compiled by one thread is not seen half made by another."""
    from concurrent.futures import ThreadPoolExecutor
    from threading import Barrier

    from hub.fhir.validation import structure

    rich = next(r for r in SOUND if r.get("id") == "p1")
    for _ in range(5):
        monkeypatch.setattr(structure, "_compiled", {})
        start = Barrier(8)

        def judge(_: int, start: Barrier = start) -> list[Any]:
            start.wait()
            return [i for i in validate(rich) if i.severity == "error"]

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(judge, range(8))) == [[]] * 8
