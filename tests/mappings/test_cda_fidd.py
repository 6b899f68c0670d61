"""CANCER-D2LM-FIDD 2022.01: a deferred work-up (ANS volet CANCER-D2LM; mapping chosen in its module)."""

from __future__ import annotations

import pytest

from .cda_run import all_of, coded, codes, one, section, work_up
from .run import only

DRAFT = work_up()
RIGHT, LEFT = "73056007", "80248007"


def side(resource: dict) -> str:
    return codes(resource["bodySite"])[0]


def test_nothing_of_it_is_an_issue() -> None:
    """Every entry has its rule."""
    assert DRAFT.issues == []


def test_the_report() -> None:
    """DiagnosticReport RAD with all results, the reader, the worst ACR and the words for each breast."""
    made = only(DRAFT, "DiagnosticReport")
    assert (codes(made["category"][0]), codes(made["code"]), made["status"]) == (["RAD"], ["18748-4"], "final")
    assert (made["issued"], made["effectivePeriod"]) == (
        "2026-02-20T12:15:00+01:00", {"start": "2026-02-20T11:30:00+01:00"},
    )  # fmt: skip
    assert made["resultsInterpreter"][0]["display"] == "DR Ewen MADEC"
    assert len(made["result"]) == len(all_of(DRAFT, "Observation")) == 22
    assert codes(made["conclusionCode"][0]) == ["MED-132", "397144001"]
    assert made["conclusion"] == "sein droit : Anormal BI-RADS ACR 2; sein gauche : Anormal BI-RADS ACR 4"
    [ref] = [r for r in DRAFT.entries if r.startswith("DiagnosticReport/")]
    assert section(DRAFT, "30954-2")["entry"][0] == {"reference": ref}


@pytest.mark.parametrize(
    ("code", "right", "left"),
    [
        ("GEN-001", False, True), ("GEN-002", False, False), ("GEN-003", True, False), ("MED-118", False, True),
        ("MED-119", True, False), ("MED-026", False, False), ("MED-027", False, False), ("MED-028", False, False),
    ],
)  # fmt: skip
def test_findings_for_each_breast(code: str, right: bool, left: bool) -> None:
    """The side stands in a qualifier of the code; two observations even where they share an id."""
    assert {RIGHT: right, LEFT: left} == {side(r): r["valueBoolean"] for r in coded(DRAFT, "Observation", code)}


def test_acr_for_each_breast() -> None:
    """MED-121, with BI-RADS of SNOMED CT beside the code of the CI-SIS."""
    told = {side(r): codes(r["valueCodeableConcept"]) for r in coded(DRAFT, "Observation", "MED-121")}
    assert told == {RIGHT: ["MED-130", "397141009"], LEFT: ["MED-132", "397144001"]}


def test_two_sides_that_share_one_id_stay_two() -> None:
    """Official samples give both breasts the same UUID: they are told apart all the same."""
    ids = [i["value"] for r in coded(DRAFT, "Observation", "MED-121") for i in r["identifier"]]
    draft = work_up((ids[1].removeprefix("urn:uuid:").upper(), ids[0].removeprefix("urn:uuid:").upper()))
    assert len(coded(draft, "Observation", "MED-121")) == 2


def test_the_work_up_itself() -> None:
    """MED-014 is a Procedure; the observations are part of it, and are imaging."""
    made = only(DRAFT, "Procedure")
    assert (codes(made["code"]), made["status"], made["performedDateTime"]) == (["MED-014"], "completed", "2026-02-20")
    [ref] = [r for r in DRAFT.entries if r.startswith("Procedure/")]
    finding = one(DRAFT, "Observation", "MED-018")
    assert (finding["partOf"], codes(finding["category"][0])) == ([{"reference": ref}], ["imaging"])
    assert (finding["valueBoolean"], finding["effectiveDateTime"]) == (True, "2024-01-15")


def test_techniques_and_reason() -> None:
    """MED-013, MED-068 as codes, GEN-041 in words."""
    values = {c: one(DRAFT, "Observation", c)["valueCodeableConcept"] for c in ("MED-013", "MED-068", "GEN-041")}
    assert (codes(values["MED-013"]), codes(values["MED-068"]), values["GEN-041"]) == (
        ["MED-110"], ["US"], {"text": "Sonde 18 MHz"},
    )  # fmt: skip


def test_the_conduct_and_its_interval() -> None:
    """GEN-007 is a ServiceRequest, decided on a day; MED-120 its timing; ORG-064 another request in words."""
    conduct, exam = all_of(DRAFT, "ServiceRequest")
    assert (codes(conduct["code"]), codes(conduct["category"][0]), conduct["intent"]) == (
        ["MED-116"], ["GEN-007"], "plan",
    )  # fmt: skip
    assert (conduct["authoredOn"], conduct["occurrenceTiming"]["repeat"]) == (
        "2026-02-20", {"frequency": 1, "period": 4, "periodUnit": "mo"},
    )  # fmt: skip
    assert "occurrenceDateTime" not in conduct
    assert (exam["code"], codes(exam["category"][0])) == ({"text": "Échographie ciblée"}, ["ORG-064"])


@pytest.mark.parametrize("value", ['unit="furlong"', 'unit="mo" nullFlavor="UNK"'])
def test_an_interval_that_is_none(value: str) -> None:
    """A unit that is no UnitsOfTime (R4) leaves the interval a request of its own."""
    change = ('value="4" unit="mo"', value if "null" in value else f'value="4" {value}')
    draft = work_up(change)
    assert len(all_of(draft, "ServiceRequest")) == 3


def test_the_cover() -> None:
    """E~61, E~94: who pays, for whom, under which number."""
    made = only(DRAFT, "Coverage")
    assert (made["payor"], made["order"], codes(made["type"])) == ([{"display": "Régime général"}], 1, ["GEN-105"])
    assert made["subscriberId"].isdecimal()
    assert codes(made["relationship"]) == ["self", "SELF"]


def test_attached_files() -> None:
    """E~18: each file a Binary of its own octets and a DocumentReference that is about this document."""
    figures = [r for r in all_of(DRAFT, "DocumentReference") if "masterIdentifier" not in r]
    assert [r["description"] for r in figures] == ["Schéma de face", "Schéma oblique"]
    for figure in figures:
        attachment = figure["content"][0]["attachment"]
        binary = DRAFT.entries[attachment["url"]]
        assert (binary.octets or b"").startswith(b"\x89PNG")
        assert (binary.resource["contentType"], attachment["size"]) == ("image/png", len(binary.octets or b""))
        related = figure["context"]["related"][0]["reference"]
        assert "masterIdentifier" in DRAFT.entries[related].resource
    assert len(section(DRAFT, "55107-7")["entry"]) == 2


def test_a_file_that_is_not_base64() -> None:
    """It stays in the document; a warning says where."""
    draft = work_up(('representation="B64">', 'representation="B64">*'))
    assert len([i for i in draft.issues if i.where.endswith("observationMedia/value")]) == 2
    assert [r for r in all_of(draft, "DocumentReference") if "masterIdentifier" not in r] == []
