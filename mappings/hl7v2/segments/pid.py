"""PID (with PD1, ROL, NK1) to Patient.

HL7 v2.5 §3.4.2; HL7 v2-to-FHIR, PID map; IHE PAM France 2.11: PID-3 (INS, IPP), PID-5 (L, D), PID-11 (BDL is
the place of birth), PID-32 (status of the identity).
"""

from __future__ import annotations

from hub.errors import MappingError
from hub.fhir.draft import Rank
from hub.source.hl7v2 import Segment, qualified
from hub.source.identity import INS_SYSTEMS

from ...codes import table
from ...patients import Identities, add_patient
from ...shape import BIRTH_PLACE, FR_0445, FR_CORE, Element, clean, coding, concept
from ...times import ts_date, ts_datetime
from ..context import Context
from ..datatypes import cwe_concept, cx_identifier, xad_address, xad_birthplace, xpn_name, xtn_contact
from .people import xcn_practitioner

SEX, MARITAL = table("sex"), table("marital-status")
_MARITAL = "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus"


def pid_patient(c: Context, rank: Rank = Rank.FEED, pid: Segment | None = None, **more: object) -> Element:
    """PID to a Patient, added to the draft; returns the Reference to it.

    :param pid: which, where the message has several; the first by default.
    :param more: elements that the message says elsewhere (``active``).
    :raises MappingError: without PID, or without an identifier to know the person by.
    """
    pid = pid or c.message.first(b"PID")
    if pid is None:
        raise MappingError("the message has no PID", where="PID", cure="send the PID segment", code="100")
    known = pid_identities(pid, c)
    names = [n for n in map(xpn_name, pid.reps(5)) if n]
    if not names:
        c.draft.error(f"{pid.place}-5", "the patient has no name", "101")
    addresses, birthplace = _addresses(pid)
    general = _general_practitioners(c)
    patient = clean({
        "resourceType": "Patient",
        "extension": identity_status(pid, c.message.first(b"ZFD")) + birthplace,
        "identifier": known.all,
        **more,
        "name": names,
        "telecom": [t for f in (13, 14) for t in map(xtn_contact, pid.reps(f)) if t],
        "gender": SEX(pid.text(8), c.draft, f"{pid.place}-8"),
        "birthDate": ts_date(pid.text(7)),
        **_death(pid, c),
        "address": addresses,
        "maritalStatus": concept(MARITAL.coding(_MARITAL, pid.text(16))),
        **_multiple_birth(pid),
        "contact": [n for n in map(nk1_contact, c.message.segments(b"NK1")) if n],
        "generalPractitioner": general,
        "managingOrganization": _managing(pid, known, c),
    })  # fmt: skip
    if pid.text(7) and "birthDate" not in patient:
        c.draft.warn(f"{pid.place}-7", "not a date", "102")
    return add_patient(c.draft, patient, known, rank, c.occurred() if rank >= Rank.FEED else 0)


def pid_identities(pid: Segment, c: Context, *, lenient: bool = False) -> Identities:
    """PID-3 told apart: a qualified INS, identifiers of establishments, others.

    An INS that is not qualified (PID-32 without VALI) must not be used (RNIV): it is left out.

    :param lenient: nothing need be left, for somebody else knows the person too.
    :raises MappingError: when nothing is left.
    """
    known = Identities()
    trusted: bool | None = None
    other: list[tuple[str, str]] = []
    for x in pid.reps(3):
        value = x(1)
        if value is None:
            continue
        kind = x(5) or ""
        system = c.system(x)
        if system in INS_SYSTEMS:
            trusted = qualified(pid) if trusted is None else trusted
            if trusted:
                known.add_ins(c.draft, x.place(1), system, value)
            else:
                known.doubted = True
                c.draft.warn(x.place(1), "an INS whose identity is not qualified (PID-32) is not kept", "ins-status")
            continue
        if kind == "INS":
            c.draft.warn(x.place(4), "an INS without its OID is not kept", "ins-authority")
            continue
        local = kind in ("PI", "")
        use = "usual" if local else "secondary" if kind == "INS-C" else None
        made = cx_identifier(x, c, use)
        if made:
            known.all.append(made)
            (known.local if local else other).append((str(system), str(value)))
    if known.best is None and other:
        known.local = other[:1]
    if known.best is None and not lenient:
        raise MappingError(
            "no identifier to know the patient by", where=f"{pid.place}-3",
            cure="send the IPP (type PI), or the INS with PID-32 VALI", code="101",
        )  # fmt: skip
    return known


