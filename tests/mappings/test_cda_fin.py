"""CANCER-D2LM-FIN 2022.01: two readings of a screening mammography (ANS volet CANCER-D2LM; mapping chosen there)."""

from __future__ import annotations

from typing import Any

import pytest

from .cda_run import ANY, MESSAGES, all_of, coded, codes, entry, one, section
from .run import edited, mapped

BODY = (MESSAGES / "mammography-two-readers.xml").read_bytes()
DRAFT = mapped(ANY, BODY)
FIRST, SECOND = "DR Solenn QUEMENER", "DR Hervé LOZACH"
RIGHT, LEFT = "73056007", "80248007"
FIN = "1.2.250.1.213.1.1.1.27"


def reports() -> list[dict[str, Any]]:
    """The report of the document, of the first, of the second reading."""
    return all_of(DRAFT, "DiagnosticReport")


def results(report: dict[str, Any]) -> list[dict[str, Any]]:
    return [DRAFT.entries[r["reference"]].resource for r in report["result"]]


def test_a_report_a_reading() -> None:
    """S~58 by the first author, S~174 by the second; the document is the summary of both, signed by both."""
    whole, first, second = reports()
    assert [[p["display"] for p in r["performer"]] for r in (first, second, whole)] == [
        [FIRST], [SECOND], [FIRST, SECOND],
    ]  # fmt: skip
    refs = [r for r in DRAFT.entries if r.startswith("DiagnosticReport/")]
    summary = [x["valueReference"]["reference"] for x in whole["extension"] if x["url"].endswith("summaryOf")]
    assert summary == refs[1:]


def test_the_worst_acr_of_each() -> None:
    """MED-048 (0, 3, 4 or 5) is worse than 1; the end of the document is the final ACR of the work-up."""
    whole, first, second = reports()
    assert [codes(r["conclusionCode"][0])[0] for r in (first, second, whole)] == ["MED-048", "MED-132", "MED-132"]
    assert first["conclusion"] == (
        "sein droit : Normal BI-RADS ACR 1; sein gauche : Anormal BI-RADS ACR [0,3,4,5]"
    )  # fmt: skip
    assert whole["conclusion"].endswith("\nLes deux lectures concordent : anomalie du sein gauche.")


def test_findings_are_of_their_reader() -> None:
    """Each finding is performed by its reader and part of the reading; antecedents are of none."""
    _, first, second = reports()
    assert {r["performer"][0]["display"] for r in results(first)} == {FIRST}
    assert {r["performer"][0]["display"] for r in results(second)} == {SECOND}
    assert {codes(DRAFT.entries[r["partOf"][0]["reference"]].resource["code"])[0] for r in results(second)} == {
        "MED-022"
    }
    assert "MED-029" not in {codes(r["code"])[0] for r in results(first)}
    assert codes(one(DRAFT, "Observation", "MED-019")["valueCodeableConcept"]) == ["MED-040"]


@pytest.mark.parametrize(
    ("code", "told"),
    [("MED-1104", {RIGHT: "MED-129", LEFT: "MED-048"}), ("MED-043", {RIGHT: "MED-129", LEFT: "MED-132"})],
)
def test_the_result_of_each_breast(code: str, told: dict[str, str]) -> None:
    """The side is a qualifier of the code."""
    found = coded(DRAFT, "Observation", code)
    assert {codes(r["bodySite"])[0]: codes(r["valueCodeableConcept"])[0] for r in found} == told


def test_the_two_sides_of_an_ultrasound_stay_apart() -> None:
    """MED-122 inside US: a component has no site in R4, so each is an Observation of its own (hasMember)."""
    whole = one(DRAFT, "Observation", "US")
    members = [DRAFT.entries[r["reference"]].resource for r in whole["hasMember"]]
    assert {codes(m["bodySite"])[0]: codes(m["valueCodeableConcept"])[0] for m in members} == {
        RIGHT: "MED-1100", LEFT: "MED-1102",
    }  # fmt: skip
    assert [codes(x["code"]) for x in whole["component"]] == [["MED-001"]]


