"""Medicines and devices whatever the model (IHE PCC 4.7 and 4.12; E~151, E~173, E~20; R4 MedicationStatement...)."""

from __future__ import annotations

from typing import Any

import pytest

from hub.fhir.draft import Draft
from hub.fhir.validate import validate

from .cda_run import all_of, codes, entry
from .run import only

CR = "1.2.250.1.213.1.1.1.45"
PRODUCT = (
    "<consumable><manufacturedProduct><manufacturedMaterial>"
    '<code code="3400936915657" codeSystem="1.2.250.1.213.2.3.2"/><name>Produit</name></manufacturedMaterial>'
    "<manufacturerOrganization><name>Fabricant</name></manufacturerOrganization></manufacturedProduct></consumable>"
)


def given(inside: str, attributes: str = 'moodCode="EVN"', template: str = "", product: str = PRODUCT) -> Draft:
    """A document with one substanceAdministration; all of it is valid."""
    told = f'<templateId root="1.2.250.1.213.1.1.3.{template}"/>' if template else ""
    draft = entry(
        f'<substanceAdministration classCode="SBADM" {attributes}>{told}<code code="DRUG"/>{inside}{product}'
        "</substanceAdministration>",
        CR,
    )
    for made in draft.entries.values():
        assert validate({**made.resource, "id": made.id}) == []
    return draft


DOSE = (
    '<statusCode code="active"/><effectiveTime xsi:type="IVL_TS"><low value="20260101"/><high value="20260201"/>'
    '</effectiveTime><effectiveTime xsi:type="PIVL_TS"><period value="8" unit="h"/></effectiveTime>'
    '<routeCode code="20053000" codeSystem="0.4.0.127.0.16.1.1.2.1"/><approachSiteCode code="S"/>'
    '<doseQuantity><low value="1" unit="mg"/><high value="2" unit="mg"/></doseQuantity>'
    '<rateQuantity value="10" unit="mL/h"/>'
)


def test_a_treatment_that_is_taken() -> None:
    """Mood EVN: MedicationStatement with its dosage: every 8 hours, 1 to 2 mg."""
    made = only(given(DOSE), "MedicationStatement")
    assert (made["status"], made["effectivePeriod"]) == ("active", {"start": "2026-01-01", "end": "2026-02-01"})
    [dosage] = made["dosage"]
    assert dosage["timing"]["repeat"] == {"frequency": 1, "period": 8, "periodUnit": "h"}
    [rate] = dosage["doseAndRate"]
    assert (rate["doseRange"]["low"]["value"], rate["doseRange"]["high"]["value"], rate["rateQuantity"]["value"]) == (
        1, 2, 10,
    )  # fmt: skip
    assert (codes(dosage["route"]), codes(dosage["site"])) == (["20053000"], ["S"])


def test_a_treatment_that_is_asked_for() -> None:
    """Moods INT, RQO...: MedicationRequest; its time bounds the dosage (R4 has none of its own)."""
    made = only(given(DOSE, 'moodCode="RQO"'), "MedicationRequest")
    assert (made["intent"], made["status"]) == ("order", "active")
    [dosage] = made["dosageInstruction"]
    assert dosage["timing"]["repeat"]["boundsPeriod"] == {"start": "2026-01-01", "end": "2026-02-01"}
    once = only(given('<effectiveTime value="20260101"/>', 'moodCode="INT"'), "MedicationRequest")
    assert once["dosageInstruction"][0]["timing"]["event"] == ["2026-01-01"]


@pytest.mark.parametrize(
    ("mood", "template", "kind", "status"),
    [
        ("EVN", "", "MedicationStatement", "not-taken"),
        ("EVN", "151", "MedicationAdministration", "not-done"),
        ("EVN", "45", "Immunization", "not-done"),
    ],
)
def test_what_is_denied(mood: str, template: str, kind: str, status: str) -> None:
    """negationInd: it was not."""
    made = only(given("", f'moodCode="{mood}" negationInd="true"', template), kind)
    assert made["status"] == status


def test_what_shall_not_be_given() -> None:
    """A request that is denied is one not to perform."""
    assert only(given("", 'moodCode="INT" negationInd="true"'), "MedicationRequest")["doNotPerform"] is True


