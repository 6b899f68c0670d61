"""CANCER-CR-GM 2022.01: variants, genes, method, specimen (IHE APSR; shape after HL7 genomics-reporting)."""

from __future__ import annotations

from typing import Any

import pytest

from .cda_run import ANY, MESSAGES, all_of, coded, codes, entry, one
from .run import SHARED, edited, mapped, only

BODY = (MESSAGES / "molecular-genetics.xml").read_bytes()
DRAFT = mapped(ANY, BODY)
GM = "1.2.250.1.213.1.1.1.32"
SYMBOLS, IDS = "http://www.genenames.org", "http://www.genenames.org/geneId"


def parts(resource: dict[str, Any]) -> dict[str, Any]:
    """The values of the components by their code."""
    return {codes(x["code"])[0]: next(v for k, v in x.items() if k.startswith("value")) for x in resource["component"]}


def test_a_variant() -> None:
    """69548-6 with gene, reference sequence, alteration and kind of result as components."""
    egfr = coded(DRAFT, "Observation", "69548-6")[0]
    told = parts(egfr)
    assert egfr["valueString"] == "c.2573T>G"
    assert told["48018-6"]["coding"][0] == {"system": SYMBOLS, "code": "EGFR", "display": "EGFR"}
    assert (told["48012-9"], told["53045-1"], codes(told["MED-152"])) == (
        "NM_005228.5", "p.Leu858Arg", ["MED-536"],
    )  # fmt: skip
    assert egfr["performer"][0]["display"] == "DR Gwendal PRIGENT"
    assert egfr["effectiveDateTime"] == "2026-04-02T09:30:00+02:00"
    assert egfr["specimen"]["reference"].startswith("Specimen/")


def test_a_gene_without_a_variant() -> None:
    """48018-6 by itself: nothing was found (MED-539); exons of the method as components."""
    genes = {codes(r["valueCodeableConcept"])[0]: r for r in coded(DRAFT, "Observation", "48018-6")}
    assert codes(parts(genes["KRAS"])["MED-152"]) == ["MED-539"]
    assert [x["valueInteger"] for x in genes["ALK"]["component"]] == [20, 29]


def test_kinds_of_result_and_of_conclusion() -> None:
    """An organizer's code is its qualifier's name, its value the qualifier's value; its members what it holds."""
    found = [codes(r["valueCodeableConcept"])[0] for r in coded(DRAFT, "Observation", "MED-152")]
    assert found == ["MED-536", "MED-537", "MED-539"]
    concluded = coded(DRAFT, "Observation", "MED-550")
    assert [codes(r["valueCodeableConcept"])[0] for r in concluded] == ["MED-542", "MED-543"]
    assert concluded[0]["note"][0]["text"] == "Discussion en RCP moléculaire"
    impact = parts(DRAFT.entries[concluded[0]["hasMember"][0]["reference"]].resource)
    assert (codes(impact["MED-299"]), codes(impact["69335-8"])) == (["83185005"], ["L01E"])


def test_the_report() -> None:
    """GE, preliminary by GEN-065; the conclusion in lines, its kinds as codes."""
    made = only(DRAFT, "DiagnosticReport")
    assert (codes(made["category"][0]), made["status"], only(DRAFT, "Composition")["status"]) == (
        ["GE"], "preliminary", "preliminary",
    )  # fmt: skip
    assert [codes(x)[0] for x in made["conclusionCode"]] == ["MED-542", "MED-543"]
    assert made["conclusion"].splitlines()[:2] == [
        "Mutation d'EGFR p.L858R : sensibilité aux inhibiteurs", "p.L858R Sensibilité Inhibiteurs de protéines kinases",
    ]  # fmt: skip
    assert len(made["result"]) == 15


def test_the_specimen() -> None:
    """E~100, with what the macroscopy says of its nature, its organ and how it was taken."""
    made = only(DRAFT, "Specimen")
    assert made["identifier"][-1]["value"] == "B-2026-118"
    assert (codes(made["type"]), codes(made["collection"]["bodySite"]), codes(made["collection"]["method"])) == (
        ["MED-310"], ["RB"], ["B", "33882-2"],
    )  # fmt: skip
    assert (made["status"], made["receivedTime"], made["collection"]["collector"]["display"]) == (
        "available", "2026-03-16T10:45:35+01:00", "DR Tugdual MORVAN",
    )  # fmt: skip


