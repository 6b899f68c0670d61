"""Entries whatever the model: values, times, moods, negation, what has no rule (CDA R2; C-CDA on FHIR)."""

from __future__ import annotations

from typing import Any

import pytest
from hub.mappings.cda import context
from hub.mappings.cda.frame import models

from .cda_run import ANY, BOARD, all_of, codes, entry, observation, one
from .run import edited, mapped, only

SIMPLE = '<templateId root="1.2.250.1.213.1.1.3.48"/>'
CODE = '<code code="MED-1" codeSystem="1.2.250.1.213.1.1.4.322"/>'


def value(xml: str) -> dict[str, Any]:
    """The value[x] and dataAbsentReason of an observation."""
    made = observation(xml)
    return {k: v for k, v in made.items() if k.startswith("value") or k == "dataAbsentReason"}


ABSENT = "http://terminology.hl7.org/CodeSystem/data-absent-reason"


@pytest.mark.parametrize(
    ("xml", "made"),
    [
        ('<value xsi:type="BL" value="true"/>', {"valueBoolean": True}),
        ('<value xsi:type="BL" value="peut-etre"/>', {}),
        ('<value xsi:type="INT" value="-3"/>', {"valueInteger": -3}),
        ('<value xsi:type="INT" value="12345678901"/>', {}),
        ('<value xsi:type="REAL" value="1.5"/>', {"valueQuantity": {"value": 1.5}}),
        ('<value xsi:type="PQ" value="28" unit="mm"/>',
         {"valueQuantity": {"value": 28, "unit": "mm", "system": "http://unitsofmeasure.org", "code": "mm"}}),
        ('<value xsi:type="PQ" value="2" unit="1"/>', {"valueQuantity": {"value": 2}}),
        ('<value xsi:type="PQ" value="1e9" unit="mm"/>', {}),
        ('<value xsi:type="ST">  deux   mots </value>', {"valueString": "deux mots"}),
        ('<value xsi:type="ED"><reference value="#w"/></value>', {"valueString": "les mots"}),
        ('<value xsi:type="TS" value="20260316"/>', {"valueDateTime": "2026-03-16"}),
        ('<value xsi:type="IVL_TS"><low value="2026"/></value>', {"valuePeriod": {"start": "2026"}}),
        ('<value xsi:type="IVL_PQ"><low value="1"/><high value="2"/></value>',
         {"valueRange": {"low": {"value": 1}, "high": {"value": 2}}}),
        ('<value xsi:type="RTO"><numerator xsi:type="INT" value="1"/><denominator xsi:type="INT" value="8"/></value>',
         {"valueRatio": {"numerator": {"value": 1}, "denominator": {"value": 8}}}),
        ('<value xsi:type="RTO"><numerator xsi:type="INT" value="1"/></value>', {}),
        ('<value xsi:type="CD"><originalText><reference value="#w"/></originalText></value>',
         {"valueCodeableConcept": {"text": "les mots"}}),
        ('<value xsi:type="CD" nullFlavor="OTH"><originalText>autre</originalText></value>',
         {"valueCodeableConcept": {"text": "autre"}}),
        ('<value xsi:type="CD" nullFlavor="MSK"/>',
         {"dataAbsentReason": {"coding": [{"system": ABSENT, "code": "masked"}]}}),
        ('<value xsi:type="BL" nullFlavor="???"/>',
         {"dataAbsentReason": {"coding": [{"system": ABSENT, "code": "unknown"}]}}),
        ('<value code="A" codeSystem="2.16.840.1.113883.6.1"/>',
         {"valueCodeableConcept": {"coding": [{"system": "http://loinc.org", "code": "A"}]}}),
        ('<value value="3" unit="mm"/>',
         {"valueQuantity": {"value": 3, "unit": "mm", "system": "http://unitsofmeasure.org", "code": "mm"}}),
        ('<value xsi:type="UNHEARD_OF">x</value>', {"valueString": "x"}),
        ("<value/>", {}),
        ("", {}),
    ],
)  # fmt: skip
def test_values(xml: str, made: dict[str, Any]) -> None:
    """ANY by its xsi:type, else by what it has; what cannot be read is no value, never a wrong one."""
    assert made == value(xml)


@pytest.mark.parametrize(
    ("xml", "made"),
    [
        ('<effectiveTime value="20260316"/>', {"effectiveDateTime": "2026-03-16"}),
        ('<effectiveTime><low value="20260301"/></effectiveTime>', {"effectivePeriod": {"start": "2026-03-01"}}),
        ('<effectiveTime><low value="20260301"/><high value="20260302"/></effectiveTime>',
         {"effectivePeriod": {"start": "2026-03-01", "end": "2026-03-02"}}),
        ('<effectiveTime nullFlavor="NAV"/>', {}),
        ('<effectiveTime value="demain"/>', {}),
    ],
)  # fmt: skip
def test_times(xml: str, made: dict[str, Any]) -> None:
    """TS and IVL_TS; a nullFlavor is no time."""
    assert {k: v for k, v in observation(xml).items() if k.startswith("effective")} == made


