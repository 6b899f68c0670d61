"""Small builders of FHIR R4 data types, used by every mapping.

R4 §2.24 (data types).  Nothing here leaves an empty element behind (R4 §2.6.2: "shall not be empty").
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from hub.source.origin import Text, derive

Element = dict[str, Any]

V2_0203 = "http://terminology.hl7.org/CodeSystem/v2-0203"
FR_0203 = "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-v2-0203"
FR_0445 = "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-v2-0445"
FR_CORE = "https://hl7.fr/ig/fhir/core/StructureDefinition/"
NOS = "https://mos.esante.gouv.fr/NOS/"
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
VISIBILITY = f"{NOS}TRE_A07-StatusVisibiliteDocument/FHIR/TRE-A07-StatusVisibiliteDocument"
COMMUNE = f"{NOS}TRE_R13-CommuneOM/FHIR/TRE-R13-CommuneOM"
BIRTH_PLACE = "http://hl7.org/fhir/StructureDefinition/patient-birthPlace"
URI_SYSTEM = "urn:ietf:rfc:3986"


_NUMBERS = (int, float, Decimal)


def clean(element: Element) -> Element:
    """``element`` without its empty members; False and 0 are values."""
    return {k: v for k, v in element.items() if v or v is False or type(v) in _NUMBERS}


def keep(value: str, parent: object) -> str:
    """``value``, made of ``parent``, with the origin of it: the quick form of :func:`hub.source.origin.derive`."""
    return Text(value, parent.origin) if type(parent) is Text else value


def keep_all(value: str, parents: Sequence[str]) -> str:
    """``value``, made of several, with the origins of all of them."""
    return derive(value, *parents) if parents and type(parents[0]) is Text else value


def coding(
    system: str | None, code: str | None, display: str | None = None, version: str | None = None
) -> Element | None:
    return clean({"system": system, "version": version, "code": code, "display": display}) if code else None


def extension(url: str, kind: str, value: Any) -> list[Element]:
    """One extension (``kind`` as in ``valueString``), or none without a value."""
    return [{"url": url, kind: value}] if value or value is False or value == 0 else []


def part(url: str, *members: Element | None) -> list[Element]:
    """An extension made of extensions, or none when all of them are missing."""
    inside = [m for m in members if m]
    return [{"extension": inside, "url": url}] if inside else []


def concept(*codings: Element | None, text: str | None = None) -> Element | None:
    """A CodeableConcept, or None when there is neither a coding nor a text."""
    found = [c for c in codings if c]
    return clean({"coding": found, "text": text}) or None


def identifier(
    system: str | None, value: str | None, type_system: str = "", type_code: str | None = "", use: str | None = None
) -> Element | None:
    """An Identifier, or None without a value."""
    if not value:
        return None
    made: Element = {"use": use} if use else {}
    if type_code:
        made["type"] = {"coding": [{"system": type_system, "code": type_code}]}
    if system:
        made["system"] = system
    made["value"] = value
    return made


def period(start: str | None, end: str | None) -> Element | None:
    """A Period; an end before its start (invariant per-1) is left out."""
    if start and end and end[:19] < start[: len(end[:19])]:
        end = None
    return clean({"start": start, "end": end}) or None


def uri_identifier(system: str, value: str | None = None) -> tuple[str, str]:
    """(system, value) of an ISO 21090 II: of a root alone, the URI itself is the value (R4 §2.24.0.12)."""
    return (system, value) if value else (URI_SYSTEM, system)


def commune(code: str | None) -> list[Element]:
    """The extension that says the INSEE code (COG) of an address (fr-core-address-insee-code)."""
    if not code:
        return []
    return [{"url": f"{FR_CORE}fr-core-address-insee-code", "valueCoding": {"system": COMMUNE, "code": code}}]


def email_extension(address: str) -> list[Element]:
    """The extension that says that a mailbox is one of MSSanté (fr-core-contact-point-email-type)."""
    if not address.partition("@")[2].lower().endswith("mssante.fr"):
        return []
    system = f"{NOS}TRE_R256-TypeMessagerie/FHIR/TRE-R256-TypeMessagerie"
    value = {"coding": [{"system": system, "code": "MSSANTE"}]}
    return [{"url": f"{FR_CORE}fr-core-contact-point-email-type", "valueCodeableConcept": value}]


def birth_names(family: str | None, first: str | None, names: str | None) -> Element | None:
    """The official name: birth name, first given name, list of birth given names (RNIV; fr-core-patient)."""
    if not (family or first):
        return None
    listed = None
    if names:
        listed = [{"url": f"{FR_CORE}fr-core-patient-birth-list-given-name", "valueString": names}]
    return clean({"extension": listed, "use": "official", "family": family, "given": [first] if first else None})
