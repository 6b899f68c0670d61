"""PV1, PV2 and ZBE of an ADT to Encounter, and what each event says (IHE PAM France 2.11)."""

from __future__ import annotations

import pytest

from hub.fhir.draft import Draft, resource_id
from hub.source.origin import lineage

from .run import IPP, adt, edited, issues, mapped, only, refs, sample

A01 = sample("a01.hl7")
INS_IN_PID = "~255064900799907^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.10&ISO^INS^^20250110"


def event(name: str, *changes: tuple[str, str]) -> Draft:
    return adt(edited(A01, ("ADT^A01^ADT_A01", f"ADT^{name}"), *changes))


@pytest.mark.parametrize(
    ("name", "status"),
    [("A01", "in-progress"), ("A03", "finished"), ("A04", "in-progress"), ("A05", "planned"), ("A11", "cancelled"),
     ("A13", "in-progress"), ("A21", "onleave"), ("A23", "entered-in-error"), ("A38", "cancelled"),
     ("Z99", "in-progress")],
)  # fmt: skip
def test_the_event_says_the_state_of_the_stay(name: str, status: str) -> None:
    """§3.3; IHE PAM France."""
    assert status == only(event(name), "Encounter")["status"]


@pytest.mark.parametrize("name", ["A28", "A31", "A40", "A47", "A24"])
def test_events_of_identity_say_nothing_of_a_stay(name: str) -> None:
    """The Patient alone."""
    draft = event(name)
    assert refs(draft, "Encounter") == []
    assert only(draft, "Patient")["active"]


@pytest.mark.parametrize(
    ("dates", "status"), [("", None), ("20260412090000", "in-progress"), ("20260412090000|20260415163000", "finished")]
)
def test_an_update_states_a_stay_only_when_it_dates_it(dates: str, status: str | None) -> None:
    """A08 after a discharge must not reopen the stay."""
    draft = event("A08", ("ISO^VN\r", f"ISO^VN{'|' * 25}{dates}\r"))
    assert ([] if status is None else [status]) == [
        e.resource["status"] for e in draft.entries.values() if e.type == "Encounter"
    ]


def test_a_person_that_is_deleted_is_no_longer_active() -> None:
    """A29."""
    assert False is only(event("A29"), "Patient")["active"]


def test_the_event_may_stand_in_evn() -> None:
    """Before v2.4 MSH-9 may lack it; EVN-1 says it."""
    draft = adt(edited(A01, ("ADT^A01^ADT_A01", "ADT"), ("EVN|", "EVN|A03")))
    assert only(draft, "Encounter")["status"] == "finished"
    assert (
        only(adt(edited(A01, ("ADT^A01^ADT_A01", "ADT^A05"), ("\rEVN|", "\rZVN|"))), "Encounter")["status"] == "planned"
    )


def test_the_stay_is_known_by_its_number() -> None:
    """PV1-19, else the account PID-18; without either it cannot be kept."""
    account = adt(edited(A01, ("V20260412^^^CH-LOIRE&1.2.250.1.999.7&ISO^VN", "")))
    assert [f"Encounter/{resource_id('Encounter', IPP[0], '26000042')}"] == refs(account, "Encounter")
    none = adt(
        edited(
            A01, ("V20260412^^^CH-LOIRE&1.2.250.1.999.7&ISO^VN", ""), ("26000042^^^CH-LOIRE&1.2.250.1.999.7&ISO^AN", "")
        )
    )
    assert (refs(none, "Encounter"), issues(none)) == ([], [("warning", "PV1-19")])


@pytest.mark.parametrize("pv1", ["PV1|1|N|", "ZV1|1|I|"])
def test_without_a_stay_there_is_no_encounter(pv1: str) -> None:
    """PV1-2 N: not applicable."""
    draft = adt(edited(A01, ("PV1|1|I|", pv1)))
    assert (refs(draft, "Encounter"), issues(draft)) == ([], [])


def test_an_unknown_class_is_told() -> None:
    """Table 0004 is site-defined: ambulatory, with a warning."""
    draft = adt(edited(A01, ("PV1|1|I|", "PV1|1|X|")))
    assert (only(draft, "Encounter")["class"]["code"], issues(draft)) == ("AMB", [("warning", "PV1-2")])


def test_the_period_comes_from_the_movement_when_pv1_lacks_it() -> None:
    """A01: ZBE-2, else EVN-6; A03: ZBE-3, else EVN-6; a cancelled movement dates nothing."""
    assert only(adt(A01), "Encounter")["period"] == {"start": "2026-04-12T09:00:00+02:00"}
    no_zbe = event("A01", ("\rZBE|", "\rZBZ|"))
    assert only(no_zbe, "Encounter")["period"] == {"start": "2026-04-12T09:00:00+02:00"}
    moved = event("A03", ("20260412090000||INSERT", "20260412090000|20260413100000|INSERT"))
    assert only(moved, "Encounter")["period"] == {"end": "2026-04-13T10:00:00+02:00"}
    assert only(event("A03"), "Encounter")["period"] == {"end": "2026-04-12T09:00:00+02:00"}
    bare = event("A01", ("||||20260412090000\rPID", "\rPID"), ("||INSERT", "||CANCEL"))
    assert "period" not in only(bare, "Encounter")


