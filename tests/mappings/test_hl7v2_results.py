"""ORU in values: OBR, OBX, NTE, SPM to DiagnosticReport, Observation, Specimen, ServiceRequest (v2.5 §7.4)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.errors import HubError
from hub.fhir.draft import Draft
from hub.fhir.validate import validate

from .run import PID, issues, mapped, only

UCUM = "http://unitsofmeasure.org"


def oru(*segments: str) -> Draft:
    head = r"MSH|^~\&|SGL|LBM|HUB|RESEAU|20260217101500||ORU^R01^ORU_R01|R-1|P|2.5|||||FRA|UNICODE UTF-8"
    draft = mapped("hl7v2.messages.oru", "\r".join((head, PID, *segments, "")).encode())
    for entry in draft.entries.values():
        assert validate({**entry.resource, "id": entry.id}) == []
    return draft


OBR = "OBR|1|P-1^SGL|F-1^LBM|57905-2^FIT^LN|||20260215080000|||||||||||||||||LAB|F"


def value(obx: str) -> dict[str, Any]:
    made = only(oru(OBR, f"OBX|1|{obx}"), "Observation")
    return {k: v for k, v in made.items() if k.startswith(("value", "component", "dataAbsent"))}


@pytest.mark.parametrize(
    ("obx", "made"),
    [
        ("NM|C||182.5|g^^UCUM", {"valueQuantity": {"value": 182.5, "unit": "g", "system": UCUM, "code": "g"}}),
        ("NM|C||12|mg", {"valueQuantity": {"value": 12, "unit": "mg"}}),
        ("NM|C||<5", {"valueQuantity": {"value": 5, "comparator": "<"}}),
        ("NM|C||abc", {"valueString": "abc"}),
        ("SN|C||>^100|mg", {"valueQuantity": {"value": 100, "comparator": ">", "unit": "mg"}}),
        ("SN|C||^10^-^20", {"valueRange": {"low": {"value": 10}, "high": {"value": 20}}}),
        ("SN|C||^1^:^128", {"valueRatio": {"numerator": {"value": 1}, "denominator": {"value": 128}}}),
        ("SN|C||^2^+", {"valueQuantity": {"value": 2}}),
        ("SN|C||~^1^x^y", {"valueString": "1 x y"}),
        ("CWE|C||POS^Positif^L", {"valueCodeableConcept": {"coding": [{"code": "POS", "display": "Positif",
                                                                       "system": "urn:oncohub:x"}]}}),
        ("CE|C||16^HPV 16^99L~18^HPV 18^99L", {"component": 2}),
        ("ST|C||A~B", {"valueString": "A\nB"}),
        (r"TX|C||ligne 1\.br\ligne 2 & fin", {"valueString": "ligne 1\nligne 2 & fin"}),
        ("DT|C||20260101", {"valueDateTime": "2026-01-01"}),
        ("TS|C||hier", {"valueString": "hier"}),
        ("TM|C||0930", {"valueTime": "09:30:00"}),
        ("TM|C||9h", {"valueString": "9h"}),
        ("|C||libre", {"valueString": "libre"}),
        ("XPN|C||N^P", {"valueString": "N^P"}),
    ],
)  # fmt: skip
def test_each_type_of_value(obx: str, made: dict[str, Any]) -> None:
    """Table 0125; what is no number or time is kept as it is written."""
    found = value(obx)
    if "component" in made:
        assert len(found["component"]) == made["component"]
    elif "valueCodeableConcept" in made:
        assert found["valueCodeableConcept"]["coding"][0]["code"] == "POS"
    else:
        assert found == made


def test_a_result_without_a_value_says_so() -> None:
    """R4 obs: dataAbsentReason of a final result; one that is to come, or never will, needs none."""
    assert value("NM|C||||||||F")["dataAbsentReason"]["coding"][0]["code"] == "unknown"
    assert value("NM|C||||||||X") == value("NM|C||||||||P") == {}


def test_the_report_and_what_it_answers() -> None:
    """OBR-2, 3, 4, 7, 16, 22, 24, 25, 31, 32; NTE; SPM."""
    draft = oru(
        "ORC|RE|P-1^SGL|F-1^LBM||||||20260214",
        "OBR|1|P-1^SGL|F-1^LBM|57905-2^FIT^LN|||20260215080000|20260215081000||||||||899700000024^ROUX^Paul^^^^^^A"
        "&1.2.250.1.71.4.2.1&ISO^D^^^IDNPS||||||20260217101500||LAB|F||||||Z12.1^Dépistage^CIM-10|7&BLUE&Eva",
        "NTE|1||Premier", "NTE|2||second",
        "OBX|1|NM|57905-2^FIT^LN||182|ng/mL|< 150|H~HH|||F||||LAB1^Laboratoire|D1^PETIT^Luc|IMM^Immuno||||||"
        "LBM^^^^^A&1.2.250.1.71.4.2.2&ISO^FINEG^^^490000999",
        "NTE|1||Coloscopie", "SPM|1|^S-1&LBM||119339001^Selles^SCT||||R^Rectum|||||||||20260215080000|20260216",
    )  # fmt: skip
    report, order, specimen = (only(draft, k) for k in ("DiagnosticReport", "ServiceRequest", "Specimen"))
    assert (report["status"], report["conclusion"], report["issued"]) == (
        "final",
        "Premier\nsecond",
        "2026-02-17T10:15:00+01:00",
    )
    assert report["effectivePeriod"]["start"] == "2026-02-15T08:00:00+01:00"
    assert report["resultsInterpreter"] == [{"display": "Eva BLUE"}]
    assert (order["authoredOn"], order["requester"]["display"], order["reasonCode"][0]["coding"][0]["code"]) == (
        "2026-02-14", "Paul ROUX", "Z12.1",
    )  # fmt: skip
    assert (specimen["identifier"][0]["value"], specimen["receivedTime"]) == ("S-1", "2026-02-16")
    made = only(draft, "Observation")
    assert [c["coding"][0]["code"] for c in made["interpretation"]] == ["H", "HH"]
    assert made["referenceRange"] == [{"high": {"value": 150, "unit": "ng/mL"}, "text": "< 150"}]
    assert made["note"] == [{"text": "Coloscopie"}]
    assert [p["display"] for p in made["performer"]] == ["Luc PETIT", "LBM"]
    assert made["method"]["coding"][0]["code"] == "IMM"
    assert (made["basedOn"], made["specimen"]) == (report["basedOn"], report["specimen"][0])


@pytest.mark.parametrize(
    ("written", "made"),
    [("10 - 20", {"low": {"value": 10}, "high": {"value": 20}, "text": "10 - 20"}),
     ("> 3", {"low": {"value": 3}, "text": "> 3"}), ("négatif", {"text": "négatif"})],
)  # fmt: skip
def test_reference_ranges(written: str, made: dict[str, Any]) -> None:
    """OBX-7 is a text."""
    assert only(oru(OBR, f"OBX|1|NM|C||1||{written}"), "Observation")["referenceRange"] == [made]


@pytest.mark.parametrize(
    ("code", "status"),
    [("F", "final"), ("C", "corrected"), ("D", "entered-in-error"), ("P", "preliminary"), ("", "final")],
)
def test_the_status_of_a_value(code: str, status: str) -> None:
    """Table 0085; a corrected value is the same observation."""
    first, then = oru(OBR, "OBX|1|NM|C||1"), oru(OBR, f"OBX|1|NM|C||2|||||{code or ''}".replace("|||||", "||||||"))
    assert only(then, "Observation")["status"] == status
    assert [r for r in first.entries if "Observation" in r] == [r for r in then.entries if "Observation" in r]


def test_a_report_that_does_not_say_its_status_has_that_of_its_values() -> None:
    """OBR-25 absent."""
    obr = OBR.removesuffix("|F")
    assert only(oru(obr, "OBX|1|NM|C||1||||||P", "OBX|2|NM|D||1||||||F"), "DiagnosticReport")["status"] == "preliminary"
    assert only(oru(obr, "OBX|1|NM|C||1||||||F"), "DiagnosticReport")["status"] == "final"


def test_the_same_code_twice_loses_nothing() -> None:
    """OBX-4 tells them apart; without it their place does."""
    draft = oru(OBR, "OBX|1|NM|C||1", "OBX|2|NM|C||2", "OBX|3|NM|C|a|3")
    report = only(draft, "DiagnosticReport")
    values = [draft.entries[r["reference"]].resource["valueQuantity"]["value"] for r in report["result"]]
    assert values == [1, 2, 3]


def test_without_a_number_the_message_identifies() -> None:
    """MSH-10: the same on a replay."""
    draft = oru("OBR|1|||C^Examen", "OBX|1|NM|C||1", "OBR|2|||C^Examen", "OBX|1|NM|C||2")
    assert len([r for r in draft.entries if r.startswith("DiagnosticReport/")]) == 2
    assert not [r for r in draft.entries if r.startswith("ServiceRequest/")]


def test_an_observation_without_a_code_holds_the_message() -> None:
    """OBX-3 is required."""
    assert ("error", "OBX[1]-3") in issues(oru(OBR, "OBX|1|NM|||1"))


def test_imaging_is_no_laboratory() -> None:
    """Table 0074."""
    assert "category" not in only(oru(OBR.replace("|LAB|", "|RAD|"), "OBX|1|NM|C||1"), "Observation")
    assert only(oru(OBR, "OBX|1|NM|C||1"), "Observation")["category"][0]["coding"][0]["code"] == "laboratory"


@given(
    st.lists(
        st.tuples(st.sampled_from(("NM", "SN", "CWE", "TX", "TM", "DT", "ST", "??")), st.text(max_size=20)), max_size=5
    )
)
def test_any_value(values: list[tuple[str, str]]) -> None:
    """Whatever stands in OBX-5: valid resources, or an error that says where."""
    lines = [f"OBX|{n}|{kind}|C||{v.translate({13: None, 10: None})}" for n, (kind, v) in enumerate(values, 1)]
    told = "OBX"
    try:
        oru(OBR, *lines)
    except HubError as error:
        told = error.where
    assert told