@pytest.mark.parametrize(
    ("code", "status"),
    [("active", "preliminary"), ("aborted", "cancelled"), ("nullified", "entered-in-error"), ("odd", "unknown")],
)
def test_the_status(code: str, status: str) -> None:
    """ActStatus to observation-status; an unknown one is unknown."""
    draft = entry(
        f'<observation classCode="OBS" moodCode="EVN">{SIMPLE}{CODE}<statusCode code="{code}"/></observation>'
    )
    assert one(draft, "Observation", "MED-1")["status"] == status


def test_a_denied_boolean_is_turned_round() -> None:
    """negationInd and BL: false of true."""
    made = observation('<value xsi:type="BL" value="true"/>', 'moodCode="EVN" negationInd="true"')
    assert (made["valueBoolean"], "modifierExtension" in made) == (False, False)


def test_what_else_is_denied_says_so() -> None:
    """negationInd and another value: a modifier extension, so that nobody takes it as so (R4 §2.4)."""
    made = observation('<value xsi:type="CD" code="A"/>', 'moodCode="EVN" negationInd="true"')
    assert made["modifierExtension"][0]["valueBoolean"] is True


@pytest.mark.parametrize(("mood", "intent"), [("RQO", "order"), ("PRP", "proposal"), ("INT", "proposal")])
def test_what_is_asked_for_is_no_observation(mood: str, intent: str) -> None:
    """moodCode: a request; a tumour board proposes where its software writes INT."""
    draft = entry(f'<observation classCode="OBS" moodCode="{mood}">{SIMPLE}{CODE}</observation>')
    made = next(r for r in all_of(draft, "ServiceRequest") if codes(r.get("code")) == ["MED-1"])
    assert made["intent"] == ("proposal" if models()["1.2.250.1.213.1.1.1.8"].intent else intent)
    assert all_of(draft, "Observation") == []


@pytest.mark.parametrize("mood", ["GOL", "DEF", "EVN.CRT"])
def test_a_goal_or_a_definition_is_neither(mood: str) -> None:
    """Told as an issue; nothing is stated."""
    draft = entry(f'<observation classCode="OBS" moodCode="{mood}">{SIMPLE}{CODE}</observation>')
    assert (all_of(draft, "Observation"), [i.code for i in draft.issues]) == ([], ["mood"])


def test_an_entry_without_a_rule_is_told() -> None:
    """It stays in the narrative and the document."""
    draft = entry('<act classCode="ACT" moodCode="EVN"><templateId root="1.2.3"/></act>')
    [issue] = draft.issues
    assert (issue.severity, issue.code, issue.where.endswith("section/entry/act")) == ("warning", "no-rule", True)
    assert entry("<nonsense/>").issues == []


@pytest.mark.parametrize(
    ("inner", "part"),
    [
        ('<statusCode code="completed"/>', True),
        ('<statusCode code="completed"/><effectiveTime value="20260301"/>', True),
        ('<statusCode code="completed"/><effectiveTime value="20260302"/>', False),
        ('<statusCode code="aborted"/>', False),
        ('<statusCode code="completed"/><performer><assignedEntity><id root="1.9" extension="1"/></assignedEntity>'
         "</performer>", False),
    ],
)  # fmt: skip
def test_parts_and_members(inner: str, part: bool) -> None:
    """R4 Observation.component shares time, people and status of the whole; what has its own is a member."""
    draft = entry(
        f'<observation classCode="OBS" moodCode="EVN">{SIMPLE}{CODE}<statusCode code="completed"/>'
        f'<effectiveTime value="20260301"/><entryRelationship typeCode="COMP"><observation classCode="OBS" '
        f'moodCode="EVN">{SIMPLE}<code code="MED-2"/>{inner}<value xsi:type="BL" value="false"/></observation>'
        "</entryRelationship></observation>"
    )
    made = one(draft, "Observation", "MED-1")
    assert ("component" in made, "hasMember" in made) == (part, not part)


def test_several_values() -> None:
    """value 1..*: the first is the value, each other an Observation of its own (invariant obs-7)."""
    draft = entry(
        f'<observation classCode="OBS" moodCode="EVN">{SIMPLE}{CODE}<statusCode code="completed"/>'
        '<value xsi:type="INT" value="1"/><value xsi:type="INT" value="2"/></observation>'
    )
    second, first = all_of(draft, "Observation")
    assert (first["valueInteger"], second["valueInteger"], second["code"]) == (1, 2, first["code"])
    assert draft.entries[first["hasMember"][0]["reference"]].resource is second


