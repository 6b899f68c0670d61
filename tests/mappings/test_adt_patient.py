"""PID of an ADT to Patient (IHE PAM France 2.11; HL7 v2-to-FHIR; RNIV)."""

from __future__ import annotations

import pytest

from hub.errors import MappingError
from hub.fhir.draft import Rank, resource_id

from .run import INS, IPP, adt, edited, issues, only, refs, sample

A01 = sample("a01.hl7")
INS_IN_PID = "~255064900799907^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.10&ISO^INS^^20250110"
IPP_IN_PID = "P1001^^^CH-LOIRE&1.2.250.1.999.7&ISO^PI~"


def patient(*changes: tuple[str, str]) -> dict:
    return only(adt(edited(A01, *changes)), "Patient")


def test_the_patient_is_known_by_the_qualified_ins() -> None:
    """RNIV: identity VALI; the view under the IPP then points to it, if it is there or when it comes."""
    draft = adt(A01)
    main, view = (f"Patient/{resource_id('Patient', *who)}" for who in (INS, IPP))
    assert refs(draft, "Patient") == [main]
    said = draft.patches[view, "qualified"]
    assert ({"active": False}, [{"other": {"reference": main}, "type": "replaced-by"}], Rank.FEED) == (
        said.sets, said.adds["link"], said.rank,
    )  # fmt: skip


def test_an_identity_that_is_doubted_again_gives_the_view_back() -> None:
    """PID-32 PROV with the INS in PID-3: the statement is taken back; without an INS nothing is said."""
    draft = adt(edited(A01, ("||VALI|", "||PROV|")))
    said = draft.patches[f"Patient/{resource_id('Patient', *IPP)}", "qualified"]
    assert (said.sets, said.adds) == ({}, {})
    assert adt(edited(A01, ("||VALI|", "||PROV|"), (INS_IN_PID, ""))).patches == {}


def test_an_ins_that_is_not_qualified_is_not_kept() -> None:
    """fr-core: an INS only with VALI; the IPP identifies, and a warning says why."""
    draft = adt(edited(A01, ("||VALI|", "||PROV|")))
    assert [f"Patient/{resource_id('Patient', *IPP)}"] == refs(draft, "Patient")
    assert [(i["system"], i["value"]) for i in only(draft, "Patient")["identifier"]] == [IPP]
    assert issues(draft) == [("warning", "PID-3[2].1")]


def test_an_ins_without_its_authority_is_not_kept() -> None:
    """Which INS it is, is said by the OID alone."""
    draft = adt(edited(A01, ("ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.10&ISO^INS", "^INS")))
    assert issues(draft) == [("warning", "PID-3[2].4")]
    assert len(only(draft, "Patient")["identifier"]) == 1


def test_a_wrong_key_is_a_warning() -> None:
    """Samples and demonstrations break it; people with a wrong number must be found all the same."""
    assert issues(adt(edited(A01, ("255064900799907", "255064900799908")))) == [("warning", "PID-3[2].1")]


def test_a_second_ins_is_an_old_one() -> None:
    """fr-core-2: exactly one official identifier under VALI."""
    made = patient((INS_IN_PID, INS_IN_PID + INS_IN_PID.replace("255064900799907", "142076938188822")))
    assert [i["use"] for i in made["identifier"]] == ["official", "usual", "old"]


def test_a_provisional_matricule_is_temporary() -> None:
    """INS-NIA, OID .9."""
    made = patient(("1.2.250.1.213.1.4.10", "1.2.250.1.213.1.4.9"))
    assert (made["identifier"][0]["use"], made["identifier"][0]["type"]["coding"][0]["code"]) == ("temp", "INS-NIA")


def test_other_identifiers_are_kept_with_their_type() -> None:
    """An identifier that is no IPP stays beside it; alone it is better than none."""
    made = patient((IPP_IN_PID, IPP_IN_PID + "77^^^RRI-PDL&1.2.250.1.999.8&ISO^RRI~9^^^A&1.2.9&ISO^INS-C~"))
    assert [(i["value"], i["type"]["coding"][0]["code"], i.get("use")) for i in made["identifier"][2:]] == [
        ("77", "RRI", None),
        ("9", "INS-C", "secondary"),
    ]
    draft = adt(edited(A01, (IPP_IN_PID, "77^^^RRI-PDL&1.2.250.1.999.8&ISO^RRI~"), (INS_IN_PID, "")))
    assert [f"Patient/{resource_id('Patient', 'urn:oid:1.2.250.1.999.8', '77')}"] == refs(draft, "Patient")


