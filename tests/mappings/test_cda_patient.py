"""recordTarget of a CDA to Patient (ANS, structuration minimale; RNIV; fr-core)."""

from __future__ import annotations

from typing import Any

import pytest

from hub.errors import MappingError
from hub.fhir.draft import Draft, Rank, resource_id

from .run import INS, IPP, cut, edited, mapped, only, refs, sample

REPORT = sample("report.xml")
CDA = "cda.documents.header"
INS_ID = '<id root="1.2.250.1.213.1.4.10" extension="255064900799907"/>'
IPP_ID = '<id root="1.2.250.1.999.7" extension="P1001"/>'


def report(*changes: tuple[str, str], **site: Any) -> Draft:
    return mapped(CDA, edited(REPORT, *changes), site)


def reference(*changes: tuple[str, str]) -> dict:
    return only(report(*changes), "DocumentReference")


def test_the_patient_is_that_of_the_adt() -> None:
    """Known by the INS, at the rank of a document: the feed of the hospital says more."""
    draft = mapped(CDA, REPORT)
    main, view = (draft.entries[f"Patient/{resource_id('Patient', *who)}"] for who in (INS, IPP))
    assert (main.rank, main.only_if_exists, view.only_if_exists) == (Rank.DOCUMENT, False, True)
    from_adt = mapped("hl7v2.messages.adt", sample("a01.hl7"))
    assert [main.ref] == refs(from_adt, "Patient")
    assert (view.ref, "qualified") in from_adt.patches
    assert set(refs(draft, "Encounter")) == set(refs(from_adt, "Encounter"))


def test_without_an_ins_the_identifier_of_the_establishment_identifies() -> None:
    """The first that is an IPP: never the NIR of the mother nor an INS-C."""
    draft = report(
        (INS_ID,
         '<id root="1.2.250.1.213.1.4.13" extension="1"/><id root="1.2.250.1.213.1.4.2" extension="2"/>'
         '<id nullFlavor="UNK"/>'
         '<id root="1.2.3"/>'),
    )  # fmt: skip
    assert [f"Patient/{resource_id('Patient', *IPP)}"] == refs(draft, "Patient")
    assert [i["type"]["coding"][0]["code"] for i in only(draft, "Patient")["identifier"]] == ["NH", "INS-C", "PI"]


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ((cut("recordTarget"),), "recordTarget/patientRole"),
        (((INS_ID, ""), (IPP_ID, "")),
         "recordTarget/patientRole/id"),
        ((('<id root="1.2.250.1.999.7.20" extension="CR-77.2"/>', '<id nullFlavor="NI"/>'),),
         "ClinicalDocument/id/@root"),
    ],
)  # fmt: skip
def test_what_a_document_cannot_do_without(changes: tuple[tuple[str, str], ...], where: str) -> None:
    """Held with the place: nobody and nothing is invented."""
    with pytest.raises(MappingError) as e:
        report(*changes)
    assert where == e.value.where


def test_a_patient_without_a_name_holds_the_document() -> None:
    """RNIV: name always."""
    draft = report(cut("patient"))
    assert [(i.severity, i.where) for i in draft.issues] == [("error", "recordTarget/patientRole/patient/name")]
    assert {"gender", "birthDate", "name"}.isdisjoint(only(draft, "Patient"))


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ('<family>N</family><given>P Q</given>', [{"family": "N", "given": ["P Q"]}]),
        ('<family qualifier="BR">N</family><given>ANNE LISE</given>', [("official", "N", ["ANNE"], "ANNE LISE")]),
        ('<family qualifier="BR">N</family>', [("official", "N", None, None)]),
        ('<family qualifier="SP">M</family>', [{"use": "usual", "family": "M"}]),
        ("Jean Dupont", [{"text": "Jean Dupont"}]),
    ],
)  # fmt: skip
def test_names_of_the_patient(name: str, made: list) -> None:
    """BR is birth, CL and SP are used, none is the list of given names (RNIV)."""
    old, _ = cut("name")
    names = only(report((old, f"<name>{name}</name>")), "Patient")["name"]
    seen = [
        (n["use"], n["family"], n.get("given"), n["extension"][0]["valueString"] if "extension" in n else None)
        if n.get("use") == "official" else n
        for n in names
    ]  # fmt: skip
    assert made == seen


