"""Professionals, organisations and devices of a header: Practitioner, PractitionerRole, Organization, Device.

ANS, structuration minimale: assignedAuthor, assignedEntity, associatedEntity, custodian, scopingOrganization;
fr-core practitioner and organization for their identifiers.
"""

from __future__ import annotations

from typing import Final

from hub.fhir.draft import Rank
from hub.source.cda import V3, Node

from ..identifiers import PERSONS, STRUCTURES, person_identifiers, structure_identifiers
from ..shape import Element, clean, keep_all
from .context import MAX_PEOPLE, PART, Context
from .datatypes import addresses, cd_concept, ii_identity, pn_name, telecoms

PEOPLE: Final = ("Practitioner/", "PractitionerRole/")
_NATIONAL = {PERSONS: person_identifiers, STRUCTURES: structure_identifiers}
# What plays, or scopes, the role of an entity: header, recipients, participants of entries.
_PLAYS = {
    f"{V3}{name}": what
    for what, names in {
        "person": ("assignedPerson", "associatedPerson", "informationRecipient", "playingEntity"),
        "organization": ("representedOrganization", "scopingOrganization", "receivedOrganization", "scopingEntity"),
        "device": ("assignedAuthoringDevice", "playingDevice"),
    }.items()
    for name in names
}


def those(found: list[Element], *kinds: str) -> list[Element]:
    """The references to what R4 lets an element refer to; those by name alone too.

    :param kinds: ``Practitioner/``, ``Organization/``...
    """
    return [x for x in found if "reference" not in x or x["reference"].startswith(kinds)]


def identifiers(node: Node) -> list[Element]:
    """The id of a person or structure; national ones in all their forms."""
    return _forms([known for one in node.all("id") if (known := ii_identity(one))])


def _forms(ids: list[tuple[str, str]]) -> list[Element]:
    made: list[Element] = []
    for system, value in ids:
        national = _NATIONAL.get(system)
        if national is None:
            made.append({"system": system, "value": value})
            continue
        forms = national(value)
        forms[0]["system"] = system
        made += forms
    return made


def _identity(known: list[Element], c: Context, node: Node) -> tuple[str, str]:
    """How a thing is known: by the bare national number, else by its first identifier, else by its place."""
    for one in known:
        if one["system"] in _BARE:
            return str(one["system"]), str(one["value"])
    if known:
        return str(known[0]["system"]), str(known[0]["value"])
    return PART, f"{'|'.join(c.identity)}#{node.path}"


_BARE = ("https://rpps.esante.gouv.fr", "https://finess.esante.gouv.fr")


def organization(node: Node | None, c: Context, at: Node | None = None) -> Element | None:
    """An organisation to an Organization; one that has a name alone is given by it.

    :param at: an entity without a person that stands for it: its address and telecom are the organisation's.
    """
    if node is None or node.null:
        return None
    known = identifiers(node)
    named = node.one("name") or node.one("desc")
    name = named.text() if named is not None else None
    kind = cd_concept(node.one("standardIndustryClassCode"))
    phones, where = telecoms(node), addresses(node)
    if at is not None:
        phones += [x for x in telecoms(at) if x not in phones]
        where += [x for x in addresses(at) if x not in where]
    told = bool(phones or where)
    if not known and not (name and (told or kind)):
        return {"display": name} if name else None
    org = clean({
        "resourceType": "Organization", "identifier": known, "active": True, "type": [kind] if kind else None,
        "name": name, "telecom": phones, "address": where,
        "partOf": organization(node.one("asOrganizationPartOf", "wholeOrganization"), c),
    })  # fmt: skip
    # One without a number is known by its name, within this document.
    identity = _identity(known, c, node) if known else (PART, f"{'|'.join(c.identity)}#Organization|{name}")
    made = c.describe(org, identity, Rank.DOCUMENT if told else Rank.MENTION)
    return {**made, "display": name} if name else made


def role(node: Node | None, c: Context) -> Element | None:
    """An entity in its role to a reference: PractitionerRole, Organization, Device or the Patient.

    :param node: assignedAuthor, assignedEntity, associatedEntity, intendedRecipient or participantRole.
    """
    if node is None:
        return None
    if id(node) in c.roles:
        before = c.roles[id(node)]
        return dict(before) if before is not None else None
    if len(c.roles) >= MAX_PEOPLE:
        if len(c.roles) == MAX_PEOPLE:
            c.issue(node, "too many people: the rest is kept in the document only", "too-many-people")
        c.roles[id(node)] = None
        return None
    made = c.roles[id(node)] = _role(node, c)
    return made


def _role(node: Node, c: Context) -> Element | None:
    if node.null:
        return None
    ids = [one for i in node.all("id") if (one := ii_identity(i))]
    if not c.patient_ids.isdisjoint(ids):
        return dict(c.patient)
    played = {what: found[0] for tag, found in node.kids.items() if (what := _PLAYS.get(tag))}
    device, known = played.get("device"), _forms(ids)
    alone = "person" not in played and device is None and not known
    org = organization(played.get("organization"), c, node if alone else None)
    if device is not None:
        return _device(node, device, known, c)
    person = played.get("person")
    if alone:
        return org
    return _practitioner_role(node, person, known, org, c)


def _practitioner_role(
    node: Node, person: Node | None, known: list[Element], org: Element | None, c: Context
) -> Element:
    name = pn_name(person.one("name")) if person is not None else None
    identity = _identity(known, c, node)
    shown = _shown(name)
    who = clean({
        "resourceType": "Practitioner", "identifier": known, "name": [name] if name else None,
        "address": addresses(node),
    })  # fmt: skip
    practitioner = c.describe(who, identity, Rank.DOCUMENT)
    code = cd_concept(node.one("code"))
    made = clean({
        "resourceType": "PractitionerRole",
        "practitioner": {**practitioner, "display": shown} if shown else practitioner,
        "organization": org,
        "code": [code] if code else None,
        "telecom": telecoms(node),
    })  # fmt: skip
    where = org.get("reference") or org.get("display") if org else ""
    what = code["coding"][0]["code"] if code and code.get("coding") else ""
    reference = c.describe(made, ("urn:oncohub:role", f"{'|'.join(identity)}|{where}|{what}"), Rank.DOCUMENT)
    return {**reference, "display": shown} if shown else reference


def _shown(name: Element | None) -> str | None:
    if not name:
        return None
    family = name.get("family") or name.get("text")
    parts = [p for p in (*name.get("suffix", ()), *name.get("given", ()), family) if p]
    return keep_all(" ".join(parts), parts) if parts else None


def _device(node: Node, device: Node, known: list[Element], c: Context) -> Element | None:
    model, software = device.one("manufacturerModelName"), device.one("softwareName")
    named = [
        {"name": text, "type": kind}
        for part, kind in ((model, "model-name"), (software, "user-friendly-name"))
        if part is not None and (text := part.text())
    ]
    kind = cd_concept(device.one("code"), c.words) or cd_concept(node.one("code"), c.words)
    if not (known or named or kind):
        return None
    made = clean({"resourceType": "Device", "identifier": known, "deviceName": named, "type": kind})
    reference = c.describe(made, _identity(known, c, node), Rank.DOCUMENT)
    return {**reference, "display": named[0]["name"]} if named else reference
