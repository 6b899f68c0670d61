"""What the hub knows of codes: the value sets of the CI-SIS, those R4 binds, and resources of our own."""

from __future__ import annotations

import csv
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.errors import HubError, InvalidError, NotFoundError, TooLargeError, UnsupportedError
from hub.fhir import terminology
from hub.fhir.terminology import artefacts, build, compose, tables
from hub.fhir.terminology.model import CodeSystem, ValueSet
from hub.paths import room

SHARED = Path(__file__).parents[4] / "shared"
TYPE_CODE = "https://mos.esante.gouv.fr/NOS/JDV_J07-XdsTypeCode-CISIS/FHIR/JDV-J07-XdsTypeCode-CISIS"
GENDER = "http://hl7.org/fhir/ValueSet/administrative-gender"
LOINC, CIM = "http://loinc.org", "https://smt.esante.gouv.fr/terminologie-cim-10"


KNOWN = terminology.catalogue()


@pytest.mark.parametrize(
    ("url", "system", "code", "expected"),
    [
        (GENDER, "http://hl7.org/fhir/administrative-gender", "male", True),
        (GENDER + "|4.0.1", "http://hl7.org/fhir/administrative-gender", "male", True),
        (GENDER, "", "male", True),
        (GENDER, "", "masculin", False),
        (GENDER, "http://hl7.org/fhir/administrative-gender", "masculin", False),
        (GENDER, LOINC, "male", False),
        (TYPE_CODE, LOINC, "34794-8", True),
        (TYPE_CODE, "urn:oid:2.16.840.1.113883.6.1", "34794-8", True),
        ("urn:oid:1.2.250.1.213.1.1.5.471", LOINC, "34794-8", True),
        (TYPE_CODE, LOINC, "1-8", False),
        ("http://example.org/unknown", LOINC, "34794-8", None),
    ],
)
def test_member(url: str, system: str, code: str, expected: bool | None) -> None:
    assert terminology.member(url, system, code) is expected


def test_every_value_set_can_be_read_and_has_codes_that_are_known() -> None:
    systems = KNOWN.systems
    for url in KNOWN.value_sets:
        found = KNOWN.value_set(url)
        assert found is not None, url
        assert found.codings or found.open, url
        for system, code in found.codings:
            known = systems.get(system)
            assert known is None or not known.complete or code in known.concepts, (url, system, code)


def test_a_code_goes_under_its_french_name_first() -> None:
    """JDV_J07: LOINC 34794-8 is the report of a tumour board."""
    system = KNOWN.code_system(LOINC)
    assert system is not None
    concept = system.concepts["34794-8"]
    assert concept.display() == concept.display("fr-FR") == "CR de réunion de concertation pluridisciplinaire"
    assert concept.named("cr de  Réunion de concertation pluridisciplinaire")
    assert not concept.named("")
    assert not system.complete


def test_code_systems_of_r4_that_people_see_have_french_names() -> None:
    """R4 names them in English only; a code that is named in part of a system is named in all of it."""
    named = {url for url, _, _ in tables.read("french.csv")}
    for url in named:
        system = KNOWN.code_system(url)
        assert system is not None, url
        assert [code for code, concept in system.concepts.items() if not concept.fr] == [], url
    gender = KNOWN.code_system("http://hl7.org/fhir/administrative-gender")
    assert gender is not None
    assert (gender.concepts["female"].display(), gender.concepts["female"].display("en")) == ("Féminin", "Female")


@pytest.mark.parametrize(
    ("system", "above", "below", "expected"),
    [
        (CIM, "C50", "C50.1", True),
        (CIM, "C50", "C50", True),
        (CIM, "C50.1", "C50", False),
        (CIM, "C5", "C50", False),
        ("http://www.whocc.no/atc", "L", "L01EE01", True),
        ("http://www.whocc.no/atc", "L01EE", "L01EE01", True),
        ("http://www.whocc.no/atc", "L01E", "L01F", False),
        (LOINC, "34794", "34794-8", False),
    ],
)
def test_hierarchies_that_codes_spell_out(system: str, above: str, below: str, expected: bool) -> None:
    """ICD-10 vol. 2 §2.4: subcategories begin with their category; WHO ATC: five levels."""
    found = KNOWN.code_system(system)
    assert found is not None
    assert found.subsumes(above, below) is expected


def test_codes_above_and_below_one() -> None:
    assert KNOWN.above(CIM, "C50.1") == ("C50.1", "C50")
    assert KNOWN.above("http://www.whocc.no/atc", "L01EE01") == ("L01EE01", "L01EE", "L01E", "L01", "L")
    below = KNOWN.below(CIM, "C50")
    assert below is not None
    assert below[0] == "C50"
    assert {"C50.1", "C50.9"} <= set(below)
    assert "C51" not in below
    assert KNOWN.below(LOINC, "34794-8") is None
    assert KNOWN.above(LOINC, "34794-8") is None
    assert KNOWN.below("urn:nobody", "x") is None


