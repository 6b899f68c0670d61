"""What a profile can say, feature by feature: R4 §5.1 (slicing, discriminators), §2.28 (ElementDefinition), §4.1."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from hub.errors import ConfigError, NotFoundError
from hub.fhir.validation import artefacts, definition, valuesets
from hub.fhir.validation.profiles import validate

H = artefacts.BASE
Judge = Callable[..., list[tuple[str, str]]]


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty room of profiles."""
    (tmp_path / "made").mkdir()
    (tmp_path / "defaults.json").write_text("{}")
    monkeypatch.setattr(artefacts, "room", lambda _: tmp_path)
    forget()
    yield tmp_path / "made"
    forget()


def forget() -> None:
    """What was read of a room."""
    for cache in (artefacts.index, artefacts.own, definition.definition, valuesets.members, valuesets.bare):
        cache.cache_clear()


def put(room: Path, kind: str, called: str, /, **more: Any) -> str:
    forget()
    url = f"{H}/{kind}/{called}"
    (room / f"{kind}-{called}.json").write_bytes(orjson.dumps({"resourceType": kind, "id": called, "url": url, **more}))
    return url


@pytest.fixture
def judge(room: Path) -> Judge:
    """Judge a resource by a profile made of the elements given."""

    def by(resource: dict[str, Any], *elements: dict[str, Any], base: str = "", type_: str = "") -> list[Any]:
        kind = type_ or resource["resourceType"]
        listed = [
            {"id": f"{kind}.{e['id']}", "path": ".".join([kind, *(s.partition(":")[0] for s in e["id"].split("."))])}
            | {k: v for k, v in e.items() if k != "id"}
            for e in elements
        ]
        url = put(room, "StructureDefinition", "p", name="P", type=kind, baseDefinition=base,
                  differential={"element": [{"id": kind, "path": kind}, *listed]})  # fmt: skip
        return [(i.where, i.what) for i in validate(resource, (url,)) if i.severity != "information"]

    return by


OBS = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}


def obs(**more: Any) -> dict[str, Any]:
    return {**OBS, **more}


def slices(how: str, path: str, rules: str = "open") -> dict[str, Any]:
    return {"slicing": {"discriminator": [{"type": how, "path": path}], "rules": rules}}


def test_cardinality(judge: Judge) -> None:
    """min, max and max 0; choices are counted by their stem."""
    two = obs(category=[{"text": "a"}, {"text": "b"}])
    assert judge(two, {"id": "category", "max": "1"}) == [("Observation.category", "stands at most 1 times (P)")]
    assert judge(two, {"id": "category", "max": "0"}) == [("Observation.category", "is not allowed: take it out (P)")]
    assert judge(two, {"id": "category", "min": 3}) == [("Observation.category", "stands at least 3 times")]
    assert judge(OBS, {"id": "value[x]", "min": 1}) == [("Observation.value", "is required by P: add it")]
    assert judge(obs(valueString="a"), {"id": "value[x]", "min": 1}) == []


def test_what_is_there_by_its_extensions_counts(judge: Judge) -> None:
    """A primitive without value has nothing that could be fixed; its extensions can be asked for."""
    absent = {"extension": [{"url": "http://x.example", "valueCode": "unknown"}]}
    patient = {"resourceType": "Patient", "_birthDate": absent, "name": [{"given": [None], "_given": [absent]}]}
    assert judge(patient, {"id": "birthDate", "min": 1, "fixedDate": "1960"}) == []
    assert judge(patient, {"id": "birthDate.extension", "min": 2}) == [
        ("Patient.birthDate.extension", "stands at least 2 times")
    ]
    assert judge(patient, {"id": "name.given", "min": 1, "fixedString": "A"}) == []
    plain = {"resourceType": "Patient", "birthDate": "1960", "name": [{"given": ["A"]}]}
    assert judge(plain, {"id": "birthDate.extension", "min": 1}) == []


