"""Identifiers of persons and structures in France, in all the forms a FHIR server is asked for.

ANS, référentiel d'identification (PS_IdNat, Struct_IdNat: a digit for the type, then the number); fr-core
2.2.0 (practitioner, organization); référentiel INS v2.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from .shape import FR_0203, V2_0203, Element, identifier, keep

PERSONS = "urn:oid:1.2.250.1.71.4.2.1"
STRUCTURES = "urn:oid:1.2.250.1.71.4.2.2"
_RPPS, _FINESS, _SIRENE = "https://rpps.esante.gouv.fr", "https://finess.esante.gouv.fr", "https://sirene.fr"


class Form(NamedTuple):
    """What the first digit of a national identifier says of the rest."""

    shape: re.Pattern[str]
    system: str
    code: str


_PERSON_FORMS = {
    "0": Form(re.compile(r"0[0-9A-Z]{9}"), "https://adeli.esante.gouv.fr", "ADELI"),
    "8": Form(re.compile(r"8\d{11}"), _RPPS, "RPPS"),
}
_STRUCTURE_FORMS = {
    "1": Form(re.compile(r"1(\d{9}|2[AB]\d{7})"), _FINESS, "FINEG"),
    "2": Form(re.compile(r"2\d{9}"), _SIRENE, "SIREN"),
    "3": Form(re.compile(r"3\d{14}"), _SIRENE, "SIRET"),
}
_RAW_RPPS = re.compile(r"\d{11}")
_RAW_FINESS = re.compile(r"\d{9}|2[AB]\d{7}")


def person_identifiers(value: str, kind: str = "IDNPS") -> list[Element]:
    """A professional's identifiers: the national one (type digit and number) and the bare RPPS or ADELI.

    A bare RPPS (HL7 v2 type RPPS) gains its national form; what has no known shape stays as it is.
    """
    if kind == "RPPS" and _RAW_RPPS.fullmatch(value):
        value = keep(f"8{value}", value)
    return _national(value, PERSONS, "IDNPS", _PERSON_FORMS)


def structure_identifiers(value: str, kind: str = "IDNST") -> list[Element]:
    """A structure's identifiers: the national one and the bare FINESS, SIREN or SIRET."""
    if kind in ("FINEG", "FINEJ") and _RAW_FINESS.fullmatch(value):
        value = keep(f"1{value}", value)
    made = _national(value, STRUCTURES, "IDNST", _STRUCTURE_FORMS)
    if kind == "FINEJ" and len(made) > 1:
        made[1]["type"]["coding"][0]["code"] = "FINEJ"
    return made


def _national(value: str, system: str, code: str, forms: dict[str, Form]) -> list[Element]:
    form = forms.get(value[:1])
    made = [identifier(system, value, FR_0203, code)]
    if form and form.shape.fullmatch(value):
        made.append(identifier(form.system, keep(value[1:], value), FR_0203, form.code))
    return [m for m in made if m]


def ins_identifier(system: str, code: str, value: str) -> Element:
    """The INS as fr-core-patient-ins has it; the provisional matricule (NIA) is temporary."""
    use = "temp" if code == "INS-NIA" else "official"
    return {
        "use": use,
        "type": {"coding": [{"system": FR_0203, "code": code}]},
        "system": system,
        "value": value,
    }


_FRENCH = {"ADELI", "RPPS", "IDNPS", "NDP", "INS-C", "FINEJ", "FINEG", "SIREN", "SIRET", "IDNST", "INTRN", "EXTRN"}


def type_system(code: str) -> str:
    """The code system of an identifier type: the French supplement of table 0203, or the table itself."""
    return FR_0203 if code in _FRENCH else V2_0203
