"""The small forms of XDS metadata: patients (CX), persons (XCN), structures (XON), codes, times.

IHE ITI TF-3 §4.2.3.1.7 (HL7 v2.5 data types with ``^`` and ``&``); ANS, volet Partage de documents de santé
(authorPerson, authorInstitution, sourcePatientInfo).  Times of XDS are UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Final

from hub.source.ebrim import Code
from hub.source.identity import INS_SYSTEMS, authority_system
from hub.source.xdm import patient_of

from ..codes import table
from ..identifiers import PERSONS, STRUCTURES, person_identifiers, structure_identifiers
from ..shape import NOS, Element, clean, concept, identifier, keep
from ..systems import code_system
from ..times import ts_datetime

CLASSES: Final = "1.2.250.1.213.1.1.4.1"  # TRE_A03
MASKS: Final = "1.2.250.1.213.1.1.4.13"  # TRE_A07
# Schemes of XDS that the table of code systems leaves to the mapping of documents.
_SCHEMES: Final = {
    CLASSES: f"{NOS}TRE_A03-ClasseDocument/FHIR/TRE-A03-ClasseDocument",
    "1.2.250.1.213.1.1.4.2.282": f"{NOS}TRE_A06-FormatCodeComplementaire/FHIR/TRE-A06-FormatCodeComplementaire",
    "1.3.6.1.4.1.19376.1.2.3": f"{NOS}TRE_A11-IheFormatCode/FHIR/TRE-A11-IheFormatCode",
}
_CONTROLS = str.maketrans(dict.fromkeys("^&~|\\\r\n\t", " "))


def plain(text: object) -> str:
    """Text without the separators of HL7 v2."""
    return " ".join(str(text or "").translate(_CONTROLS).split())


# Reading.


def cx_patient(cx: str) -> tuple[str, str] | None:
    """(system, value) of a patient id; None when it is none."""
    found = patient_of(cx)
    return (keep(authority_system("", found[0], "ISO"), cx), keep(found[1], cx)) if found else None


def code_concept(code: Code | None) -> Element | None:
    """A Classification to CodeableConcept."""
    if code is None or not code.code:
        return None
    made = clean(
        {"system": _SCHEMES.get(code.system) or code_system(code.system), "code": code.code, "display": code.display}
    )
    return concept(made)


def xcn_person(xcn: str) -> Element | None:
    """authorPerson to a logical reference: a Practitioner, or a Device where the type says so (``EI``, ``RI``)."""
    parts = [*xcn.split("^"), *[""] * 13]
    authority = [*parts[8].split("&"), "", ""]
    if not parts[0] and not parts[1]:
        return None
    device = parts[9] == "U"
    shown = " ".join(p for p in (parts[2], parts[1]) if p)
    known = person_identifiers(keep(parts[0], xcn), parts[12]) if authority[1] == PERSONS[8:] and not device else []
    if not known and parts[0]:
        known = [
            x for x in (identifier(authority_system(authority[0], authority[1], "ISO"), keep(parts[0], xcn)),) if x
        ]
    return clean({
        "type": "Device" if device else "Practitioner", "identifier": known[0] if known else None,
        "display": keep(shown, xcn) if shown else None,
    })  # fmt: skip


def xon_organization(xon: str) -> Element | None:
    """authorInstitution to a logical reference."""
    parts = [*xon.split("^"), *[""] * 10]
    authority = [*parts[5].split("&"), "", ""]
    value = parts[9]
    if not value and not parts[0]:
        return None
    known = structure_identifiers(keep(value, xon)) if value and authority[1] == STRUCTURES[8:] else []
    made = known[0] if known else identifier(authority_system(authority[0], authority[1], "ISO"), value)
    return clean({"type": "Organization", "identifier": made, "display": keep(parts[0], xon) if parts[0] else None})


def dtm(value: str) -> str | None:
    """An XDS time (UTC) to a FHIR dateTime."""
    return ts_datetime(keep(f"{value}+0000", value)) if len(value) > 8 else ts_datetime(value or None)


# Writing.


def dtm_of(moment: str | None) -> str:
    """A FHIR dateTime as XDS has it: UTC, as exact as it is."""
    if not moment:
        return ""
    if "T" not in moment:
        return moment.replace("-", "")
    return datetime.fromisoformat(moment).astimezone(UTC).strftime("%Y%m%d%H%M%S")


@cache
def _oids() -> Mapping[str, str]:
    rows = table("systems").rows.values()
    known = {system: oid for oid, system in _SCHEMES.items()}
    for row in rows:
        if row.source[:1].isdecimal():
            known.setdefault(row.target, row.source)
    return known


def oid_of(system: str | None) -> str:
    """The OID of a code system or of an authority, as metadata name it; '' when it has none."""
    system = str(system or "")
    if system.startswith("urn:oid:"):
        return system[8:]
    return _oids().get(system, "")


def cx_of(known: Element) -> str:
    """An Identifier of a patient to CX: ``NH`` for the INS, ``PI`` for those of establishments."""
    system = str(known.get("system", ""))
    kind = "NH" if system in INS_SYSTEMS else "PI"
    return f"{plain(known.get('value'))}^^^&{oid_of(system)}&ISO^{kind}" if oid_of(system) else ""


def _best(identifiers: list[Element], system: str) -> tuple[str, str]:
    """(OID, value) of the national identifier, else of the first that has an OID."""
    ranked = sorted(identifiers, key=lambda i: i.get("system") != system)
    return next(((o, plain(i.get("value"))) for i in ranked if (o := oid_of(i.get("system")))), ("", ""))


def xcn_of(resource: Element) -> str:
    """A Practitioner, Patient or Device to authorPerson."""
    oid, value = _best(resource.get("identifier", []), PERSONS)
    if resource["resourceType"] == "Device":
        names = [plain(n.get("name")) for n in resource.get("deviceName", [])] + ["", ""]
        return f"{value}^{names[1] or names[0]}^{names[0]}^^^^^^&{oid}&ISO^U^^^EI" if value else ""
    name: Element = next(iter(resource.get("name", [])), {})
    family, given = plain(name.get("family") or name.get("text")), plain(" ".join(name.get("given", [])))
    if not family and not value:
        return ""
    tail = f"&{oid}&ISO^D^^^{'IDNPS' if oid == PERSONS[8:] else 'PI'}" if value else ""
    return f"{value}^{family}^{given}^^^^^^{tail}".rstrip("^")


def xon_of(resource: Element) -> str:
    """An Organization to authorInstitution."""
    oid, value = _best(resource.get("identifier", []), STRUCTURES)
    name = plain(resource.get("name"))
    if not name and not value:
        return ""
    return f"{name}^^^^^&{oid}&ISO^{'IDNST' if oid == STRUCTURES[8:] else 'XX'}^^^{value}" if value else name


def patient_info(patient: Element) -> tuple[str, ...]:
    """sourcePatientInfo: PID-5 (birth name, then name used), PID-7, PID-8, PID-11 of the place of birth."""
    lines = []
    names = sorted(patient.get("name", []), key=lambda n: n.get("use") != "official")
    for name in names:
        kind = "L" if name.get("use") == "official" or len(names) == 1 else "D"
        listed = next((e["valueString"] for e in name.get("extension", []) if "valueString" in e), "")
        first = next(iter(name.get("given", [])), "")
        parts = [plain(name.get("family") or name.get("text")), plain(first), plain(listed if kind == "L" else "")]
        lines.append(f"PID-5|{'^'.join(parts)}^^^^{kind}")
    if birth := patient.get("birthDate"):
        lines.append(f"PID-7|{str(birth).replace('-', '')}")
    gender = {"male": "M", "female": "F"}.get(str(patient.get("gender", "")), "U")
    lines.append(f"PID-8|{gender}")
    if place := _birth_place(patient):
        lines.append(f"PID-11|^^^^^^BDL^^{place}")
    return tuple(lines)


def _birth_place(patient: Element) -> str:
    for extension in patient.get("extension", []):
        for inner in extension.get("valueAddress", {}).get("extension", []):
            if "insee-code" in inner["url"]:
                return plain(inner["valueCoding"]["code"])
    return ""
