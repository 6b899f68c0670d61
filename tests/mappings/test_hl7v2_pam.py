"""What IHE PAM France 2.11 adds: ZBE, ZFA, ZFD, ZFM, ZFS, ZFV."""

from __future__ import annotations

from typing import Any

import pytest

from hub.fhir.draft import Draft, Rank
from hub.fhir.validate import validate

from .run import adt, edited, issues, only, sample

A01 = sample("a01.hl7")
ZBE = (
    "M1^CH-LOIRE^1.2.250.1.999.7^ISO|20260412090000||INSERT|N||"
    "Oncologie médicale^^^^^CH-LOIRE&1.2.250.1.999.7&ISO^UF^^^4410||HMS"
)
FR_0203 = "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-v2-0203"


def told(*segments: str, event: str = "A01", zbe: str = ZBE) -> Draft:
    text = A01.decode().replace("ADT^A01^ADT_A01", f"ADT^{event}").replace(ZBE, zbe).rstrip("\r")
    draft = adt("\r".join((text, *segments, "")).encode())
    for entry in draft.entries.values():
        assert validate({**entry.resource, "id": entry.id}) == []
    return draft


def consents(draft: Draft) -> dict[str, dict[str, Any]]:
    return {
        e.resource["policyRule"]["coding"][0]["code"]: e.resource
        for e in draft.entries.values() if e.type == "Consent"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("zfa", "kind", "status", "permits"),
    [
        ("|||||||||INO|20240306111154", "feed", "active", "permit"),
        ("|||||||||IO|20240306111154", "feed", "active", "deny"),
        ("|||||||||NA|20240306111154", "feed", "draft", None),
        ("|||||||||||IC|20240306111154", "consult", "active", "permit"),
        ("|||||||||||INC|20240306111154", "consult", "active", "deny"),
        ("|ACTIF|20240306111154", "record", "active", "permit"),
        ("|FERME|20240306111154|20240301", "record", "inactive", "deny"),
        ("||||Y|20240306111154", "access", "active", "permit"),
        ("||||||Y||20240306111154", "glass", "active", "deny"),
        ("|||||||N|20240306111154", "dispatch", "active", "permit"),
    ],
)
def test_what_the_patient_said_of_the_national_record(zfa: str, kind: str, status: str, permits: str | None) -> None:
    """ZFA-1 to 12: one Consent a statement, dated, of the establishment that speaks."""
    made = consents(told(f"ZFA{zfa}"))
    assert list(made) == [kind]
    consent = made[kind]
    assert (consent["status"], consent["provision"].get("type"), consent["dateTime"]) == (
        status, permits, "2024-03-06T11:11:54+01:00",
    )  # fmt: skip
    assert consent["organization"][0]["reference"].startswith("Organization/")
    assert consent["patient"]["reference"].startswith("Patient/")


def test_a_statement_replaces_the_one_of_its_kind() -> None:
    """The same patient, establishment and kind: one Consent, whatever is said; another establishment, another."""
    first, then = (told(f"ZFA|||||||||{code}") for code in ("INO", "IO"))
    ids = [{r for r in d.entries if r.startswith("Consent/")} for d in (first, then)]
    assert ids[0] == ids[1]
    other = adt((A01.decode().replace("|GAP|CH-LOIRE|", "|GAP|CH-SARTHE|").rstrip("\r") + "\rZFA|||||||||IO").encode())
    assert ids[0] != {r for r in other.entries if r.startswith("Consent/")}


def test_an_unknown_statement_is_told() -> None:
    """Nothing is guessed of a consent."""
    draft = told("ZFA|||||||||OUI")
    assert (consents(draft), issues(draft)) == ({}, [("warning", "ZFA-9")])


def test_short_messages_are_a_consent_too() -> None:
    """ZFD-3."""
    assert consents(told("ZFD|||N"))["sms"]["provision"]["type"] == "deny"


def test_how_the_identity_was_obtained() -> None:
    """PID-32 (which may repeat), PID-33, ZFD-5, ZFD-6: fr-core-identity-reliability."""
    draft = adt(
        (
            A01.decode().replace("||VALI|20250110", "||VALI~DOUB|20250110").rstrip("\r") + "\rZFD|||||INSI|20211201"
        ).encode()
    )
    held = next(e for e in only(draft, "Patient")["extension"] if e["url"].endswith("identity-reliability"))
    parts = [(e["url"], next(v for k, v in e.items() if k != "url")) for e in held["extension"]]
    assert [(url, v["code"] if isinstance(v, dict) else v) for url, v in parts] == [
        ("identityStatus", "VALI"), ("identityStatus", "DOUB"), ("validationDate", "2025-01-10"),
        ("methodCollection", "INSI"), ("dateCollection", "2021-12-01"),
    ]  # fmt: skip


