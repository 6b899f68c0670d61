"""recordTarget (with informants and the general practitioner) to Patient.

ANS, structuration minimale: recordTarget/patientRole; RNIV (traits of identity); fr-core-patient and
fr-core-patient-ins.  An INS in a CDA is qualified by rule, so it is used as it stands.
"""

from __future__ import annotations

from hub.errors import MappingError
from hub.fhir.draft import Rank, resource_id
from hub.source.cda import SDTC, Node
from hub.source.identity import INS_SYSTEMS
from hub.source.origin import carry

from ..codes import table
from ..patients import Identities, add_patient
from ..shape import BIRTH_PLACE, FR_0203, V2_0203, Element, clean, coding, commune
from ..times import ts_date, ts_datetime
from .context import Context
from .datatypes import ad_address, addresses, cd_coding, ii_identifier, ii_identity, pn_name, pn_patient_names, telecoms
from .people import role
from .values import carried

SEX = table("sex")
_ROLE_CLASS = "http://terminology.hl7.org/CodeSystem/v3-RoleClass"
_V2_0131 = "http://terminology.hl7.org/CodeSystem/v2-0131"
# Identifiers that are no IPP: (type system, type, use)
_OTHER = {
    "urn:oid:1.2.250.1.213.1.4.2": (FR_0203, "INS-C", "secondary"),
    "urn:oid:1.2.250.1.213.1.4.13": (V2_0203, "NH", None),
    "urn:oid:1.2.250.1.213.1.4.14": (V2_0203, "NH", None),
    "urn:oid:1.2.250.1.176.1.2": (FR_0203, "NDP", None),
}
_WHERE = "recordTarget/patientRole"


def patient_role(c: Context) -> Node:
    """recordTarget/patientRole.

    :raises MappingError: when the document is about nobody.
    """
    node = c.document.one("recordTarget", "patientRole")
    if node is None:
        raise MappingError("the document has no patient", where=_WHERE, cure="send recordTarget", code="101")
    return node


def identities(node: Node, c: Context) -> Identities:
    """patientRole/id told apart, with those that the carrier knows.

    :raises MappingError: when there is none to know the person by.
    """
    known = Identities()
    for one in node.all("id"):
        found = ii_identity(one)
        if found is None or one.attr("extension") is None:
            continue
        system, value = found
        if system in INS_SYSTEMS:
            known.add_ins(c.draft, f"{one.path}/@extension", system, value)
        elif system in _OTHER:
            type_system, code, use = _OTHER[system]
            known.all.append(ii_identifier(one, type_system, code, use) or {})
        else:
            known.all.append(ii_identifier(one, V2_0203, "PI", "usual") or {})
            known.local.append(found)
    _join(known, c)
    if known.best is None:
        raise MappingError(
            "no identifier to know the patient by", where=f"{_WHERE}/id", cure="send the INS or the IPP", code="101"
        )
    return known


def _join(known: Identities, c: Context) -> None:
    """Add what the message around the document knows; two different INS are a conflict (ERR-5 904)."""
    told = c.carrier.patient
    if told is None:
        return
    if told.ins and known.ins and told.ins != known.ins:
        c.draft.error("PID-3", "the INS of the message is not the INS of the document", "904")
        return
    if told.ins and not known.ins:
        known.ins = told.ins
    have = {(i.get("system"), i.get("value")) for i in known.all}
    known.all += [i for i in told.all if (i.get("system"), i.get("value")) not in have]
    known.local += [i for i in told.local if i not in known.local]


def begin_patient(c: Context) -> tuple[Node, Identities]:
    """Find out who the patient is, so that the rest of the header can refer to it."""
    node = patient_role(c)
    known = identities(node, c)
    best = known.best
    if best is not None:
        c.patient = {"reference": f"Patient/{resource_id('Patient', *best)}"}
    c.patient_ids = frozenset((str(i["system"]), str(i["value"])) for i in known.all if i.get("system"))
    return node, known


