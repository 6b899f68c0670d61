"""CANCER-FRCP 2022.01: each coded entry of a tumour board (ANS volet CANCER-FRCP; mappings chosen in its module)."""

from __future__ import annotations

import pytest

from hub.errors import MappingError
from hub.fhir.draft import resource_id

from .cda_run import BOARD, CIS, all_of, board, coded, codes, one, section
from .run import edited, mapped, only

ICD_O = "http://terminology.hl7.org/CodeSystem/icd-o-3"
DRAFT = board()


def test_nothing_of_it_is_an_issue() -> None:
    """Every entry has its rule."""
    assert DRAFT.issues == []


def test_the_diagnosis() -> None:
    """E~113: topography is the code, morphology the evidence, the side with the site, the date onset and asserted."""
    made = only(DRAFT, "Condition")
    assert codes(made["code"]) == ["C50.4", "C50.4"]
    assert {c["system"] for c in made["code"]["coding"]} == {
        "https://smt.esante.gouv.fr/terminologie-cim-10", "http://hl7.org/fhir/sid/icd-10",
    }  # fmt: skip
    assert codes(made["evidence"][0]["code"][0]) == ["8500/3"]
    assert made["evidence"][0]["code"][0]["coding"][0]["system"] == ICD_O
    assert codes(made["bodySite"][0]) == ["C50.4", "80248007"]
    assert codes(made["bodySite"][0]["extension"][0]["valueCodeableConcept"]) == ["7771000"]
    assert (made["onsetDateTime"], made["recordedDate"]) == ("2026-02-10", "2026-02-10")
    assert (codes(made["clinicalStatus"]), codes(made["verificationStatus"])) == (["active"], ["confirmed"])
    assert [n["text"] for n in made["note"]][-1] == "Clip posé"
    histology = one(DRAFT, "Observation", "282291009")
    assert codes(histology["valueCodeableConcept"]) == ["8500/3"]
    assert histology["focus"] == [{"reference": refs_of(DRAFT, "Condition")}]


def refs_of(draft, kind: str) -> str:
    [ref] = [r for r in draft.entries if r.startswith(f"{kind}/")]
    return ref


def test_the_stage() -> None:
    """75620-5: the group is the value, the edition the method, T, N and M components; Condition.stage rests on it."""
    tnm = one(DRAFT, "Observation", "75620-5")
    assert (codes(tnm["valueCodeableConcept"]), codes(tnm["method"])) == (["IIA"], ["8"])
    assert [(codes(x["code"])[0], codes(x["valueCodeableConcept"])[0]) for x in tnm["component"]] == [
        ("21905-5", "T2"), ("21906-3", "N0"), ("21907-1", "M0"),
    ]  # fmt: skip
    assert tnm["component"][0]["valueCodeableConcept"]["coding"][0]["version"] == "8"
    assert tnm["focus"] == [{"reference": refs_of(DRAFT, "Condition")}]
    clinical, other = only(DRAFT, "Condition")["stage"]
    assert (codes(clinical["summary"]), codes(clinical["type"])) == (["IIA"], ["75620-5"])
    assert DRAFT.entries[clinical["assessment"][0]["reference"]].resource is tnm
    assert other["summary"] == {"text": "Grade III"}
    grade = one(DRAFT, "Observation", "21918-8")
    assert [x["valueCodeableConcept"]["text"] for x in grade["component"]] == ["Nottingham", "2016"]


def test_a_diagnosis_that_is_denied() -> None:
    """negationInd: refuted, and without a clinical status (invariant con-5)."""
    old = '<observation classCode="OBS" moodCode="EVN" negationInd="false">\n'
    at = BOARD.decode().index("282291009")
    start = BOARD.decode().rindex(old, 0, at)
    text = BOARD.decode()
    made = only(mapped("cda.documents.any", (text[:start] + text[start:].replace("false", "true", 1)).encode()),
                "Condition")  # fmt: skip
    assert codes(made["verificationStatus"]) == ["refuted"]
    assert "clinicalStatus" not in made


@pytest.mark.parametrize(("code", "status"), [("completed", "resolved"), ("suspended", "inactive")])
def test_the_status_of_the_concern(code: str, status: str) -> None:
    """E~39 statusCode to clinicalStatus."""
    first = BOARD.replace(b'<statusCode code="active"/>', f'<statusCode code="{code}"/>'.encode(), 1)
    made = only(mapped("cda.documents.any", first), "Condition")
    assert codes(made["clinicalStatus"]) == [status]