def test_what_an_organizer_says_for_all() -> None:
    """Authors and time of an organizer without a code are those of what it holds."""
    made = one(DRAFT, "Observation", "GEN-167")
    assert [p["display"] for p in made["performer"]] == ["DR Tugdual MORVAN", "DR Rozenn TANGUY"]
    assert (made["effectiveDateTime"], made["valueQuantity"]["value"]) == ("2026-04-02T09:30:00+02:00", 60)


def gene(inside: str, value: str = 'code="EGFR" codeSystem="2.16.840.1.113883.6.281"') -> list[dict[str, Any]]:
    draft = entry(
        '<organizer classCode="BATTERY" moodCode="EVN"><templateId root="1.2.250.1.213.1.1.3.74"/><component>'
        '<observation classCode="OBS" moodCode="EVN"><templateId root="1.2.250.1.213.1.1.3.102"/>'
        f'<code code="48018-6" codeSystem="2.16.840.1.113883.6.1"/><value xsi:type="CD" {value}/>{inside}'
        "</observation></component></organizer>", GM,
    )  # fmt: skip
    return all_of(draft, "Observation")


def inner(code: str, value: str, at: str = "") -> str:
    return (
        '<entryRelationship typeCode="COMP"><observation classCode="OBS" moodCode="EVN">'
        f'<templateId root="1.2.250.1.213.1.1.3.170"/><code code="{code}"/>{at}<value xsi:type="ST">{value}</value>'
        "</observation></entryRelationship>"
    )


@pytest.mark.parametrize(
    ("value", "system"),
    [
        ('code="EGFR" codeSystem="2.16.840.1.113883.6.281"', SYMBOLS),
        ('code="HGNC:3236" codeSystem="2.16.840.1.113883.6.281"', IDS),
        ('code="EGFR" codeSystem="1.2.250.1.213.2.60"', SYMBOLS),
    ],
)
def test_symbols_and_ids_of_genes(value: str, system: str) -> None:
    """HGNC: a symbol is no id; the published examples use two OIDs for the same."""
    assert gene("", value)[0]["valueCodeableConcept"]["coding"][0]["system"] == system


def test_two_variants_of_one_gene() -> None:
    """Invariant obs-7: the second is an Observation of its own, member of the first."""
    second, first = gene(inner("69548-6", "c.1A>T") + inner("69548-6", "c.2A>T"))
    assert (first["valueString"], second["valueString"], len(first["hasMember"])) == ("c.1A>T", "c.2A>T", 1)


def test_parts_of_another_time() -> None:
    """A component has the time of the whole (R4): what was found at another time is an Observation of its own."""
    when = '<effectiveTime value="20260{}01"/>'
    made = gene(inner("51959-5", "3", when.format(1)) + inner("51959-5", "4", when.format(2)))
    assert [r["effectiveDateTime"] for r in made if "effectiveDateTime" in r] == ["2026-02-01", "2026-01-01"]


def test_an_analysis_that_was_not_done() -> None:
    """The example of the ANS: MED-541 is the conclusion, and no variant is made up."""
    file = SHARED / "cda" / "CANCER-CR-GM_2022.01_AnalyseNonRealisee.xml"
    if not file.is_file():
        pytest.skip("the published example is not here")
    draft = mapped(ANY, file.read_bytes())
    assert [codes(x)[0] for x in only(draft, "DiagnosticReport")["conclusionCode"]] == ["MED-541"]
    assert coded(draft, "Observation", "69548-6") == []


def test_two_specimens_are_not_mixed() -> None:
    """What the macroscopy says is said of no specimen when there are two."""
    start = BODY.index(b'<procedure classCode="PROC"')
    start = BODY.rindex(b"<entry", 0, start)
    end = BODY.index(b"</entry>", start) + 8
    draft = mapped(ANY, BODY[:end] + BODY[start:end] + BODY[end:])
    assert [codes(r["type"]) for r in all_of(draft, "Specimen")] == [["33882-2"]] * 2
    assert edited(BODY) == BODY
