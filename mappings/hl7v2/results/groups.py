"""The order groups of an ORU: which OBX, NTE and SPM belong to which OBR.

HL7 v2.5 §7.3.1, ORU_R01: { [ORC] OBR [NTE] [TQ1] { OBX [PRT] [NTE] } { SPM } }.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hub.source.hl7v2 import Message, Segment


@dataclass(slots=True)
class Value:
    """One OBX with its comments."""

    obx: Segment
    notes: list[Segment] = field(default_factory=list)


@dataclass(slots=True)
class Group:
    """One OBR with what belongs to it."""

    obr: Segment
    orc: Segment | None = None
    notes: list[Segment] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)
    specimens: list[Segment] = field(default_factory=list)


def order_groups(message: Message) -> list[Group]:
    """The groups, in the order of the message; observations before the first OBR belong to none."""
    groups: list[Group] = []
    orc: Segment | None = None
    for segment in message.ordered():
        name = segment.name
        if name == b"ORC":
            orc = segment
        elif name == b"OBR":
            groups.append(Group(segment, orc))
            orc = None
        elif not groups:
            continue
        elif name == b"OBX":
            groups[-1].values.append(Value(segment))
        elif name == b"NTE":
            last = groups[-1]
            (last.values[-1].notes if last.values else last.notes).append(segment)
        elif name == b"SPM":
            groups[-1].specimens.append(segment)
    return groups