@pytest.mark.parametrize(
    "changes",
    [((IPP_IN_PID, ""), (INS_IN_PID[1:], "")), ((IPP_IN_PID, ""), ("||VALI|", "||PROV|"))],
    ids=["none", "INS not qualified"],
)
def test_a_patient_without_a_usable_identifier_is_refused(changes: tuple[tuple[str, str], ...]) -> None:
    """Nobody may be invented: the message is held with the place."""
    with pytest.raises(MappingError) as e:
        adt(edited(A01, *changes))
    assert (e.value.where, e.value.code) == ("PID-3", "101")


def test_a_message_without_pid_is_refused() -> None:
    """Table 0357, 100."""
    with pytest.raises(MappingError) as e:
        adt(edited(A01, ("\rPID|", "\rZID|")))
    assert e.value.where == "PID"


def test_a_patient_without_a_name_holds_the_message() -> None:
    """PID-5 is required (v2.5 §3.4.2.5)."""
    draft = adt(edited(A01, ("LEFÈVRE^ODETTE^ODETTE JEANNE^^MME^^L~MARTIN^ODETTE^^^^^D", "")))
    assert issues(draft) == [("error", "PID-5")]


def test_a_local_authority_may_be_given_an_oid_by_the_site() -> None:
    """``with: {authorities: {CH-LOIRE: ...}}``: so the IPP of a message and of a CDA meet."""
    body = edited(A01, ("CH-LOIRE&1.2.250.1.999.7&ISO", "CH-LOIRE&007&N"), (INS_IN_PID, ""))
    plain, told = adt(body), adt(body, {"authorities": {"CH-LOIRE": "1.2.250.1.999.7"}})
    assert only(plain, "Patient")["identifier"][0]["system"] == "urn:oncohub:authority:CH-LOIRE:007"
    assert [f"Patient/{resource_id('Patient', *IPP)}"] == refs(told, "Patient")


def test_the_names_of_birth_and_use() -> None:
    """RNIV: birth name, first given name, list of given names; the name used beside them."""
    birth, used = patient()["name"]
    assert (
        birth["use"], birth["family"], birth["given"], birth["extension"][0]["valueString"],
    ) == ("official", "LEFÈVRE", ["ODETTE"], "ODETTE JEANNE")  # fmt: skip
    assert used == {"use": "usual", "family": "MARTIN", "given": ["ODETTE"]}


def test_a_sender_that_puts_only_further_names_in_xpn_3() -> None:
    """Plain HL7 v2: XPN-3 is the second given names; the French list starts with the first."""
    assert patient(("ODETTE JEANNE^", "LOUISE^"))["name"][0]["extension"][0]["valueString"] == "ODETTE LOUISE"


@pytest.mark.parametrize(
    ("written", "made"),
    [
        ("N^P^Q^JR^DR^^M", {"use": "maiden", "family": "N", "given": ["P", "Q"], "prefix": ["DR"], "suffix": ["JR"]}),
        ("N^^^^^^U", {"family": "N"}),
        ("N^P", {"family": "N", "given": ["P"]}),
        ("DE LA&DE LA&X^P^^^^^D", {"use": "usual", "family": "DE LA", "given": ["P"]}),
    ],
)
def test_other_kinds_of_names(written: str, made: dict) -> None:
    """Table 0200."""
    assert [made] == patient(("LEFÈVRE^ODETTE^ODETTE JEANNE^^MME^^L~MARTIN^ODETTE^^^^^D", written))["name"]


def test_the_place_of_birth_is_no_address() -> None:
    """PID-11 of type BDL, XAD-9 the INSEE code of the commune."""
    made = patient(("^^^^^^BDL^^49007", "^^ANGERS^^49000^FRA^BDL^^49007"))
    birth = next(e for e in made["extension"] if e["url"].endswith("patient-birthPlace"))["valueAddress"]
    assert (
        birth["city"], birth["postalCode"], birth["country"], birth["extension"][0]["valueCoding"]["code"],
    ) == ("ANGERS", "49000", "FRA", "49007")  # fmt: skip
    assert len(made["address"]) == 1


def test_the_place_of_birth_as_text() -> None:
    """PID-23, when PID-11 does not say it."""
    made = patient(("~^^^^^^BDL^^49007", ""), ("||||||N||||||N||VALI", "|||||ANGERS|N||||||N||VALI"))
    birth = next(e for e in made["extension"] if e["url"].endswith("patient-birthPlace"))
    assert birth["valueAddress"] == {"text": "ANGERS"}


def test_an_address_of_nothing_but_its_kind_is_left_out() -> None:
    """An element is never empty."""
    assert "address" not in patient(("4 RUE DES TANNEURS^BÂT B^ANGERS^^49000^FRA^H~", "^^^^^^H~"))