def test_a_movement_of_the_past_yields() -> None:
    """ZBE-5 Y: a correction of what is over never takes the place of what is."""
    ranks = [
        next(
            e for e in told(zbe=ZBE.replace("|N||Onco", f"|{flag}||Onco")).entries.values() if e.type == "Encounter"
        ).rank
        for flag in ("N", "Y")
    ]
    assert ranks == [Rank.FEED, Rank.DOCUMENT]


@pytest.mark.parametrize(("first", "status"), [("A03", "finished"), ("A02", "in-progress"), ("", "in-progress")])
def test_a_correction_has_the_status_of_what_it_corrects(first: str, status: str) -> None:
    """Z99, ZBE-6."""
    made = told(event="Z99^ADT_A01", zbe=ZBE.replace("INSERT|N|", f"UPDATE|N|{first}"))
    assert only(made, "Encounter")["status"] == status


def test_a_cancelled_movement_leaves_nothing_of_itself() -> None:
    """ZBE-4 CANCEL: its number and its date are not those of the stay."""
    stay = only(told(event="A12^ADT_A12", zbe=ZBE.replace("INSERT", "CANCEL")), "Encounter")
    assert all(i.get("type", {}).get("text") != "Mouvement" for i in stay["identifier"])
    assert "period" not in stay["location"][0]


def test_a_field_too_many_before_the_action() -> None:
    """Published example of a discharge: what follows is read all the same."""
    plain, shifted = told(), told(zbe=ZBE.replace("||INSERT", "|||INSERT"))
    assert only(plain, "Encounter") == only(shifted, "Encounter")


def test_the_units_that_care_and_that_are_responsible() -> None:
    """ZBE-7 provides the stay, ZBE-8 the place."""
    care = "Soins^^^^^CH-LOIRE&1.2.250.1.999.7&ISO^UF^^^4411"
    draft = told(zbe=ZBE.replace("4410||HMS", f"4410|{care}|HMS"))
    stay = only(draft, "Encounter")
    place = draft.entries[stay["location"][0]["location"]["reference"]].resource
    assert [
        draft.entries[r["reference"]].resource["name"] for r in (stay["serviceProvider"], place["managingOrganization"])
    ] == ["Oncologie médicale", "Soins"]


def test_where_from_and_where_to() -> None:
    """ZFM (PMSI) beside PV1-14 and PV1-36; ZFV-1 the establishment one comes from, ZFV-9 how one leaves."""
    made = only(told("ZFM|8|9|5|6", "ZFV|490000999^20260401||||||||TRANSF"), "Encounter")["hospitalization"]
    assert [c["code"] for c in made["admitSource"]["coding"]] == ["7", "8", "5"]
    assert [c["code"] for c in made["dischargeDisposition"]["coding"]] == ["9", "6", "TRANSF"]
    assert made["origin"] == {
        "type": "Organization",
        "identifier": {
            "type": {"coding": [{"system": FR_0203, "code": "FINEG"}]},
            "system": "https://finess.esante.gouv.fr", "value": "490000999",
        },
    }  # fmt: skip


@pytest.mark.parametrize(
    ("zfs", "status"),
    [
        ("1|L7^CH-LOIRE|20260412||INSERT|SDT^Soins à la demande d'un tiers", "active"),
        ("1|L7^CH-LOIRE|20260412|20260414|UPDATE|SDT^Soins", "inactive"),
        ("1||20260412||CANCEL|SDT^Soins", "entered-in-error"),
    ],
)
def test_the_legal_mode_of_care_is_a_flag(zfs: str, status: str) -> None:
    """ZFS-2 to 6."""
    flag = only(told(f"ZFS|{zfs}"), "Flag")
    assert (flag["status"], flag["code"]["coding"][0]["code"]) == (status, "SDT")
    assert flag["encounter"]["reference"].startswith("Encounter/")


def test_a_mode_that_says_nothing_is_none() -> None:
    """ZFS-6 is what it is about."""
    assert not [r for r in told("ZFS|1|L7").entries if r.startswith("Flag/")]


def test_the_practice_of_the_declared_practitioner() -> None:
    """ROL-11 and ROL-12."""
    rol = (
        "ROL||UC|ODRP|899700000024^ROUX^Paul^^^^^^A&1.2.250.1.71.4.2.1&ISO^D^^^IDNPS"
        "|||||||3 RUE B^^ANGERS^^49000^FRA^O|^WPN^PH^^^^^^^^^0241"
    )
    draft = adt(edited(A01, ("\rNK1|", f"\r{rol}\rNK1|")))
    person = draft.entries[only(draft, "Patient")["generalPractitioner"][0]["reference"]].resource
    assert (person["telecom"][0]["value"], person["address"][0]["city"]) == ("0241", "ANGERS")
