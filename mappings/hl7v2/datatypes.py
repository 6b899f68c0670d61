"""HL7 v2 data types to FHIR data types, one function each.

HL7 v2.5 §2.A; HL7 v2-to-FHIR, data type maps; IHE PAM France 2.11 for XPN, XAD, CX; every function takes
one repetition and gives None when there is nothing in it.
"""

from __future__ import annotations

from hub.source.hl7v2 import Rep, Segment
from hub.source.identity import authority_system

from ..codes import table
from ..identifiers import PERSONS, STRUCTURES, person_identifiers, structure_identifiers, type_system
from ..shape import (
    Element,
    birth_names,
    clean,
    coding,
    commune,
    concept,
    email_extension,
    identifier,
    keep,
    period,
)  # fmt: skip
from ..systems import code_system
from ..times import ts_date, ts_datetime
from .context import Context

NAME_USE, ADDRESS_USE = table("name-use"), table("address-use")
TELECOM_USE, TELECOM_SYSTEM = table("telecom-use"), table("telecom-system")


def cx_identifier(x: Rep, c: Context, use: str | None = None) -> Element | None:
    """CX to Identifier: CX-1 value, CX-4 system, CX-5 type, CX-7/8 period."""
    kind = x(5)
    made = identifier(c.system(x), x(1), type_system(kind) if kind else "", kind, use)
    if made and len(x.parts) > 6 and (valid := period(ts_date(x(7)), ts_date(x(8)))):
        made["period"] = valid
    return made


def xpn_name(x: Rep) -> Element | None:
    """XPN to HumanName; type L is the birth name with its list of given names (IHE PAM France)."""
    kind = x(7)
    use = NAME_USE(kind) if kind else None
    family, first, others = x(1), x(2), x(3)
    if use == "official":
        listed = others
        if first and others and not others.upper().startswith(first.upper()):
            listed = keep(f"{first} {others}", others)  # a sender that puts only the further names in XPN-3
        made = birth_names(family, first, listed)
    else:
        given = [g for g in (first, others if others != first else None) if g]
        made = clean({"use": use, "family": family, "given": given})
        if not (family or given):
            made = None
    if made and len(x.parts) > 3:
        if prefix := x(5):
            made["prefix"] = [prefix]
        if suffix := x(4):
            made["suffix"] = [suffix]
    return made


def xad_address(x: Rep) -> Element | None:
    """XAD to Address; XAD-9 is the INSEE code of the commune (IHE PAM France)."""
    kind = x(7)
    made = clean({
        "extension": commune(x(9)),
        "use": ADDRESS_USE(kind) if kind else None,
        "line": [line for line in (x(1), x(2)) if line],
        "city": x(3),
        "state": x(4),
        "postalCode": x(5),
        "country": x(6),
    })  # fmt: skip
    return None if not made or made.keys() == {"use"} else made


def xad_birthplace(x: Rep) -> Element | None:
    """XAD of type BDL to the Address of birth."""
    made = clean({"extension": commune(x(9)), "city": x(3), "postalCode": x(5), "country": x(6)})
    return made or None


def xtn_contact(x: Rep) -> Element | None:
    """XTN to ContactPoint: the number or the address, wherever the version of the sender puts it."""
    equipment = x(3)
    system = TELECOM_SYSTEM(equipment) if equipment else None
    mail = x(4)
    number = x(1) or x(12)
    if not number and x(7):
        number = keep("".join(p for p in (f"+{x(5)} " if x(5) else "", x(6), x(7)) if p), x(7))
    value = mail if mail and (system in ("email", None) or not number) else number
    if not value:
        return None
    if "@" in value:
        system = "email"
    code = x(2)
    use = "mobile" if equipment == "CP" else TELECOM_USE(code) if code else None
    found = email_extension(value) if system == "email" else None
    return clean({"extension": found, "system": system or "phone", "value": value, "use": use})


def xcn_identifiers(x: Rep, c: Context) -> list[Element]:
    """XCN-1, 9, 13 to Identifiers; a national one is given in all its forms."""
    value = x(1)
    if not value:
        return []
    kind = x(13) or ""
    authority = x(9, 2) or ""
    if authority == PERSONS[8:] or kind in ("IDNPS", "RPPS", "ADELI"):
        return person_identifiers(value, kind)
    system = xcn_system(x, c)
    return [i for i in (identifier(system, value, type_system(kind) if kind else "", kind),) if i]


def xcn_system(x: Rep, c: Context) -> str:
    """The system of XCN-9; without one, the establishment that speaks knows the person."""
    site = c.message.msh.text(4) or ""
    return authority_system(x(9) or "", x(9, 2) or "", x(9, 3) or "", site)


def xcn_name(x: Rep) -> Element | None:
    """XCN-2 to 6 to HumanName."""
    given = [g for g in (x(3), x(4)) if g]
    made = clean({
        "family": x(2), "given": given, "prefix": [p for p in (x(6),) if p], "suffix": [s for s in (x(5),) if s],
    })  # fmt: skip
    return made or None


def xon_identifiers(x: Rep, c: Context) -> list[Element]:
    """XON-3/10, 6, 7 to Identifiers of a structure."""
    value = x(10) or x(3)
    if not value:
        return []
    kind = x(7) or ""
    if x(6, 2) == STRUCTURES[8:] or kind in ("IDNST", "FINEG", "FINEJ"):
        return structure_identifiers(value, kind)
    made = identifier(xon_system(x, c), value, type_system(kind) if kind else "", kind)
    return [made] if made else []


def xon_system(x: Rep, c: Context) -> str:
    """The system of XON-6, or of the establishment that speaks."""
    return authority_system(x(6) or "", x(6, 2) or "", x(6, 3) or "", c.message.msh.text(4) or "")


def cwe_concept(x: Rep) -> Element | None:
    """CE/CWE to CodeableConcept, with its alternate coding."""
    first = coding(code_system(x(3) or ""), x(1), x(2))
    second = coding(code_system(x(6) or ""), x(4), x(5)) if len(x.parts) > 3 else None
    made = concept(first, second)
    if made is None:
        made = concept(text=x(2)) if x(2) else None
    return made


def text_concept(segment: Segment, field: int, c: Context) -> Element | None:
    """A coded field of a user-defined table, of which nobody but the site knows the code system."""
    rep = segment.rep(field)
    made: Element | None = c.remember(_concept, rep) if rep else None
    return made


def _concept(x: Rep, _c: Context) -> Element | None:
    return cwe_concept(x)


def when(segment: Segment, field: int, c: Context) -> str | None:
    """A TS field as a dateTime."""
    return ts_datetime(segment.text(field), c.zone)