def test_fixed_and_pattern(judge: Judge) -> None:
    """fixed is equal, a pattern is held; true is not 1."""
    coded = obs(code={"coding": [{"system": "s:x", "code": "a", "display": "d"}, {"code": "b"}]})
    assert judge(coded, {"id": "code", "patternCodeableConcept": {"coding": [{"system": "s:x", "code": "a"}]}}) == []
    assert (
        judge(coded, {"id": "code", "patternCodeableConcept": {"coding": [{"code": "z"}]}})[0][0] == "Observation.code"
    )
    assert judge(coded, {"id": "code", "fixedCodeableConcept": {"coding": [{"system": "s:x", "code": "a"}]}})
    assert judge(coded, {"id": "code", "patternCodeableConcept": {"text": "y" * 300}})[0][1].endswith("...")
    assert judge(obs(valueBoolean=True), {"id": "value[x]", "patternInteger": 1})
    assert judge(obs(category="x"), {"id": "category", "patternCodeableConcept": {"text": "x"}})


def test_types_of_a_choice(judge: Judge) -> None:
    """Narrowed to some; each may have its profile and its targets."""
    only = {"id": "value[x]", "type": [{"code": "string"}, {"code": "Quantity"}]}
    assert judge(obs(valueString="a"), only) == []
    assert judge(obs(valueInteger=1), only) == [
        ("Observation.value.ofType(integer)", "is of type integer; P allows string, Quantity")
    ]


def test_targets_of_references(judge: Judge, room: Path) -> None:
    """By R4's types and by profiles of ours; what a reference does not show is not judged."""
    ours = put(room, "StructureDefinition", "pat", name="Pat", type="Patient", differential={"element": []})
    only = {"id": "subject", "type": [{"code": "Reference", "targetProfile": [ours, f"{artefacts.CORE}Device"]}]}
    for subject in (
        {"reference": "Patient/1"},
        {"reference": "Device/1"},
        {"display": "x"},
        {"reference": "urn:uuid:x"},
    ):
        assert [f for f in judge(obs(subject=subject), only) if "allows" in f[1]] == []
    wrong = [("Observation.subject.reference", "refers to a Group; P allows Device, Patient")]
    assert judge(obs(subject={"reference": "Group/1"}), only) == wrong
    assert judge(obs(subject={"type": "Group", "display": "x"}), only) == wrong
    inside = obs(
        subject={"reference": "#g"}, contained=[{"resourceType": "Group", "id": "g", "type": "person", "actual": True}]
    )
    assert judge(inside, only) == wrong
    anything = {"id": "subject", "type": [{"code": "Reference", "targetProfile": ["http://elsewhere.example/p"]}]}
    assert judge(obs(subject={"reference": "Group/1"}), anything) == []


def test_profiles_of_data_types(judge: Judge, room: Path) -> None:
    """A value conforms to one of the profiles of its type; an unknown profile is no reason to refuse."""
    low = put(room, "StructureDefinition", "q", name="Q", type="Quantity", differential={"element": [
        {"id": "Quantity", "path": "Quantity"},
        {"id": "Quantity.unit", "path": "Quantity.unit", "min": 1}]})  # fmt: skip
    other = put(room, "StructureDefinition", "r", name="R", type="Quantity", differential={"element": [
        {"id": "Quantity", "path": "Quantity"},
        {"id": "Quantity.code", "path": "Quantity.code", "min": 1}]})  # fmt: skip
    value = obs(valueQuantity={"value": 1})
    where = "Observation.value.ofType(Quantity)"
    assert judge(value, {"id": "value[x]", "type": [{"code": "Quantity", "profile": [low]}]}) == [
        (f"{where}.unit", "is required by Q: add it")
    ]
    assert judge(value, {"id": "value[x]", "type": [{"code": "Quantity", "profile": [low, other]}]}) == [
        (where, "conforms to none of the profiles that P allows")
    ]
    unknown = {"id": "value[x]", "type": [{"code": "Quantity", "profile": ["http://elsewhere.example/q"]}]}
    assert judge(value, unknown) == []


