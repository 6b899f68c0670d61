"""The questions of R4 §4.7 and what the hub answers: expand, validate-code, lookup, translate, subsumes."""

from __future__ import annotations

from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class

from hub.errors import HubError, InvalidError, NotFoundError, TooLargeError, UnsupportedError
from hub.fhir import terminology as known
from hub.services import terminology
from hub.services.terminology import expansion
from hub.services.terminology.asked import codings

TYPE_CODE = "https://mos.esante.gouv.fr/NOS/JDV_J07-XdsTypeCode-CISIS/FHIR/JDV-J07-XdsTypeCode-CISIS"
IMAGING = "https://smt.esante.gouv.fr/fhir/ValueSet/jdv-codes-document-imagerie-cisis"
GENDER = "http://hl7.org/fhir/administrative-gender"
LOINC, CIM = "http://loinc.org", "https://smt.esante.gouv.fr/terminologie-cim-10"
BOARD = "CR de réunion de concertation pluridisciplinaire"
GIVEN = {
    "resourceType": "CodeSystem",
    "url": "urn:s",
    "name": "S",
    "content": "complete",
    "language": "fr",
    "concept": [
        {"code": "a", "display": "Un", "designation": [{"language": "en", "value": "One"}], "concept": [{"code": "b"}]}
    ],
}


def valid(resource: dict[str, Any]) -> dict[str, Any]:
    """The resource, once R4 takes it."""
    get_fhir_model_class(resource["resourceType"]).model_validate(resource)
    return resource


def values(resource: dict[str, Any]) -> dict[str, Any]:
    """Name -> value of Parameters that come once."""
    parameters = valid(resource)["parameter"]
    return {p["name"]: next(v for k, v in p.items() if k != "name") for p in parameters}


def contained(resource: dict[str, Any]) -> list[str]:
    return [c["code"] for c in valid(resource)["expansion"].get("contains", ())]


# -- $expand


def test_all_codes_of_a_value_set() -> None:
    made = terminology.expand(TYPE_CODE)
    expected = known.catalogue().value_set(TYPE_CODE)
    assert expected is not None
    assert contained(made) == [code for _, code in expected.codings]
    assert made["expansion"]["total"] == len(expected.codings)
    assert "offset" not in made["expansion"]


@pytest.mark.parametrize("text", ["réunion concert", "REUNION Concertation", "34794", "concertation 34794-8"])
def test_a_filter_takes_words_as_people_type_them(text: str) -> None:
    assert contained(terminology.expand(TYPE_CODE, text=text)) == ["34794-8"]


def test_pages_are_parts_of_the_whole() -> None:
    whole = contained(terminology.expand(TYPE_CODE))
    made = terminology.expand(TYPE_CODE, offset=10, count=5)
    assert contained(made) == whole[10:15]
    assert (made["expansion"]["total"], made["expansion"]["offset"]) == (len(whole), 10)
    only_total = terminology.expand(TYPE_CODE, count=0)
    assert contained(only_total) == []
    assert only_total["expansion"]["total"] == len(whole)
    assert contained(terminology.expand(TYPE_CODE, offset=10_000)) == []


def test_names_in_the_language_asked_for() -> None:
    given = {
        "resourceType": "ValueSet",
        "status": "active",
        "expansion": {"contains": [{"system": "urn:x", "code": "k", "display": "D"}]},
    }
    (only,) = valid(terminology.expand(given=given))["expansion"]["contains"]
    assert only["display"] == "D"
    french = terminology.expand(TYPE_CODE, text="34794-8", designations=True)["expansion"]["contains"][0]
    assert french["display"] == BOARD
    assert french["designation"] == [{"language": "fr", "value": BOARD}]


def test_a_set_of_which_a_part_is_known_says_so() -> None:
    given = {"resourceType": "ValueSet", "compose": {"include": [{"system": "urn:unknown"}]}}
    made = terminology.expand(given=given)
    assert {"name": "limitedExpansion", "valueBoolean": True} in made["expansion"]["parameter"]


@pytest.mark.parametrize(
    ("asked", "error", "where"),
    [
        ({"url": "http://nobody"}, NotFoundError, "http.url"),
        ({}, InvalidError, "http.url"),
        ({"url": TYPE_CODE, "offset": -1}, InvalidError, "http.count"),
        ({"url": TYPE_CODE, "count": -1}, InvalidError, "http.count"),
        ({"url": TYPE_CODE, "text": "x" * 201}, TooLargeError, "http.filter"),
        ({"given": {"resourceType": "Patient"}}, InvalidError, "http.parameter"),
        ({"given": "ValueSet"}, InvalidError, "http.parameter"),
        ({"given": {"resourceType": "ValueSet", "compose": {"include": [{"valueSet": 7}]}}}, InvalidError, "ValueSet"),
    ],
)  # fmt: skip
def test_what_cannot_be_expanded(asked: dict[str, Any], error: type[HubError], where: str) -> None:
    with pytest.raises(error) as caught:
        terminology.expand(**asked)
    assert caught.value.where == where
    assert caught.value.cure


