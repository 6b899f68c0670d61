"""BIO-CR-BIO 2024.01 (IHE XD-LAB; ANS volet BIO-CR-BIO), with screening of cervical cancer."""

from __future__ import annotations

import re
from typing import Any

import pytest

from hub.fhir.draft import Draft

from .cda_run import ANY, MESSAGES, all_of, coded, codes, entry, one, section
from .run import SHARED, edited, mapped, only

BODY = (MESSAGES / "laboratory-report.xml").read_bytes()
DRAFT = mapped(ANY, BODY)
MODEL = "1.2.250.1.213.1.1.1.55"
RESULT = '<templateId root="1.2.250.1.213.1.1.3.80"/>'
SEQUEL = "http://hl7.org/fhir/StructureDefinition/observation-sequelTo"


def report(*changes: tuple[str, str]) -> Draft:
    return mapped(ANY, edited(BODY, *changes))


def ref(resource: dict[str, Any], draft: Draft = DRAFT) -> str:
    [found] = [r for r, e in draft.entries.items() if e.resource is resource]
    return found


def chapter(inside: str, status: str = "completed") -> Draft:
    """A document with one chapter."""
    return entry(
        f'<act classCode="ACT" moodCode="EVN"><code code="C"/><statusCode code="{status}"/>{inside}</act>', MODEL
    )


def result(inside: str) -> dict[str, Any]:
    """One result of a chapter."""
    return one(
        chapter(
            '<entryRelationship typeCode="COMP"><observation classCode="OBS" moodCode="EVN">'
            f'{RESULT}<code code="R"/><statusCode code="completed"/>{inside}</observation></entryRelationship>'
        ),
        "Observation",
        "R",
    )


def test_the_report() -> None:
    """One DiagnosticReport of category LAB and its chapters; its results are batteries, isolates and single results."""
    made = only(DRAFT, "DiagnosticReport")
    assert [codes(x)[0] for x in made["category"]] == ["LAB", "18725-2", "26438-2", "18719-5"]
    assert [codes(DRAFT.entries[r["reference"]].resource["code"])[0] for r in made["result"]] == [
        "77379-6", "10524-7", "107", "41852-5", "2339-0",
    ]  # fmt: skip
    assert [r["display"] for r in made["performer"]] == ["DR Fañch KERLEAU", "DR Rozenn TANGUY"]
    assert [r["display"] for r in made["resultsInterpreter"]] == ["DR Fañch KERLEAU", "DR Rozenn TANGUY"]
    assert made["conclusion"] == "Infection urinaire à E. coli"
    assert made["presentedForm"][0]["contentType"] == "application/pdf"
    assert len(made["specimen"]) == 3


def test_the_hpv_test() -> None:
    """77379-6: value, method, kit, medium, specimen, who performed the chapter; the test of before is its sequel."""
    now, before = coded(DRAFT, "Observation", "77379-6")[::-1]
    assert (codes(now["valueCodeableConcept"]), codes(before["valueCodeableConcept"])) == (
        ["1269497006"], ["77851000146104"],
    )  # fmt: skip
    assert codes(now["method"]) == ["GUF"]
    assert codes(DRAFT.entries[now["device"]["reference"]].resource["type"]) == ["VHEDA1GUR01LX"]
    assert [codes(d["type"]) for d in all_of(DRAFT, "Device")] == [["VHEDA1GUR01LX"], ["GEN-303"]]
    assert {"url": SEQUEL, "valueReference": {"reference": ref(before)}} in now["extension"]
    assert now["performer"][0]["display"] == "DR Fañch KERLEAU"
    assert "specimen" not in before
    assert "performer" not in before
    assert [codes(x)[0] for x in now["category"]] == ["laboratory", "18725-2"]


def test_the_cytology() -> None:
    """Bethesda (10524-7), read by the laboratory of second intention."""
    made = one(DRAFT, "Observation", "10524-7")
    assert codes(made["valueCodeableConcept"]) == ["MED-1199"]
    assert made["performer"][0]["display"] == "DR Rozenn TANGUY"


def test_the_specimens() -> None:
    """What was taken is the type, the act its method; collected, received, from where."""
    smear, urine, isolate = all_of(DRAFT, "Specimen")
    assert (codes(smear["type"]), codes(smear["collection"]["method"]), codes(smear["collection"]["bodySite"])) == (
        ["GENV"], ["0027"], ["76784001"],
    )  # fmt: skip
    assert (smear["collection"]["collectedPeriod"], smear["receivedTime"]) == (
        {"end": "2026-06-09T09:10:00+02:00"}, "2026-06-09T18:00:00+02:00",
    )  # fmt: skip
    assert isolate["parent"] == [{"reference": ref(urine)}]