def test_entries_that_share_an_id_stay_apart() -> None:
    """Software often repeats UUIDs: parts of a document are told apart by their code and number."""
    twice = (
        f'<observation classCode="OBS" moodCode="EVN">{SIMPLE}<id root="5EED0001-C0DE-4A00-8000-000000000001"/>{CODE}'
        '<value xsi:type="INT" value="1"/></observation>'
    )
    draft = entry(f"{twice}</entry><entry>{twice}")
    assert len(all_of(draft, "Observation")) == 2


def test_the_narrative_is_not_repeated_without_bound() -> None:
    """Entries may all point at one long table: what they repeat of it is bounded, and told once."""
    one_entry = (
        f'<observation classCode="OBS" moodCode="EVN">{SIMPLE}{CODE}<text><reference value="#w"/></text></observation>'
    )
    many = f"{one_entry}</entry><entry>" * 99 + one_entry
    draft = entry(many, words="long " * 6_000)
    told = [i for i in draft.issues if "repeat" in i.what]
    repeated = sum(len(n["text"]) for r in all_of(draft, "Observation") for n in r.get("note", ()))
    assert (len(told), repeated <= context.MAX_WORDS) == (1, True)
    assert len(all_of(draft, "Observation")) == 100


def test_the_number_of_entries_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """One warning, and the document is kept."""
    one_entry = f'<entry><observation classCode="OBS" moodCode="EVN">{SIMPLE}{CODE}</observation></entry>'
    many = one_entry * (context.MAX_ENTRIES + 5)
    draft = entry(many.removeprefix("<entry>").removesuffix("</entry>"))
    assert [i.code for i in draft.issues] == ["too-many-entries"]
    assert len(all_of(draft, "Observation")) == context.MAX_ENTRIES


def test_an_unknown_model_states_nothing_of_its_entries() -> None:
    """Header, sections, narrative and attached files; no Observation, no issue (nothing is made up)."""
    draft = mapped(ANY, edited(BOARD, ('root="1.2.250.1.213.1.1.1.8"', 'root="1.2.250.1.213.1.1.1.9999"')))
    kinds = {e.type for e in draft.entries.values()}
    assert kinds.isdisjoint({"Observation", "Condition", "CarePlan", "ServiceRequest", "Procedure", "DiagnosticReport"})
    assert draft.issues == []
    assert len(only(draft, "Composition")["section"]) == 18


def test_files_attached_to_an_unknown_model_are_kept() -> None:
    """observationMedia, inside E~18 or by itself."""
    media = (
        '<observationMedia classCode="OBS" moodCode="EVN">'
        '<value mediaType="image/png" representation="B64">QUJD</value>'
        "</observationMedia>"
    )
    bare = entry(media, "1.2.3")
    inside = entry(
        '<organizer classCode="CLUSTER" moodCode="EVN"><templateId root="1.2.250.1.213.1.1.3.18"/><component>'
        f"{media}</component></organizer>", "1.2.3",
    )  # fmt: skip
    for draft in (bare, inside):
        assert b"ABC" in [e.octets for e in draft.entries.values()]


def test_a_problem_that_ended() -> None:
    """E~37: onset, abatement; what ended is not active (invariant con-4)."""
    draft = entry(
        '<observation classCode="OBS" moodCode="EVN"><templateId root="1.2.250.1.213.1.1.3.37"/>'
        '<code code="404684003"/>'
        '<statusCode code="completed"/><effectiveTime><low value="2019"/><high value="2020"/></effectiveTime>'
        '<value xsi:type="CD" code="I10" codeSystem="2.16.840.1.113883.6.3"/></observation>'
    )
    made = only(draft, "Condition")
    assert (made["onsetDateTime"], made["abatementDateTime"], codes(made["clinicalStatus"])) == (
        "2019", "2020", ["resolved"],
    )  # fmt: skip


def test_an_organizer_gives_all_it_holds() -> None:
    """E~7: its observations are entries of the section."""
    inner = f'<component><observation classCode="OBS" moodCode="EVN">{SIMPLE}{CODE}</observation></component>'
    draft = entry(
        '<organizer classCode="CLUSTER" moodCode="EVN"><templateId root="1.2.250.1.213.1.1.3.7"/>'
        f"{inner * 3}</organizer>"
    )
    assert len(only(draft, "Composition")["section"][0]["entry"]) == 3


def test_a_comment_that_nobody_takes_up_is_a_note_of_its_section() -> None:
    """E~32 at the top of a section."""
    draft = entry(
        '<act classCode="ACT" moodCode="EVN"><templateId root="1.2.250.1.213.1.1.3.32"/><code code="48767-8"/>'
        '<text><reference value="#w"/></text></act>'
    )
    assert only(draft, "Composition")["section"][0]["extension"][0]["valueAnnotation"]["text"] == "les mots"


