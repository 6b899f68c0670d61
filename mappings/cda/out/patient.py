"""Patient to recordTarget, and its contacts to informants.

ANS, structuration minimale: recordTarget/patientRole; RNIV: qualifier BR is what was given at birth, CL what is used.
"""

from __future__ import annotations

from hub.fhir.draft import Resource

from ...shape import BIRTH_PLACE, COMMUNE, FR_CORE, Element
from .build import Made, el, null, some
from .types import ad, cd, iis, pn, reach, ts_element

SDTC = "{urn:hl7-org:sdtc}"
_LISTED = f"{FR_CORE}fr-core-patient-birth-list-given-name"
_ROLE_CLASS = "http://terminology.hl7.org/CodeSystem/v3-RoleClass"
_SEX = {"male": ("M", "Masculin"), "female": ("F", "Féminin")}
_GENDER = "2.16.840.1.113883.5.1"


def record_target(patient: Resource) -> Made:
    """The patient as the document names it."""
    code, shown = _SEX.get(patient.get("gender", ""), ("U", "Inconnu"))
    place = _birthplace(patient)
    person = el(
        "patient", None,
        _names(patient.get("name", [])),
        el("administrativeGenderCode", {"code": code, "codeSystem": _GENDER, "displayName": shown})
        if "gender" in patient else null("administrativeGenderCode"),
        ts_element("birthTime", patient.get("birthDate"), "UNK"),
        *_sdtc(patient),
        [_guardian(x) for x in patient.get("contact", ()) if _relation(x) == "GUARD"],
        el("birthplace", None, el("place", None, place)) if place is not None else None,
    )  # fmt: skip
    role = el("patientRole", None, iis(patient.get("identifier", [])), reach(patient), person)
    return el("recordTarget", None, role)


def _names(names: list[Element]) -> list[Made]:
    by_use = {n.get("use"): n for n in names}
    official, usual = by_use.get("official", {}), by_use.get("usual", {})
    if not (official or usual):
        return [x for n in names if (x := pn({k: v for k, v in n.items() if k != "use"})) is not None]
    listed = next((x["valueString"] for x in official.get("extension", ()) if x["url"] == _LISTED), None)
    parts = [
        ("family", "BR", official.get("family")),
        ("given", None, listed),
        ("given", "BR", next(iter(official.get("given", [])), None)),
        ("family", "CL", usual.get("family")),
        ("given", "CL", next(iter(usual.get("given", [])), None)),
    ]
    return [el("name", None, [el(name, {"qualifier": kind}, text) for name, kind, text in parts if text])]


def _sdtc(patient: Resource) -> list[Made | None]:
    """Death and order of birth, which CDA R2 has as extensions."""
    told = [
        ("deceasedInd", patient.get("deceasedBoolean")),
        ("multipleBirthInd", patient.get("multipleBirthBoolean")),
        ("multipleBirthOrderNumber", patient.get("multipleBirthInteger")),
    ]
    made: list[Made | None] = [
        el(SDTC + name, {"value": str(value).lower()}) for name, value in told if value is not None
    ]
    return [*made, ts_element(f"{SDTC}deceasedTime", patient.get("deceasedDateTime"))]


def _birthplace(patient: Resource) -> Made | None:
    found = next((x["valueAddress"] for x in patient.get("extension", ()) if x["url"] == BIRTH_PLACE), None)
    if found is None:
        return None
    codes = [x["valueCoding"]["code"] for x in found.get("extension", ()) if x["valueCoding"]["system"] == COMMUNE]
    return ad(found, *(el("county", None, code) for code in codes))


def _relation(contact: Element) -> str | None:
    codings = [c for r in contact.get("relationship", ()) for c in r.get("coding", ())]
    return next((c["code"] for c in codings if c.get("system") == _ROLE_CLASS), None)


def _reach(contact: Element) -> list[Made | None]:
    return reach({**contact, "address": [contact["address"]] if "address" in contact else []})


def _guardian(contact: Element) -> Made:
    name = pn(contact.get("name"))
    return el("guardian", None, _reach(contact), el("guardianPerson", None, name) if name is not None else None)


def informants(patient: Resource) -> list[Made]:
    """The contacts for an emergency (ECON) and the trusted persons (NOK)."""
    made = []
    for contact in patient.get("contact", ()):
        kind = _relation(contact)
        if kind not in ("ECON", "NOK"):
            continue
        codings = [c for r in contact["relationship"] for c in r.get("coding", ())]
        own = codings[2:]  # after class and contact role
        name = pn(contact.get("name"))
        made.append(el("informant", None, el(
            "relatedEntity", {"classCode": kind},
            cd("code", {"coding": own} if own else None),
            _reach(contact),
            some("relatedPerson", None, name),
        )))  # fmt: skip
    return made