def test_an_isolate() -> None:
    """The organism is the value; its count and its susceptibilities are members, found in the isolate."""
    made = one(DRAFT, "Observation", "41852-5")
    assert codes(made["valueCodeableConcept"]) == ["112283007", "562"]
    count, panel = (DRAFT.entries[r["reference"]].resource for r in made["hasMember"])
    assert (codes(count["code"]), count["valueQuantity"]["value"]) == (["51480-2"], 120000)
    assert count["specimen"] == made["specimen"] == panel["specimen"]
    assert len(panel["hasMember"]) == 2


def test_susceptibilities() -> None:
    """One bound is a Quantity with a comparator (R4 Quantity.comparator); R and S by v3 ObservationInterpretation."""
    told = {
        c: (one(DRAFT, "Observation", c)["valueQuantity"], codes(one(DRAFT, "Observation", c)["interpretation"][0]))
        for c in ("20-8", "28-1")
    }
    assert {c: (q["value"], q["comparator"], i) for c, (q, i) in told.items()} == {
        "20-8": (16, ">", ["R"]), "28-1": (8, "<=", ["S"]),
    }  # fmt: skip


def test_a_reference_range() -> None:
    """Bounds in UCUM, its words, what it means."""
    made = one(DRAFT, "Observation", "30405-5")
    [told] = made["referenceRange"]
    assert (told["low"]["value"], told["high"]["value"], told["high"]["code"]) == (0, 10, "/mL")
    assert (told["text"], codes(told["type"]), codes(made["interpretation"][0])) == ("Moins de 10/mL", ["N"], ["H"])


@pytest.mark.parametrize(
    ("xml", "made"),
    [
        ('<value xsi:type="IVL_PQ"><high value="5" unit="g/L" inclusive="false"/></value>',
         {"high": {"value": 5, "unit": "g/L", "system": "http://unitsofmeasure.org", "code": "g/L"}}),
        ('<value xsi:type="IVL_PQ"><low value="5"/></value>', {"low": {"value": 5}}),
        ('<value xsi:type="ST">négatif</value>', {"text": "négatif"}),
        ('<value xsi:type="CD" code="N" displayName="normal"/>', {"text": "normal"}),
        ('<text>voir texte</text>', {"text": "voir texte"}),
        ('<code code="F"/><text>femme</text>', {"appliesTo": [{"coding": [{"code": "F"}]}], "text": "femme"}),
    ],
)  # fmt: skip
def test_any_reference_range(xml: str, made: dict[str, Any]) -> None:
    """XD-LAB referenceRange; a bound has no comparator (SimpleQuantity)."""
    found = result(f"<referenceRange><observationRange>{xml}</observationRange></referenceRange>")
    assert found["referenceRange"] == [made]


@pytest.mark.parametrize("xml", ["", '<interpretationCode code="N"/>'])
def test_a_reference_range_that_says_nothing(xml: str) -> None:
    """Invariant obs-3: low, high or text."""
    found = result(f"<referenceRange><observationRange>{xml}</observationRange></referenceRange>")
    assert "referenceRange" not in found


@pytest.mark.parametrize(
    ("header", "act", "status", "composition"),
    [
        ("completed", "completed", "final", "final"),
        ("completed", "active", "preliminary", "preliminary"),
        ("active", "completed", "preliminary", "preliminary"),
        ("aborted", "aborted", "cancelled", "final"),
        ("completed", "aborted", "final", "final"),
    ],
)
def test_the_report_is_as_final_as_its_least_final_chapter(
    header: str, act: str, status: str, composition: str
) -> None:
    """lab:statusCode and statusCode of the chapter: completed, active, aborted (XD-LAB)."""
    body = BODY.decode()
    for name in ("completed", "active"):
        body = body.replace(f'<lab:statusCode code="{name}"/>', f'<lab:statusCode code="{header}"/>')
    head, _, rest = body.partition("<component>")
    draft = mapped(ANY, (head + "<component>" + chapters_with(rest, act)).encode())
    assert (only(draft, "DiagnosticReport")["status"], only(draft, "Composition")["status"]) == (status, composition)


def chapters_with(body: str, status: str) -> str:
    """``body`` with the statusCode of every chapter."""
    first, *pieces = re.split(r'(?<=<templateId root="1.2.250.1.213.1.1.3.21"/>)', body)
    return first + "".join(re.sub(r'statusCode code="\w+"', f'statusCode code="{status}"', p, count=1) for p in pieces)


def test_no_vaccination() -> None:
    """E~45 denied: not-done, of a vaccine known by its ATC class; that the time is not known is said."""
    made = only(DRAFT, "Immunization")
    assert (made["status"], codes(made["vaccineCode"])) == ("not-done", ["J07BM"])
    assert made["_occurrenceString"]["extension"][0]["valueCode"] == "unknown"
    done = only(report(('moodCode="EVN" negationInd="true"', 'moodCode="EVN"')), "Immunization")
    assert done["status"] == "completed"


