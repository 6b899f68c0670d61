"""CANCER-PPS 2022.01: the personalised programme of care (ANS volet CANCER-PPS; mapping chosen in its module)."""

from __future__ import annotations

from typing import Any

from .cda_run import ANY, MESSAGES, all_of, codes, entry, one, section
from .run import edited, mapped, only

BODY = (MESSAGES / "care-programme.xml").read_bytes()
DRAFT = mapped(ANY, BODY)
PPS = "1.2.250.1.213.1.1.1.26"
PLANNED = "urn:oncohub:extension:planned"


def request(code: str) -> dict[str, Any]:
    return one(DRAFT, "ServiceRequest", code)


def test_two_plans() -> None:
    """MED-566 and MED-567 by the translation of the code of the section; done and to be done told apart."""
    care, support = all_of(DRAFT, "CarePlan")
    assert [codes(p["category"][1]) for p in (care, support)] == [["18776-5", "MED-566"], ["18776-5", "MED-567"]]
    assert {(p["status"], p["intent"]) for p in (care, support)} == {("active", "plan")}
    assert [[next(iter(a)) for a in p["activity"]] for p in (care, support)] == [
        ["reference"] * 5 + ["outcomeReference"], ["reference"] * 3 + ["outcomeReference"],
    ]  # fmt: skip
    assert {p["description"] for p in (care, support)} == {"Cancer du sein gauche découvert au dépistage"}
    [condition] = [{"reference": r} for r in DRAFT.entries if r.startswith("Condition/")]
    assert care["addresses"] == support["addresses"] == [condition]
    assert care["author"]["display"] == "DR Nolwenn CORRE"


def test_what_is_to_be_done() -> None:
    """The qualifier says what, the code of which kind; the planned dates are its occurrence."""
    made = request("C15313")
    assert (codes(made["category"][0]), made["code"]["text"]) == (["MED-568"], "Radiothérapie du sein")
    assert made["occurrencePeriod"] == {"start": "2026-05-04", "end": "2026-06-12"}
    assert {"url": PLANNED, "valuePeriod": made["occurrencePeriod"]} in made["extension"]
    assert [codes(DRAFT.entries[r["reference"]].resource["code"])[0] for r in made["supportingInfo"]] == [
        "ORG-004", "MED-565",
    ]  # fmt: skip
    assert (made["note"][-1]["text"], made["performer"][0]["display"]) == ("Simulation le 27/04", "DR Nolwenn CORRE")


def test_an_intent_that_is_completed_is_not_a_treatment_that_is_over() -> None:
    """Every entry of the model is completed; those that are planned are active."""
    assert {r["status"] for r in all_of(DRAFT, "ServiceRequest")} == {"active"}
    revoked = edited(BODY, ('<statusCode code="completed"/>', '<statusCode code="cancelled"/>'))
    assert {r["status"] for r in all_of(mapped(ANY, revoked), "ServiceRequest")} == {"revoked"}


def test_why_something_is_asked_for() -> None:
    """RSON: weight and tobacco are the reasons of what is asked for."""
    weight = DRAFT.entries[request("ORG-036")["reasonReference"][0]["reference"]].resource
    assert (codes(weight["code"]), weight["valueQuantity"]["value"]) == (["29463-7"], 64)
    assert codes(DRAFT.entries[request("MED-562")["reasonReference"][0]["reference"]].resource["code"]) == ["74011-8"]


def test_what_was_done() -> None:
    """Mood EVN: a Procedure, with its planned dates beside those it had."""
    made = one(DRAFT, "Procedure", "392021009")
    assert (made["status"], codes(made["category"]), made["performedPeriod"]["end"]) == (
        "completed", ["MED-568"], "2026-03-16",
    )  # fmt: skip
    assert [x["url"] for x in made["extension"] if x["url"] == PLANNED] == [PLANNED]


