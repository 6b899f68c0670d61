"""CodeSystem, ValueSet and ConceptMap resources that lie in ``profiles/`` are known by their URL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from hub.errors import NotFoundError
from hub.fhir import terminology
from hub.fhir.validation import artefacts
from hub.services.terminology import capabilities

FILES: dict[str, dict[str, Any]] = {
    "one/CodeSystem-eligibility.json": {
        "resourceType": "CodeSystem",
        "url": "urn:test:eligibility",
        "name": "Eligibility",
        "version": "1",
        "content": "complete",
        "concept": [{"code": "excluded", "concept": [{"code": "excluded-temporary"}]}, {"code": "eligible"}],
    },
    "two/ValueSet-excluded.json": {
        "resourceType": "ValueSet",
        "url": "urn:test:excluded",
        "compose": {
            "include": [
                {
                    "system": "urn:test:eligibility",
                    "filter": [{"property": "concept", "op": "is-a", "value": "excluded"}],
                }
            ]
        },
    },
    "one/ValueSet-all.json": {
        "resourceType": "ValueSet",
        "url": "urn:test:all",
        "compose": {"include": [{"valueSet": ["urn:test:excluded|1"]}, {"system": "urn:test:unknown"}]},
    },
    "one/ValueSet-circle.json": {
        "resourceType": "ValueSet",
        "url": "urn:test:circle",
        "compose": {"include": [{"valueSet": ["urn:test:circle"]}]},
    },
    "one/ConceptMap-x.json": {
        "resourceType": "ConceptMap",
        "url": "urn:test:map",
        "group": [{"source": "urn:s", "target": "urn:t", "element": [{"code": "a"}]}],
    },
    "one/StructureDefinition-x.json": {"resourceType": "StructureDefinition", "url": "urn:test:sd", "note": "ValueSet"},
    "one/other.json": {"nothing": True},
}


@pytest.fixture(autouse=True)
def profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, resource in FILES.items():
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(orjson.dumps(resource))
    monkeypatch.setattr(artefacts, "room", lambda _: tmp_path)
    artefacts.index.cache_clear()
    terminology.catalogue.cache_clear()
    yield
    artefacts.index.cache_clear()
    terminology.catalogue.cache_clear()


def test_they_are_listed() -> None:
    assert "urn:test:eligibility" in terminology.catalogue().systems
    assert {"urn:test:excluded", "urn:test:all", "urn:test:circle"} <= set(terminology.catalogue().value_sets)
    assert terminology.catalogue().concept_map("urn:test:map") is not None
    assert "urn:test:sd" not in terminology.catalogue().value_sets
    made = capabilities(date="2026-11-20", publisher="p", url="u", known=terminology.catalogue())
    (ours,) = [s for s in made["codeSystem"] if s["uri"] == "urn:test:eligibility"]
    assert ours["version"][0]["code"] == "1"
    assert ours["subsumption"] is True


@pytest.mark.parametrize(
    ("url", "system", "code", "expected"),
    [
        ("urn:test:excluded", "urn:test:eligibility", "excluded-temporary", True),
        ("urn:test:excluded", "urn:test:eligibility", "eligible", False),
        ("urn:test:all", "urn:test:eligibility", "excluded", True),
        ("urn:test:all", "urn:test:unknown", "anything", None),
        ("urn:test:all", "", "anything", None),
        ("urn:test:all", "http://loinc.org", "1-8", False),
    ],
)
def test_member(url: str, system: str, code: str, expected: bool | None) -> None:
    assert terminology.member(url, system, code) is expected


def test_below_one_of_ours() -> None:
    assert terminology.catalogue().below("urn:test:eligibility", "excluded") == ("excluded", "excluded-temporary")
    assert terminology.catalogue().code_system("urn:test:eligibility|2") is None


def test_a_value_set_that_draws_on_itself_ends() -> None:
    with pytest.raises(NotFoundError):
        terminology.catalogue().value_set("urn:test:circle")
