"""Professionals, organisations and devices of a header: Practitioner, PractitionerRole, Organization, Device.

ANS, structuration minimale: assignedAuthor, assignedEntity, associatedEntity, custodian, scopingOrganization;
fr-core practitioner and organization for their identifiers.
"""

from __future__ import annotations

from hub.fhir.draft import Rank
from hub.source.cda import Node

from ..identifiers import PERSONS, STRUCTURES, person_identifiers, structure_identifiers
from ..shape import Element, clean, keep
from .context import Context
from .datatypes import addresses, cd_concept, ii_identifier, ii_identity, pn_name, telecoms


def identifiers(node: Node) -> list[Element]:
    """The id of a person or structure; national ones in all their forms."""
    made: list[Element] = []
    for one in node.all("id"):
        known = ii_identity(one)
        if known is None:
            continue
        if known[0] == PERSONS:
            made += person_identifiers(known[1])
        elif known[0] == STRUCTURES:
            made += structure_identifiers(known[1])
        elif found := ii_identifier(one):
            made.append(found)
    return made


def _identity(known: list[Element], c: Context, node: Node) -> tuple[str, str]:
    """How a thing is known: by the bare national number, else by its first identifier, else by its place."""
    for system in ("https://rpps.esante.gouv.fr", "https://finess.esante.gouv.fr"):
        for one in known:
            if one["system"] == system:
                return str(one["system"]), str(one["value"])
    if known:
        return str(known[0]["system"]), str(known[0]["value"])
    return "urn:oncohub:part", f"{'|'.join(c.identity)}#{node.path}"


def organization(node: Node | None, c: Context) -> Element | None:
    """An organisation to an Organization; without an identifier only its name is given."""
    if node is None or node.null:
        return None
    known = identifiers(node)
    names = node.all("name")
    name = names[0].text() if names else None
    if not known:
        return {"display": name} if name else None
    told = clean({"telecom": telecoms(node), "address": addresses(node)})
    kind = cd_concept(node.one("standardIndustryClassCode"))
    org = clean({
        "resourceType": "Organization", "identifier": known, "active": True, "type": [kind] if kind else None,
        "name": name, **told,
    })  # fmt: skip
    made = c.describe(org, _identity(known, c, node), Rank.DOCUMENT if told else Rank.MENTION)
    return {**made, "display": name} if name else made


def role(node: Node | None, c: Context) -> Element | None:
    """An assigned or associated entity to a reference: PractitionerRole, Organization, Device or the Patient.

    :param node: assignedAuthor, assignedEntity or associatedEntity.
    """
    if node is None:
        return None
    if any(ii_identity(i) in c.patient_ids for i in node.all("id")):
        return dict(c.patient)
    org = organization(node.one("representedOrganization") or node.one("scopingOrganization"), c)
    device = node.one("assignedAuthoringDevice")
    if device is not None:
        return _device(node, device, c)
    person = node.one("assignedPerson") or node.one("associatedPerson")
    known = identifiers(node)
    if person is None and not known:
        return org
    return _practitioner_role(node, person, known, org, c)


def _practitioner_role(
    node: Node, person: Node | None, known: list[Element], org: Element | None, c: Context
) -> Element:
    name = pn_name(person.one("name")) if person else None
    identity = _identity(known, c, node)
    shown = _shown(name)
    who = clean({"resourceType": "Practitioner", "identifier": known, "name": [name] if name else None})
    practitioner = c.describe(who, identity, Rank.DOCUMENT)
    code = cd_concept(node.one("code"))
    made = clean({
        "resourceType": "PractitionerRole",
        "practitioner": clean({**practitioner, "display": shown}),
        "organization": org,
        "code": [code] if code else None,
        "telecom": telecoms(node),
    })  # fmt: skip
    where = org.get("reference") or org.get("display") if org else ""
    what = code["coding"][0]["code"] if code and code.get("coding") else ""
    reference = c.describe(made, ("urn:oncohub:role", f"{'|'.join(identity)}|{where}|{what}"), Rank.DOCUMENT)
    return clean({**reference, "display": shown})


def _shown(name: Element | None) -> str | None:
    if not name:
        return None
    family = name.get("family") or name.get("text")
    text = " ".join(p for p in (*name.get("suffix", ()), *name.get("given", ()), family) if p)
    return keep(text, family) if text else None


def _device(node: Node, device: Node, c: Context) -> Element:
    known = identifiers(node)
    model, software = device.one("manufacturerModelName"), device.one("softwareName")
    named = [
        {"name": text, "type": kind}
        for part, kind in ((model, "model-name"), (software, "user-friendly-name"))
        if part is not None and (text := part.text())
    ]
    made = clean({"resourceType": "Device", "identifier": known, "deviceName": named})
    reference = c.describe(made, _identity(known, c, node), Rank.DOCUMENT)
    return {**reference, "display": named[0]["name"]} if named else reference