COVER = (
    '<act classCode="ACT" moodCode="EVN"><templateId root="1.2.250.1.213.1.1.3.94"/>'
    '<code code="GEN-105" codeSystem="1.2.250.1.213.1.1.4.322"/><statusCode code="completed"/>{}</act>'
)
FUND = (
    '<performer><assignedEntity><id nullFlavor="UNK"/><representedOrganization>'
    '<id root="1.2.250.1.213.3" extension="751"/><name>Caisse</name></representedOrganization></assignedEntity>'
    "</performer>"
)


@pytest.mark.parametrize(
    ("inside", "relation", "number"),
    [
        (FUND, [], None),
        (f'{FUND}<participant typeCode="COV"><participantRole><id root="1.2.250.1.213.1.4.8" extension="1"/>'
         '<code code="CHILD" codeSystem="2.16.840.1.113883.5.111"/></participantRole></participant>',
         ["child", "CHILD"], "1"),
        (f'{FUND}<participant typeCode="COV"><participantRole><id nullFlavor="UNK"/><code code="X"/></participantRole>'
         "</participant>", ["X"], None),
    ],
)  # fmt: skip
def test_a_cover_by_itself(inside: str, relation: list[str], number: str | None) -> None:
    """E~94 outside of E~61: who pays, whom it covers, by which number (R4 Coverage)."""
    draft = entry(COVER.format(inside))
    made = only(draft, "Coverage")
    payor = draft.entries[made["payor"][0]["reference"]].resource
    assert (payor["name"], codes(made.get("relationship")), made.get("subscriberId")) == ("Caisse", relation, number)


def test_a_cover_that_nobody_pays_is_none() -> None:
    """Coverage.payor is 1..*: without a guarantor nothing is stated."""
    assert all_of(entry(COVER.format("")), "Coverage") == []
    around = '<act classCode="ACT" moodCode="DEF"><templateId root="1.2.250.1.213.1.1.3.61"/>{}</act>'
    for order in ("0", "x", "999999999999"):
        related = f'<entryRelationship><sequenceNumber value="{order}"/>{COVER.format(FUND)}</entryRelationship>'
        assert "order" not in only(entry(around.format(related)), "Coverage")
    assert all_of(entry(around.format("<entryRelationship/>")), "Coverage") == []


def test_a_problem_in_its_concern_and_what_stands_beside_it() -> None:
    """E~39: its problems, the comment, and an observation of its own."""
    draft = entry(
        '<act classCode="ACT" moodCode="EVN"><templateId root="1.2.250.1.213.1.1.3.39"/><code nullFlavor="NA"/>'
        '<statusCode code="active"/><effectiveTime><low value="2019"/></effectiveTime>'
        '<entryRelationship typeCode="SUBJ"><observation classCode="OBS" moodCode="EVN">'
        '<templateId root="1.2.250.1.213.1.1.3.37"/><code code="404684003"/><value xsi:type="CD" code="I10"/>'
        '</observation></entryRelationship><entryRelationship typeCode="REFR">'
        f'<observation classCode="OBS" moodCode="EVN">{SIMPLE}{CODE}</observation></entryRelationship>'
        '<entryRelationship typeCode="SUBJ"><act classCode="ACT" moodCode="EVN"><code code="48767-8"/>'
        "<text>suivi</text></act></entryRelationship></act>"
    )
    made = only(draft, "Condition")
    assert (codes(made["clinicalStatus"]), made["recordedDate"], made["note"]) == (
        ["active"], "2019", [{"text": "suivi"}],
    )  # fmt: skip
    assert one(draft, "Observation", "MED-1")


def test_what_has_no_code_is_not_stated() -> None:
    """An Observation, Procedure, ServiceRequest or DiagnosticReport needs to say of what (R4 code 1..1)."""
    for text in (
        f'<observation classCode="OBS" moodCode="EVN">{SIMPLE}<value xsi:type="BL" value="true"/></observation>',
        '<procedure classCode="PROC" moodCode="EVN"><templateId root="1.2.250.1.213.1.1.3.62"/></procedure>',
        '<procedure classCode="PROC" moodCode="INT"><templateId root="1.2.250.1.213.1.1.3.62"/></procedure>',
        '<observation classCode="OBS" moodCode="GOL"><code code="22637-3"/></observation>',
        '<observationMedia classCode="OBS" moodCode="EVN"/>',
    ):
        made = {e.type for e in entry(text).entries.values()}
        assert made.isdisjoint({"Observation", "Procedure", "DiagnosticReport"})
        assert len(all_of(entry(text), "ServiceRequest")) == 1  # the enrolment of the board alone