def test_a_stay_that_ends_before_it_starts_loses_its_end() -> None:
    """per-1, with a warning."""
    draft = adt(edited(sample("a03.hl7"), ("|20260415163000\rZBE", "|20260401163000\rZBE")))
    assert only(draft, "Encounter")["period"] == {"start": "2026-04-12T09:00:00+02:00"}
    assert issues(draft) == [("warning", "PV1-45")]


def test_a_planned_stay_has_its_expected_dates() -> None:
    """PV2-8, PV2-9."""
    period = only(adt(sample("a05.hl7")), "Encounter")["period"]
    assert period == {"start": "2026-05-01T09:00:00+02:00", "end": "2026-05-03"}


def test_the_units_and_the_establishment() -> None:
    """ZBE-7 is the medical unit, part of the establishment of PV1-3.4; without it the establishment."""
    draft = adt(A01)
    provider = draft.entries[only(draft, "Encounter")["serviceProvider"]["reference"]].resource
    house = draft.entries[provider["partOf"]["reference"]].resource
    assert (provider["name"], house["name"]) == ("Oncologie médicale", "CH-LOIRE")
    alone = event("A01", ("\rZBE|", "\rZBZ|"))
    assert alone.entries[only(alone, "Encounter")["serviceProvider"]["reference"]].resource["name"] == "CH-LOIRE"
    nowhere = event("A01", ("\rZBE|", "\rZBZ|"), ("MED-A^12^2^CH-LOIRE&1.2.250.1.999.7&ISO", ""))
    assert {"serviceProvider", "location"}.isdisjoint(only(nowhere, "Encounter"))


def test_a_unit_without_a_number_is_only_named() -> None:
    """XON without XON-10; a FINESS in it is given in both forms."""
    unit = "Oncologie médicale^^^^^CH-LOIRE&1.2.250.1.999.7&ISO^UF^^^4410"
    assert only(adt(edited(A01, (unit, "Onco"))), "Encounter")["serviceProvider"] == {"display": "Onco"}
    draft = adt(edited(A01, (unit, "CH^^^^^A&1.2.250.1.71.4.2.2&ISO^FINEG^^^490000999")))
    provider = draft.entries[only(draft, "Encounter")["serviceProvider"]["reference"]].resource
    assert [i["value"] for i in provider["identifier"]] == ["1490000999", "490000999"]
    assert (
        adt(edited(A01, (unit, "")))
        .entries[only(adt(edited(A01, (unit, ""))), "Encounter")["serviceProvider"]["reference"]]
        .resource["name"]
        == "CH-LOIRE"
    )


def test_coded_reasons() -> None:
    """PV2-3 with a code system; PV2-12 in words."""
    draft = adt(
        edited(A01, ("PV2|||^Bilan d'extension", "PV2|||C50.9^Tumeur du sein^CIM-10^L1^Sein^99X|||||||||Surveillance"))
    )
    assert only(draft, "Encounter")["reasonCode"] == [
        {"coding": [
            {"system": "https://smt.esante.gouv.fr/terminologie-cim-10", "code": "C50.9", "display": "Tumeur du sein"},
            {"code": "L1", "display": "Sein"},
        ]},
        {"text": "Surveillance"},
    ]  # fmt: skip


def test_the_lineage_of_a_patient() -> None:
    """Where each value was read (house, way of a message, step 7)."""
    draft = mapped("hl7v2.messages.adt", A01, origins=True)
    told = dict(lineage(only(draft, "Patient"), "Patient"))
    expected = {
        "Patient.birthDate": "PID-7", "Patient.gender": "PID-8", "Patient.identifier[0].value": "PID-3[2].1",
        "Patient.identifier[0].system": "PID-3[2].4.2", "Patient.name[0].family": "PID-5.1",
        "Patient.name[1].use": "PID-5[2].7", "Patient.address[0].city": "PID-11.3",
        "Patient.contact[0].telecom[0].value": "NK1[1]-5.12",
    }  # fmt: skip
    assert expected == {path: told.get(path) for path in expected}
    site = {"authorities": {"CH-LOIRE": "1.2.9"}}
    own = dict(lineage(only(mapped("hl7v2.messages.adt", A01, site, origins=True), "Patient"), "P"))
    assert own["P.identifier[1].system"] == "PID-3.4.1"
