"""Index rows of resources: every R4 path, folded texts, intervals of time, references."""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.errors import InvalidError
from hub.fhir.search import build, exact, extract, fold, interval, number, param_id, params, table, target, types
from hub.fhir.search.compartments import ITSELF, compartments, membership
from hub.fhir.search.paths import compile_path
from hub.fhir.search.plan import empty
from hub.fhir.search.table import generation, pair_id
from hub.fhir.search.texts import ENDLESS, FOREVER
from hub.fhir.search.values import Extracted

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "meta": {"profile": ["https://example.org/p"], "tag": [{"system": "t", "code": "x"}]},
    "identifier": [{"system": "urn:oid:1.2.3", "value": "42"}, {"value": "bare"}],
    "active": True,
    "name": [{"family": "Lefèvre", "given": ["Anne-Marie", "Zoé"]}, {"text": "Mme LEFEVRE"}],
    "telecom": [{"system": "phone", "value": "0612"}, {"system": "email", "value": "a@b.fr"}],
    "gender": "female",
    "birthDate": "1961-03",
    "address": [{"line": ["1 rue"], "city": "Lyon", "postalCode": "69001"}],
    "managingOrganization": {"reference": "Organization/o1/_history/3"},
    "generalPractitioner": [{"type": "Practitioner", "identifier": {"system": "rpps", "value": "1"}}],
}


def rows(found: Extracted, kind: str, name: str) -> list[tuple[Any, ...]]:
    """The values that are indexed for one parameter of a type."""
    numbers = params(kind)[name].ids
    return [row[1:] for table in found for row in table if row[0] in numbers]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("identifier", [("42", "urn:oid:1.2.3"), ("bare", "")]),
        ("active", [("true", "")]),
        ("gender", [("female", "")]),
        ("family", [("lefevre", "Lefèvre")]),
        ("given", [("anne-marie", "Anne-Marie"), ("zoe", "Zoé")]),
        ("telecom", [("0612", ""), ("a@b.fr", "")]),
        ("email", [("a@b.fr", "")]),
        ("phone", [("0612", "")]),
        ("address-city", [("lyon", "Lyon")]),
        ("organization", [("Organization/o1",)]),
        ("general-practitioner", [("",)]),
        ("deceased", [("false", "")]),
        ("_tag", [("x", "t")]),
        ("_profile", [("https://example.org/p", "")]),
    ],
)
def test_each_value_is_indexed_where_r4_says(name: str, expected: list[tuple[str, ...]]) -> None:
    """R4 §8.1.5: the parameters of Patient and what they point at."""
    assert expected == rows(extract(PATIENT), "Patient", name)


def test_every_part_of_a_name_may_match() -> None:
    """R4 Patient.name: a search that may match any of the string fields in the HumanName."""
    found = {folded for folded, _ in rows(extract(PATIENT), "Patient", "name")}
    assert found == {"lefevre", "anne-marie", "zoe", "mme lefevre"}


def test_an_identifier_inside_a_reference_is_found_by_its_own_modifier() -> None:
    """R4 §3.1.1.4.11, :identifier."""
    (logical,) = params("Patient")["general-practitioner"].logical
    assert [(logical, "1", "rpps")] == [row for row in extract(PATIENT).token if row[0] == logical]


@pytest.mark.parametrize(
    ("element", "expected"),
    [
        ({"deceasedBoolean": True}, "true"),
        ({"deceasedBoolean": False}, "false"),
        ({"deceasedDateTime": "2020"}, "true"),
    ],
)
def test_deceased_is_a_question_not_a_path(element: dict[str, Any], expected: str) -> None:
    """R4 §8.1.5: `deceased.exists() and deceased != false`."""
    assert [(expected, "")] == rows(extract({"resourceType": "Patient", **element}), "Patient", "deceased")


@pytest.mark.parametrize(
    ("subject", "patients"),
    [
        ({"reference": "Patient/1"}, [("Patient/1",)]),
        ({"reference": "http://other.org/fhir/Patient/1"}, [("http://other.org/fhir/Patient/1",)]),
        ({"reference": "urn:uuid:0", "type": "Patient"}, [("urn:uuid:0",)]),
        ({"reference": "Group/1"}, []),
        ({"reference": "#inside", "type": "Patient"}, [("",)]),
        ({"display": "somebody"}, []),
    ],
)
def test_patient_is_the_subject_when_it_is_a_patient(subject: dict[str, str], patients: list[tuple[str]]) -> None:
    """R4 clinical-patient: `subject.where(resolve() is Patient)`; contained resources are not searched."""
    found = extract({"resourceType": "DocumentReference", "subject": subject})
    assert patients == rows(found, "DocumentReference", "patient")