SYSTEM = [{"id": "category:a.coding.system", "fixedUri": "s:a"}, {"id": "category:b.coding.system", "fixedUri": "s:b"}]


def test_slices_by_value(judge: Judge) -> None:
    """Each value is of the first slice that fits; slices have their own cardinality and content."""
    made = [
        {"id": "category", **slices("value", "coding.system")},
        {"id": "category:a", "min": 1, "max": "1"},
        SYSTEM[0],
    ]
    a, b = {"coding": [{"system": "s:a"}]}, {"coding": [{"system": "s:b"}]}
    assert judge(obs(category=[a, b]), *made) == []
    assert judge(obs(category=[b]), *made) == [("Observation.category", "the slice a is required by P: add it")]
    assert judge(obs(category=[a, a]), *made) == [("Observation.category", "the slice a stands at most 1 times (P)")]
    closed = [{"id": "category", **slices("value", "coding.system", "closed")}, *made[1:]]
    assert judge(obs(category=[a, b]), *closed) == [("Observation.category[1]", "is none of a, which P allows alone")]


def test_slices_by_pattern_of_an_element_above(judge: Judge) -> None:
    """What is fixed at a path may stand in a pattern further up."""
    pattern = {"id": "category:a", "min": 1, "patternCodeableConcept": {"coding": [{"system": "s:a", "code": "1"}]}}
    for path in ("coding.code", "coding", "$this"):
        made = [{"id": "category", **slices("pattern", path)}, pattern]
        assert judge(obs(category=[{"coding": [{"system": "s:a", "code": "1"}]}]), *made) == []
        assert judge(obs(category=[{"coding": [{"system": "s:a", "code": "2"}]}]), *made)
    nothing = [{"id": "category", **slices("value", "text")}, pattern]
    assert judge(obs(category=[{"text": "x"}]), *nothing)
    nowhere = [{"id": "category", **slices("value", "coding.version")}, {"id": "category:a", "min": 1}]
    assert judge(obs(category=[{"text": "x"}]), *nowhere)


def test_slices_by_existence(judge: Judge) -> None:
    """With and without an element."""
    made = [
        {"id": "component", **slices("exists", "interpretation")},
        {"id": "component:told", "min": 1}, {"id": "component:told.interpretation", "min": 1},
        {"id": "component:silent", "max": "0"}, {"id": "component:silent.interpretation", "max": "0"},
    ]  # fmt: skip
    told = {"code": {"text": "x"}, "interpretation": [{"text": "y"}]}
    assert judge(obs(component=[told]), *made) == []
    assert judge(obs(component=[told, {"code": {"text": "x"}}]), *made) == [
        ("Observation.component", "the slice silent is not allowed: take it out (P)")
    ]


def test_slices_by_type(judge: Judge) -> None:
    """Of a choice, of a reference, of a resource."""
    text = [
        {"id": "value[x]", **slices("type", "$this")},
        {"id": "value[x]:valueString", "min": 1, "type": [{"code": "string"}]},
    ]
    assert judge(obs(valueString="a"), *text) == []
    assert judge(obs(valueInteger=1), *text) == [
        ("Observation.value", "the slice valueString is required by P: add it")
    ]
    team = [
        {"id": "performer", **slices("type", "resolve()")},
        {"id": "performer:who", "min": 1, "type": [{"code": "Patient"}]},
    ]
    assert judge(obs(performer=[{"reference": "Patient/1"}]), *team) == []
    assert judge(obs(performer=[{"reference": "Organization/1"}]), *team)
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": {"resourceType": "Patient"}}]}
    entry = [
        {"id": "entry", **slices("type", "resource")},
        {"id": "entry:p", "min": 1},
        {"id": "entry:p.resource", "type": [{"code": "Patient"}]},
    ]
    assert judge(bundle, *entry) == []
    assert judge({**bundle, "entry": [{"resource": {"resourceType": "Device"}}]}, *entry)


