"""CDA data types to FHIR data types, one function each; None (or nothing) for a nullFlavor.

HL7 CDA R2 data types; ANS, structuration minimale §3; C-CDA on FHIR for names and dates.
"""

from __future__ import annotations

from hub.source.cda import Node
from hub.source.identity import root_system

from ..codes import table
from ..shape import (
    URI_SYSTEM,
    Element,
    birth_names,
    clean,
    coding,
    concept,
    email_extension,
    identifier,
    keep,
    period,
    uri_identifier,
)  # fmt: skip
from ..systems import code_system
from ..times import ts_datetime

ADDRESS_USE, TELECOM_USE = table("address-use"), table("telecom-use")
TELECOM_SYSTEM = table("telecom-system")
_STREET = (
    "houseNumber",
    "houseNumberNumeric",
    "buildingNumberSuffix",
    "streetName",
    "streetNameBase",
    "streetNameType",
)
_MORE = ("additionalLocator", "unitID", "unitType", "postBox", "careOf", "deliveryAddressLine")


def ii_identity(node: Node | None) -> tuple[str, str] | None:
    """II to (system, value); None without a root."""
    root = node.attr("root") if node is not None else None
    if node is None or root is None:
        return None
    system, value = uri_identifier(root_system(root), node.attr("extension"))
    return (system, keep(value, root)) if system == URI_SYSTEM else (keep(system, root), value)


def ii_identifier(
    node: Node | None, type_system: str = "", type_code: str = "", use: str | None = None
) -> Element | None:
    """II to Identifier."""
    known = ii_identity(node)
    return identifier(*known, type_system, type_code, use) if known else None


def cd_coding(node: Node | None) -> Element | None:
    """CD (its own code, not its translations) to Coding."""
    if node is None:
        return None
    return coding(code_system(node.attr("codeSystem") or ""), node.attr("code"), node.attr("displayName"))


def cd_concept(node: Node | None) -> Element | None:
    """CD, CE, CV to CodeableConcept: code, translations, original text."""
    if node is None:
        return None
    original = node.one("originalText")
    text = original.text() if original else None
    return concept(cd_coding(node), *map(cd_coding, node.all("translation")), text=text)


def ts_moment(node: Node | None, zone: str) -> str | None:
    """TS to dateTime."""
    return ts_datetime(node.attr("value"), zone) if node is not None else None


def ivl_period(node: Node | None, zone: str) -> Element | None:
    """IVL_TS to Period; a lone value is its start."""
    if node is None:
        return None
    low = ts_moment(node.one("low"), zone) or ts_moment(node, zone)
    return period(low, ts_moment(node.one("high"), zone))


def _qualified(nodes: list[Node], qualifier: str | None) -> list[str]:
    return [t for n in nodes if n.attr("qualifier") == qualifier and (t := n.text())]


def pn_name(node: Node | None) -> Element | None:
    """PN of a professional or a relative to HumanName."""
    if node is None or node.null:
        return None
    family = next((t for n in node.all("family") if (t := n.text())), None)
    made = clean({
        "family": family,
        "given": [t for n in node.all("given") if (t := n.text())],
        "prefix": [t for n in node.all("prefix") if (t := n.text())],
        "suffix": [t for n in node.all("suffix") if (t := n.text())],
    })  # fmt: skip
    if not made and (text := node.text()):
        return {"text": text}
    return made or None


def pn_patient_names(nodes: list[Node]) -> list[Element]:
    """PN of a patient to official and usual names (RNIV: qualifier BR is birth, CL is used)."""
    made: list[Element] = []
    for node in nodes:
        families, givens = node.all("family"), node.all("given")
        listed = next(iter(_qualified(givens, None)), None)
        birth = next(iter(_qualified(families, "BR")), None)
        used = next(iter(_qualified(families, "CL") or _qualified(families, "SP")), None)
        if birth:
            first = next(iter(_qualified(givens, "BR")), None)
            if first is None and listed:
                first = keep(listed.split()[0], listed)
            made.append(birth_names(birth, first, listed) or {})
        if used or _qualified(givens, "CL"):
            made.append(clean({"use": "usual", "family": used, "given": _qualified(givens, "CL")[:1]}))
        if not birth and not used:
            made.append(pn_name(node) or {})
    return [m for m in made if m]


def ad_address(node: Node | None) -> Element | None:
    """AD to Address; parts are put together as the lines of a letter."""
    if node is None or node.null:
        return None
    street = [t for part in _STREET for n in node.all(part) if (t := n.text())]
    lines = [keep(" ".join(street), street[-1])] if street else []
    lines += [t for part in _MORE for n in node.all(part) if (t := n.text())]
    lines += [t for n in node.all("streetAddressLine") if (t := n.text())]
    use = (node.attr("use") or "").split()
    made = clean({
        "line": lines, "city": _part(node, "city"), "district": _part(node, "county"), "state": _part(node, "state"),
        "postalCode": _part(node, "postalCode"), "country": _part(node, "country"),
    })  # fmt: skip
    if not made and (text := node.text()):
        made = {"text": text}
    if not made:
        return None
    kind = ADDRESS_USE(use[0]) if use else None
    return {"use": kind, **made} if kind else made


def _part(node: Node, name: str) -> str | None:
    found = node.one(name)
    return found.text() if found else None


def tel_contact(node: Node) -> Element | None:
    """TEL to ContactPoint: the scheme of the URL says the system."""
    value = node.attr("value")
    if value is None:
        return None
    scheme, colon, rest = value.partition(":")
    system = TELECOM_SYSTEM(scheme.lower()) if colon else None
    number = value if system in (None, "url", "other") else keep(rest.strip(), value)
    if not number:
        return None
    if system is None:
        system = "email" if "@" in number else "phone" if not colon else "other"
    use = (node.attr("use") or "").split()
    found = email_extension(number) if system == "email" else None
    return clean({
        "extension": found, "system": str(system), "value": number, "use": TELECOM_USE(use[0]) if use else None,
    })  # fmt: skip


def telecoms(node: Node) -> list[Element]:
    """All telecom of an entity."""
    return [t for t in map(tel_contact, node.all("telecom")) if t]


def addresses(node: Node) -> list[Element]:
    """All addr of an entity."""
    return [a for a in map(ad_address, node.all("addr")) if a]