def test_a_tumour_that_is_not_coded() -> None:
    """nullFlavor OTH with words: the words are the code (CI-SIS rule for morphology and topography)."""
    text = BOARD.decode()
    site = text[text.index("<targetSiteCode") : text.index(">", text.index("<targetSiteCode")) + 1]
    made = only(board((site, '<targetSiteCode nullFlavor="OTH">')), "Condition")
    assert made["code"] == {"text": "quadrant supéro-externe du sein"}


def test_the_discussion() -> None:
    """componentOf VR: finished, of its kind, based on the enrolment, with the board and its session by identifier."""
    made = only(DRAFT, "Encounter")
    assert (made["status"], made["class"]["code"]) == ("finished", "VR")
    assert (codes(made["type"][0]), codes(made["serviceType"])) == (["39"], ["ORG-117"])
    assert made["basedOn"] == [
        {"reference": f"ServiceRequest/{resource_id('ServiceRequest', 'urn:ietf:rfc:3986', ENROLMENT)}"}
    ]
    assert [i["value"] for i in made["identifier"]] == ["5301", "530117", "29019901", "990316", "RCP-031"]
    assert made["appointment"][0]["identifier"]["value"] == "990316"
    assert made["serviceProvider"]["identifier"]["value"] == "530117"
    kinds = [(codes(p["type"][0]), p["type"][0].get("text")) for p in made["participant"]]
    assert kinds == [
        (["RESP"], None), (["RESP"], "PS coordonnateur de la RCP"), (["PRF"], "PS présentateur"),
        (["PRF", "353"], "Participant du quorum"), (["PRF", "CORRE"], "Participant hors quorum"),
    ]  # fmt: skip
    assert made["reasonReference"] == [{"reference": refs_of(DRAFT, "Condition")}]


ENROLMENT = "urn:uuid:5eed0001-c0de-4a00-8000-0000000000f1"


def enrolment(draft):
    [found] = [r for r in all_of(draft, "ServiceRequest") if r["intent"] == "order"]
    return found


def test_the_enrolment() -> None:
    """inFulfillmentOf, GEN-098, ORG-114, the problem and documentationOf: what was asked of the board, by whom, why."""
    made = enrolment(DRAFT)
    assert made["identifier"] == [{"system": "urn:ietf:rfc:3986", "value": ENROLMENT}]
    assert codes(made["category"][0]) == ["ORG-117"]
    assert [codes(x) for x in made["orderDetail"]] == [["ORG-114"]]
    assert [codes(x) or x["text"] for x in made["reasonCode"]] == [
        ["76752008"], ["C50.4"], "Carcinome infiltrant du sein gauche, choix de la séquence",
    ]  # fmt: skip
    assert made["requester"]["display"] == "DR Maiwenn KERSAUZON"
    assert made["performer"][0] == {
        "type": "HealthcareService", "identifier": {"system": "urn:oid:1.2.250.1.161.1.20.3.1", "value": "29019901"},
    }  # fmt: skip
    assert made["note"] == [{"text": "Avis sur la suite après biopsie"}]
    task = only(DRAFT, "Task")
    assert codes(task["businessStatus"]) == ["ORG-134"]
    assert task["output"][0]["valueReference"] == {"reference": refs_of(DRAFT, "CarePlan")}


def test_without_an_order_the_enrolment_is_a_part_of_the_document() -> None:
    """inFulfillmentOf is optional."""
    text = BOARD.decode()
    old = text[text.index("<inFulfillmentOf>") : text.index("</inFulfillmentOf>") + len("</inFulfillmentOf>")]
    made = enrolment(board((old, "")))
    assert {"identifier", "note"}.isdisjoint(made)