def test_slices_by_profile(judge: Judge, room: Path) -> None:
    """What conforms to the profile of the slice is of it."""
    named = put(room, "StructureDefinition", "n", name="N", type="Patient", differential={"element": [
        {"id": "Patient", "path": "Patient"}, {"id": "Patient.name", "path": "Patient.name", "min": 1}]})  # fmt: skip
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": {"resourceType": "Patient"}}]}
    made = [
        {"id": "entry", **slices("profile", "resource")},
        {"id": "entry:n", "min": 1},
        {"id": "entry:n.resource", "type": [{"code": "Patient", "profile": [named]}]},
    ]
    assert judge(bundle, *made)
    assert judge({**bundle, "entry": [{"resource": {"resourceType": "Patient", "name": [{"text": "x"}]}}]}, *made) == []


def test_slices_by_an_extension(judge: Judge) -> None:
    """A discriminator may look into an extension, and into a choice by its stem."""
    made = [
        {"id": "component", **slices("exists", "extension('http://x.example/e').value")},
        {"id": "component:e", "min": 1},
    ]
    with_it = {"code": {"text": "x"}, "extension": [{"url": "http://x.example/e", "valueCode": "a"}]}
    assert judge(obs(component=[with_it]), *made) == []
    assert judge(obs(component=[{"code": {"text": "x"}}]), *made)
    typed = [{"id": "component", **slices("value", "value.ofType(CodeableConcept).text")},
             {"id": "component:t", "min": 1},
             {"id": "component:t.value[x].text", "fixedString": "a"}]  # fmt: skip
    assert judge(obs(component=[{"code": {"text": "x"}, "valueCodeableConcept": {"text": "a"}}]), *typed) == []


def test_extensions_of_the_hub_are_judged_wherever_they_stand(judge: Judge, room: Path) -> None:
    """Also of a resource whose profile does not name them, and below primitives."""
    url = put(room, "StructureDefinition", "e", name="E", type="Extension", differential={"element": [
        {"id": "Extension", "path": "Extension"},
        {"id": "Extension.value[x]", "path": "Extension.value[x]", "min": 1, "type": [{"code": "code"}]}]})  # fmt: skip
    wrong = {"url": url, "valueString": "a"}
    found = judge(
        {"resourceType": "Patient", "birthDate": "1960", "_birthDate": {"extension": [wrong]}, "extension": [wrong]}
    )
    assert sorted(where for where, _ in found) == [
        "Patient.birthDate.extension[0].value.ofType(string)", "Patient.extension[0].value.ofType(string)",
    ]  # fmt: skip
    named = [
        {"id": "extension", **slices("value", "url")},
        {"id": "extension:e", "min": 1, "type": [{"code": "Extension", "profile": [url]}]},
    ]
    assert judge({"resourceType": "Patient", "extension": [{"url": url, "valueCode": "a"}]}, *named) == []
    assert judge({"resourceType": "Patient", "active": True}, *named)