def test_the_mammography_and_its_devices() -> None:
    """E~62.2 is INT in the published examples; what is read was done."""
    made = next(r for r in coded(DRAFT, "Procedure", "MG") if "usedCode" in r)
    assert (made["status"], [codes(x)[0] for x in made["usedCode"]]) == ("completed", ["MED-1058", "MG", "MED-113"])
    assert all_of(DRAFT, "Device") == []


def test_antecedents() -> None:
    """Problems about a breast; what is denied is refuted; observations beside them are Observations."""
    tumour, excision, plasty = all_of(DRAFT, "Condition")
    assert [codes(r["bodySite"][0])[0] for r in (tumour, excision, plasty)] == [LEFT, RIGHT, LEFT]
    assert codes(plasty["verificationStatus"]) == ["refuted"]
    assert excision["note"][-1]["text"] == "Marges saines"
    assert one(DRAFT, "Observation", "MED-1062")["valueBoolean"] is True
    assert len(section(DRAFT, "11348-0")["entry"]) == 6


def test_family_history() -> None:
    """One relative a sex; age bands; what is denied is marked by a modifier (nobody may take it as so)."""
    unknown, women, men = all_of(DRAFT, "FamilyMemberHistory")
    assert ["sex" in r for r in (unknown, women, men)] == [False, True, True]
    assert [codes(r["sex"])[0] for r in (women, men)] == ["female", "male"]
    assert unknown["condition"][1]["onsetPeriod"] == {"start": "2005-01-01"}
    assert unknown["condition"][1]["note"][-1]["text"] == "Tante maternelle"
    brca, breast, ovary = women["condition"]
    assert [("modifierExtension" in x) for x in (brca, breast, ovary)] == [True, True, False]
    assert (ovary["onsetString"], codes(ovary["extension"][-1]["valueCodeableConcept"])) == (
        "avant 70 ans", ["GEN-291"],
    )  # fmt: skip


def test_the_conduct_of_each_section() -> None:
    """An interval of control belongs to the conduct of its own section, never to that of another reader."""
    conducts = [r for r in all_of(DRAFT, "ServiceRequest") if "GEN-007" in codes(r["category"][0])]
    assert [r.get("occurrenceTiming", {}).get("repeat", {}).get("period") for r in conducts] == [None, 6, 4]
    without = edited(BODY, ('code="GEN-007"', 'code="GEN-008"'))
    loose = [r for r in all_of(mapped(ANY, without), "ServiceRequest") if "MED-120" in codes(r.get("code"))]
    assert len(loose) == 2


def test_one_reader_alone() -> None:
    """Without a second reading the end is that of the first."""
    start = BODY.index(b'<templateId root="1.2.250.1.213.1.1.2.59"/>')
    start = BODY.rindex(b"<component>", 0, start)
    end = BODY.index(b'<templateId root="2.16.840.1.113883.10.12.201"/>')
    end = BODY.rindex(b"<component>", 0, end)
    whole, first = all_of(mapped(ANY, BODY[:start] + BODY[end:]), "DiagnosticReport")
    assert whole["conclusionCode"] == first["conclusionCode"]


def test_family_words_alone() -> None:
    """An organizer that has no coded relative keeps its words."""
    draft = entry(
        '<organizer classCode="CLUSTER" moodCode="EVN"><templateId root="1.2.250.1.213.1.1.3.59"/>'
        '<text><reference value="#w"/></text><subject><relatedSubject><code code="MTH"/><subject>'
        '<administrativeGenderCode code="X"/></subject></relatedSubject></subject></organizer>', FIN,
    )  # fmt: skip
    [made] = all_of(draft, "FamilyMemberHistory")
    assert (made["note"], codes(made["relationship"]), codes(made["sex"])) == ([{"text": "les mots"}], ["MTH"], ["X"])
