"""FHIR data types to HL7 v2 data types, one function each: the way back of ``hub.mappings.hl7v2.datatypes``.

HL7 v2.5 §2.A; IHE PAM France 2.11 and CDA-R2 en HL7v2 v2.1 for the authorities (``ASIP-SANTE-INS-NIR``...).
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final
from urllib.parse import unquote

from hub.source.identity import INS_SYSTEMS

from ...codes import table
from ...identifiers import PERSONS, STRUCTURES
from ...shape import BIRTH_PLACE, URI_SYSTEM, Element
from .bundle import Bundle, at, extension, items, text
from .er7 import Component, Components, Leaf, Repetition

_INS_NAMES: Final = {"INS-NIR": "ASIP-SANTE-INS-NIR", "INS-NIA": "ASIP-SANTE-INS-NIA"}
_DATE: Final = re.compile(
    r"(\d{4})(?:-(\d{2})(?:-(\d{2})(?:T(\d{2}):(\d{2}):(\d{2})(?:\.\d+)?(Z|[+-]\d{2}:\d{2})?)?)?)?"
)
_NAME_TYPES: Final = {"official": "L", "usual": "D", "maiden": "M", "nickname": "N", "anonymous": "S", "temp": "T",
                      "old": "L"}  # fmt: skip
_ADDRESS_TYPES: Final = {"home": "H", "work": "O", "temp": "C", "old": "BA", "billing": "BI"}
_PHONE_USES: Final = {"home": "PRN", "work": "WPN", "temp": "VHN", "mobile": "PRN"}
_PHONE_TYPES: Final = {"phone": "PH", "fax": "FX", "pager": "BP", "email": "Internet", "other": "MD"}
_SPECIFIC: Final = ("https://rpps.esante.gouv.fr", "https://adeli.esante.gouv.fr", "https://finess.esante.gouv.fr",
                    "https://sirene.fr")  # fmt: skip


@cache
def back(name: str, table_name: str) -> dict[str, str]:
    """A code table read backwards; of several sources the first is taken.  ``name`` is the column of the key."""
    made: dict[str, str] = {}
    for row in table(table_name).rows.values():
        if row.target and row.source != "*":
            made.setdefault(row.target if name == "target" else row.display, row.source)
    return made


def ts(value: str | None) -> str | None:
    """A FHIR date, dateTime or instant as TS."""
    found = _DATE.fullmatch(value or "")
    if not found:
        return None
    zone = {"Z": "+0000"}.get(found[7] or "", (found[7] or "").replace(":", ""))
    return "".join(part or "" for part in found.groups()[:6]) + zone


def authority(system: str | None, bundle: Bundle) -> tuple[Leaf, ...]:
    """A system as HD: (namespace, universal id, type); the establishment that the Bundle knows by it names it."""
    if not system:
        return ()
    if system in INS_SYSTEMS:
        name = next((n for code, n in _INS_NAMES.items() if INS_SYSTEMS[system].startswith(code)), None)
        return name, system[8:], "ISO"
    if system.startswith("urn:oid:"):
        name = {PERSONS: "ASIP-SANTE-PS", STRUCTURES: "ASIP-SANTE-ST"}.get(system)
        return name or bundle.names.get(system), system[8:], "ISO"
    if system.startswith("urn:uuid:"):
        return None, system[9:], "UUID"
    if system.startswith("urn:oncohub:authority:"):
        parts = [unquote(p) for p in system[22:].split(":")]
        return (parts[0],) if len(parts) == 1 else (parts[0], parts[1], "L")
    if system.startswith("urn:oncohub:site:"):
        named = unquote(system[17:])
        return () if named == bundle.facility else (named,)
    return None, system, "URI"


def cx(identifier: Element, bundle: Bundle) -> Repetition:
    """Identifier to CX."""
    system = text(identifier, "system")
    kind = text(identifier, "type", "coding", 0, "code")
    if system in INS_SYSTEMS:
        kind = "INS"
    return (
        text(identifier, "value"), None, None, authority(system, bundle), kind, None,
        _day(text(identifier, "period", "start")), _day(text(identifier, "period", "end")),
    )  # fmt: skip


def _day(value: str | None) -> str | None:
    return (ts(value) or "")[:8] or None


def ei(identifier: Element | None, bundle: Bundle) -> Components:
    """Identifier to EI; an OID alone is its own value (CDA-R2 en HL7v2 v2.1, TXA-12)."""
    value, system = text(identifier, "value"), text(identifier, "system")
    if value is None:
        return ()
    if system == URI_SYSTEM:
        return (value.removeprefix("urn:oid:").removeprefix("urn:uuid:"),)
    return value, *authority(system, bundle)


def xpn(name: Element) -> Repetition:
    """HumanName to XPN; the official one is L with the list of given names of birth (IHE PAM France)."""
    given = [g for g in at(name, "given") or [] if isinstance(g, str)]
    use = text(name, "use")
    listed = text(extension(name, "birth-list-given-name"), "valueString") if use == "official" else None
    others = listed if use == "official" else " ".join(given[1:]) or None
    return (
        text(name, "family"), given[0] if given else None, others, text(name, "suffix", 0), text(name, "prefix", 0),
        None, _NAME_TYPES.get(use or "", "U"),
    )  # fmt: skip


def commune_of(address: Element) -> str | None:
    """The INSEE code of an address."""
    return text(extension(address, "address-insee-code"), "valueCoding", "code")


def xad(address: Element) -> Repetition:
    """Address to XAD."""
    lines = [line for line in at(address, "line") or [] if isinstance(line, str)]
    return (
        lines[0] if lines else None, " ".join(lines[1:]) or None, text(address, "city"), text(address, "state"),
        text(address, "postalCode"), text(address, "country"), _ADDRESS_TYPES.get(text(address, "use") or ""), None,
        commune_of(address),
    )  # fmt: skip


def birthplace(patient: Element) -> tuple[Repetition | None, str | None]:
    """The place of birth as PID-11 of type BDL, and as the text of PID-23."""
    made = extension(patient, BIRTH_PLACE.rpartition("/")[2])
    address = at(made, "valueAddress")
    if not isinstance(address, dict):
        return None, None
    said = text(address, "text")
    if address.keys() == {"text"}:
        return None, said
    return (None, None, text(address, "city"), None, text(address, "postalCode"), text(address, "country"), "BDL", None,
            commune_of(address)), said  # fmt: skip


def xtn(contact: Element) -> Repetition | None:
    """ContactPoint to XTN: a mail in XTN-4, a number in XTN-12."""
    value, system, use = text(contact, "value"), text(contact, "system"), text(contact, "use")
    if value is None:
        return None
    code = _PHONE_USES.get(use or "")
    if system == "email":
        kind = "X.400" if value.lower().endswith("mssante.fr") else "Internet"
        return None, code or "NET", kind, value
    kind = "CP" if use == "mobile" else _PHONE_TYPES.get(system or "", "PH")
    return (None, code, kind, *([None] * 8), value)


def ce(concept: Element | None) -> Components:
    """CodeableConcept to CE/CWE with its alternate coding; a bare text stands in the second component."""
    found = items(concept, "coding")[:2]
    if not found:
        said = text(concept, "text")
        return (None, said) if said else ()
    made: list[Component] = []
    for one in found:
        made += [text(one, "code"), text(one, "display"), v2_system(text(one, "system"))]
    return tuple(made)


def v2_system(system: str | None) -> str | None:
    """The short name of a code system in table 0396, its OID, or itself."""
    if system is None:
        return None
    rows = [row for row in table("systems").rows.values() if row.target == system]
    short = next((r.source for r in rows if not r.source[:1].isdigit()), None)
    named = short or next((r.source for r in rows), system)
    return named.removeprefix("urn:oid:")


def best_identifier(identifiers: list[Element], national: str) -> Element | None:
    """The identifier to name a professional or a structure by: the national form, else the first local one."""
    for one in identifiers:
        if text(one, "system") == national:
            return one
    return next((one for one in identifiers if text(one, "system") not in _SPECIFIC), None)


def xcn(reference: object, bundle: Bundle, near: Element | None = None) -> Repetition | None:
    """A Reference to a Practitioner(Role) as XCN; of one that is not in the Bundle, its display."""
    person = bundle.resolve(reference, near)
    if person is not None and person.get("resourceType") == "PractitionerRole":
        person = bundle.resolve(person.get("practitioner"), near) or person
    if person is None or not (items(person, "name") or items(person, "identifier")):
        shown = text(reference, "display")
        if shown is None:
            return None
        first, _, last = shown.rpartition(" ")
        return None, last, first or None
    return xcn_of(person, bundle)


def xcn_of(person: Element, bundle: Bundle) -> Repetition:
    """A Practitioner as XCN."""
    known = best_identifier(items(person, "identifier"), PERSONS)
    name = next(iter(items(person, "name")), {})
    given = [g for g in at(name, "given") or [] if isinstance(g, str)]
    kind = text(known, "type", "coding", 0, "code") if known else None
    return (
        text(known, "value"), text(name, "family"), given[0] if given else None, " ".join(given[1:]) or None,
        text(name, "suffix", 0), text(name, "prefix", 0), None, None, authority(text(known, "system"), bundle),
        "D", None, None, kind,
    )  # fmt: skip


def xon(reference: object, bundle: Bundle, near: Element | None = None) -> Repetition | None:
    """A Reference to an Organization as XON; of one that is not in the Bundle, its display."""
    org = bundle.resolve(reference, near)
    if org is None:
        shown = text(reference, "display")
        return (shown,) if shown else None
    return xon_of(org, bundle)


def xon_of(org: Element, bundle: Bundle) -> Repetition:
    """An Organization as XON: XON-10 its identifier."""
    found = items(org, "identifier")
    known = best_identifier(found, STRUCTURES)
    kind = text(known, "type", "coding", 0, "code") if known else None
    if kind == "IDNST" and len(found) > 1 and text(found[1], "type", "coding", 0, "code") == "FINEJ":
        known, kind = found[1], "FINEJ"
        held: tuple[Leaf, ...] = authority(STRUCTURES, bundle)
    else:
        held = authority(text(known, "system"), bundle)
    return text(org, "name"), None, None, None, None, held, kind, None, None, text(known, "value")