def test_tables_say_what_was_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tables are those their script makes out of the published lists."""
    sources = [
        SHARED / "data" / "terminology" / "french-value-sets.csv",
        SHARED / "data" / "r4" / "required-codes.csv",
        SHARED / "reference" / "cda" / "17-value-sets.md",
    ]
    if not all(source.exists() for source in sources):
        pytest.skip("the published lists are not here")
    monkeypatch.setattr(build, "HERE", tmp_path)
    build.main(*map(str, sources))
    for made in tmp_path.iterdir():
        assert made.read_text("utf-8") == (tables.HERE / made.name).read_text("utf-8"), made.name
    with sources[0].open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if " " not in row["code"].strip():
                assert terminology.member(row["url"], row["system"], row["code"].strip()), row


# -- resources

SYSTEM: dict[str, Any] = {
    "resourceType": "CodeSystem",
    "url": "urn:s",
    "name": "S",
    "version": "2",
    "language": "fr",
    "content": "complete",
    "concept": [
        {
            "code": "a",
            "display": "Un",
            "definition": "Le premier",
            "designation": [{"language": "en", "value": "One"}, {"language": "de", "value": "Eins"}, {"value": "1"}],
            "concept": [{"code": "b", "concept": [{"code": "c"}]}],
        },
        {"code": "d", "property": [{"code": "parent", "valueCode": "b"}]},
        {"code": "e"},
    ],
}


def find(url: str) -> CodeSystem | None:
    return artefacts.code_system(SYSTEM) if url == "urn:s" else None


def find_set(url: str) -> ValueSet | None:
    if url != "urn:inner":
        return None
    return compose.value_set(
        {"compose": {"include": [{"system": "urn:s", "concept": [{"code": "a"}]}]}}, find, find_set
    )


def codes(resource: dict[str, Any]) -> list[str]:
    return [code for _, code in compose.value_set(resource, find, find_set).codings]


def test_a_code_system_of_ours() -> None:
    system = artefacts.code_system(SYSTEM)
    assert list(system.concepts) == ["a", "b", "c", "d", "e"]
    one = system.concepts["a"]
    assert (one.fr, one.en, one.also, one.definition) == ("Un", "One", ("Eins", "1"), "Le premier")
    assert system.subsumes("a", "c")
    assert system.subsumes("a", "d")
    assert not system.subsumes("e", "d")
    assert system.complete


def test_a_circle_of_parents_ends() -> None:
    circle = {"concept": [{"code": x, "property": [{"code": "parent", "valueCode": y}]} for x, y in ("ab", "ba")]}
    assert list(artefacts.code_system(circle).ancestors("a")) == ["b"]


def test_concepts_nested_beyond_reason_are_refused() -> None:
    deep: dict[str, Any] = {"code": "x"}
    for _ in range(60):
        deep = {"code": "x", "concept": [deep]}
    with pytest.raises(InvalidError, match="nested deeper"):
        artefacts.code_system({"concept": [deep]})


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"include": [{"system": "urn:s"}]}, "abcde"),
        ({"include": [{"system": "urn:s", "concept": [{"code": "c"}, {"code": "a"}]}]}, "ca"),
        ({"include": [{"system": "urn:s"}], "exclude": [{"system": "urn:s", "concept": [{"code": "b"}]}]}, "acde"),
        ({"include": [{"valueSet": ["urn:inner"]}]}, "a"),
        ({"include": [{"system": "urn:s", "valueSet": ["urn:inner"]}]}, "a"),
        ({"include": [{"valueSet": ["urn:inner"]}, {"system": "urn:s", "concept": [{"code": "e"}]}]}, "ae"),
        *(
            ({"include": [{"system": "urn:s", "filter": [{"property": "concept", "op": op, "value": v}]}]}, found)
            for op, v, found in [
                ("is-a", "b", "bcd"),
                ("descendent-of", "b", "cd"),
                ("is-not-a", "b", "ae"),
                ("generalizes", "c", "abc"),
                ("=", "e", "e"),
                ("in", "a, e", "ae"),
                ("not-in", "a,b,c", "de"),
            ]
        ),
    ],
)
def test_a_value_set_is_composed(parts: dict[str, Any], expected: str) -> None:
    """R4 §4.9.5: conditions of an include all hold, includes add, excludes take away."""
    assert "".join(codes({"compose": parts})) == expected


def test_a_value_set_that_comes_expanded() -> None:
    """R4 §4.9.8: what is nested counts, what is abstract does not."""
    contains = [
        {"system": "urn:s", "code": "a", "abstract": True, "contains": [{"system": "urn:s", "code": "b"}]},
        {"code": "c"},
    ]
    assert codes({"expansion": {"contains": contains}}) == ["b", "c"]
    assert codes({}) == []


def test_a_system_that_is_not_known_leaves_the_set_open() -> None:
    found = compose.value_set({"compose": {"include": [{"system": "urn:other"}]}}, find, find_set)
    assert (dict(found.codings), found.open) == ({}, {"urn:other"})


@pytest.mark.parametrize(
    ("parts", "error", "where"),
    [
        ({"include": [{"valueSet": ["urn:none"]}]}, NotFoundError, "ValueSet.compose.include[0].valueSet"),
        ({"include": [{}]}, InvalidError, "ValueSet.compose.include[0]"),
        ({"include": {}}, InvalidError, "ValueSet.compose.include"),
        ({"include": [{"system": "urn:s", "concept": ["a"]}]}, InvalidError, "ValueSet.compose.include[0].concept"),
        (
            {"include": [{"system": "urn:s", "filter": [{"property": "concept", "op": "regex", "value": "(a+)+"}]}]},
            UnsupportedError,
            "ValueSet.compose.include[0].filter[0]",
        ),
        (
            {"exclude": [{"system": "urn:s", "filter": [{"property": "colour", "op": "=", "value": "red"}]}]},
            UnsupportedError,
            "ValueSet.compose.exclude[0].filter[0]",
        ),
        ({"include": [{"system": "urn:s"}] * 101}, TooLargeError, "ValueSet.compose"),
        (
            {"include": [{"system": "urn:s", "filter": [{"property": "code", "op": "=", "value": "a"}] * 101}]},
            TooLargeError,
            "ValueSet.compose.include[0]",
        ),
    ],
)
def test_a_value_set_that_cannot_be_composed(parts: dict[str, Any], error: type[HubError], where: str) -> None:
    with pytest.raises(error) as caught:
        compose.value_set({"compose": parts}, find, find_set)
    assert caught.value.where == where
    assert caught.value.cure


def test_a_concept_map_of_ours() -> None:
    made = artefacts.concept_map(
        {
            "url": "urn:m",
            "sourceCanonical": "urn:vs1",
            "targetUri": "urn:vs2",
            "group": [
                {
                    "source": "urn:s",
                    "target": "urn:t",
                    "element": [{"code": "a", "target": [{"code": "x", "equivalence": "wider"}]}, {"code": "b"}],
                    "unmapped": {"mode": "fixed", "code": "z"},
                }
            ],
        }
    )
    assert made.targets["urn:s", "a"] == (("urn:t", "x", "", "wider"),)
    assert made.targets["urn:s", "b"] == ()
    assert made.unmapped["urn:s"].code == "z"
    assert (made.source, made.target) == ("urn:vs1", "urn:vs2")


def test_code_tables_of_mappings_are_concept_maps() -> None:
    for name, *_ in tables.read("codetables.csv"):
        assert (room("mappings") / "tables" / f"{name}.csv").is_file()
        assert KNOWN.concept_map(f"{KNOWN.base}/ConceptMap/table-{name}") is not None
    assert KNOWN.concept_map("urn:nobody") is None


def test_a_site_publishes_under_its_own_address() -> None:
    """Setting ``canonical_base``: what the hub defines goes by the address of the site, all else by its own."""
    base = "https://site.example/fhir"
    site = terminology.catalogue(base)
    assert site is terminology.catalogue(base)
    assert site.value_sets == tuple(sorted(url.replace(KNOWN.base, base) for url in KNOWN.value_sets))
    assert site.concept_map(f"{base}/ConceptMap/table-sex") is not None
    assert site.concept_map(f"{KNOWN.base}/ConceptMap/table-sex") is None
    assert terminology.member(GENDER, "", "male", base) is True


def test_a_version_that_is_not_there_is_not_found() -> None:
    ours = artefacts.code_system(SYSTEM)
    from hub.fhir.terminology.catalogue import _in_version

    assert _in_version(ours, "2") is ours
    assert _in_version(ours, "3") is None


@given(
    st.recursive(
        st.none() | st.text(max_size=3) | st.integers(),
        lambda i: (
            st.lists(i, max_size=2)
            | st.dictionaries(
                st.sampled_from(
                    ["include", "exclude", "system", "concept", "filter", "valueSet", "code", "op", "property"]
                ),
                i,
                max_size=3,
            )
        ),
        max_leaves=8,
    )
)
def test_a_compose_of_any_shape_ends_in_codes_or_an_error(parts: Any) -> None:
    # The last two are told as a wrong shape by who takes resources from outside.
    with suppress(HubError, AttributeError, TypeError):
        compose.value_set({"compose": parts}, find, find_set)
