"""FHIR data types to CDA data types, one function each: the inverse of :mod:`..datatypes`.

HL7 CDA R2 data types; ANS, structuration minimale §3; the tables are those of the way in, read backwards.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import unquote

from ...codes import table
from ...identifiers import PERSONS, STRUCTURES
from ...shape import URI_SYSTEM, Element
from .build import Kid, Made, el, null, some

_OID = re.compile(r"[0-2](\.(0|[1-9][0-9]*))+")
# Forms that the way in makes of a national number: written by that number, or by it with its digit in front.
_BARE: Final = {
    "https://rpps.esante.gouv.fr": (PERSONS, "8"), "https://adeli.esante.gouv.fr": (PERSONS, "0"),
    "https://finess.esante.gouv.fr": (STRUCTURES, "1"),
}  # fmt: skip
_SIRENE: Final = "https://sirene.fr"
_AUTHORITY: Final = "urn:oncohub:authority:"
_USES = {"home": "H", "work": "WP", "temp": "HV"}
_TELECOM_USES = {"home": "H", "work": "WP", "mobile": "MC", "temp": "HV"}
_SCHEMES = {"phone": "tel", "fax": "fax", "email": "mailto"}
_PARTS = ("city", "district", "state", "postalCode", "country")
_PART_NAMES = {"district": "county"}


@cache
def _oids() -> dict[str, str]:
    """Canonical of a code system -> OID; of several the first."""
    found: dict[str, str] = {}
    for oid, row in table("systems").rows.items():
        if _OID.fullmatch(oid):
            found.setdefault(row.target, oid)
    return found


def root_of(system: str) -> str | None:
    """The root of a system: an OID or a UUID; None for a URL that has none."""
    for prefix in ("urn:oid:", "urn:uuid:"):
        if system.startswith(prefix):
            return system.removeprefix(prefix)
    return unquote(system.removeprefix(_AUTHORITY)) if system.startswith(_AUTHORITY) else None


def oid_of(system: str | None) -> str | None:
    """The OID of a code system."""
    if not system:
        return None
    return _oids().get(system) or root_of(system)


def ii(identifier: Element, name: str = "id") -> Made | None:
    """Identifier to II; None for one without an OID."""
    system, value = identifier.get("system", ""), identifier.get("value")
    if system in (URI_SYSTEM, "urn:dicom:uid"):
        root = root_of(value or "")
        return el(name, {"root": root}) if root else None
    if system in _BARE and value:
        system, digit = _BARE[system]
        value = digit + value
    root = root_of(system)
    return el(name, {"root": root, "extension": value}) if root else None


def iis(identifiers: list[Element]) -> list[Made]:
    """The ids of a thing; of the forms of one national number the full one alone."""
    full = {i.get("system") for i in identifiers} & {PERSONS, STRUCTURES}
    derived = {*_BARE, _SIRENE} if full else {_SIRENE}
    return [x for i in identifiers if i.get("system") not in derived and (x := ii(i)) is not None]


def coding_attributes(coding: Element) -> dict[str, str | None]:
    """Coding to the attributes of a CD."""
    return {
        "code": coding.get("code"),
        "codeSystem": oid_of(coding.get("system")),
        "codeSystemVersion": coding.get("version"),
        "displayName": coding.get("display"),
    }


def cd(
    name: str,
    concept: Element | None,
    flavor: str | None = None,
    more: Kid = None,
    names: Mapping[str, Element] = MappingProxyType({}),
) -> Made | None:
    """CodeableConcept to CD: the first coding, the others as translations, the text as originalText.

    :param flavor: the nullFlavor of an element that must be there.
    :param names: system of a translation -> Coding of the qualifier that says what it is.
    """
    if not concept:
        return null(name, flavor) if flavor else None
    codings: list[Element] = concept.get("coding", [])
    words = el("originalText", None, concept["text"]) if concept.get("text") else None
    own: dict[str, str | None] = coding_attributes(codings[0]) if codings else {"nullFlavor": "NA"}
    return el(name, own, words, more, [_translation(one, names) for one in codings[1:]])


def _translation(coding: Element, names: Mapping[str, Element]) -> Made:
    name = names.get(coding.get("system", ""))
    kind = el("qualifier", None, el("name", coding_attributes(name))) if name else None
    return el("translation", coding_attributes(coding), kind)


def ts(value: str) -> str:
    """dateTime to TS, as exact as it is."""
    date, _, time = value.partition("T")
    clock, zone = time[:8], time[8:].lstrip(".0123456789")
    zone = "+0000" if zone == "Z" else zone
    return date.replace("-", "") + clock.replace(":", "") + zone.replace(":", "")


def ts_element(name: str, value: str | None, flavor: str | None = None) -> Made | None:
    """An element of type TS."""
    return el(name, {"value": ts(value)}) if value else null(name, flavor) if flavor else None


def ivl(name: str, period: Element | None, flavor: str | None = None) -> Made | None:
    """Period to IVL_TS."""
    told = period or {}
    made = some(name, None, ts_element("low", told.get("start")), ts_element("high", told.get("end")))
    return made if made is not None else null(name, flavor) if flavor else None


def moment(name: str, holder: Element, prefix: str, flavor: str | None = None) -> Made | None:
    """``effectiveDateTime`` or ``effectivePeriod`` of a resource to TS or IVL_TS."""
    if at := holder.get(f"{prefix}DateTime"):
        return ts_element(name, at)
    return ivl(name, holder.get(f"{prefix}Period"), flavor)


def pn(name: Element | None) -> Made | None:
    """HumanName of a professional or a relative to PN."""
    if not name:
        return None
    if set(name) == {"text"}:
        return el("name", None, name["text"])
    return el(
        "name", None,
        [el("prefix", None, x) for x in name.get("prefix", ())],
        [el("given", None, x) for x in name.get("given", ())],
        el("family", None, name["family"]) if name.get("family") else None,
        [el("suffix", None, x) for x in name.get("suffix", ())],
    )  # fmt: skip


def ad(address: Element, *first: Made) -> Made:
    """Address to AD: the lines of a letter, and what is named."""
    use = _USES.get(address.get("use", ""))
    if "text" in address and not address.get("line"):
        return el("addr", {"use": use}, address["text"])
    lines = [el("streetAddressLine", None, x) for x in address.get("line", ())]
    parts = [el(_PART_NAMES.get(x, x), None, address[x]) for x in _PARTS if address.get(x)]
    return el("addr", {"use": use}, lines, first, parts)


def tel(contact: Element) -> Made | None:
    """ContactPoint to TEL; None without a value."""
    value = contact.get("value")
    if not value:
        return None
    scheme = _SCHEMES.get(contact.get("system", ""))
    return el(
        "telecom", {"value": f"{scheme}:{value}" if scheme else value, "use": _TELECOM_USES.get(contact.get("use", ""))}
    )


def reach(holder: Element) -> list[Made | None]:
    """addr and telecom, in the order of a person's role."""
    addresses: Any = holder.get("address", [])
    return [*map(ad, addresses), *map(tel, holder.get("telecom", []))]
