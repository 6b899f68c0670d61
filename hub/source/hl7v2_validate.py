"""The structure of an HL7 v2 message against its standard, by hl7apy.

HL7 v2.5 and v2.6 message structures.  What the standard does not know is left aside before the check, for
hl7apy would call it wrong: Z segments, PRT (added in v2.7 and used by ANS before), the bulk of OBX-5, and
code tables (French ones differ by right).  Slow (ten to a hundred milliseconds): for channels that ask.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from hub.errors import ParseError
from hub.source.hl7v2 import Message

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

    text = _known_to_the_standard(Message(body))
    try:
        message = parse_message(text, validation_level=VALIDATION_LEVEL.TOLERANT, find_groups=True)
        message.validate()
    except HL7apyException as e:
        return [_issue(e)]
    return []


def _issue(error: Exception) -> Finding:
    found = _STRUCTURAL.match(str(error))
    if found:
        place = found[2].rpartition(".")[2].replace("_", "-")
        return Finding("error", place, found[1].lower(), "101" if found[1].startswith("Missing") else "198")
    # Other messages may quote what was received.
    kind = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(error).__name__).lower()
    return Finding("error", "MSH-9", f"the structure does not fit the standard ({kind})", "100")


def _known_to_the_standard(message: Message) -> str:
    split = message.sep.field
    lines = []
    for segment in message.ordered():
        if segment.name.startswith(b"Z") or segment.name == b"PRT":
            continue
        fields = list(segment.fields)
        if segment.name == b"MSH":
            del fields[1]
        elif segment.name == b"OBX" and len(fields) > 5 and len(fields[5]) > 1000:
            fields[5] = fields[5][:20].rpartition(message.sep.component)[0]
        lines.append(split.join(fields))
    try:
        return b"\r".join(lines).decode(message.charset) + "\r"
    except UnicodeDecodeError:
        raise ParseError("octets that are not of the character set", where="MSH-18", code="102") from None
