"""Every participation of the header (ANS, structuration minimale; ConceptMaps of document-core)."""

from __future__ import annotations

from typing import Any

import pytest

from .cda_run import BOARD, all_of, board, codes
from .run import only

DRAFT = board()
BASE = "http://hl7.org/fhir/uv/fhir-clinical-document/StructureDefinition/"


def told(name: str) -> list[dict[str, Any]]:
    """The participations of a kind, each with its parts by name."""
    found = [x for x in only(DRAFT, "Composition")["extension"] if x["url"] == f"{BASE}{name}-extension"]
    return [{p["url"]: next(v for k, v in p.items() if k != "url") for p in x["extension"]} for x in found]


def test_authors_with_their_time() -> None:
    """author: people, devices; fr-author-time on each; functionCode as a participation."""
    person, device = only(DRAFT, "Composition")["author"]
    assert (person["display"], person["extension"][0]["valueDateTime"]) == (
        "DR Nolwenn PENMARCH", "2026-03-16T17:55:00+01:00",
    )  # fmt: skip
    assert device["reference"].startswith("Device/")
    assert codes(told("participant")[0]["function"]) == ["353"]


def test_who_entered_informed_and_receives() -> None:
    """dataEnterer, informant (not ECON, NOK: those are contacts of the patient), informationRecipient."""
    [enterer], [informant], [recipient] = told("data-enterer"), told("informant"), told("information-recipient")
    assert (enterer["time"], enterer["party"]["display"]) == ("2026-03-16T17:50:00+01:00", "Soizic LAGADEC")
    near = DRAFT.entries[informant["party"]["reference"]].resource
    assert (near["resourceType"], codes(near["relationship"][0]), near["name"][0]["given"]) == (
        "RelatedPerson", ["CHILD"], ["Rozenn"],
    )  # fmt: skip
    assert recipient["party"]["display"] == "Yann RIOU"
    assert len(only(DRAFT, "Patient")["contact"]) == 1


def test_participants_with_type_function_time() -> None:
    """participant: RESP, REFB, PRF, INF."""
    found = [(codes(p.get("type")), codes(p.get("function")), "time" in p) for p in told("participant")[1:]]
    assert found == [
        (["RESP"], [], False), (["REFB"], [], False), (["PRF"], [], False), (["INF"], ["PCP"], False),
        (["PRF"], ["353"], True), (["PRF"], ["CORRE"], False),
    ]  # fmt: skip
    assert only(DRAFT, "Patient")["generalPractitioner"][0]["display"] == "DR Yann RIOU"


def test_attesters_order_consent_and_version() -> None:
    """legalAuthenticator, authenticator, inFulfillmentOf, authorization, versionNumber."""
    made = only(DRAFT, "Composition")
    assert [(a["mode"], a["party"]["display"]) for a in made["attester"]] == [
        ("legal", "DR Nolwenn PENMARCH"), ("professional", "DR Maiwenn KERSAUZON"),
    ]  # fmt: skip
    urls = {x["url"]: x for x in made["extension"]}
    order = urls["http://hl7.org/fhir/StructureDefinition/event-basedOn"]["valueReference"]
    assert order["identifier"]["value"].startswith("urn:uuid:5eed0001")
    assert urls["http://hl7.org/fhir/5.0/StructureDefinition/extension-Composition.version"]["valueString"] == "2"
    [consent] = all_of(DRAFT, "Consent")
    assert (consent["status"], codes(consent["category"][0]), consent["identifier"][0]["value"]) == (
        "active", ["59284-0"], "ACC-77",
    )  # fmt: skip