def test_the_product() -> None:
    """Its codes, its name, who makes it; without a code it is its name."""
    draft = given("")
    assert codes(only(draft, "Medication")["code"]) == ["3400936915657"]
    assert only(draft, "Medication")["manufacturer"] == {"display": "Fabricant"}
    named = "<consumable><manufacturedProduct><manufacturedMaterial><name>Nom</name></manufacturedMaterial>"
    named += "</manufacturedProduct></consumable>"
    assert only(given("", product=named), "Medication")["code"] == {"text": "Nom"}
    assert only(given("", template="45", product=named), "Immunization")["vaccineCode"] == {"text": "Nom"}


@pytest.mark.parametrize("template", ["", "151", "45"])
@pytest.mark.parametrize(
    "product",
    ["", "<consumable/>", PRODUCT[: PRODUCT.index("<code")] + PRODUCT[PRODUCT.index("</manufacturedMaterial>") :]],
)  # fmt: skip
def test_without_a_product_nothing_is_made(template: str, product: str) -> None:
    """Nothing is given that has no name."""
    kinds = {e.type for e in given("", template=template, product=product).entries.values()}
    assert not kinds & {"Medication", "MedicationStatement", "MedicationAdministration", "Immunization"}


@pytest.mark.parametrize(
    ("xml", "dosage"),
    [
        ('<doseQuantity value="3" unit="mL"/>', {"dose": 3}),
        ('<doseQuantity><high value="3" unit="mL"/></doseQuantity>', {"dose": 3}),
        ('<rateQuantity><low value="3" unit="mL"/></rateQuantity>', {"rateQuantity": 3}),
        ('<doseQuantity nullFlavor="UNK"/>', None),
    ],
)
def test_doses_of_what_was_given(xml: str, dosage: dict[str, Any] | None) -> None:
    """Invariant mad-1: no dosage without a dose or a rate; the route is told all the same."""
    made = only(given(f'<routeCode code="R"/>{xml}', template="151"), "MedicationAdministration")
    told = {k: v["value"] for k, v in made.get("dosage", {}).items() if k != "route"}
    assert (told or None) == dosage
    if dosage is None:
        assert [codes(x["valueCodeableConcept"]) for x in made["extension"]] == [["R"]]


def test_a_rate_that_is_a_ratio() -> None:
    """RTO: so much in so much time."""
    xml = (
        '<rateQuantity xsi:type="RTO"><numerator xsi:type="PQ" value="9" unit="mL"/>'
        '<denominator xsi:type="PQ" value="1" unit="h"/></rateQuantity>'
    )
    made = only(given(xml, template="151"), "MedicationAdministration")
    assert made["dosage"]["rateRatio"]["denominator"]["code"] == "h"


def test_a_time_that_is_required_and_not_known() -> None:
    """C-CDA on FHIR: data-absent-reason; the document has no act whose time it could be."""
    made = only(given("", template="151"), "MedicationAdministration")
    assert made["_effectiveDateTime"]["extension"][0]["valueCode"] == "unknown"


@pytest.mark.parametrize(
    ("xml", "when"),
    [
        ('<effectiveTime value="20260105"/>', "2026-01-05"),
        ('<effectiveTime><low value="20260105"/></effectiveTime>', "2026-01-05"),
        ('<effectiveTime><high value="20260106"/></effectiveTime>', "2026-01-06"),
    ],
)
def test_when_a_vaccine_was_given(xml: str, when: str) -> None:
    """R4 knows one moment."""
    body = f'<statusCode code="completed"/>{xml}<doseQuantity value="1"/><approachSiteCode code="LA"/>'
    made = only(given(body, template="45"), "Immunization")
    assert (made["occurrenceDateTime"], made["status"], codes(made["site"])) == (when, "completed", ["LA"])


def supply(inside: str, mood: str = "EVN") -> list[dict[str, Any]]:
    draft = entry(f'<supply classCode="SPLY" moodCode="{mood}">{inside}</supply>', CR)
    return all_of(draft, "DeviceUseStatement")


DEVICE = (
    '<participant typeCode="DEV"><participantRole><playingDevice><code code="D"/></playingDevice></participantRole>'
    "</participant>"
)


def test_a_device() -> None:
    """E~20 without a status was used; a supply that names no device, or is asked for, makes none."""
    assert [d["status"] for d in supply(DEVICE)] == ["completed"]
    assert supply("") == supply(DEVICE.replace("DEV", "PRD")) == supply(DEVICE, "RQO") == []
    assert supply('<participant typeCode="DEV"><participantRole><playingDevice/></participantRole></participant>') == []
