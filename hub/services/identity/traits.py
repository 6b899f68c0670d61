"""An identity by its traits, and how two of them compare.

RNIV 1 (référentiel national d'identitovigilance, arrêté du 27 mai 2021): the five strict traits are birth name,
first given name, date of birth, sex and place of birth (INSEE code).  Equal is: without case, accents, hyphens
and apostrophes.  FHIR places: fr-core-patient-ins (name ``official``, patient-birthPlace, identity-reliability).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hub.fhir.search import fold
from hub.source.identity import INS_SYSTEMS, QUALIFIED

RELIABILITY = "fr-core-identity-reliability"
BIRTH_PLACE = "patient-birthPlace"
INSEE = "insee-code"  # end of the URL of the extension, with or without "address-" before it
STRICT = ("birth name", "first given name", "date of birth", "sex", "place of birth")

_JOINTS = re.compile(r"[-'\u2019`. ]+")


@dataclass(frozen=True, slots=True)
class Identity:
    """What tells one person from another.

    :ivar traits: of ``STRICT``, those that are known, as they are compared.
    :ivar ins: system -> number, of the INS in use.
    :ivar local: (system, value) of the other identifiers in use.
    :ivar status: of the identity (French table 0445), or ''.
    :ivar used: other family names, as they are compared.
    """

    traits: Mapping[str, str]
    ins: Mapping[str, str] = field(default_factory=dict)
    local: frozenset[tuple[str, str]] = frozenset()
    status: str = ""
    used: frozenset[str] = frozenset()

    @property
    def qualified(self) -> bool:
        """Whether there is an INS, and the establishment says it checked who this is."""
        return bool(self.ins) and self.status == QUALIFIED


def plain(text: str) -> str:
    """A name as it is compared."""
    return " ".join(_JOINTS.sub(" ", fold(text)).split())


def identity(patient: Mapping[str, Any]) -> Identity:
    """The identity of a Patient that keeps the base rules of R4."""
    known = [i for i in patient.get("identifier", ()) if i.get("system") and i.get("value") and i.get("use") != "old"]
    names = patient.get("name", ())
    birth: Mapping[str, Any] = next((n for use in ("official", None) for n in names if n.get("use") == use), {})
    given = birth.get("given") or [""]
    found = (
        plain(birth.get("family") or ""),
        plain(given[0] or ""),
        str(patient.get("birthDate", "")),
        {"male": "male", "female": "female"}.get(str(patient.get("gender")), ""),
        _birth_place(patient),
    )
    return Identity(
        {trait: value for trait, value in zip(STRICT, found, strict=True) if value},
        {i["system"]: i["value"] for i in known if i["system"] in INS_SYSTEMS},
        frozenset((i["system"], i["value"]) for i in known if i["system"] not in INS_SYSTEMS),
        _status(patient),
        frozenset(plain(n["family"]) for n in names if n.get("family") and n is not birth),
    )


def differing(one: Identity, other: Identity) -> list[str]:
    """Strict traits that both have and that are not equal."""
    return [t for t in STRICT if t in one.traits and t in other.traits and one.traits[t] != other.traits[t]]


def missing(one: Identity, other: Identity) -> list[str]:
    """Strict traits that one of them has not."""
    return [t for t in STRICT if t not in one.traits or t not in other.traits]


def same_ins(one: Identity, other: Identity) -> bool:
    """Whether they have an INS in common."""
    return any(other.ins.get(system) == value for system, value in one.ins.items())


def other_ins(one: Identity, other: Identity) -> bool:
    """Whether their INS of one kind differ."""
    return any(other.ins.get(system, value) != value for system, value in one.ins.items())


def _status(patient: Mapping[str, Any]) -> str:
    held = _extension(patient, RELIABILITY)
    return str(_extension(held, "identityStatus").get("valueCoding", {}).get("code", ""))


def _birth_place(patient: Mapping[str, Any]) -> str:
    address = _extension(patient, BIRTH_PLACE).get("valueAddress", {})
    coding = _extension(address, INSEE).get("valueCoding", {})
    return str(coding.get("code", "")).upper()


def _extension(element: Mapping[str, Any], end: str) -> Mapping[str, Any]:
    empty: Mapping[str, Any] = {}
    return next((e for e in element.get("extension", ()) if str(e.get("url", "")).endswith(end)), empty)