def test_too_many_codes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expansion, "MAX_CODES", 100)
    with pytest.raises(InvalidError) as caught:
        terminology.expand(IMAGING)
    assert caught.value.code == "too-costly"
    assert len(contained(terminology.expand(IMAGING, count=100))) == 100


def test_a_near_name_is_offered() -> None:
    with pytest.raises(NotFoundError) as caught:
        terminology.expand(TYPE_CODE + "X")
    assert TYPE_CODE in caught.value.cure


# -- $validate-code


@pytest.mark.parametrize(
    ("given", "result"),
    [
        ({"code": "34794-8", "system": LOINC}, True),
        ({"code": "34794-8", "system": "urn:oid:2.16.840.1.113883.6.1"}, True),
        ({"code": "34794-8"}, True),
        ({"code": "34794-8", "system": LOINC, "display": BOARD.upper()}, True),
        ({"code": "34794-8", "system": LOINC, "display": "Autre chose"}, False),
        ({"code": "1-8", "system": LOINC}, False),
        ({"code": "nowhere"}, False),
        ({"coding": {"system": LOINC, "code": "34794-8"}}, True),
        ({"concept": {"coding": [{"system": LOINC, "code": "1-8"}, {"system": LOINC, "code": "34794-8"}]}}, True),
        ({"concept": {"coding": [{"system": LOINC, "code": "1-8"}, {"code": "x"}]}}, False),
    ],
)
def test_whether_a_code_is_in_a_value_set(given: dict[str, Any], result: bool) -> None:
    made = values(terminology.validate_in_value_set(TYPE_CODE, codings(**given)))
    assert made["result"] is result
    assert ("message" in made) is not result
    if result:
        assert made["display"] == BOARD


def test_an_open_set_says_that_it_cannot_tell() -> None:
    given = {"resourceType": "ValueSet", "compose": {"include": [{"system": LOINC}]}}
    for coding in (codings("no-such", LOINC), codings("no-such")):
        made = values(terminology.validate_in_value_set("", coding, given=given))
        assert made["result"] is False
        assert "knows a part" in made["message"]


@pytest.mark.parametrize(
    ("code", "display", "result"), [("a", "", True), ("a", "one", True), ("a", "Deux", False), ("z", "", False)]
)
def test_whether_a_code_is_in_a_code_system_that_is_sent(code: str, display: str, result: bool) -> None:
    made = values(terminology.validate_in_system("", codings(code, "", display), given=GIVEN, language="en"))
    assert made["result"] is result
    if code == "a":
        assert made["display"] == "One"


@pytest.mark.parametrize(
    ("url", "system", "code", "result"),
    [
        (GENDER, "", "male", True),
        ("", GENDER, "male", True),
        (GENDER, GENDER, "male", True),
        (GENDER, LOINC, "male", False),
        (CIM, "urn:oid:2.16.840.1.113883.6.3", "C50.1", True),
        (CIM, "", "C99.9", False),
    ],
)
def test_whether_a_code_is_in_a_code_system(url: str, system: str, code: str, result: bool) -> None:
    made = values(terminology.validate_in_system(url, codings(code, system)))
    assert made["result"] is result


@pytest.mark.parametrize("given", [{}, {"code": ""}, {"coding": "x"}, {"concept": {"coding": "x"}}, {"concept": 1}])
def test_no_code_is_no_question(given: dict[str, Any]) -> None:
    with pytest.raises(InvalidError) as caught:
        codings(**given)
    assert caught.value.where.startswith("http.cod")


def test_codes_are_bounded() -> None:
    with pytest.raises(TooLargeError):
        codings(concept={"coding": [{"code": "x"}] * 101})


# -- $lookup


def test_what_is_known_of_a_code() -> None:
    made = valid(terminology.lookup(codings("C50.1", CIM)[0]))
    named = values(made)
    assert named["name"] == "CIM-10"
    assert named["display"] == "Tumeur maligne de la partie centrale du sein"
    parts = [
        {p["name"]: next(v for k, v in p.items() if k != "name") for p in each["part"]}
        for each in made["parameter"]
        if "part" in each
    ]
    assert {"language": "fr", "value": named["display"]} in parts
    assert {"code": "parent", "value": "C50"} in parts


def test_what_stands_under_a_code() -> None:
    made = terminology.lookup(codings("C50", CIM)[0])
    properties = [p["part"] for p in made["parameter"] if p["name"] == "property"]
    assert [{"name": "code", "valueCode": "child"}, {"name": "value", "valueCode": "C50.1"}] in properties