def test_the_nature_with_flags_that_are_false() -> None:
    """GEN-098 and all below it: components; what has a time of its own is a member (R4 Observation.component)."""
    made = one(DRAFT, "Observation", "GEN-098")
    told = {codes(x["code"])[0]: x.get("valueBoolean", codes(x.get("valueCodeableConcept"))) for x in made["component"]}
    assert told == {
        "ORG-118": ["76752008"], "ORG-119": ["76752008"], "ORG-184": False, "ORG-185": False, "ORG-186": [],
        "ORG-115": False, "ORG-116": False, "ORG-127": ["ORG-134"],
    }  # fmt: skip
    motive = next(x for x in made["component"] if codes(x["code"]) == ["ORG-186"])
    assert codes(motive["dataAbsentReason"]) == ["not-applicable"]
    members = [DRAFT.entries[x["reference"]].resource for x in made["hasMember"]]
    assert [(codes(m["code"]), m["valueBoolean"], m["effectivePeriod"]) for m in members] == [
        (["MED-235"], False, {"start": "2026-03-01"}), (["ORG-114"], True, {"start": "2026-03-01"}),
    ]  # fmt: skip


def test_transversale_is_looked_for_at_any_depth() -> None:
    """ORG-132, ORG-138, and the motive one level deeper: the same enrolment (CANCER-FRCP, Transversale)."""
    text = BOARD.decode()
    motive = text[text.rindex("<entryRelationship", 0, text.index('code="ORG-186"')) :]
    depth, end = 0, 0
    while True:
        opened, closed = motive.find("<entryRelationship", end), motive.find("</entryRelationship>", end)
        if 0 <= opened < closed:
            depth, end = depth + 1, opened + 1
        else:
            depth, end = depth - 1, closed + len("</entryRelationship>")
        if depth == 0:
            break
    motive = motive[:end]
    wrap = (
        '<entryRelationship typeCode="SUBJ"><observation classCode="OBS" moodCode="EVN"><templateId '
        'root="1.2.250.1.213.1.1.3.48"/><id root="1.2.4"/><code code="ORG-186" codeSystem="1.2.250.1.213.1.1.4.322"/>'
        '<statusCode code="completed"/><effectiveTime nullFlavor="NAV"/><value xsi:type="CD" nullFlavor="NA"/>'
        f"{motive}</observation></entryRelationship>"
    )
    draft = board((motive, wrap), ("ORG-117", "ORG-132"), ("ORG-118", "ORG-138"))
    made = enrolment(draft)
    assert (codes(made["category"][0]), [codes(x) for x in made["orderDetail"]]) == (["ORG-132"], [["ORG-114"]])
    assert codes(only(draft, "Task")["businessStatus"]) == ["ORG-134"]


def test_the_proposal() -> None:
    """S~158: one CarePlan of intent proposal; its activities in order, each with its rank, period and words."""
    plan = only(DRAFT, "CarePlan")
    assert (plan["status"], plan["intent"], codes(plan["category"][0])) == ("active", "proposal", ["34794-8"])
    assert (plan["created"], plan["author"]["display"]) == ("2026-03-16T17:40:00+01:00", "DR Nolwenn PENMARCH")
    asked = [DRAFT.entries[a["reference"]["reference"]].resource for a in plan["activity"]]
    assert [codes(r["code"])[0] for r in asked] == ["ORG-120", "ORG-064", "ORG-064", "C15632", "387713003", "C15313"]
    assert {r["intent"] for r in asked} == {"proposal"}
    assert [rank(r) for r in asked[3:]] == ["1", "2", "3"]
    assert asked[3]["occurrencePeriod"] == {"start": "2026-04-01", "end": "2026-09-01"}
    assert [r["code"]["text"] for r in asked[1:3]] == ["TEP-scanner avant traitement", "Échographie cardiaque"]
    assert [n["text"] for n in plan["note"]] == [
        "Dossier relu avant la séance", "Réévaluer après quatre cures", "Conforme",
    ]  # fmt: skip
    assert plan["note"][1]["time"] == "2026-03-16"
    assert plan["addresses"] == [{"reference": refs_of(DRAFT, "Condition")}]
    assert section(DRAFT, "18776-5")["entry"][0] == {"reference": refs_of(DRAFT, "CarePlan")}


def rank(request: dict) -> str:
    return next(x["valueCodeableConcept"]["text"] for x in request["extension"] if x["url"].endswith(":priority"))


