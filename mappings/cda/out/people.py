"""Practitioner, PractitionerRole, Organization, Device and Patient to the entities of a header.

ANS, structuration minimale: assignedAuthor, assignedEntity, associatedEntity, intendedRecipient, custodian.
"""

from __future__ import annotations

from typing import Final

from hub.fhir.draft import Resource

from ...shape import Element
from .build import Made, el
from .record import Record
from .types import ad, cd, iis, pn, reach, tel

# entity -> (its person, its organisation)
_ENTITIES: Final = {
    "assignedAuthor": ("assignedPerson", "representedOrganization"),
    "assignedEntity": ("assignedPerson", "representedOrganization"),
    "associatedEntity": ("associatedPerson", "scopingOrganization"),
    "intendedRecipient": ("informationRecipient", "receivedOrganization"),
}


def organization(name: str, reference: Element | None, record: Record) -> Made | None:
    """A reference to an Organization to ``representedOrganization`` and the like; by name alone when it is not here."""
    told = record.get(reference)
    shown = (reference or {}).get("display") or told.get("name")  # each place names it as it did
    if not told:
        return el(name, None, el("name", None, shown)) if shown else None
    above = organization("wholeOrganization", told.get("partOf"), record)
    setting = next(iter(told.get("type", [])), None) if name != "representedCustodianOrganization" else None
    return el(
        name, None,
        iis(told.get("identifier", [])),
        el("name", None, shown) if shown else None,
        [tel(x) for x in told.get("telecom", ())],
        [ad(x) for x in told.get("address", ())],
        cd("standardIndustryClassCode", setting),
        el("asOrganizationPartOf", None, above) if above is not None else None,
    )  # fmt: skip


def entity(name: str, reference: Element | None, record: Record, kind: str | None = None) -> Made | None:
    """Who a reference refers to, as an ``assignedAuthor``, ``assignedEntity``...; None when nothing is known.

    :param kind: the classCode.
    """
    told = record.get(reference)
    attributes = {"classCode": kind}
    _, house = _ENTITIES[name]
    what = told.get("resourceType")
    if what == "Patient":
        return el(name, attributes, iis(told.get("identifier", [])))
    if what == "Device":
        return el(name, attributes, iis(told.get("identifier", [])), _device(told))
    if what in ("Practitioner", "PractitionerRole"):
        return _professional(name, attributes, told, reference or {}, record)
    org = organization(house, reference, record)
    return el(name, attributes, org) if org is not None else None


def _named(who: Resource, reference: Element) -> Element | None:
    """The name as the place has it that refers to somebody: one may leave out the titles."""
    names: list[Element] = who.get("name", [])
    display = reference.get("display")
    for name in names:
        plain = {k: v for k, v in name.items() if k in ("family", "given", "text")}
        for told in (name, plain):
            words = [*told.get("suffix", ()), *told.get("given", ()), told.get("family") or told.get("text")]
            if " ".join(w for w in words if w) == display:
                return told
    return names[0] if names else None


def _professional(
    name: str, attributes: dict[str, str | None], told: Resource, reference: Element, record: Record
) -> Made:
    played, house = _ENTITIES[name]
    role = told if told["resourceType"] == "PractitionerRole" else {}
    who = record.get(role.get("practitioner")) if role else told
    shown = pn(_named(who, reference))
    code = next(iter(role.get("code", [])), None)
    return el(
        name, attributes,
        iis(who.get("identifier", [])),
        cd("code", code) if name != "intendedRecipient" else None,
        reach({"address": who.get("address", []), "telecom": role.get("telecom", who.get("telecom", []))}),
        el(played, None, shown) if shown is not None else None,
        organization(house, role.get("organization"), record),
    )  # fmt: skip


def _device(told: Resource) -> Made:
    names = {n.get("type"): n["name"] for n in told.get("deviceName", ())}
    return el(
        "assignedAuthoringDevice", None,
        cd("code", told.get("type")),
        el("manufacturerModelName", None, names["model-name"]) if "model-name" in names else None,
        el("softwareName", None, names["user-friendly-name"]) if "user-friendly-name" in names else None,
    )  # fmt: skip


def participant_role(reference: Element | None, record: Record) -> Made | None:
    """Who took part in an entry."""
    told = record.get(reference)
    if told.get("resourceType") not in ("Practitioner", "PractitionerRole"):
        return el("participantRole", None, iis(told.get("identifier", []))) if told else None
    role = told if told["resourceType"] == "PractitionerRole" else {}
    who = record.get(role.get("practitioner")) if role else told
    shown = pn(_named(who, reference or {}))
    org = record.get(role.get("organization"))
    name = role.get("organization", {}).get("display") or org.get("name")
    scoping = [*iis(org.get("identifier", [])), *([el("desc", None, name)] if name else [])]
    return el(
        "participantRole", None, iis(who.get("identifier", [])), cd("code", next(iter(role.get("code", [])), None)),
        reach({"address": who.get("address", []), "telecom": role.get("telecom", [])}),
        el("playingEntity", None, shown) if shown is not None else None,
        el("scopingEntity", None, scoping) if scoping else None,
    )  # fmt: skip
