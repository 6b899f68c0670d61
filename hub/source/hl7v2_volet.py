"""What a message that carries a CDA-R2 must agree upon before it is taken: its action, and whose document it is.

ANS, transmission d'un document CDA-R2 en HL7v2 v2.1: the event, ORC-1 and OBX-11 say one action; the patient of PID is
that of the document, else the answer is AE with ERR-5 904.  RNIV: the INS and the traits (birth name, birth date, sex).
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final, NamedTuple

from lxml import etree

from hub.errors import ParseError
from hub.source.hl7v2_tree import Message, Segment
from hub.source.identity import INS_TYPES, QUALIFIED

# ORC-1 -> (events of MDM, OBX-11) that say the same (v2.1, coding of the action)
ACTIONS: Final = {"NW": (("T02",), "F"), "RO": (("T10",), "C"), "CA": (("T04", "T11"), "D")}
_V3: Final = "{urn:hl7-org:v3}"
_HEAD: Final = 512 * 1024  # the patient of a CDA stands at its beginning
_PIECE: Final = 16 * 1024
_PERSON: Final = f"{_V3}recordTarget"
_DAY: Final = re.compile(r"\d{8}")


class Person(NamedTuple):
    """What can be compared of a patient: identifiers by authority, birth name, day of birth, sex."""

    ids: dict[str, set[str]]
    name: str
    born: str
    sex: str


def check_action(message: Message, documents: list[Segment]) -> None:
    """ORC-1, the event and OBX-11 say the same; other values of ORC-1 are those of other profiles.

    :raises ParseError: with the field that contradicts (table 0357, 103).
    """
    orc = message.first(b"ORC")
    action = ACTIONS.get(orc.text(1) or "") if orc is not None else None
    if action is None:
        return
    events, status = action
    event = message.msh.text(9, 2) or ""
    if event.startswith("T") and event not in events:
        raise _contradicts("ORC-1", "the action of ORC-1 is not that of the event in MSH-9")
    for obx in documents:
        if obx.text(11) in ("F", "C", "D") and obx.text(11) != status:
            raise _contradicts(f"{obx.place}-11", "the status of the document is not that of the action in ORC-1")


def _contradicts(where: str, what: str) -> ParseError:
    cure = "send T02, NW and F for a new document; T10, RO and C to replace; T04, CA and D to withdraw"
    return ParseError(what, where=where, cure=cure, code="103")


def check_patient(message: Message, octets: bytes) -> None:
    """The patient of PID is that of the CDA in ``octets``; what one of them does not say is not compared.

    :raises ParseError: with the field of PID that differs; code 904.
    """
    pid = message.first(b"PID")
    other = cda_person(octets) if pid is not None else None
    if pid is None or other is None:
        return
    mine = pid_person(pid)
    shared = mine.ids.keys() & other.ids.keys()
    ins = shared & INS_TYPES.keys()
    for authorities in (ins, shared - ins if not ins else set()):
        if authorities and not any(mine.ids[a] & other.ids[a] for a in authorities):
            raise _differs("PID-3", "the identifier of the message is not that of the document")
    for field, what, a, b in (
        (7, "birth date", mine.born, other.born), (8, "sex", mine.sex, other.sex),
        (5, "birth name", mine.name, other.name),
    ):  # fmt: skip
        if a and b and a != b:
            raise _differs(f"PID-{field}", f"the {what} of the message is not that of the document")


def _differs(where: str, what: str) -> ParseError:
    cure = "send the document of this patient, or correct the identity of one of them"
    return ParseError(what, where=where, cure=cure, code="904")


def pid_person(pid: Segment) -> Person:
    """PID-3, 5, 7, 8; an INS only when PID-32 qualifies it."""
    qualified = any(rep() == QUALIFIED for rep in pid.reps(32))
    ids: dict[str, set[str]] = {}
    for x in pid.reps(3):
        authority, value = x(4, 2) or x(4) or "", x(1)
        if value and authority and (qualified or authority not in INS_TYPES):
            ids.setdefault(authority, set()).add(value)
    names = [x for x in pid.reps(5) if x(7) in ("L", "B")]
    return Person(ids, _plain(names[0](1) if names else None), _day(pid.text(7)), _sex(pid.text(8)))


def cda_person(octets: bytes) -> Person | None:
    """recordTarget of a CDA; None when it is not near the beginning, or the document cannot be read."""
    record = _record_target(octets)
    role = record.find(f"{_V3}patientRole") if record is not None else None
    if role is None:
        return None
    ids: dict[str, set[str]] = {}
    for one in role.findall(f"{_V3}id"):
        root, value = (one.get("root") or "").strip(), (one.get("extension") or "").strip()
        if root and value:
            ids.setdefault(root, set()).add(value)
    person = role.find(f"{_V3}patient")
    if person is None:
        return Person(ids, "", "", "")
    family = next((f for f in person.iterfind(f"{_V3}name/{_V3}family") if f.get("qualifier") == "BR"), None)
    born, sex = person.find(f"{_V3}birthTime"), person.find(f"{_V3}administrativeGenderCode")
    return Person(
        ids,
        _plain("".join(str(t) for t in family.itertext()) if family is not None else None),
        _day(born.get("value") if born is not None else None),
        _sex(sex.get("code") if sex is not None else None),
    )


def _record_target(octets: bytes) -> etree._Element | None:
    """The element, read no further than its end; nothing is resolved or fetched."""
    parser = etree.XMLPullParser(
        events=("end",), tag=_PERSON, resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False
    )
    try:
        for at in range(0, min(len(octets), _HEAD), _PIECE):
            parser.feed(octets[at : at + _PIECE])
            for _, element in parser.read_events():
                return element if isinstance(element, etree._Element) else None
    except (etree.XMLSyntaxError, ValueError):  # the mapping says what is wrong with it
        return None
    return None


def _plain(name: str | None) -> str:
    """A name without accents, case, hyphens, apostrophes and blanks (RNIV compares names so)."""
    parts = unicodedata.normalize("NFKD", name or "")
    return "".join(ch for ch in parts if ch.isalnum()).casefold()


def _day(value: str | None) -> str:
    found = _DAY.match(value or "")
    return found[0] if found else ""


def _sex(code: str | None) -> str:
    return code if code in ("M", "F") else ""
