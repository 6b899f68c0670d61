"""When two identities are one person's (RNIV 1): INS, numbers, strict traits, and what speaks against."""

from __future__ import annotations

from typing import Any

import pytest

from hub.services.identity.grade import CERTAIN, NOT, POSSIBLE, PROBABLE, Grade, grade
from hub.services.identity.traits import identity

INS, PI = "urn:oid:1.2.250.1.213.1.4.8", "urn:oid:1.2.250.1.999.1.3"
RELIABILITY = "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-identity-reliability"
INSEE = "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-address-insee-code"


def patient(ins: str = "", status: str = "", number: str = "", **more: Any) -> dict[str, Any]:
    traits = {"family": "ECHANTILLON", "given": "ODILE", "born": "1958-07-14", "sex": "female", "place": "99123"} | more
    extensions: list[dict[str, Any]] = []
    if status:
        extensions.append({"url": RELIABILITY,
                           "extension": [{"url": "identityStatus", "valueCoding": {"code": status}}]})  # fmt: skip
    if traits["place"]:
        code = {"url": INSEE, "valueCoding": {"code": traits["place"]}}
        extensions.append({"url": "http://hl7.org/fhir/StructureDefinition/patient-birthPlace",
                           "valueAddress": {"extension": [code]}})  # fmt: skip
    made = {
        "resourceType": "Patient",
        "extension": extensions,
        "identifier": [{"system": s, "value": v} for s, v in ((INS, ins), (PI, number)) if v],
        "name": [{"use": "official", "family": traits["family"], "given": [traits["given"]]},
                 *({"use": "usual", "family": f} for f in traits.get("used", ()))],
        "birthDate": traits["born"], "gender": traits["sex"],
    }  # fmt: skip
    return {k: v for k, v in made.items() if v}


def of(one: dict[str, Any], other: dict[str, Any]) -> Grade:
    return grade(identity(one), identity(other))


A, B = "258079912304871", "161018885045327"


@pytest.mark.parametrize(
    ("asked", "known", "expected", "by"),
    [
        (patient(A), patient(A, "VALI"), CERTAIN, "ins"),
        (patient(A, "VALI", place=""), patient(A, "VALI"), CERTAIN, "ins"),
        (patient(A, "PROV"), patient(A, "VALI", place=""), PROBABLE, ""),
        (patient(A), patient(A, "PROV", place=""), PROBABLE, ""),
        (patient(A, born="1958-07-15"), patient(A, "VALI"), PROBABLE, ""),
        (patient(A), patient(B, "VALI"), NOT, ""),
        (patient(A), patient(B, "PROV"), PROBABLE, ""),
        (patient(), patient(), CERTAIN, "traits"),
        (patient(), patient(place=""), PROBABLE, ""),
        (patient(place=""), patient(place=""), PROBABLE, ""),
        (patient(), patient(place="75056"), PROBABLE, ""),
        (patient(), patient(sex="male"), PROBABLE, ""),
        (patient(), patient(sex="unknown"), PROBABLE, ""),
        (patient(), patient(born="1958-07-15"), POSSIBLE, ""),
        (patient(), patient(family="AUTRE", used=["Échantillon"]), PROBABLE, ""),
        (patient(), patient(family="AUTRE"), POSSIBLE, ""),
        (patient(), patient(family="AUTRE", given="PAUL"), NOT, ""),
        (patient(number="1", place=""), patient(number="1"), CERTAIN, "number"),
        (patient(number="1", born="1960-01-01"), patient(number="1"), PROBABLE, ""),
        (patient(number="1"), patient(number="2"), CERTAIN, "traits"),
    ],
)
def test_grades(asked: dict[str, Any], known: dict[str, Any], expected: str, by: str) -> None:
    made = of(asked, known)
    assert (made.grade, made.by) == (expected, by)
    assert (made.score == 1.0) == (expected == CERTAIN)
    assert bool(made.reasons) == (expected != CERTAIN)


@pytest.mark.parametrize(
    ("one", "other"),
    [("Jean-Pierre", "JEAN PIERRE"), ("L'Héritier", "L\u2019HERITIER"), ("Noël", "NOEL"), ("d' Or", "D'OR")],
)
def test_what_counts_as_equal(one: str, other: str) -> None:
    """Without case, accents, hyphens and apostrophes."""
    assert of(patient(given=one, family=one), patient(given=other, family=other)).grade == CERTAIN


def test_reasons_never_tell_a_trait() -> None:
    made = of(patient(A, "PROV"), patient(A, place="75056", born="1990-02-03", given="ANNE"))
    assert made.reasons == (
        "the first given name differs", "the date of birth differs", "the place of birth differs",
        "the INS is not qualified",
    )  # fmt: skip


def test_an_old_number_is_nobodys() -> None:
    """Identifier.use old: it was taken back, perhaps because it was another's."""
    old = patient(place="") | {"identifier": [{"use": "old", "system": INS, "value": A}]}
    assert of(patient(A, "VALI"), old).by == ""
    assert not identity(old).qualified