@pytest.mark.parametrize("code", ["MED-239", "ORG-125", "GEN-100", "MED-249", "MED-250", "75620-5", "MED-243"])
def test_the_proposal_rests_on(code: str) -> None:
    """CarePlan.supportingInfo: performance, quorum, completeness, guideline, trial, stage, phase."""
    told = [DRAFT.entries[x["reference"]].resource for x in only(DRAFT, "CarePlan")["supportingInfo"]]
    assert any(code in codes(r["code"]) for r in told)


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("GEN-100", True), ("MED-250", False), ("63921-1", True), ("48544-1", 14), ("MED-245", False),
        ("ORG-125", ["ORG-126"]), ("MED-243", ["MED-268"]), ("MED-239", ["MED-264", "LA9623-5"]),
    ],
)  # fmt: skip
def test_observations_have_their_value(code: str, value: object) -> None:
    """Simple observations (E~48) and assessments; beside a code of the CI-SIS stands that of LOINC."""
    made = one(DRAFT, "Observation", code)
    found = made.get("valueBoolean", made.get("valueInteger", codes(made.get("valueCodeableConcept"))))
    assert value == found


def test_pain_that_was_not_asked() -> None:
    """CO nullFlavor UNK: dataAbsentReason, no value."""
    made = one(DRAFT, "Observation", "38208-5")
    assert codes(made["dataAbsentReason"]) == ["unknown"]
    assert not any(name.startswith("value") for name in made)


def test_oms_has_its_interpretation_and_loinc() -> None:
    """MED-239 keeps its code and gains 89247-1."""
    made = one(DRAFT, "Observation", "MED-239")
    assert [(c["system"], c["code"]) for c in made["code"]["coding"]] == [
        (CIS, "MED-239"), ("http://loinc.org", "89247-1"),
    ]  # fmt: skip
    assert codes(made["interpretation"][0]) == ["LA9623-5"]


def test_progression_is_about_the_tumour() -> None:
    """MED-245 with its parts, focus the Condition."""
    made = one(DRAFT, "Observation", "MED-245")
    assert [codes(x["code"])[0] for x in made["component"]] == ["MED-246", "MED-247", "MED-248"]
    assert made["focus"] == [{"reference": refs_of(DRAFT, "Condition")}]


def test_procedures() -> None:
    """S~118: completed is done, cancelled was not done (CANCER-FRCP)."""
    done, not_done = all_of(DRAFT, "Procedure")
    assert (codes(done["code"]), done["status"], done["performedPeriod"]["start"]) == (
        ["387713003"], "completed", "2026-02-05",
    )  # fmt: skip
    assert (codes(not_done["code"]), not_done["status"]) == (["C547"], "not-done")
    assert not_done["note"][-1]["text"] == "Refusée"


def test_conclusions_of_other_reports() -> None:
    """S~26, S~34, S~67: DiagnosticReports with who wrote, who performed, and who took part."""
    surgery, pathology, genetics = all_of(DRAFT, "DiagnosticReport")
    assert surgery["conclusion"] == "Biopsie chirurgicale, suites simples"
    assert pathology["conclusion"] == "Carcinome canalaire infiltrant, RE+ RP+ HER2-"
    assert codes(genetics["category"][0]) == ["50397-9"]
    assert (pathology["performer"][0]["display"], pathology["issued"]) == (
        "DR Enora QUERE", "2026-02-06T12:00:00+01:00",
    )  # fmt: skip
    assert pathology["effectivePeriod"]["end"] == "2026-02-06T11:45:00+01:00"
    took = [x for x in pathology["extension"] if x["url"].endswith("participant-extension")]
    assert took[0]["extension"][-1]["valueReference"]["display"] == "DR Herve SALIOU"


def test_entries_and_sections_below_do_not_mix() -> None:
    """FRCompositionDocument comp-4: entries in leaves alone; the section keeps its author."""
    made = section(DRAFT, "10218-6")
    leaf, note = made["section"]
    assert "entry" not in made
    assert "text" not in made
    assert (len(leaf["entry"]), codes(leaf["code"]), codes(note["code"])) == (1, ["10218-6"], ["55112-7"])
    assert made["author"][0]["display"] == "DR Nolwenn PENMARCH"