def test_the_team() -> None:
    """The participants of the header with the role CI-SIS gives them (ORG-177 to ORG-191), on both plans."""
    made = only(DRAFT, "CareTeam")
    roles = [codes(p["role"][0])[-1] for p in made["participant"]]
    assert roles == ["ORG-177", "ORG-177", "ORG-190", "ORG-178", "PCP", "ORG-191", "ORG-181"]
    assert made["participant"][0]["period"]["start"] == "2026-04-01T08:00:00+02:00"
    assert len({p["careTeam"][0]["reference"] for p in all_of(DRAFT, "CarePlan")}) == 1


def test_the_organisation_without_a_person_has_its_address() -> None:
    """addr and telecom of an associatedEntity that names an organisation alone are those of the organisation."""
    made = next(r for r in all_of(DRAFT, "Organization") if r.get("name") == "Réseau régional Oncobretagne fictif")
    assert (made["address"][0]["city"], made["telecom"][0]["value"]) == ("BREST", "0298000190")


def test_dates_and_documents_support_the_plans() -> None:
    """ORG-189, GEN-178 (EIVL_TS) are dates; S~55 refers to the record of the board by its number."""
    assert one(DRAFT, "Observation", "ORG-189")["valueDateTime"] == "2026-04-02"
    assert one(DRAFT, "Observation", "GEN-178")["performer"][0]["display"] == "DR Nolwenn CORRE"
    supporting = all_of(DRAFT, "CarePlan")[1]["supportingInfo"]
    numbers = [x["identifier"]["value"] for x in supporting if "identifier" in x]
    assert numbers == ["FRCP-2026-012.1", "CRGM-2026-004.1"]


def test_what_a_section_tells_supports_its_own_plan_alone() -> None:
    """MED-052 (all treatments stopped) is about the therapeutic programme, not about supportive care."""
    told = one(DRAFT, "Observation", "MED-052")
    [stopped] = [r for r, e in DRAFT.entries.items() if e.resource is told]
    care, support = all_of(DRAFT, "CarePlan")
    assert {"reference": stopped} in care["supportingInfo"]
    assert {"reference": stopped} not in support["supportingInfo"]


def test_the_diagnosis_is_that_of_the_board() -> None:
    """The same entry templates as FRCP: stage, morphology, side."""
    made = only(DRAFT, "Condition")
    assert codes(made["code"])[0] == "C50.4"
    assert [codes(s["type"])[0] for s in made["stage"]] == ["75620-5", "21918-8"]
    assert only(DRAFT, "Composition")["status"] == "final"


def test_an_item_without_a_qualifier_keeps_its_code() -> None:
    """MED-571 by itself is what is asked for."""
    draft = entry(
        '<procedure classCode="PROC" moodCode="INT"><templateId root="1.2.250.1.213.1.1.3.62"/><code code="MED-571"/>'
        '<statusCode code="active"/></procedure>', PPS,
    )  # fmt: skip
    assert (codes(only(draft, "ServiceRequest")["code"]), all_of(draft, "CarePlan")) == (["MED-571"], [])


def test_an_item_that_says_nothing_keeps_what_stands_inside() -> None:
    """No code: no request; the observation inside is kept with the section."""
    draft = entry(
        '<procedure classCode="PROC" moodCode="EVN"><templateId root="1.2.250.1.213.1.1.3.62"/><code code="A"/>'
        '<entryRelationship typeCode="COMP"><observation classCode="OBS" moodCode="EVN">'
        '<templateId root="1.2.250.1.213.1.1.3.48"/><code code="ORG-004"/><value xsi:type="BL" value="true"/>'
        "</observation></entryRelationship></procedure>", PPS,
    )  # fmt: skip
    [procedure] = [r for r in draft.entries if r.startswith("Procedure/")]
    assert one(draft, "Observation", "ORG-004")["partOf"] == [{"reference": procedure}]
    assert len(section(draft, "X")["entry"]) == 2