@pytest.mark.parametrize(
    ("addr", "made"),
    [
        ("<addr nullFlavor='UNK'/>", None),
        ("<addr use='WP DIR'><streetAddressLine>1 rue X</streetAddressLine><county>49</county><state>PDL</state>"
         "</addr>",
         {"use": "work", "line": ["1 rue X"], "district": "49", "state": "PDL"}),
        ("<addr>1 rue X, Angers</addr>", {"text": "1 rue X, Angers"}),
        ("<addr use='XX'><unitID>Apt 2</unitID><city>ANGERS</city></addr>", {"line": ["Apt 2"], "city": "ANGERS"}),
        ("<addr><city> </city></addr>", None),
    ],
)  # fmt: skip
def test_addresses(addr: str, made: dict | None) -> None:
    """Parts, lines or words; a nullFlavor gives none."""
    told = only(report((cut("addr")[0], addr)), "Patient")
    assert ([made] if made else None) == told.get("address")


@pytest.mark.parametrize(
    ("telecom", "made"),
    [
        ('value="tel:+33 2 41" use="MC"', {"system": "phone", "value": "+33 2 41", "use": "mobile"}),
        ('value="fax:0241"', {"system": "fax", "value": "0241"}),
        ('value="0241"', {"system": "phone", "value": "0241"}),
        ('value="a@b.fr"', {"system": "email", "value": "a@b.fr"}),
        ('value="https://x.example" use="WP"', {"system": "url", "value": "https://x.example", "use": "work"}),
        ('value="xyz:1"', {"system": "other", "value": "xyz:1"}),
        ('value="tel:"', None),
        ('nullFlavor="UNK"', None),
    ],
)
def test_telecoms(telecom: str, made: dict | None) -> None:
    """The scheme of the URL says the system (RFC 3966, RFC 6068)."""
    told = only(report(('<telecom value="tel:0241000001" use="H"/>', f"<telecom {telecom}/>")), "Patient")
    assert ([made] if made else []) == told["telecom"][:-1]


@pytest.mark.parametrize(
    ("sdtc", "made"),
    [
        ('<sdtc:deceasedTime value="20260401"/>', {"deceasedDateTime": "2026-04-01"}),
        ('<sdtc:deceasedTime nullFlavor="UNK"/><sdtc:deceasedInd value="true"/>', {"deceasedBoolean": True}),
        ('<sdtc:deceasedInd nullFlavor="UNK"/>', {}),
    ],
)
def test_death(sdtc: str, made: dict) -> None:
    """sdtc:deceasedTime, else sdtc:deceasedInd."""
    told = only(report(('<sdtc:deceasedInd value="false"/>', sdtc)), "Patient")
    assert made == {k: v for k, v in told.items() if k.startswith("deceased")}


def test_the_place_of_birth() -> None:
    """county is the INSEE code; an empty one gives nothing."""
    url = "http://hl7.org/fhir/StructureDefinition/patient-birthPlace"
    birth = only(mapped(CDA, REPORT), "Patient")["extension"][0]
    assert (url, "ANGERS", "49007") == (
        birth["url"], birth["valueAddress"]["city"], birth["valueAddress"]["extension"][0]["valueCoding"]["code"],
    )  # fmt: skip
    assert "extension" not in only(
        report(("<addr><county>49007</county><city>ANGERS</city></addr>", "<addr/>")), "Patient"
    )


def test_relatives() -> None:
    """Guardian, person to call (ECON, C) and trusted person (NOK, N); other informants are no contacts."""
    contacts = only(mapped(CDA, REPORT), "Patient")["contact"]
    assert [[x["code"] for x in c["relationship"][0]["coding"]] for c in contacts] == [["GUARD"], ["ECON", "C", "SON"]]
    trusted = only(report(('classCode="ECON"', 'classCode="NOK"')), "Patient")["contact"][1]
    assert [x["code"] for x in trusted["relationship"][0]["coding"]] == ["NOK", "N", "SON"]
    assert len(only(report(('classCode="ECON"', 'classCode="CON"')), "Patient")["contact"]) == 1
    nobody = report(cut("relatedPerson"), ('<telecom value="tel:0600000003" use="MC"/>', ""))
    assert len(only(nobody, "Patient")["contact"]) == 1


def test_the_general_practitioner() -> None:
    """participant with functionCode PCP; one that is only named by an organisation cannot be referred to."""
    draft = mapped(CDA, REPORT)
    role = draft.entries[only(draft, "Patient")["generalPractitioner"][0]["reference"]].resource
    assert role["organization"] == {"display": "Cabinet du Dr PETIT"}
    who = draft.entries[role["practitioner"]["reference"]].resource
    assert [i["value"] for i in who["identifier"]] == ["810000000017", "10000000017"]
    assert "generalPractitioner" not in only(report(('code="PCP"', 'code="CORRE"')), "Patient")
    anonymous = report(
        ('<id root="1.2.250.1.71.4.2.1" extension="810000000017"/>', ""),
        ("<associatedPerson><name><family>PETIT</family><given>Luc</given></name></associatedPerson>", ""),
    )
    assert "generalPractitioner" not in only(anonymous, "Patient")