@pytest.mark.parametrize(
    ("code", "status"), [("9571008", "final"), ("385651009", "preliminary"), ("29179001", "final")]
)
def test_the_status_of_the_document(code: str, status: str) -> None:
    """GEN-065: the status of Composition and DocumentReference, and what it was exactly, with date and comment."""
    draft = board(('code="9571008"', f'code="{code}"'))
    composition = only(draft, "Composition")
    [own] = [r for r in all_of(draft, "DocumentReference") if "masterIdentifier" in r]
    assert (composition["status"], own["docStatus"]) == (status, status)
    told = next(x for x in composition["extension"] if x["url"].endswith(":document-status"))["extension"]
    assert [x["url"].rpartition("/")[2] for x in told] == ["narrativeLink", "status", "date", "comment"]
    assert (told[2]["valueDateTime"], told[3]["valueString"]) == ("2026-03-16", "par le coordonnateur")


def test_an_entry_points_to_its_narrative() -> None:
    """text/reference: the anchor in the Composition, which is there."""
    made = one(DRAFT, "Observation", "63921-1")
    [link] = [x["valueUrl"] for x in made["extension"]]
    composition, _, anchor = link.partition("#")
    assert composition == refs_of(DRAFT, "Composition")
    assert f'id="{anchor}"' in section(DRAFT, "42545-4")["text"]["div"]
    assert made["note"] == [{"text": "oui"}]


def test_every_section_of_the_model() -> None:
    """The 18 sections, in their order."""
    assert [codes(s["code"])[0] for s in only(DRAFT, "Composition")["section"]] == [
        "42349-1", "42545-4", "72135-7", "11348-0", "11450-4", "47420-5", "30954-2", "18733-6", "29554-3", "10218-6",
        "30954-2", "50397-9", "10164-2", "21874-3", "18776-5", "35510-7", "55112-7", "33557-0",
    ]  # fmt: skip


def test_a_channel_may_take_this_model_alone() -> None:
    """cda.documents.frcp: another model is an error that says what to do."""
    assert mapped("cda.documents.frcp", BOARD).entries.keys() == DRAFT.entries.keys()
    with pytest.raises(MappingError) as e:
        mapped("cda.documents.frcp", edited(BOARD, ("1.2.250.1.213.1.1.1.8", "1.2.250.1.213.1.1.1.26")))
    assert (e.value.where, "CANCER-FRCP" in e.value.what) == ("ClinicalDocument/templateId", True)


def test_the_header_alone() -> None:
    """cda.documents.header maps no entries; what it makes of the header is the same."""
    header = mapped("cda.documents.header", BOARD)
    assert coded(header, "Observation", "GEN-098") == []
    assert header.entries.keys() < DRAFT.entries.keys()


def without(*codes_: str) -> bytes:
    """The sample without the sections of these codes."""
    text = BOARD.decode()
    for code in codes_:
        at = text.index(f'<code code="{code}"')
        start, end = text.rindex("<section>", 0, at), text.index("</section>", at)
        text = text[:start] + text[end + len("</section>") :]
    return text.encode()


def test_without_a_proposal_its_comments_stay_with_the_enrolment() -> None:
    """S~158 is missing: nothing is proposed, and nothing that was said is lost."""
    draft = mapped("cda.documents.any", without("18776-5"))
    assert all_of(draft, "CarePlan") == []
    assert [n["text"] for n in enrolment(draft)["note"]][-2:] == ["Dossier relu avant la séance", "Conforme"]
    assert "output" not in only(draft, "Task")


def test_a_board_without_a_diagnosis_or_an_encounter() -> None:
    """Nothing refers to what is not there."""
    text = without("72135-7").decode()
    start, end = text.index("<componentOf>"), text.index("</componentOf>") + len("</componentOf>")
    draft = mapped("cda.documents.any", (text[:start] + text[end:]).encode())
    assert {"Condition", "Encounter"}.isdisjoint(e.type for e in draft.entries.values())
    assert "reasonReference" not in enrolment(draft)
    assert "addresses" not in only(draft, "CarePlan")
    assert "focus" not in one(draft, "Observation", "MED-243")


def test_a_reason_that_is_denied_is_none() -> None:
    """negationInd of the problem of the first section."""
    at = BOARD.index(b'code="55607006"')
    start = BOARD.rindex(b'negationInd="false"', 0, at)
    body = BOARD[:start] + b'negationInd="true"' + BOARD[start + len(b'negationInd="false"') :]
    told = [x.get("text", "") for x in enrolment(mapped("cda.documents.any", body))["reasonCode"]]
    assert not any(text.startswith("Carcinome") for text in told)