def identity_status(pid: Segment, zfd: Segment | None = None) -> list[Element]:
    """PID-32, 33 and ZFD-5, 6 to fr-core-identity-reliability; PID-32 may repeat (VALI~DOUB)."""
    known = [status for x in pid.reps(32) if (status := x())]
    if not known:
        return []
    parts: list[Element] = [{"url": "identityStatus", "valueCoding": coding(FR_0445, status)} for status in known]
    if validated := ts_date(pid.text(33)):
        parts.append({"url": "validationDate", "valueDate": validated})
    if zfd is not None:
        if means := zfd.text(5):
            parts.append({"url": "methodCollection", "valueCoding": coding(None, means)})
        if collected := ts_date(zfd.text(6)):
            parts.append({"url": "dateCollection", "valueDate": collected})
    return [{"extension": parts, "url": f"{FR_CORE}fr-core-identity-reliability"}]


def _addresses(pid: Segment) -> tuple[list[Element], list[Element]]:
    """PID-11 to addresses, and PID-11 of type BDL (or PID-23) to the extension for the place of birth."""
    addresses, birth = [], None
    for x in pid.reps(11):
        if x(7) == "BDL":
            birth = xad_birthplace(x)
        elif made := xad_address(x):
            addresses.append(made)
    if birth is None and (place := pid.text(23)):
        birth = {"text": place}
    return addresses, [{"url": BIRTH_PLACE, "valueAddress": birth}] if birth else []


def _death(pid: Segment, c: Context) -> Element:
    """PID-29, 30 to deceased[x]."""
    if at := ts_datetime(pid.text(29), c.zone):
        return {"deceasedDateTime": at}
    told = pid.text(30)
    return {"deceasedBoolean": told == "Y"} if told in ("Y", "N") else {}


def _multiple_birth(pid: Segment) -> Element:
    """PID-24, 25 to multipleBirth[x]; the order counts only when the birth was multiple."""
    told, order = pid.text(24), pid.text(25)
    if told == "Y" and order and order.isdecimal():
        return {"multipleBirthInteger": int(order)}
    return {"multipleBirthBoolean": told == "Y"} if told in ("Y", "N") else {}


def _managing(pid: Segment, known: Identities, c: Context) -> Element | None:
    """The establishment that gave the first local identifier keeps this record."""
    if not known.local:
        return None
    system = known.local[0][0]
    first = next((x for x in pid.reps(3) if x(1) == known.local[0][1]), None)
    return c.establishment(system, (first(4) if first else None) or c.message.msh.text(4))


def _general_practitioners(c: Context) -> list[Element]:
    """ROL of role ODRP (declared GP, IHE PAM France), else PD1-4."""
    found: list[Element | None] = []
    for rol in c.message.segments(b"ROL"):
        if rol.text(3) == "ODRP":
            found += [xcn_practitioner(x, c, rol) for x in rol.reps(4)]
    if not found and (pd1 := c.message.first(b"PD1")):
        found = [xcn_practitioner(x, c) for x in pd1.reps(4)]
    return [p for p in found if p]


def nk1_contact(nk1: Segment) -> Element | None:
    """NK1-2 name, 3 relationship, 4 address, 5/6 telephones to Patient.contact."""
    reps = nk1.reps(2)
    name = xpn_name(reps[0]) if reps else None
    related = nk1.rep(3)
    relation = cwe_concept(related) if related else None
    place = nk1.rep(4)
    telecom = [t for f in (5, 6) for t in map(xtn_contact, nk1.reps(f)) if t]
    address = xad_address(place) if place else None
    made = clean({
        "relationship": [relation] if relation else None, "name": name, "telecom": telecom, "address": address,
    })  # fmt: skip
    return made if name or telecom or address else None  # invariant pat-1
