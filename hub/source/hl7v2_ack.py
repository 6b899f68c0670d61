"""Acknowledgements of HL7 v2: building ours, reading a peer's.

HL7 v2.5 §2.9.2 and §2.9.3 (original and enhanced mode), §2.15.5 (ERR), §2.15.8 (MSA); table 0357.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from hub.errors import HL7_ACK, HubError, ParseError
from hub.source.hl7v2_text import STANDARD, Separators, charset, escape
from hub.source.hl7v2_tree import Message
from hub.source.reader import Envelope

# Table 0357, message error condition codes.
CONDITIONS: Final = {
    "0": "Message accepted", "100": "Segment sequence error", "101": "Required field missing",
    "102": "Data type error", "103": "Table value not found", "198": "Non-conformant cardinality",
    "199": "Other HL7 error", "200": "Unsupported message type", "201": "Unsupported event code",
    "202": "Unsupported processing id", "203": "Unsupported version id", "204": "Unknown key identifier",
    "205": "Duplicate key identifier", "206": "Application record locked",
    "207": "Application internal error",
}  # fmt: skip
# ANS, transmission d'un document CDA-R2 en HL7v2 v2.1, table 0533: the detail beside condition 207.
DETAILS: Final = {
    "900": "Version non la plus récente", "901": "Demandeur non autorisé", "902": "Patient inconnu",
    "903": "INS absent du document", "904": "INS ou traits différents", "905": "Traits INS incomplets",
    "906": "Autre erreur",
}  # fmt: skip

_PLACE = re.compile(r"([A-Z][A-Z0-9]{2})(?:\[(\d+)\])?(?:-(\d+)(?:\[(\d+)\])?(?:\.(\d+))?(?:\.(\d+))?)?")
_ECHO: Final = 250  # octets of a field of the sender that are given back; the longest of MSH is 227


@dataclass(frozen=True, slots=True)
class _Head:
    """The MSH of the message to answer, as octets."""

    sep: Separators = STANDARD
    codec: str = "utf-8"
    fields: tuple[bytes, ...] = ()

    def at(self, number: int) -> bytes:
        """MSH-``number``; MSH-1 is the separator itself, hence the shift."""
        return self.fields[number - 1][:_ECHO] if number <= len(self.fields) else b""


def _head(envelope: Envelope | None) -> _Head:
    line: bytes | None = envelope.facts.get("msh") if envelope else None
    if envelope is None or not line:
        return _Head()
    fields = tuple(line.split(line[3:4]))
    try:
        codec = charset(fields[17] if len(fields) > 17 else b"")
    except ParseError:
        codec = "ascii"
    return _Head(envelope.facts["separators"], codec, fields)


def build_ack(
    envelope: Envelope | None, code: str, *, ack_id: str, at: str, name: str, error: HubError | None
) -> bytes:
    """The acknowledgement of a message.

    :param envelope: what was read of it; None when it was no message at all.
    :param code: MSA-1, table 0008: AA, AE, AR, CA, CE, CR.
    :param ack_id: MSH-10 of the acknowledgement.
    :param at: MSH-7, ``YYYYMMDDHHMMSS+ZZZZ``.
    :param name: MSH-3 when the message did not say to whom it spoke.
    :param error: why, for all codes but AA and CA.
    """
    head = _head(envelope)
    sep, at_, fs, cs = head.sep, head.at, head.sep.field, head.sep.component

    def text(value: str) -> bytes:
        return escape(value, sep).encode(head.codec, "replace")

    event = at_(9).split(cs)
    kind = cs.join((b"ACK", event[1], b"ACK")) if len(event) > 1 and event[1] else b"ACK"
    msh = fs.join((
        b"MSH", b"".join(sep[1:]), at_(5) or text(name), at_(6), at_(3), at_(4), at.encode(), b"", kind,
        ack_id.encode(), at_(11) or b"P", at_(12) or b"2.5", b"", b"", b"", b"", at_(17),
        at_(18) if head.fields else b"UNICODE UTF-8",
    )).rstrip(fs)  # fmt: skip
    msa = [b"MSA", code.encode(), at_(10)]
    if error is None or code in ("AA", "CA"):
        return b"\r".join((msh, fs.join(msa), b""))
    old = at_(12).split(cs)[0] in (b"2.1", b"2.2", b"2.3", b"2.3.1", b"2.4")
    if old:
        msa.append(text(error.what[:80]))
    return b"\r".join((msh, fs.join(msa), fs.join(_err(error, sep, text, old)), b""))


def _err(error: HubError, sep: Separators, text: Callable[[str], bytes], old: bool) -> list[bytes]:
    detail = error.code if error.code in DETAILS else ""
    condition = "207" if detail else error.code if error.code in CONDITIONS else HL7_ACK[error.category][1]
    cs = sep.component
    coded = (condition.encode(), text(CONDITIONS[condition]), b"HL70357")
    own = cs.join((detail.encode(), text(DETAILS[detail]), b"HL70533")) if detail else b""
    eld = erl = b""
    place = _PLACE.fullmatch(error.where)
    if place:
        segment, sequence, field, repetition, component, sub = place.groups(default="")
        at = (segment, sequence or "1", field, (repetition or "1") if field else "", component, sub)
        erl = cs.join(p.encode() for p in at).rstrip(cs)
        if old:  # v2.3 and v2.4 know ERR-1 only (ELD): segment ^ sequence ^ field ^ code&text&system
            eld = cs.join((*(p.encode() for p in at[:3]), (sep.sub or b" ").join(coded)))
    said = f"{error.where}: {error.what}" if error.where else error.what
    return [b"ERR", eld, erl, cs.join(coded), b"E", own, b"", text(said), text(str(error))]


class Ack(NamedTuple):
    """A peer's acknowledgement: MSA-1, MSA-2, and what it says about it."""

    code: str
    control_id: str
    text: str


def read_ack(body: bytes) -> Ack:
    """Read an acknowledgement.

    :raises ParseError: when it is none: no MSH, no MSA, or an MSA-1 outside table 0008.
    """
    message = Message(body)
    msa = message.first(b"MSA")
    code = (msa.text(1) or "").upper() if msa else ""
    if msa is None or code not in ("AA", "AE", "AR", "CA", "CE", "CR"):
        raise ParseError(
            "the answer is no acknowledgement", where="MSA-1",
            cure="see what answers at that address: an HL7 v2 receiver sends MSA-1 AA, AE, AR, CA, CE or CR",
        )  # fmt: skip
    err = message.first(b"ERR")
    said = [msa.text(3)]
    if err is not None:
        said += [err.text(8), err.text(7), err.text(3, 2), err.text(5, 2), err.text(3, 1), err.text(1, 4, 2)]
    return Ack(code, msa.text(2) or "", next((s for s in said if s), ""))