def test_periods_are_open_where_nothing_is_said() -> None:
    """R4 §3.1.1.4.7: a missing boundary is unbounded."""
    for period, expected in (
        ({"start": "2020"}, [(interval("2020")[0], FOREVER)]),
        ({"end": "2020-01-31"}, [(-FOREVER, interval("2020-01-31")[1])]),
        ({"start": "2020-01", "end": "2020-02"}, [(interval("2020-01")[0], interval("2020-02")[1])]),
        ({}, []),
        ({"start": "soon"}, []),
        ({"start": "2021", "end": "2020"}, []),
    ):
        assert expected == rows(extract({"resourceType": "Encounter", "period": period}), "Encounter", "date")


def test_what_is_no_date_is_indexed_nowhere() -> None:
    """Validation judges it; search merely does not find it."""
    found = extract({"resourceType": "Patient", "birthDate": "1961-13-45"})
    assert rows(found, "Patient", "birthdate") == []


def test_equal_values_are_indexed_once() -> None:
    """The index tables have no room for a row twice."""
    found = extract({"resourceType": "Patient", "name": [{"given": ["A", "A"]}, {"given": ["A"]}]})
    assert rows(found, "Patient", "given") == [("a", "A")]


def test_a_null_among_primitives_stands_for_extensions() -> None:
    """R4 §2.6.2.2: null keeps the place of a primitive that has only extensions."""
    found = extract({"resourceType": "Patient", "name": [{"given": [None, "B"]}]})
    assert rows(found, "Patient", "given") == [("b", "B")]
    assert rows(found, "Patient", "name") == [("b", "B")]


def test_backbone_paths_and_choices_are_walked() -> None:
    """R4 §3.1.3.3: paths through backbone elements and value[x]."""
    found = extract(
        {
            "resourceType": "Observation",
            "component": [{"code": {"coding": [{"system": "s", "code": "c"}, {"display": "only words"}]}}],
            "valueCodeableConcept": {"text": "Élevé", "coding": [{"code": "v"}]},
            "effectivePeriod": {"start": "2020"},
        }
    )
    assert rows(found, "Observation", "component-code") == [("c", "s")]
    assert rows(found, "Observation", "value-concept") == [("v", "")]
    assert rows(found, "Observation", "value-string") == [("eleve", "Élevé")]
    assert [(interval("2020")[0], FOREVER)] == rows(found, "Observation", "date")


def test_a_canonical_is_a_target_as_it_stands() -> None:
    """R4 §3.1.1.4.11: references by canonical URL."""
    found = extract({"resourceType": "Task", "instantiatesCanonical": "http://a/b|1", "status": "draft"})
    assert rows(found, "Task", "status") == [("draft", "")]
    found = extract({"resourceType": "QuestionnaireResponse", "questionnaire": "http://a/q|1"})
    assert rows(found, "QuestionnaireResponse", "questionnaire") == [("http://a/q|1",), ("http://a/q",)]


def test_an_element_of_the_wrong_type_is_named() -> None:
    """The mapping that made it can then be corrected; the value itself is not told."""
    with pytest.raises(InvalidError) as caught:
        extract({"resourceType": "Patient", "name": "Dupont"})
    assert caught.value.where == "Patient.name"
    assert "Dupont" not in str(caught.value)


def test_a_type_without_parameters_of_its_own_has_the_common_ones() -> None:
    """R4 §3.1.1.4.1: _tag, _profile and _security hold for all resources."""
    assert list(params("Binary")) == ["_profile", "_security", "_source", "_tag"]
    found = extract({"resourceType": "Binary", "meta": {"security": [{"system": "s", "code": "R"}]}})
    assert rows(found, "Binary", "_security") == [("R", "s")]