@pytest.mark.parametrize(
    ("xtn", "made"),
    [
        ("0241000001", {"system": "phone", "value": "0241000001"}),
        ("^WPN^FX^^33^2^41000001", {"system": "fax", "value": "+33 241000001", "use": "work"}),
        ("^PRN^PH^^^^41000001", {"system": "phone", "value": "41000001", "use": "home"}),
        ("^NET^Internet^a@example.org", {"system": "email", "value": "a@example.org"}),
        ("a@example.org^NET", {"system": "email", "value": "a@example.org"}),
        ("^PRN^CP^a@b.fr^^^^^^^^06", {"system": "phone", "value": "06", "use": "mobile"}),
    ],
)
def test_telephones_and_mail(xtn: str, made: dict) -> None:
    """XTN (§2.A.89): the number is where the version of the sender puts it."""
    whole = "^PRN^PH^^^^^^^^^0241000001~^PRN^CP^^^^^^^^^0600000002~^NET^Internet^odette@example.org"
    assert [made] == patient((whole, xtn))["telecom"]


def test_a_box_of_mssante_is_marked() -> None:
    """fr-core-contact-point-email-type, TRE_R256 MSSANTE."""
    mail = patient(("odette@example.org", "255064900799907@patient.mssante.fr"))["telecom"][2]
    assert mail["extension"][0]["valueCodeableConcept"]["coding"][0]["code"] == "MSSANTE"


@pytest.mark.parametrize(
    ("changes", "made"),
    [
        ((("N||VALI", "Y||VALI"),), {"deceasedBoolean": True}),
        ((("||||||N||VALI", "|||||20260411|Y||VALI"),), {"deceasedDateTime": "2026-04-11"}),
        ((("||||||N||||||N", "||||||Y|2|||||N"),), {"multipleBirthInteger": 2}),
        ((("||||||N||||||N", "||||||Y||||||N"),), {"multipleBirthBoolean": True}),
        ((("|F|||4 RUE", "|O|||4 RUE"),), {"gender": "unknown"}),
        ((("19550614", "195506"),), {"birthDate": "1955-06"}),
        ((("|||W|", "|||U|"),), {}),
    ],
)
def test_other_facts_of_the_person(changes: tuple[tuple[str, str], ...], made: dict) -> None:
    """PID-7, 8, 16, 24, 25, 29, 30."""
    told = patient(*changes)
    assert made == {k: told.get(k) for k in made}
    assert ("maritalStatus" in told) == (changes[0][1] != "|||U|")


def test_a_birth_date_that_is_none_is_told() -> None:
    """It is left out, not guessed."""
    draft = adt(edited(A01, ("19550614", "14/06/55")))
    assert issues(draft) == [("warning", "PID-7")]


def test_an_unknown_sex_code_is_told() -> None:
    """Table 0001."""
    assert issues(adt(edited(A01, ("|F|||4 RUE", "|Z|||4 RUE")))) == [("warning", "PID-8")]


def test_the_declared_general_practitioner() -> None:
    """PD1-4, or ROL of role ODRP, which wins (IHE PAM France)."""
    draft = adt(
        edited(A01, ("\rNK1|", "\rROL||UC|ODRP|899700000024^ROUX^Paul^^^^^^A&1.2.250.1.71.4.2.1&ISO^D^^^IDNPS\rNK1|"))
    )
    assert [g["display"] for g in only(draft, "Patient")["generalPractitioner"]] == ["Paul ROUX"]
    assert [g["display"] for g in only(adt(A01), "Patient")["generalPractitioner"]] == ["Luc PETIT"]


@pytest.mark.parametrize(
    ("xcn", "made"),
    [
        ("^PETIT^Luc", {"display": "Luc PETIT"}),
        ("D7^PETIT^Luc^^JR^DR", None),
        ("^^", "absent"),
    ],
)
def test_a_professional_with_or_without_a_number(xcn: str, made: object) -> None:
    """Without an identifier only the name can be given."""
    written = "10000000017^PETIT^Luc^^^DR^^^ASIP-SANTE-PS&1.2.250.1.71.4.2.1&ISO^L^^^RPPS"
    draft = adt(edited(A01, (written, xcn)))
    told = only(draft, "Patient").get("generalPractitioner")
    if made is None:
        local = draft.entries[told[0]["reference"]].resource
        assert (
            local["identifier"][0]["system"], local["identifier"][0]["value"], local["name"][0]["suffix"],
        ) == ("urn:oncohub:site:CH-LOIRE", "D7", ["JR"])  # fmt: skip
    else:
        assert (None if made == "absent" else [made]) == told


def test_a_relative_is_a_contact() -> None:
    """NK1; without name, address or telephone there is nobody to call (pat-1)."""
    assert patient()["contact"][0]["name"]["given"] == ["HUGO"]
    assert "contact" not in patient(("MARTIN^HUGO^^^^^L", ""), ("^PRN^CP^^^^^^^^^0600000003", ""))
    told = patient(("|SON^Fils^HL70063|", "||3 RUE X^^ANGERS|"))["contact"][0]
    assert (told["address"]["city"], told.get("relationship")) == ("ANGERS", None)