def test_events_each_with_its_performers() -> None:
    """documentationOf: the principal act first, with time and performer; the topography after it."""
    principal, topography = only(DRAFT, "Composition")["event"]
    assert (codes(principal["code"][0]), principal["period"]) == (["39"], {"start": "2026-03-16T17:40:00+01:00"})
    party = principal["extension"][0]["extension"][-1]["valueReference"]
    assert party["display"] == "DR Nolwenn PENMARCH"
    assert topography == {"code": [{"coding": [{
        "system": "https://smt.esante.gouv.fr/terminologie-cim-10", "code": "C50.4",
        "display": "Tumeur maligne du quadrant supéro-externe du sein",
    }]}]}  # fmt: skip


def test_a_person_told_twice_is_put_together() -> None:
    """The surgeon stands in five places of the document: one Practitioner, nothing twice."""
    [made] = [r for r in all_of(DRAFT, "Practitioner") if r["name"][0]["family"] == "KERSAUZON"]
    assert len(made["name"]) == 1
    assert [i["system"] for i in made["identifier"]] == [
        "urn:oid:1.2.250.1.71.4.2.1", "https://rpps.esante.gouv.fr",
    ]  # fmt: skip


def test_an_organisation_without_a_number_is_known_by_its_name_in_the_document() -> None:
    """With telephone or address it is an Organization; with a name alone it is named."""
    [made] = [r for r in all_of(DRAFT, "Organization") if "identifier" not in r]
    assert (made["name"], made["address"][0]["city"]) == ("Centre de radiothérapie de l'Elorn", "LANDERNEAU")
    displays = [r["organization"] for r in all_of(DRAFT, "PractitionerRole") if "organization" in r]
    assert {"display": "Équipe mobile de l'Aulne"} in displays


def test_the_place_of_the_meeting() -> None:
    """healthCareFacility with an address: a Location of its type."""
    [made] = all_of(DRAFT, "Location")
    assert (made["name"], codes(made["type"][0]), made["address"]["line"]) == (
        "Centre hospitalier des Abers", ["SA01"], ["1 Route de la Presqu'île"],
    )  # fmt: skip


@pytest.mark.parametrize(("use", "made"), [("H", "home"), ("WP", "work"), ("EC", None), ("H WP", "home"), ("", None)])
def test_the_use_of_an_address(use: str, made: str | None) -> None:
    """AD.use; one that FHIR does not know is left out."""
    patient = only(board(('<addr use="H">', f'<addr use="{use}">')), "Patient")
    assert patient["address"][0].get("use") == made


def test_an_address_that_is_null() -> None:
    """nullFlavor: no address."""
    text = BOARD.decode()
    first = text[text.index('<addr use="H">') : text.index("</addr>") + len("</addr>")]
    assert "address" not in only(board((first, '<addr nullFlavor="UNK"/>')), "Patient")
    free = only(board((first, "<addr>Bourg, Lannilis</addr>")), "Patient")
    assert free["address"] == [{"text": "Bourg, Lannilis"}]


@pytest.mark.parametrize(
    ("said", "member", "value"),
    [
        ('<sdtc:multipleBirthInd value="true"/>', "multipleBirthBoolean", True),
        ('<sdtc:multipleBirthInd value="true"/><sdtc:multipleBirthOrderNumber value="2"/>', "multipleBirthInteger", 2),
        ('<sdtc:multipleBirthOrderNumber value="0"/>', "multipleBirthInteger", None),
        ('<sdtc:deceasedInd value="true"/>', "deceasedBoolean", True),
        ('<sdtc:deceasedInd value="oui"/>', "deceasedBoolean", None),
    ],
)
def test_booleans_and_numbers_of_the_patient_know_where_they_came_from(said: str, member: str, value: object) -> None:
    """FRPatientLMCDAFHIR: deceased[x], multipleBirth[x]; lineage for what is no text, too."""
    from hub.source.origin import lineage

    change = ('<birthTime value="19630412"/>', f'<birthTime value="19630412"/>{said}')
    assert only(board(change), "Patient").get(member) == value
    told = dict(lineage(only(board(change, origins=True), "Patient"), "P"))
    assert (f"P.{member}" in told) == (value is not None)