def test_the_reason() -> None:
    """Primary screening by HPV test (MED-1210); the problem is a Condition."""
    assert codes(one(DRAFT, "Observation", "42349-1")["valueCodeableConcept"]) == ["MED-1210"]
    assert codes(only(DRAFT, "Condition")["code"]) == ["B97.7"]


def test_the_sections() -> None:
    """The report stands before the results of the first chapter; the PDF in its own section."""
    first = section(DRAFT, "18725-2")["entry"]
    assert first[0] == {"reference": ref(only(DRAFT, "DiagnosticReport"))}
    assert section(DRAFT, "55108-5")["entry"][0]["reference"].startswith("DocumentReference/")


def test_a_result_names_its_specimen() -> None:
    """Of two specimens of a chapter, the one with that number; none is guessed; one of elsewhere by its number."""

    def taken(number: str) -> str:
        return (
            '<entryRelationship typeCode="COMP"><procedure classCode="PROC" moodCode="EVN">'
            '<templateId root="1.2.250.1.213.1.1.3.77"/><code code="P"/><participant typeCode="PRD"><participantRole>'
            f'<id root="1.2.3" extension="{number}"/></participantRole></participant></procedure></entryRelationship>'
        )

    def found(code: str, specimen: str) -> str:
        return (
            f'<entryRelationship typeCode="COMP"><observation classCode="OBS" moodCode="EVN">{RESULT}'
            f'<code code="{code}"/>{specimen}</observation></entryRelationship>'
        )

    spc = '<specimen><specimenRole><id root="1.2.3" extension="{}"/></specimenRole></specimen>'
    draft = chapter(
        found("A", spc.format("S-2")) + taken("S-1") + taken("S-2") + found("B", "") + found("C", spc.format("S-9"))
    )
    second = next(e for e in all_of(draft, "Specimen") if e["identifier"][0]["value"] == "S-2")
    assert one(draft, "Observation", "A")["specimen"] == {"reference": ref(second, draft)}
    assert "specimen" not in one(draft, "Observation", "B")
    assert one(draft, "Observation", "C")["specimen"]["identifier"]["value"] == "S-9"


def test_a_battery_without_a_name_gives_its_results() -> None:
    """Nothing is made up: no code, no panel; its comment is kept with the section."""
    draft = chapter(
        '<entryRelationship typeCode="COMP"><organizer classCode="BATTERY" moodCode="EVN">'
        '<templateId root="1.2.250.1.213.1.1.3.78"/><statusCode code="completed"/>'
        f'<component><observation classCode="OBS" moodCode="EVN">{RESULT}<code code="A"/></observation></component>'
        f'<component><observation classCode="OBS" moodCode="EVN">{RESULT}<code code="B"/></observation></component>'
        '<component><act classCode="ACT" moodCode="EVN"><code code="48767-8"/><text><reference value="#w"/></text>'
        "</act></component></organizer></entryRelationship>"
    )
    assert len(only(draft, "DiagnosticReport")["result"]) == len(all_of(draft, "Observation")) == 2
    note = only(draft, "Composition")["section"][0]["extension"][0]["valueAnnotation"]
    assert note["text"] == "les mots"


def test_a_machine_is_no_interpreter() -> None:
    """DiagnosticReport.resultsInterpreter may not refer to a Device (R4)."""
    draft = chapter(
        '<participant typeCode="AUTHEN"><participantRole><id root="1.2.4" extension="D"/><playingDevice>'
        "<softwareName>LIS</softwareName></playingDevice></participantRole></participant>"
    )
    made = only(draft, "DiagnosticReport")
    assert all(not r["reference"].startswith("Device/") for r in made.get("resultsInterpreter", ()))


def test_the_published_urine_culture() -> None:
    """The example of the ANS: two isolates, six susceptibilities, 16 results in all."""
    file = SHARED / "cda" / "BIO-CR-BIO_2024.01_Microbiologie_V2.xml"
    if not file.is_file():
        pytest.skip("the published example is not here")
    draft = mapped(ANY, file.read_bytes())
    organisms = [codes(r["valueCodeableConcept"])[0] for r in coded(draft, "Observation", "41852-5")]
    assert organisms == ["112283007", "58800005"]
    assert len([r for r in all_of(draft, "Observation") if "interpretation" in r]) == 6


def test_the_published_rapid_test() -> None:
    """BIO-TROD: the test is the device of its results, and no report is without them."""
    file = SHARED / "cda" / "BIO-TROD_2024.01_Cystite.xml"
    if not file.is_file():
        pytest.skip("the published example is not here")
    draft = mapped(ANY, file.read_bytes())
    made = all_of(draft, "Observation")
    assert [codes(r["code"])[0] for r in made] == ["5799-2", "5802-4", "80383-3"]
    assert {r["device"]["reference"] for r in made} == {ref(only(draft, "Device"), draft)}