@pytest.mark.parametrize(
    ("system", "code", "version"), [(CIM, "Z99.99", ""), (GENDER, "m", ""), ("urn:nobody", "x", "")]
)
def test_what_is_not_known_is_not_found(system: str, code: str, version: str) -> None:
    with pytest.raises(NotFoundError) as caught:
        terminology.lookup(codings(code, system)[0], version=version)
    assert caught.value.cure


# -- $subsumes


@pytest.mark.parametrize(
    ("system", "a", "b", "outcome"),
    [
        (CIM, "C50", "C50.1", "subsumes"),
        (CIM, "C50.1", "C50", "subsumed-by"),
        (CIM, "C50", "C50", "equivalent"),
        (CIM, "C50", "C51", "not-subsumed"),
        (LOINC, "1-8", "1-8", "equivalent"),
        (GENDER, "male", "female", "not-subsumed"),
    ],
)
def test_how_two_codes_stand_to_each_other(system: str, a: str, b: str, outcome: str) -> None:
    assert values(terminology.subsumes(system, a, b)) == {"outcome": outcome}


@pytest.mark.parametrize(
    ("system", "a", "b", "error"),
    [
        (LOINC, "1-8", "2-6", UnsupportedError),
        (GENDER, "male", "nobody", NotFoundError),
        ("urn:nobody", "a", "b", NotFoundError),
        (CIM, "", "C50", InvalidError),
    ],
)
def test_what_cannot_be_compared(system: str, a: str, b: str, error: type[HubError]) -> None:
    with pytest.raises(error) as caught:
        terminology.subsumes(system, a, b)
    assert caught.value.cure


# -- $translate

SEX = "http://terminology.hl7.org/CodeSystem/v2-0001"
MAP: dict[str, Any] = {
    "resourceType": "ConceptMap",
    "status": "active",
    "group": [
        {
            "source": "urn:s",
            "target": "urn:t",
            "element": [
                {"code": "a", "target": [{"code": "x", "equivalence": "wider"}]},
                {"code": "b", "target": [{"equivalence": "unmatched"}]},
            ],
            "unmapped": {"mode": "fixed", "code": "z"},
        }
    ],
}


def matches(made: dict[str, Any]) -> list[tuple[str, str, str]]:
    found = []
    for each in valid(made)["parameter"]:
        if each["name"] == "match":
            parts = {p["name"]: p for p in each["part"]}
            coding = parts.get("concept", {}).get("valueCoding", {})
            found.append((parts["equivalence"]["valueCode"], coding.get("system", ""), coding.get("code", "")))
    return found


def test_a_code_table_of_mappings_translates() -> None:
    made = terminology.translate(codings("F", SEX))
    assert values(made)["result"] is True
    assert matches(made) == [("equal", GENDER, "female")]
    assert matches(terminology.translate(codings("F", SEX), target_system=LOINC)) == []
    assert matches(terminology.translate(codings("F", SEX), url=f"{known.catalogue().base}/ConceptMap/table-sex")) == [
        ("equal", GENDER, "female")
    ]


def test_backwards() -> None:
    made = terminology.translate(codings("female", GENDER), reverse=True)
    assert ("equal", SEX, "F") in matches(made)
    assert matches(terminology.translate(codings("x", "urn:t"), given=MAP, reverse=True)) == [
        ("narrower", "urn:s", "a")
    ]


@pytest.mark.parametrize(
    ("code", "result", "expected"),
    [
        ("a", True, [("wider", "urn:t", "x")]),
        ("b", False, [("unmatched", "urn:t", "")]),
        ("other", True, [("inexact", "urn:t", "z")]),
    ],
)
def test_a_map_that_is_sent(code: str, result: bool, expected: list[tuple[str, str, str]]) -> None:
    made = terminology.translate(codings(code, "urn:s"), given=MAP)
    assert values(made)["result"] is result
    assert [(e, s if c else "urn:t", c) for e, s, c in matches(made)] == expected


def test_nothing_to_become() -> None:
    made = values(terminology.translate(codings("x", "urn:nobody")))
    assert made["result"] is False
    assert made["message"]
    assert values(terminology.translate(codings("F", SEX), source="urn:vs"))["result"] is False
    with pytest.raises(NotFoundError):
        terminology.translate(codings("F", SEX), url="urn:nobody")


# -- TerminologyCapabilities


def test_capabilities_name_each_code_system() -> None:
    made = terminology.capabilities(date="2026-11-20", publisher="p", url="http://h/fhir")
    get_fhir_model_class("TerminologyCapabilities").model_validate(made)
    uris = [system["uri"] for system in made["codeSystem"]]
    assert uris == sorted(known.catalogue().systems)
    subsumption = {system["uri"]: system["subsumption"] for system in made["codeSystem"]}
    assert subsumption[CIM] is True
    assert subsumption[LOINC] is False
