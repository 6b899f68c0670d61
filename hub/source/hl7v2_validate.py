"""The structure of an HL7 v2 message against its standard, by hl7apy.

HL7 v2.5 and v2.6 message structures.  What the standard does not know is left aside before the check, for
hl7apy would call it wrong: Z segments, PRT (added in v2.7 and used by ANS before), the bulk of OBX-5, and
code tables (French ones differ by right).  What a profile requires of them is in
``hl7v2_structures``.  Slow (ten to a hundred milliseconds): for channels that ask.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from hub.errors import ParseError
from hub.source.hl7v2 import Message
from hub.source.hl7v2_structures import OWN, PAIRED, REQUIRED, structure_of

_STRUCTURAL = re.compile(r"(Missing required child|Child limit exceeded) ([A-Z0-9_.]+)")


class Finding(NamedTuple):
    """What is wrong, and where; read like :class:`hub.fhir.draft.Issue`."""

    severity: str
    where: str
    what: str
    code: str


def validate(body: bytes) -> list[Finding]:
    """The first thing that is wrong with the structure, if any.

    :raises ParseError: when it is no HL7 v2 message.
    """
    from hl7apy.consts import VALIDATION_LEVEL
    from hl7apy.exceptions import HL7apyException
    from hl7apy.parser import parse_message

    received = Message(body)
    msh = received.msh
    structure = structure_of(msh.text(9) or "", msh.text(9, 2) or "", msh.text(9, 3) or "")
    found = _required(received, structure)
    if structure in OWN:
        return found
    known = _structures(msh.text(12) or "")
    if known is not None and structure not in known:
        return [*found, Finding("error", "MSH-9", "no message structure is known by this name in this version", "200")]
    text = _known_to_the_standard(received, structure)
    try:
        message = parse_message(text, validation_level=VALIDATION_LEVEL.TOLERANT, find_groups=True)
        message.validate()
    except HL7apyException as e:
        return [*found, _issue(e)]
    except AttributeError:  # hl7apy found no structure for what it read
        return [*found, Finding("error", "MSH-9", "the structure does not fit the standard", "100")]
    return found


def _structures(version: str) -> frozenset[str] | None:
    """The message structures of a version; None of one that hl7apy does not know (and will say so)."""
    from hl7apy import load_library
    from hl7apy.exceptions import UnsupportedVersion

    try:
        return frozenset(load_library(version).MESSAGES)
    except UnsupportedVersion:
        return None


def _required(message: Message, structure: str) -> list[Finding]:
    """What French profiles require of messages and Z segments that the standard does not have."""
    found = [
        Finding("error", name.decode(), "missing required child", "101")
        for name in OWN.get(structure, ()) if message.first(name) is None
    ]  # fmt: skip
    if structure in PAIRED and len(message.segments(b"PID")) < 2:
        found.append(Finding("error", "PID[2]", "missing required child", "101"))
    for name, fields in REQUIRED.items():
        for segment in message.segments(name):
            found += [
                Finding("warning", f"{segment.place}-{n}", "required and empty", "101")
                for n in fields if not segment[n]
            ]  # fmt: skip
    return found


def _issue(error: Exception) -> Finding:
    found = _STRUCTURAL.match(str(error))
    if found:
        place = found[2].rpartition(".")[2].replace("_", "-")
        return Finding("error", place, found[1].lower(), "101" if found[1].startswith("Missing") else "198")
    # Other messages may quote what was received.
    kind = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(error).__name__).lower()
    return Finding("error", "MSH-9", f"the structure does not fit the standard ({kind})", "100")


def _known_to_the_standard(message: Message, structure: str) -> str:
    split = message.sep.field
    lines: list[bytes] = []
    for segment in message.ordered():
        if segment.name.startswith(b"Z") or segment.name == b"PRT":
            continue
        if segment.name == b"PID" and segment.number > 1 and structure in PAIRED:
            break  # hl7apy does not know that a segment may stand twice in one structure
        fields = list(segment.fields)
        if segment.name == b"MSH":
            kind, event, *_ = (*fields[9].split(message.sep.component), b"")
            fields[9] = message.sep.component.join((kind, event, structure.encode()))
            del fields[1]
        elif segment.name == b"OBX" and len(fields) > 5 and len(fields[5]) > 1000:
            fields[5] = fields[5][:20].rpartition(message.sep.component)[0]
        lines.append(split.join(fields))
    try:
        return b"\r".join(lines).decode(message.charset) + "\r"
    except UnicodeDecodeError:
        raise ParseError("octets that are not of the character set", where="MSH-18", code="102") from None
