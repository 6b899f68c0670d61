"""What the header of a CDA document says, in French, for people.

HL7 CDA R2 §4.2; ANS CI-SIS, volet structuration minimale de documents médicaux; référentiel national
d'identitovigilance (birth name and used name, sex, place of birth by INSEE code).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from hub.source.cda import Document, Node
from hub.source.identity import INS_TYPES

Row = tuple[str, str]  # label, text

_SEXES: Final = {"F": "Féminin", "M": "Masculin", "U": "Inconnu", "UN": "Indéterminé"}
_RELATED: Final = {"RPLC": "Remplace le document", "APND": "Complète le document", "XFRM": "Transformé du document"}
_SECRET: Final = {"R": "Restreint", "V": "Très restreint"}
_SCHEMES: Final = {"tel": "Tél.", "mailto": "Courriel", "fax": "Fax"}


def when(node: Node | None) -> str:
    """A TS or the ends of an IVL_TS as a French date, as precise as it was written."""
    if node is None:
        return ""
    value = node.attr("value")
    if value:
        return _moment(value)
    low, high = when(node.one("low")), when(node.one("high"))
    if low and high:
        day, _, hour = low.partition(" à ")
        last, _, end = high.partition(" à ")
        if day == last:
            return f"le {day}" + (f" de {hour} à {end}" if hour and end and hour != end else "")
        return f"du {low} au {high}"
    return f"depuis le {low}" if low else f"jusqu'au {high}" if high else ""


def _moment(value: str) -> str:
    digits = value[:14].partition("+")[0].partition("-")[0]
    if not (digits.isascii() and digits.isdigit()):
        return value
    day = "/".join(part for part in (digits[6:8], digits[4:6], digits[:4]) if part)
    return f"{day} à {digits[8:10]}:{digits[10:12]}" if len(digits) >= 12 else day


def name(person: Node | None) -> str:
    """``Dr Jeanne MARTIN``: prefix, given and family names as they are used."""
    said = person.one("name") if person else None
    if said is None:
        return ""
    family = _part(said, "family", "CL", "SP", "BR")
    given = _part(said, "given", "CL", "CM", "BR")
    prefix = " ".join(filter(None, (n.text() for n in (*said.all("suffix"), *said.all("prefix"))[:1])))
    return " ".join(filter(None, (prefix, given, family))) or said.text() or ""


def _part(said: Node, kind: str, *wanted: str) -> str:
    """The part of a name under the first qualifier there is, else the first."""
    parts = said.all(kind)
    for qualifier in wanted:
        for part in parts:
            if qualifier in (part.attr("qualifier") or "").split():
                return part.text() or ""
    return (parts[0].text() or "") if parts else ""


def coded(node: Node | None) -> str:
    """How a code is called: its display, its original text, or the code itself."""
    if node is None:
        return ""
    original = node.one("originalText")
    return node.attr("displayName") or (original.text() if original else "") or node.attr("code") or ""


def organization(node: Node | None) -> str:
    said = node.one("name") if node else None
    return (said.text() or "") if said else ""


def address(node: Node | None) -> str:
    """An AD on one line."""
    if node is None:
        return ""
    order = (
        "houseNumber",
        "houseNumberNumeric",
        "streetName",
        "unitID",
        "streetAddressLine",
        "postalCode",
        "city",
        "country",
    )
    return " ".join(filter(None, (part.text() for kind in order for part in node.all(kind)))) or node.text() or ""


def contacts(node: Node | None) -> str:
    made = []
    for telecom in node.all("telecom") if node else ():
        scheme, _, rest = (telecom.attr("value") or "").partition(":")
        if rest:
            made.append(f"{_SCHEMES.get(scheme, scheme)} {rest}")
    return ", ".join(made)


def patient(document: Document) -> tuple[str, list[Row]]:
    """(name, what else identifies the patient)."""
    role = document.one("recordTarget", "patientRole")
    person = role.one("patient") if role else None
    if role is None or person is None:
        return "", []
    said = person.one("name")
    birth = _part(said, "family", "BR") if said else ""
    first = _part(said, "given", "BR") if said else ""
    place = person.one("birthplace", "place")
    where = place.one("addr") if place else None
    sex = person.one("administrativeGenderCode")
    rows = [
        ("Nom de naissance", birth),
        ("Premier prénom de naissance", first),
        ("Date de naissance", when(person.one("birthTime"))),
        ("Sexe", _SEXES.get((sex.attr("code") or "") if sex else "", coded(sex))),
        ("Lieu de naissance", _birthplace(where)),
        *_identifiers(role),
        ("Adresse", address(role.one("addr"))),
        ("Contact", contacts(role)),
    ]
    return name(person), [(label, text) for label, text in rows if text]


def _birthplace(where: Node | None) -> str:
    county = where.one("county") if where else None
    code = county.text() if county else None
    city = where.one("city") if where else None
    town = (city.text() or "") if city else ""
    return f"{town} ({code})" if town and code else town or code or ""


def _identifiers(role: Node) -> list[Row]:
    rows = []
    for known in role.all("id"):
        root, value = known.attr("root") or "", known.attr("extension") or ""
        kind = INS_TYPES.get(root)
        if value and kind:
            label = "Matricule INS" + (" (test)" if kind.endswith(("TEST", "DEMO")) else "")
            rows.append((label, _grouped(value)))
        elif value:
            authority = known.attr("assigningAuthorityName")
            rows.append(("Identifiant patient", f"{value} ({authority or root})"))
    return rows


def _grouped(matricule: str) -> str:
    """A matricule as people read it out: ``2 79 03 51 215 189 89``."""
    if len(matricule) != 15:
        return matricule
    cuts = (0, 1, 3, 5, 7, 10, 13, 15)
    return " ".join(matricule[a:b] for a, b in pairwise(cuts))


def about(document: Document) -> list[Row]:
    """Who made the document, when, for whom, and what it replaces."""
    secret = document.one("confidentialityCode")
    version, kept = document.one("versionNumber"), document.one("custodian", "assignedCustodian")
    rows: list[Row] = [("Date du document", when(document.one("effectiveTime")))]
    rows += [("Auteur", _assigned(author, "assignedAuthor")) for author in document.all("author")]
    signed = document.one("legalAuthenticator")
    if signed is not None:
        at = when(signed.one("time"))
        rows.append(("Validé par", _assigned(signed, "assignedEntity") + (f", le {at}" if at else "")))
    rows += [("Établissement", organization(kept.one("representedCustodianOrganization")))] if kept else []
    rows += [("Destinataire", _recipient(each)) for each in document.all("informationRecipient")]
    for each in document.all("documentationOf"):
        event = each.one("serviceEvent")
        if event is not None:
            said = ", ".join(filter(None, (coded(event.one("code")), when(event.one("effectiveTime")))))
            rows.append(("Acte documenté", said))
    encounter = document.one("componentOf", "encompassingEncounter")
    if encounter is not None:
        said = ", ".join(filter(None, (coded(encounter.one("code")), when(encounter.one("effectiveTime")))))
        rows.append(("Prise en charge", said))
    for related in document.all("relatedDocument"):
        parent = related.one("parentDocument", "id")
        label = _RELATED.get(related.attr("typeCode") or "", "Document lié")
        rows.append((label, (parent.attr("extension") or parent.attr("root") or "") if parent else ""))
    rows.append(("Version", (version.attr("value") or "") if version else ""))
    rows.append(("Confidentialité", _SECRET.get((secret.attr("code") or "") if secret else "", "")))
    return [(label, text) for label, text in rows if text]


def _assigned(holder: Node, kind: str) -> str:
    """Who, in which function, of which house."""
    entity = holder.one(kind)
    if entity is None:
        return ""
    device = entity.one("assignedAuthoringDevice", "softwareName")
    who = name(entity.one("assignedPerson")) or ((device.text() or "") if device else "")
    parts = (who, coded(entity.one("code")), organization(entity.one("representedOrganization")))
    return ", ".join(filter(None, parts))


def _recipient(holder: Node) -> str:
    intended = holder.one("intendedRecipient")
    if intended is None:
        return ""
    parts = (name(intended.one("informationRecipient")), organization(intended.one("receivedOrganization")))
    return ", ".join(filter(None, parts))