def add_patient_of(node: Node, known: Identities, c: Context) -> Element:
    """patientRole to a Patient, added to the draft; what it shows of itself is returned for sourcePatientInfo."""
    person = node.one("patient")
    names = pn_patient_names(person.all("name")) if person else []
    if not names:
        c.draft.error(f"{_WHERE}/patient/name", "the patient has no name", "101")
    gender = person.one("administrativeGenderCode") if person else None
    birth = person.one("birthTime") if person else None
    shown = clean({
        "identifier": known.all,
        "name": names,
        "gender": SEX(gender.attr("code"), c.draft, f"{_WHERE}/patient/administrativeGenderCode") if gender else None,
        "birthDate": ts_date(birth.attr("value")) if birth else None,
    })  # fmt: skip
    death, births = _death(person, c), _births(person)
    patient = carry(clean({
        "resourceType": "Patient",
        "extension": c.carrier.extension + _birthplace(person),
        "identifier": shown.get("identifier"),
        "active": True,
        "name": shown.get("name"),
        "telecom": telecoms(node),
        "gender": shown.get("gender"),
        "birthDate": shown.get("birthDate"),
        **death,
        "address": addresses(node),
        **births,
        "contact": [x for x in (*_guardians(person), *_informants(c)) if x],
        "generalPractitioner": _general_practitioners(c),
    }), death, births)  # fmt: skip
    add_patient(c.draft, patient, known, Rank.DOCUMENT)
    return shown


def _birthplace(person: Node | None) -> list[Element]:
    place = person.one("birthplace", "place", "addr") if person else None
    if place is None:
        return []
    found = ad_address(place)
    if found is None:
        return []
    county = found.pop("district", None)
    value = clean({"extension": commune(county), **found})
    return [{"url": BIRTH_PLACE, "valueAddress": value}] if value else []


def _death(person: Node | None, c: Context) -> Element:
    """sdtc:deceasedTime, sdtc:deceasedInd."""
    if person is None:
        return {}
    for node in person.all("deceasedTime", SDTC):
        if at := ts_datetime(node.attr("value"), c.zone):
            return {"deceasedDateTime": at}
    return _flag(person, "deceasedInd", "deceasedBoolean")


def _births(person: Node | None) -> Element:
    """sdtc:multipleBirthOrderNumber, sdtc:multipleBirthInd."""
    if person is None:
        return {}
    for node in person.all("multipleBirthOrderNumber", SDTC):
        value = node.attr("value")
        if value and len(value) < 3 and value.isdecimal() and int(value):
            return carried({"multipleBirthInteger": int(value)}, "multipleBirthInteger", node)
    return _flag(person, "multipleBirthInd", "multipleBirthBoolean")


def _flag(person: Node, name: str, member: str) -> Element:
    """A BL of the sdtc extensions."""
    for node in person.all(name, SDTC):
        if (told := node.attr("value")) in ("true", "false"):
            return carried({member: told == "true"}, member, node)
    return {}


def _guardians(person: Node | None) -> list[Element | None]:
    if person is None:
        return []
    relation = {"coding": [coding(_ROLE_CLASS, "GUARD")]}
    return [_contact(g, relation, g.one("guardianPerson")) for g in person.all("guardian")]


def _informants(c: Context) -> list[Element | None]:
    """Informants of class ECON (in an emergency) and NOK (trusted person) are contacts of the patient."""
    made: list[Element | None] = []
    for informant in c.document.all("informant"):
        related = informant.one("relatedEntity")
        kind = related.attr("classCode") if related else None
        if related is None or kind not in ("ECON", "NOK"):
            continue
        codes = [coding(_ROLE_CLASS, kind), coding(_V2_0131, "C" if kind == "ECON" else "N")]
        codes.append(cd_coding(related.one("code")))
        made.append(_contact(related, {"coding": [x for x in codes if x]}, related.one("relatedPerson")))
    return made


def _contact(node: Node, relation: Element, person: Node | None) -> Element | None:
    name = pn_name(person.one("name")) if person else None
    where = addresses(node)
    made = clean({
        "relationship": [relation], "name": name, "telecom": telecoms(node), "address": where[0] if where else None,
    })  # fmt: skip
    return made if len(made) > 1 else None  # invariant pat-1


def _general_practitioners(c: Context) -> list[Element]:
    """participant with functionCode PCP (médecin traitant)."""
    found = []
    for participant in c.document.all("participant"):
        function = participant.one("functionCode")
        if function is not None and function.attr("code") == "PCP":
            found.append(role(participant.one("associatedEntity"), c))
    return [f for f in found if f and f.get("reference")]