def test_a_value_is_stored_once_whoever_asks_for_it() -> None:
    """family is part of name, patient of subject: one row, which both find."""
    found = extract(PATIENT)
    assert len(found.string) == len(set(found.string))
    (family,) = params("Patient")["family"].ids
    assert family in params("Patient")["name"].ids
    assert len([row for row in found.string if row[1] == "lefevre"]) == 1
    document = extract({"resourceType": "DocumentReference", "subject": {"reference": "Patient/1"}})
    assert len(document.reference) == 1
    assert rows(document, "DocumentReference", "subject") == rows(document, "DocumentReference", "patient")


# The index tables of running hubs hold these numbers.
def test_numbers_of_parameters_never_change() -> None:
    """A stored index outlives the program that wrote it."""
    assert param_id("Patient", "identifier") == 587468934
    assert params("Patient")["identifier"].ids == (587468934,)


def test_no_two_parameters_share_a_number() -> None:
    """Even across types: a positive test then implies the type."""
    every = [n for kind in types() for g in {g for p in params(kind).values() for g in p.groups} for n in g]
    assert len(every) == len(set(every))
    assert pair_id("Observation", "x", "c", None) > max(every)


def test_two_parameters_with_one_number_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clash in the table is found when it is read, not by wrong answers."""
    same = table.Group(7, 8, 9, 9)
    monkeypatch.setattr(table.Group, "of", classmethod(lambda cls, kind, names: same))
    with pytest.raises(AssertionError, match="share a number"):
        table.standard.__wrapped__("Patient")


def amounts(value: dict[str, Any]) -> list[tuple[Any, ...]]:
    found = extract({"resourceType": "Observation", **value})
    return rows(found, "Observation", "value-quantity")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"value": 5.4, "system": "u", "code": "mg", "unit": "mg"}, [(5.4, 5.4, "mg", "u")]),
        ({"value": 5, "code": "g", "system": "u", "unit": "gr"}, [(5.0, 5.0, "g", "u"), (5.0, 5.0, "gr", "")]),
        ({"value": 5, "comparator": "<"}, [(-ENDLESS, 5.0, "", "")]),
        ({"value": 5, "comparator": ">=", "unit": "x"}, [(5.0, ENDLESS, "x", "")]),
        ({"unit": "x"}, []),
        ({"value": True}, []),
        ({"value": 1e305}, []),
    ],
)
def test_a_quantity_is_a_range_with_its_units(value: dict[str, Any], expected: list[tuple[Any, ...]]) -> None:
    """R4 §3.1.1.4.14; a comparator opens one end."""
    assert amounts({"valueQuantity": value}) == expected


def test_ranges_samples_and_ages_are_quantities_too() -> None:
    """R4 §3.1.1.4.14: Range, SampledData, Age, Money."""
    assert amounts({"valueSampledData": {"lowerLimit": 1, "upperLimit": 3, "origin": {"code": "mm"}}}) == [
        (1.0, 3.0, "mm", "")
    ]
    onset = {"resourceType": "Condition", "onsetRange": {"low": {"value": 30, "code": "a"}}}
    assert rows(extract(onset), "Condition", "onset-age") == [(30.0, ENDLESS, "a", "")]
    invoice = {"resourceType": "Invoice", "totalNet": {"value": 9.5, "currency": "EUR"}}
    assert rows(extract(invoice), "Invoice", "totalnet") == [(9.5, 9.5, "EUR", "urn:iso:std:iso:4217")]
    risk = {"resourceType": "RiskAssessment", "prediction": [{"probabilityDecimal": 0.25}]}
    assert rows(extract(risk), "RiskAssessment", "probability") == [(0.25, 0.25, "", "")]


def test_of_a_timing_the_outer_limits_count() -> None:
    """R4 §3.1.1.4.7: Timing; events and bounds, whichever reach further."""
    timing = {"event": ["2020-02-01", "2020-01-01"], "repeat": {"boundsPeriod": {"end": "2020-03"}}}
    order = {"resourceType": "ServiceRequest", "occurrenceTiming": timing}
    assert rows(extract(order), "ServiceRequest", "occurrence") == [(-FOREVER, interval("2020-03")[1])]
    del timing["repeat"]
    limits = interval("2020-01-01")[0], interval("2020-02-01")[1]
    assert rows(extract(order), "ServiceRequest", "occurrence") == [limits]


def test_texts_and_types_stand_beside_the_codes() -> None:
    """R4 §3.1.1.4.3, :text and :of-type."""
    found = extract(
        {
            "resourceType": "Patient",
            "identifier": [{"value": "7", "type": {"text": "Numéro", "coding": [{"system": "t", "code": "PI"}]}}],
            "maritalStatus": {"text": "x"},
        }
    )
    param = params("Patient")["identifier"]
    assert [row[1:] for row in found.string if row[0] in param.texts] == [("numero", "Numéro")]
    assert [row[1:] for row in found.token if row[0] in param.typed] == [("PI|7", "t")]


def test_types_without_an_element_table_are_indexed_by_what_their_values_look_like() -> None:
    """R4 types outside the element table: the same rows for the same data types."""
    claim = {
        "resourceType": "Claim",
        "identifier": [{"system": "s", "value": "1"}],
        "status": "active",
        "priority": {"coding": [{"code": "p"}]},
        "patient": {"reference": "Patient/1"},
        "created": "2020",
    }
    found = extract(claim)
    for name, expected in (
        ("identifier", [("1", "s")]),
        ("status", [("active", "")]),
        ("priority", [("p", "")]),
        ("patient", [("Patient/1",)]),
        ("created", [interval("2020")]),
    ):
        assert rows(found, "Claim", name) == expected, name
    person = {"resourceType": "Person", "telecom": [{"system": "email", "value": "a@b"}], "name": [{"family": "É"}]}
    found = extract(person)
    assert (rows(found, "Person", "email"), rows(found, "Person", "phone")) == ([("a@b", "")], [])
    assert (rows(found, "Person", "telecom"), rows(found, "Person", "name")) == ([("a@b", "")], [("e", "É")])
    library = {
        "resourceType": "Library",
        "relatedArtifact": [
            {"type": "depends-on", "resource": "http://a"},
            {"type": "successor", "resource": "http://b"},
        ],
    }
    assert rows(extract(library), "Library", "depends-on") == [("http://a",)]


# --- compartments ---------------------------------------------------------------------------------------


def test_every_compartment_parameter_exists() -> None:
    """R4 §5.1: the five compartments; each parameter is one of the type, and a reference."""
    assert list(compartments()) == ["Device", "Encounter", "Patient", "Practitioner", "RelatedPerson"]
    for compartment, members in compartments().items():
        for kind, names in members.items():
            assert membership(compartment, kind) is not None
            for name in names:
                assert name == ITSELF or params(kind)[name].kind == "reference", (compartment, kind, name)
    assert membership("Patient", "Location") is None


# --- texts -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  Jean   PIERRE ", "jean pierre"),
        ("ÉLÉONORE", "eleonore"),
        ("Straße", "strasse"),
        ("nul\0l", "null"),
        ("x" * 300, "x" * 199),
        ("é" * 300, "e" * 199),
    ],
)
def test_texts_lose_case_accents_and_width(text: str, expected: str) -> None:
    """R4 §3.1.1.4.8: insensitive to case and to combining characters."""
    assert expected == fold(text)


@given(st.text(max_size=60))
@settings(max_examples=200)
def test_folding_is_the_same_for_every_way_of_writing(text: str) -> None:
    """Composed and decomposed forms (Unicode UAX #15) are one text, and folding twice changes nothing."""
    assert fold(text) == fold(unicodedata.normalize("NFD", text))
    assert fold(fold(text)) == fold(text)


def test_exact_values_are_cut_to_the_width_of_the_index() -> None:
    """A longer value and a query for it are cut alike; NUL is what PostgreSQL cannot hold."""
    assert exact("a" * 400) == "a" * 199
    assert exact("a\0b") == "ab"


@pytest.mark.parametrize(
    ("reference", "expected"),
    [("Patient/1", "Patient/1"), ("Patient/1/_history/2", "Patient/1"), ("#p", ""), ("x" * 300, "x" * 255)],
)
def test_a_target_has_no_version(reference: str, expected: str) -> None:
    """R4 §3.1.1.4.11: a search by reference does not look at versions."""
    assert expected == target(reference)


# --- dates -------------------------------------------------------------------------------------------

DAY = 86_400_000_000


@pytest.mark.parametrize(
    ("text", "low", "width"),
    [
        ("1970", 0, 365 * DAY),
        ("1972", 730 * DAY, 366 * DAY),
        ("1970-02", 31 * DAY, 28 * DAY),
        ("1970-12", 334 * DAY, 31 * DAY),
        ("1970-01-02", DAY, DAY),
        ("1970-01-01T00:01", 60_000_000, 60_000_000),
        ("1970-01-01T01:00+01:00", 0, 60_000_000),
        ("1970-01-01T01:00:00+01:00", 0, 1_000_000),
        ("1970-01-01T00:00:00Z", 0, 1_000_000),
        ("1970-01-01T00:00:00", 0, 1_000_000),
        ("1970-01-01T00:00:00.5Z", 500_000, 100_000),
        ("1970-01-01T00:00:00.123Z", 123_000, 1_000),
        ("1970-01-01T00:00:00.123456Z", 123_456, 1),
        ("1970-01-01T00:00:00.123456789Z", 123_456, 1),
        ("1969-12-31T23:00:00-01:00", 0, 1_000_000),
    ],
)
def test_a_date_is_the_interval_it_may_mean(text: str, low: int, width: int) -> None:
    """R4 §3.1.1.4.7: 2013 is all of 2013, a second is a second; without zone it is UTC."""
    assert (low, low + width - 1) == interval(text)


def test_the_last_year_has_an_end() -> None:
    """9999 is what systems write for "for ever"; its end must not overflow."""
    assert interval("9999-12-31")[1] == interval("9999")[1] == interval("9999-12")[1]


@pytest.mark.parametrize(
    "text", ["", "x", "19", "1970-13", "1970-00", "1970-1-1", "1970-02-30", "1970-01-01T25:00", "1970-01-01 00:00",
             "1970-01-01T00:00:00+01", "٢٠٢٠", "0000", "2020-01-01T00:00:00ZZ", "19700101T00:00"],
)  # fmt: skip
def test_what_is_no_fhir_date_is_refused(text: str) -> None:
    """R4 §2.24.0.1: the regular expressions of date, dateTime and instant."""
    with pytest.raises(ValueError, match=r"."):
        interval(text)


@given(
    st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)),  # noqa: DTZ001 - the zone is added below
    st.integers(-14 * 60, 14 * 60),
)
@settings(max_examples=200)
def test_instants_agree_with_the_calendar(at: datetime, minutes: int) -> None:
    """Microseconds since the epoch, as datetime counts them."""
    sign = "-" if minutes < 0 else "+"
    text = f"{at.isoformat(timespec='microseconds')}{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
    expected = (at.replace(tzinfo=UTC) - timedelta(minutes=minutes) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(
        microseconds=1
    )
    assert (expected, expected) == interval(text)


# --- the whole walk, against one that knows nothing of trees and speed ------------------------------------

words = st.text("aéB ", min_size=1, max_size=5)
patients = st.fixed_dictionaries(
    {"resourceType": st.just("Patient")},
    optional={
        "identifier": st.lists(
            st.fixed_dictionaries({}, optional={"system": st.sampled_from(["s1", "s2"]), "value": words}), max_size=3
        ),
        "name": st.lists(
            st.fixed_dictionaries({}, optional={"family": words, "given": st.lists(words, max_size=2), "text": words}),
            max_size=2,
        ),
        "telecom": st.lists(
            st.fixed_dictionaries({"system": st.sampled_from(["phone", "email"])}, optional={"value": words}),
            max_size=2,
        ),
        "gender": st.sampled_from(["male", "female"]),
        "active": st.booleans(),
        "birthDate": st.sampled_from(["1960", "1960-01", "1960-01-02"]),
        "link": st.lists(
            st.fixed_dictionaries({"other": st.fixed_dictionaries({"reference": st.just("Patient/2")})}), max_size=2
        ),
    },
)


def _values(node: Any, path: list[str]) -> list[Any]:
    """Everything at a path, the slow way."""
    if isinstance(node, list):
        return [v for item in node for v in _values(item, path)]
    if not path:
        return [node]
    return _values(node[path[0]], path[1:]) if path[0] in node else []


def _naive(shape: str, only: str, v: Any) -> list[tuple[Any, ...]]:
    if shape == "identifier":
        return [(v["value"], v.get("system", ""))] if "value" in v else []
    if shape == "contact":
        return [(v["value"], "")] if "value" in v and only in ("", v["system"]) else []
    if shape == "name":
        texts = [v.get("family"), *v.get("given", ()), v.get("text")]
        return [(fold(t), t) for t in texts if t is not None]
    if shape == "reference":
        return [(v["reference"],)]
    return [{"code": (v, ""), "boolean": (str(v).lower(), ""), "string": (fold(str(v)), v)}.get(shape) or interval(v)]


@given(patients)
@settings(max_examples=150, deadline=None)
def test_the_tree_finds_what_a_walk_of_each_path_finds(patient: dict[str, Any]) -> None:
    """One pass over the resource gives the rows of all parameters, none less and none more."""
    found = extract(patient)
    for name, param in params("Patient").items():
        if name == "deceased":
            continue
        expected = {
            row
            for path, shape, only in param.paths
            for v in _values(patient, path.split("."))
            for row in _naive(shape, only, v)
        }
        assert expected == set(rows(found, "Patient", name)), name


# --- the table ------------------------------------------------------------------------------------------


def test_the_tables_are_what_their_script_writes(shared: Callable[[str], Path], tmp_path: Path) -> None:
    """params.csv and unsupported.csv are generated from the R4 tables and not edited by hand."""
    build.main(str(shared("data/r4/search-parameters.csv")), str(shared("data/r4/elements.csv")), tmp_path)
    for name in ("params.csv", "unsupported.csv"):
        assert (build.HERE / name).read_bytes() == (tmp_path / name).read_bytes()


def test_every_parameter_of_r4_is_there_or_listed_with_a_reason(shared: Callable[[str], Path]) -> None:
    """Nothing of R4 is left out in silence."""
    why_not = {(row["type"], row["name"]): row["reason"] for row in table.rows("unsupported.csv")}
    assert all(why_not.values())
    elsewhere = {"_id", "_lastUpdated", "_text", "_content"}
    with shared("data/r4/search-parameters.csv").open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            base, name = row["base"], row["code"]
            if name in elsewhere or (base, name) in why_not:
                continue
            kinds = types() if base in ("Resource", "DomainResource") else (base,)
            for kind in kinds:
                assert params(kind)[name].kind == row["type"], (kind, name)


def test_the_parameters_of_other_types_lie_where_r4_has_elements() -> None:
    """others.csv is written from the standard by hand: each path exists in the model of the type."""
    import importlib
    import warnings

    gone = {"EffectEvidenceSynthesis", "RiskEvidenceSynthesis", "SubstanceSpecification", "MedicinalProduct"}
    changed = {"Evidence", "EvidenceVariable"}  # R4B took these over from R5
    for row in table.rows("others.csv"):
        if row["base"] in gone | changed:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = importlib.import_module(f"fhir.resources.R4B.{row['base'].lower()}")
        fields = {f.alias or n for n, f in getattr(module, row["base"]).model_fields.items()}
        for way in compile_path(row["expression"]):
            first, *more = way.steps
            cast = more[0].name if more and more[0].does == "as" else ""
            name = first.name + (cast[:1].upper() + cast[1:] if cast else "")
            assert name in fields, (row["base"], row["code"], name)


@pytest.mark.parametrize("kind", types())
def test_every_type_can_be_indexed(kind: str) -> None:
    """Each row of the table has a shape that the hub can index; of nothing come no rows."""
    none = empty()
    if kind == "Patient":
        none.token.append((params("Patient")["deceased"].ids[0], "false", ""))
    assert none == extract({"resourceType": kind})


def test_the_generation_changes_with_the_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stored rows of other tables are noticed and made anew."""
    before = generation()
    for name in ("params.csv", "exchange.csv", "composites.csv"):
        (tmp_path / name).write_bytes((build.HERE / name).read_bytes() + b"x")
    monkeypatch.setattr(table, "HERE", tmp_path)
    assert generation.__wrapped__() != before


@pytest.mark.parametrize(
    ("text", "expected"),
    [("100", (100, 99.5, 100.5)), ("-5.40", (-5.4, -5.405, -5.395)), ("1e3", (1000, 500, 1500)), ("0", (0, -0.5, 0.5))],
)
def test_numbers_mean_what_their_digits_say(text: str, expected: tuple[float, float, float]) -> None:
    """R4 §3.1.1.4.6."""
    assert number(text) == expected


@pytest.mark.parametrize("text", ["", "x", "1e999", "1,5", "٣", "1" * 90, "nan", "inf", "--1", "1e"])
def test_what_is_no_number_is_refused(text: str) -> None:
    """Nothing overflows, whatever is sent."""
    with pytest.raises(ValueError, match=r"number|measure"):
        number(text)
