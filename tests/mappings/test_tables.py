"""Code tables as data, and the small builders."""

from __future__ import annotations

import csv

import pytest
from hub.mappings.codes import Row, Table, table
from hub.mappings.identifiers import person_identifiers, structure_identifiers
from hub.mappings.shape import clean, concept, period
from hub.mappings.systems import code_system

from hub.fhir.draft import Draft
from hub.paths import room
from hub.source.identity import ins_key_holds
from hub.source.origin import Text

TABLES = sorted((room("mappings") / "tables").glob("*.csv"))
EQUIVALENCES = {"equal", "wider", "narrower", "inexact", "unmatched"}


@pytest.mark.parametrize("file", TABLES, ids=lambda f: f.stem)
def test_every_table_says_where_it_comes_from_and_is_complete(file: object) -> None:
    """First line: source; five columns; no source code twice; a row without target is unmatched."""
    lines = file.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# ")
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    assert rows
    assert len(rows) == len({r["source"] for r in rows}) == len(table(file.stem).rows)
    for row in rows:
        assert list(row) == ["source", "target", "display", "equivalence", "reference"]
        assert row["equivalence"] in EQUIVALENCES
        assert (row["target"] == "") == (row["equivalence"] == "unmatched")
        assert row["reference"]


def test_an_unknown_code_is_told_never_passed() -> None:
    """Nothing passes in silence; the code itself is not repeated."""
    draft = Draft()
    assert None is table("sex")("X9", draft, "PID-8")
    assert [(i.severity, i.where, i.code) for i in draft.issues] == [("warning", "PID-8", "unknown-code")]
    assert "X9" not in draft.issues[0].what
    assert None is table("sex")("X9")
    assert None is table("sex")(None, draft, "PID-8")


def test_a_star_is_what_unknown_codes_become() -> None:
    """The row ``*`` of a table."""
    made = Table("t", {"*": Row("*", "other", "", "wider", "x")})
    assert made("anything") == "other"


def test_a_code_keeps_its_origin() -> None:
    """Patient.gender ← PID-8."""
    made = table("sex")(Text("F", "PID-8"))
    assert isinstance(made, Text)
    assert (made, made.origin) == ("female", "PID-8")


def test_a_coding_comes_with_its_display_when_there_is_one() -> None:
    """Unmatched and unknown codes give no Coding."""
    status = table("marital-status")
    assert status.coding("s", "W") == {"system": "s", "code": "W", "display": "Widowed"}
    assert (status.coding("s", "U"), status.coding("s", "?"), status.coding("s", None)) == (None, None, None)
    assert table("document-class").coding("s", "55115-0") == {"system": "s", "code": "42"}


def test_a_table_that_does_not_exist() -> None:
    """The error names the file to write."""
    with pytest.raises(LookupError, match=r"tables/nothing\.csv"):
        table("nothing")


@pytest.mark.parametrize(
    ("name", "system"),
    [
        ("2.16.840.1.113883.6.1", "http://loinc.org"),
        ("LN", "http://loinc.org"),
        ("1.2.3.4", "urn:oid:1.2.3.4"),
        ("99LOCAL", None),
        ("", None),
    ],
)
def test_code_systems_have_their_canonical(name: str, system: str | None) -> None:
    """An unknown OID is said as such; an unknown short name is no system."""
    assert system == code_system(name)


def codes(made: list[dict]) -> list[tuple[str, str]]:
    return [(i["type"]["coding"][0]["code"], i["value"]) for i in made]


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        ("899700000016", "IDNPS", [("IDNPS", "899700000016"), ("RPPS", "99700000016")]),
        ("99700000016", "RPPS", [("IDNPS", "899700000016"), ("RPPS", "99700000016")]),
        ("00B1057294", "IDNPS", [("IDNPS", "00B1057294"), ("ADELI", "0B1057294")]),
        ("648238527", "IDNPS", [("IDNPS", "648238527")]),
        ("8011234567897", "IDNPS", [("IDNPS", "8011234567897")]),
        ("518003502400041/1.2", "IDNPS", [("IDNPS", "518003502400041/1.2")]),
    ],
)
def test_a_professional_is_known_in_both_forms(value: str, kind: str, expected: list[tuple[str, str]]) -> None:
    """PS_IdNat: a digit for the type, then the number; what has no known shape stays as it is."""
    assert expected == codes(person_identifiers(value, kind))


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        ("1490000999", "IDNST", [("IDNST", "1490000999"), ("FINEG", "490000999")]),
        ("490000999", "FINEG", [("IDNST", "1490000999"), ("FINEG", "490000999")]),
        ("490000999", "FINEJ", [("IDNST", "1490000999"), ("FINEJ", "490000999")]),
        ("12A0000999", "IDNST", [("IDNST", "12A0000999"), ("FINEG", "2A0000999")]),
        ("2264403106", "IDNST", [("IDNST", "2264403106"), ("SIREN", "264403106")]),
        ("326440310600011", "IDNST", [("IDNST", "326440310600011"), ("SIRET", "26440310600011")]),
        ("455454", "FINEJ", [("IDNST", "455454")]),
    ],
)
def test_a_structure_is_known_in_both_forms(value: str, kind: str, expected: list[tuple[str, str]]) -> None:
    """Struct_IdNat: FINESS, SIREN or SIRET behind a digit for the type."""
    assert expected == codes(structure_identifiers(value, kind))


@pytest.mark.parametrize(
    ("ins", "holds"),
    [
        ("255064900799907", True),
        ("255064900799908", False),
        ("1550614" + "2A" + "0079", False),
        ("25506490079990", False),
        ("2550A4900799907", False),
        ("155062A00700122", True),
        ("155062B00700149", True),
        ("155062B00700122", False),
    ],
)
def test_the_key_of_an_ins(ins: str, holds: bool) -> None:
    """97 minus the number modulo 97; Corsican departments count as 19 and 18."""
    assert holds == ins_key_holds(ins)


def test_nothing_empty_is_left() -> None:
    """R4 §2.6.2; False and 0 are values."""
    assert clean({"a": "", "b": False, "c": None, "d": [], "e": {}, "n": 0, "s": "x"}) == {"b": False, "n": 0, "s": "x"}
    assert None is concept(None)
    assert concept(None, text="x") == {"text": "x"}


@pytest.mark.parametrize(
    ("start", "end", "made"),
    [
        ("2026-04-12", "2026-04-13", {"start": "2026-04-12", "end": "2026-04-13"}),
        ("2026-04-12", "2026-04", {"start": "2026-04-12", "end": "2026-04"}),
        ("2026-04-12", "2026-04-11", {"start": "2026-04-12"}),
        (None, "2026", {"end": "2026"}),
        (None, None, None),
    ],
)
def test_a_period_never_ends_before_it_starts(start: str | None, end: str | None, made: dict | None) -> None:
    """Invariant per-1."""
    assert made == period(start, end)
