"""The profiles of the hub: each has a sound example, and each rule is broken by one change to it.

``examples.json``: by profile an example; and (profile, place, value or null to take away, where the finding is,
words of it); '' where a change is none of the profile's business.
"""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.fhir.validation import validate as base_validate
from hub.fhir.validation.artefacts import BASE, index, own, profiles
from hub.fhir.validation.definition import definition
from hub.fhir.validation.profiles import validate
from tests.fhir.validation.documents import ODD, places

TABLE = orjson.loads((Path(__file__).parent / "examples.json").read_bytes())
EXAMPLES: dict[str, Any] = TABLE["examples"]
REQUIRED = [
    (name, child.name)
    for name in EXAMPLES
    if (made := definition(f"{BASE}/StructureDefinition/{name}"))
    for child in made.root.children.values()
    if child.min
]


def url(name: str) -> str:
    return f"{BASE}/StructureDefinition/{name}"


def errors(resource: dict[str, Any], name: str) -> list[tuple[str, str]]:
    return [(i.where, i.what) for i in validate(resource, (url(name),)) if i.severity == "error"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_example_of_a_profile_conforms(name: str) -> None:
    """Asked for, or named by meta.profile."""
    assert errors(EXAMPLES[name], name) == []
    named = {**EXAMPLES[name], "meta": {"profile": [url(name)]}}
    assert [i for i in validate(named) if i.severity == "error"] == []


def test_every_profile_has_an_example_and_a_break() -> None:
    """Extensions are shown by the profile that has them."""
    resources = {p["id"] for p in profiles() if p["type"] != "Extension"}
    assert resources == set(EXAMPLES) == {b[0] for b in TABLE["breaks"]}
    shown = orjson.dumps(EXAMPLES).decode()
    assert [e["url"] for e in profiles() if e["type"] == "Extension" and e["url"] not in shown] == []


@pytest.mark.parametrize(("name", "place", "value", "where", "words"), TABLE["breaks"])
def test_what_breaks_a_profile_is_told(name: str, place: str, value: Any, where: str, words: str) -> None:
    """At its element, in words that say what to do."""
    resource = copy.deepcopy(EXAMPLES[name])
    holder: Any = resource
    *way, last = [int(s) if s.isdigit() else s for s in re.findall(r"\w+", place)]
    for step in way:
        holder = holder[step]
    if value is None:
        del holder[last]
    else:
        holder[last] = value
    found = errors(resource, name)
    if not where:
        assert found == [] or words == "" == where
        return
    assert [f for f in found if f[0] == where and words in f[1]], found


@pytest.mark.parametrize(("name", "element"), REQUIRED)
def test_what_a_profile_requires_is_missed(name: str, element: str) -> None:
    """Each element of 1..: taken away, it is asked for by its path."""
    stem = element.removesuffix("[x]")
    kept = {k: v for k, v in EXAMPLES[name].items() if not (k == element or (element != stem and k.startswith(stem)))}
    assert (f"{kept['resourceType']}.{stem}") in {where for where, _ in errors(kept, name)}


@pytest.mark.parametrize("made", list(index().values()), ids=lambda a: a["url"])
def test_the_artefacts_are_sound_themselves(made: dict[str, Any]) -> None:
    """By base R4; each says where it comes from, and is found by its canonical."""
    assert [i for i in base_validate(dict(made)) if i.severity == "error"] == []
    assert made["url"] == f"{BASE}/{made['resourceType']}/{made['id']}"
    assert made["description"]


@pytest.mark.parametrize("made", list(profiles()), ids=lambda a: a["id"])
def test_a_differential_is_one(made: dict[str, Any]) -> None:
    """Paths begin with the type, ids are unique, parents stand before children, slices before their parts."""
    elements = made["differential"]["element"]
    ids = [e["id"] for e in elements]
    assert len(ids) == len(set(ids))
    assert elements[0]["path"] == made["type"]
    for element in elements:
        assert element["path"] == ".".join(step.partition(":")[0] for step in element["id"].split("."))
        assert element.get("sliceName", "") == element["id"].rpartition(".")[2].partition(":")[2]
        if "sliceName" in element:
            sliced = element["id"].rpartition(":")[0]
            assert "slicing" in elements[ids.index(sliced)]
            assert ids.index(sliced) < ids.index(element["id"])


def test_what_a_profile_binds_and_builds_upon_is_there() -> None:
    """Value sets, code systems, targets and bases of ours exist."""
    text = orjson.dumps(list(index().values())).decode()
    ours = set(re.findall(rf"{re.escape(BASE)}/(?:StructureDefinition|ValueSet|CodeSystem)/[A-Za-z0-9-]+", text))
    assert ours <= index().keys()


def test_the_canonicals_move_with_their_base() -> None:
    """A site that publishes them elsewhere validates by its own URLs."""
    site = "https://interop.example.org/r4"
    example = orjson.loads(orjson.dumps(EXAMPLES["hub-rcp"]).replace(BASE.encode(), site.encode()))
    asked = f"{site}/StructureDefinition/hub-rcp"
    assert validate(example, (asked,), site) == []
    example["extension"][1]["valueCode"] = "x"
    assert [i.severity for i in validate(example, (asked,), site)] == ["error"]
    assert set(own(site).values()) <= index(site).keys()


def test_elements_stand_in_the_order_of_r4() -> None:
    """A snapshot can be made of a differential only when it follows its base (R4 §5.1.0.8)."""
    from hub.fhir.validation.tables import elements

    first = ["id", "meta", "implicitRules", "language", "text", "contained", "extension", "modifierExtension"]
    for made in profiles():
        rows = elements(made["type"])
        for path, (_, below) in rows.items():
            names = first + [row.name for row in below if row.name not in first]
            listed = [e for e in made["differential"]["element"] if ":" not in e["id"].rpartition(".")[0]]
            said = [e["path"] for e in listed if e["path"].rpartition(".")[0] == path]
            ranks = [names.index(p.rpartition(".")[2]) for p in said] if below else []
            assert ranks == sorted(ranks) or path == "Extension", made["id"]


@given(st.sampled_from(sorted(EXAMPLES)), st.data())
def test_any_resource_is_judged(name: str, data: st.DataObject) -> None:
    """Nothing raises, whatever stands where the profile looks, and nothing of it is told."""
    resource = copy.deepcopy(EXAMPLES[name])
    spots = places(resource)
    for _ in range(data.draw(st.integers(1, 3))):
        holder, key = spots[data.draw(st.integers(0, len(spots) - 1))]
        if key in holder if isinstance(holder, dict) else key < len(holder):
            holder[key] = copy.deepcopy(data.draw(st.sampled_from(ODD)))
    resource["resourceType"] = EXAMPLES[name]["resourceType"]
    validate(resource, (url(name),))