def test_bindings(judge: Judge, room: Path) -> None:
    """required is an error, extensible a warning, weaker ones nothing; a set that is not held judges nothing."""
    put(room, "CodeSystem", "c", content="complete", concept=[{"code": "a", "concept": [{"code": "b"}]}])
    whole = put(room, "ValueSet", "all", compose={"include": [{"system": f"{H}/CodeSystem/c"}],
                "exclude": [{"system": f"{H}/CodeSystem/c", "concept": [{"code": "a"}]}]})  # fmt: skip
    some = put(room, "ValueSet", "some", compose={"include": [{"system": "s:x"}, {"valueSet": [whole]}]})
    both = put(room, "ValueSet", "both", compose={"include": [
        {"system": f"{H}/CodeSystem/c", "concept": [{"code": "b"}, {"code": "z"}], "valueSet": [whole]}]})  # fmt: skip
    filtered = put(room, "ValueSet", "filtered", compose={"include": [{"system": "s:x", "filter": []}]})
    lost = put(room, "ValueSet", "lost", compose={"include": [{"valueSet": [f"{H}/ValueSet/none"]}]})
    circle = put(room, "ValueSet", "circle", compose={"include": [{"valueSet": [f"{H}/ValueSet/circle"]}]})

    def bound(value: dict[str, Any], strength: str, canonical: str) -> list[tuple[str, str]]:
        return judge(obs(code=value), {"id": "code", "binding": {"strength": strength, "valueSet": canonical}})

    def coding(system: str, code: str) -> dict[str, Any]:
        return {"coding": [{"system": system, "code": code}]}

    inner, outer = coding(f"{H}/CodeSystem/c", "b"), coding(f"{H}/CodeSystem/c", "a")
    assert bound(inner, "required", whole) == bound(coding("s:x", "any"), "required", f"{some}|1.0") == []
    assert bound(inner, "required", both) == []
    assert bound(outer, "required", both)
    assert bound(outer, "required", whole) == [
        ("Observation.code", "has no coding of all, the required value set of P")
    ]
    assert bound(outer, "extensible", whole)
    assert bound({"text": "x"}, "extensible", whole) == []
    assert bound({"text": "x"}, "required", whole)
    assert bound(outer, "preferred", whole) == []
    for canonical in (filtered, lost, circle, "http://elsewhere.example/v", f"{H}/CodeSystem/c"):
        assert bound(outer, "required", canonical) == []
    status = {"id": "status", "binding": {"strength": "required", "valueSet": whole}}
    assert judge(OBS, status) == [("Observation.status", "is no code of all, the required value set of P")]
    system = {"id": "value[x]", "binding": {"strength": "required", "valueSet": some}}
    assert judge(obs(valueQuantity={"value": 1, "system": "s:x", "code": "mg"}), system) == []


def test_invariants(judge: Judge) -> None:
    """Of the resource, and of an element, where paths begin there; a warning stays one."""
    rule = {"key": "x-1", "severity": "error", "human": "a text is short", "expression": "text.length() < 3"}
    on_code = {"id": "code", "constraint": [rule, {"key": "x-2", "severity": "error", "human": "no expression"}]}
    assert judge(OBS, on_code) == []
    assert judge(obs(code={"text": "long"}), on_code) == [("Observation.code", "x-1: a text is short")]
    resource = {**rule, "expression": "%resource.status = 'final' and text.exists()"}
    assert judge(OBS, {"id": "code", "constraint": [resource]}) == []


def test_profiles_build_upon_profiles(judge: Judge, room: Path) -> None:
    """What the base says holds too; a circle is told."""
    base = put(room, "StructureDefinition", "base", name="Base", type="Observation", differential={"element": [
        {"id": "Observation", "path": "Observation"},
        {"id": "Observation.method", "path": "Observation.method", "min": 1}]})  # fmt: skip
    assert judge(OBS, {"id": "category", "min": 1}, base=base) == [
        ("Observation.method", "is required by P: add it"), ("Observation.category", "is required by P: add it"),
    ]  # fmt: skip
    with pytest.raises(ConfigError, match="circle"):
        judge(OBS, base=f"{H}/StructureDefinition/p")


def test_what_is_asked_of_the_wrong_type_or_unknown(judge: Judge, room: Path) -> None:
    """A profile of another type is an error; one the hub has not is told, once, or refused when asked for."""
    assert judge({"resourceType": "Patient", "active": True}, type_="Device") == [
        ("Patient", "is a Patient; P is a profile of Device")
    ]
    named = {"resourceType": "Patient", "meta": {"profile": ["http://x.example/p", f"{artefacts.CORE}Patient"]}}
    assert [(i.severity, i.where) for i in validate(named)] == [("information", "Patient.meta.profile")]
    with pytest.raises(NotFoundError, match="no profile"):
        validate({"resourceType": "Patient"}, ("http://x.example/p",))
    put(room, "ValueSet", "v")
    with pytest.raises(NotFoundError):
        validate({"resourceType": "Patient"}, (f"{H}/ValueSet/v",))
