"""Patient and Consent to PID, PD1, ROL, NK1, MRG, ZFA, ZFD.

HL7 v2.5 §3.4.2 (PID), §3.4.6 (NK1), §3.4.9 (MRG); IHE PAM France 2.11.
"""

from __future__ import annotations

from ...codes import table
from ...shape import Element
from .bundle import Bundle, at, extension, items, text
from .datatypes import back, birthplace, ce, cx, ts, xad, xcn, xpn, xtn
from .er7 import Repetition, Value, segment

_SEX = {"male": "M", "female": "F"}
_FLAG = {"true": "Y", "false": "N"}
_ZFA = {"record": (1, 2, 3), "access": (4, 5, 0), "glass": (6, 8, 0), "dispatch": (7, 8, 0), "feed": (9, 10, 0),
        "consult": (11, 12, 0)}  # fmt: skip
_CONSENTS = "urn:oncohub:dmp-consent"


def pid(patient: Element, bundle: Bundle, stay: Element | None = None, number: int = 1) -> str:
    """Patient to PID; PID-18 is the account of the stay."""
    place, said = birthplace(patient)
    contacts = [made for made in map(xtn, items(patient, "telecom")) if made]
    accounts = [i for i in items(stay, "identifier") if text(i, "type", "coding", 0, "code") == "AN"]
    order = text(patient, "multipleBirthInteger")
    died = text(patient, "deceasedDateTime")
    fields: dict[int, Value] = {
        1: str(number),
        3: _reps(cx(i, bundle) for i in items(patient, "identifier")),
        5: _reps(map(xpn, items(patient, "name"))),
        7: ts(text(patient, "birthDate")),
        8: _SEX.get(text(patient, "gender") or "", "U") if "gender" in patient else None,
        11: _reps([*map(xad, items(patient, "address")), *([place] if place else [])]),
        13: _reps(contacts),
        16: back("target", "marital-status").get(text(patient, "maritalStatus", "coding", 0, "code") or ""),
        18: _reps(cx(i, bundle) for i in accounts[:1]),
        23: said,
        24: "Y" if order else _FLAG.get(text(patient, "multipleBirthBoolean") or ""),
        25: order,
        29: ts(died),
        30: "Y" if died else _FLAG.get(text(patient, "deceasedBoolean") or ""),
        32: _reps(status for status in _statuses(patient)),
        33: ts(text(extension(extension(patient, "identity-reliability"), "validationDate"), "valueDate")),
    }
    return segment("PID", fields)


def _reps(found: object) -> list[Repetition]:
    return [one for one in found if one]  # type: ignore[attr-defined]  # any iterable of repetitions


def _statuses(patient: Element) -> list[str]:
    held = extension(patient, "identity-reliability")
    found = (text(e, "valueCoding", "code") for e in items(held, "extension") if e.get("url") == "identityStatus")
    return [status for status in found if status]


def practitioners(patient: Element, bundle: Bundle) -> list[str]:
    """generalPractitioner to ROL of role ODRP (declared practitioner, IHE PAM France)."""
    made = []
    for reference in items(patient, "generalPractitioner"):
        who = xcn(reference, bundle)
        if who is None:
            continue
        person = bundle.resolve(reference)
        made.append(segment("ROL", {
            2: "UC", 3: "ODRP", 4: [who], 11: _reps(map(xad, items(person, "address"))),
            12: _reps(t for t in map(xtn, items(person, "telecom"))),
        }))  # fmt: skip
    return made


def relatives(patient: Element) -> list[str]:
    """Patient.contact to NK1."""
    made = []
    for number, contact in enumerate(items(patient, "contact"), 1):
        name, place = at(contact, "name"), at(contact, "address")
        made.append(segment("NK1", {
            1: str(number), 2: [xpn(name)] if isinstance(name, dict) else None,
            3: [ce(next(iter(items(contact, "relationship")), None))],
            4: [xad(place)] if isinstance(place, dict) else None,
            5: _reps(t for t in map(xtn, items(contact, "telecom"))),
        }))  # fmt: skip
    return made


def mrg(patient: Element, bundle: Bundle) -> str | None:
    """Patient.link of type ``replaces`` to MRG: the identifiers of the record that goes; None without one."""
    found: list[Repetition] = []
    for link in items(patient, "link"):
        if text(link, "type") != "replaces":
            continue
        other = bundle.resolve(at(link, "other"))
        held = items(other, "identifier") or [i for i in (at(link, "other", "identifier"),) if isinstance(i, dict)]
        found += [cx(i, bundle) for i in held]
    return segment("MRG", {1: found}) if found else None


def zfa(bundle: Bundle) -> str | None:
    """Consents about the national record to ZFA; None without one."""
    codes = {row.display: row.source for row in table("hl7v2-dmp-consent").rows.values()}
    fields: dict[int, Value] = {}
    for consent in bundle.all("Consent"):
        kind = text(consent, "policyRule", "coding", 0, "code") or ""
        if text(consent, "policyRule", "coding", 0, "system") != _CONSENTS or kind not in _ZFA:
            continue
        said = next((s for c in items(consent, "category") if (s := text(c, "text")) in codes), None)
        if said is None:
            continue
        field, date, end = _ZFA[kind]
        fields[field] = codes[said].partition(":")[2]
        fields[date] = ts(text(consent, "dateTime"))
        if end:
            fields[end] = ts(text(consent, "provision", "period", "end"))
    return segment("ZFA", fields) if fields else None


def zfd(patient: Element, bundle: Bundle) -> str | None:
    """How the identity was obtained, and whether short messages are accepted, to ZFD; None without either."""
    held = extension(patient, "identity-reliability")
    means = text(extension(held, "methodCollection"), "valueCoding", "code")
    collected = ts(text(extension(held, "dateCollection"), "valueDate"))
    sms = next((c for c in bundle.all("Consent") if text(c, "policyRule", "coding", 0, "code") == "sms"), None)
    answer = {"permit": "Y", "deny": "N"}.get(text(sms, "provision", "type") or "")
    if not (means or collected or answer):
        return None
    return segment("ZFD", {3: answer, 5: means, 6: collected})
