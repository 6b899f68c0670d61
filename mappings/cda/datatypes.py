"""CDA data types to FHIR data types, one function each; None (or nothing) for a nullFlavor.

HL7 CDA R2 data types; ANS, structuration minimale §3; C-CDA on FHIR for names and dates.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import pybase64

from hub.source.cda import V3, Node
from hub.source.identity import root_system

from ..codes import table
from ..shape import (
    URI_SYSTEM,
    Element,
    birth_names,
    clean,
    concept,
    email_extension,
    identifier,
    keep,
    keep_all,
    period,
    uri_identifier,
)  # fmt: skip
from ..systems import code_system
from ..times import ts_datetime

ADDRESS_USE, TELECOM_USE = table("address-use"), table("telecom-use")
TELECOM_SYSTEM = table("telecom-system")
_STREET: tuple[str, ...] = tuple(V3 + name for name in (
    "houseNumber", "houseNumberNumeric", "buildingNumberSuffix", "streetName", "streetNameBase", "streetNameType",
))  # fmt: skip
_MORE = ("additionalLocator", "unitID", "unitType", "postBox", "careOf", "deliveryAddressLine")
_NAMED = {"city": "city", "district": "county", "state": "state", "postalCode": "postalCode", "country": "country"}
# What a part of an AD goes into.
_PARTS: dict[str, str] = {
    **{tag: "street" for tag in _STREET},  # noqa: C420 - mypy takes dict.fromkeys for something else
    **{V3 + name: "more" for name in _MORE},
    f"{V3}streetAddressLine": "free",
    **{V3 + source: target for target, source in _NAMED.items()},
}


Words = Callable[[Node], str | None]


def own_words(node: Node) -> str | None:
    """The words that stand in an element itself."""
    return node.text()


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
    said = node.attrs()
    code = said.get("code")
    if code is None:
        return None
    made: Element = {}
    if (system := said.get("codeSystem")) and (known := code_system(system)):
        made["system"] = keep(known, system)
    if version := said.get("codeSystemVersion"):
        made["version"] = version
    made["code"] = code
    if display := said.get("displayName"):
        made["display"] = display
    return made


def cd_concept(node: Node | None, words: Words = own_words) -> Element | None:
    """CD, CE, CV to CodeableConcept: code, translations, original text.

    :param words: finds what an element of text says; that of a context follows references into the narrative.
    """
    if node is None:
        return None
    own = cd_coding(node)
    if not len(node.element):
        return {"coding": [own]} if own else None
    found = [own]
    original = node.one("originalText")
    text = words(original) if original is not None else None
    for one in node.all("translation"):
        found.append(cd_coding(one))
        if text is None and (original := one.one("originalText")) is not None:
            text = words(original)
    return concept(*found, text=text)


def qualifiers(node: Node | None) -> dict[str, Node]:
    """CD.qualifier: the value by the code of its name (laterality 20228-3, stage 21909-7...)."""
    found: dict[str, Node] = {}
    for one in node.all("qualifier") if node is not None else ():
        name, value = one.one("name"), one.one("value")
        code = name.attr("code") if name is not None else None
        if code and value is not None:
            found.setdefault(str(code), value)
    return found


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


_NAME_PARTS = {V3 + part: part for part in ("family", "given", "prefix", "suffix")}


def pn_name(node: Node | None) -> Element | None:
    """PN of a professional or a relative to HumanName."""
    if node is None or node.null:
        return None
    said: Element = {}
    for tag, nodes in node.kids.items():
        part = _NAME_PARTS.get(tag)
        if part is not None and (texts := [t for n in nodes if (t := n.text())]):
            said[part] = texts
    made = {part: said[part] for part in _NAME_PARTS.values() if part in said}
    if "family" in made:
        made["family"] = made["family"][0]
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
    if node is None:
        return None
    kids = node.kids
    if not kids:
        text = None if node.null else node.text()
        return _used(node, {"text": text}) if text else None
    street: list[str] = []
    more: list[str] = []
    free: list[str] = []
    named: Element = {}
    for tag, nodes in kids.items():
        where = _PARTS.get(tag, "")
        for part in nodes:
            text = part.text()
            if not text:
                continue
            if where == "street":
                street.append(text)
            elif where == "more":
                more.append(text)
            elif where == "free":
                free.append(text)
            elif where:
                named.setdefault(where, text)
    if len(street) > 1:
        street = [t for tag in _STREET for n in kids.get(tag, ()) if (t := n.text())]
    lines = [keep_all(" ".join(street), street), *more, *free] if street else more + free
    made: Element = {"line": lines} if lines else {}
    made |= {name: named[name] for name in _NAMED if name in named}
    if not made and (text := node.text()):
        made = {"text": text}
    return _used(node, made) if made and not node.null else None


def _used(node: Node, made: Element) -> Element:
    kind = ADDRESS_USE(_use(node))
    if kind is None:
        node.leave("*unmatched", "@use")
        return made
    return {"use": kind, **made}


def _use(node: Node) -> str | None:
    """The first of the uses of an AD or TEL."""
    value = node.attr("use")
    return keep(value.split()[0], value) if value else None


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
    found = email_extension(number) if system == "email" else None
    use = TELECOM_USE(_use(node))
    if use is None:
        node.leave("*unmatched", "@use")
    made: Element = {"extension": found} if found else {}
    made |= {"system": str(system), "value": number}
    if use is not None:
        made["use"] = use
    return made


def telecoms(node: Node) -> list[Element]:
    """All telecom of an entity."""
    return [t for t in map(tel_contact, node.all("telecom")) if t]


def addresses(node: Node) -> list[Element]:
    """All addr of an entity."""
    return [a for a in map(ad_address, node.all("addr")) if a]


def decoded(node: Node, told: Callable[[Node, str, str], None]) -> bytes:
    """The octets of an ED: Base64, or its text; nothing when it cannot be decoded.

    :param told: warns of it (:meth:`.context.Context.issue`).
    """
    if node.attr("representation") != "B64":
        return (node.text() or "").encode()
    coded = "".join((node.element.text or "").split()).rstrip("=")
    node.keep("")
    try:
        return pybase64.b64decode(coded + "=" * (-len(coded) % 4), validate=True)
    except ValueError:
        told(node, "not Base64: it is kept in the document only", "102")
        return b""


_MEDIA_TYPE = re.compile(r"[A-Za-z0-9][\w!#$&^.+-]{0,126}/[A-Za-z0-9][\w!#$&^.+-]{0,126}")


def media_type(node: Node, default: str) -> str:
    """The media type of an ED (RFC 6838); ``default`` for none and for what is none."""
    said = node.attr("mediaType")
    return said if said and _MEDIA_TYPE.fullmatch(said) else default
