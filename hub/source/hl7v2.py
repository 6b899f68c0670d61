"""HL7 v2 in ER7 encoding: what the hub learns of a message before it answers, and how it reads it.

HL7 v2.5 chapter 2; IHE PAM France 2.11; ANS, transmission d'un document CDA-R2 en HL7v2 v2.1.
:func:`peek` reads the head and the keys; whatever is wrong beyond that is said by :func:`check`, so that
the answer can still name the message it refuses.
"""

from __future__ import annotations

import pybase64

from hub.errors import ParseError
from hub.source.hl7v2_ack import Ack, build_ack, read_ack
from hub.source.hl7v2_text import escape, undecodable
from hub.source.hl7v2_tree import Field, Message, Rep, Segment
from hub.source.identity import INS_TYPES, QUALIFIED, authority_system
from hub.source.reader import Envelope, Reader

__all__ = [
    "READER", "Ack", "Field", "Message", "Rep", "Segment", "assigning_system", "build_ack", "check",
    "document_codes", "document_octets", "document_of", "escape", "parse", "peek", "read_ack",
]  # fmt: skip

_KEY = 199  # longest key the store holds
# Message families that carry a document: where its code may stand, best first.
_DOCUMENT_CODE = {"ORU": ((b"OBR", 4), (b"OBX", 3)), "MDM": ((b"OBR", 4), (b"TXA", 2), (b"OBX", 3))}


def peek(body: bytes) -> Envelope:
    """Read the head.

    :raises ParseError: when the body does not start with an MSH segment, or its separators are impossible.
    """
    message = Message(body)
    msh = message.msh
    line = msh.line
    facts = {"msh": line if len(line) < 65536 else line[:65536], "separators": message.sep}
    try:
        what = msh.rep(9)
        kind, event = (what() or "", what(2)) if what else ("", None)
        site = msh.text(4) or ""
        envelope = Envelope(
            type=(f"{kind}^{event}" if event else kind)[:64],
            control_id=(msh.text(10) or "")[:_KEY],
            sender=f"{msh.text(3) or ''}|{site}"[:_KEY],
            establishment=site,
            parsed=message,
            facts=facts,
        )
    except ParseError:  # an unreadable MSH: check() says what is wrong with it
        return Envelope(parsed=message, facts=facts)
    try:
        envelope.order_key, envelope.keys = _keys(message)
        for name, number in _DOCUMENT_CODE.get(kind, ()):
            segment = message.first(name)
            code = segment.text(number) if segment else None
            if code:
                envelope.document = code
                break
    except ParseError:  # the same: the answer names the message, check() refuses it
        pass
    return envelope


_KEYS = {
    b"PV1": ((19, "visit"),),
    b"PID": ((18, "visit"),),
    b"TXA": ((12, "document"),),
    b"MRG": ((1, "patient"),),
    b"ORC": ((2, "order"), (3, "order")),
    b"OBR": ((2, "order"), (3, "order"), (18, "accession")),
}


def _keys(message: Message) -> tuple[str, tuple[tuple[str, str], ...]]:
    """The best identifier of the patient as ``system|value``, and all business keys."""
    index = message.index
    keys: dict[tuple[str, str], None] = {}
    best = ""
    if b"PID" in index:
        best = _patient(message, index[b"PID"][0], keys)
    for name, fields in _KEYS.items():
        if name in index:
            segment = index[name][0]
            for number, kind in fields:
                if value := segment.text(number):
                    keys[kind, value[:_KEY]] = None
    return best[:_KEY], tuple(keys)


def _patient(message: Message, pid: Segment, keys: dict[tuple[str, str], None]) -> str:
    """Note every PID-3 as a key; of them, a qualified INS is best, then the IPP of the establishment."""
    best: Rep | None = None
    least = 9
    for rep in pid.reps(3)[:32]:
        value = rep()
        if value is None:
            continue
        keys["patient", value[:_KEY]] = None
        kind = rep.octets(5)
        if kind.startswith(b"INS") or b"1.2.250.1.213.1.4." in rep.octets(4):
            rank = 0 if rep(4, 2) in INS_TYPES and qualified(pid) else 3
        else:
            rank = 1 if kind in (b"PI", b"") else 2
        if rank < least:
            best, least = rep, rank
    return f"{assigning_system(best, message)}|{best()}" if best is not None else ""


_systems: dict[tuple[object, ...], str] = {}


def assigning_system(rep: Rep, message: Message) -> str:
    """The system of CX-4; a hospital has a handful of them, so the octets are remembered."""
    octets = rep.octets(4), message.msh[4].raw, message.sep, message.charset
    known = _systems.get(octets)
    if known is None:
        if len(_systems) > 4096:
            _systems.clear()
        site = message.msh.text(4) or ""
        known = authority_system(rep(4) or "", rep(4, 2) or "", rep(4, 3) or "", site)
        _systems[octets] = known
    return known


def qualified(pid: Segment) -> bool:
    """Whether PID-32 says that the identity is qualified, so that its INS may be used."""
    return any(rep() == QUALIFIED for rep in pid.reps(32))


def parse(body: bytes, origins: bool = False) -> Message:
    """The message mappings receive."""
    return Message(body, origins)


def check(body: bytes, envelope: Envelope) -> None:
    """Say what is wrong with a message whose head could be read.

    :raises ParseError: with the place and the code of table 0357.
    """
    message = envelope.parsed if isinstance(envelope.parsed, Message) else Message(body)
    msh = message.msh
    _ = message.charset
    for number in (9, 10):
        if not msh.text(number):
            raise ParseError(
                "required and empty",
                where=f"MSH-{number}",
                cure=f"the sender must fill MSH-{number}",
                code="101",
            )
    if len(msh.text(10) or "") > _KEY:
        raise ParseError(f"longer than {_KEY}", where="MSH-10", cure="shorten the control id", code="102")
    _decodable(message)
    if b"OBX" in message.index:
        _check_documents(message)


def _check_documents(message: Message) -> None:
    """The documents of a message: Base64, no DOCTYPE, one action, and one patient (see ``hl7v2_volet``)."""
    found = [c for obx in message.segments(b"OBX") if (c := document_of(message, obx)) is not None]
    octets = [_check_document(content) for content in found]
    if not found or not (message.msh.text(9) or "").startswith(("MDM", "ORU")):
        return
    from hub.source.hl7v2_volet import check_action, check_patient

    check_action(message, [content.segment for content in found])
    for one in octets:
        if b"ClinicalDocument" in one[:8192]:
            check_patient(message, one)


def _decodable(message: Message) -> None:
    """Find the first field whose octets are not of the declared character set."""
    _ = message.index
    if b"\0" in message.raw:
        raise ParseError(
            "zero octets: this is no 8-bit text",
            where="MSH-18",
            cure="send UTF-8 or ISO 8859, not UTF-16",
            code="102",
        )
    if message.raw.isascii() or message.charset.startswith("iso8859-"):
        return
    for segment in message.ordered():
        if not segment.line.isascii():
            _decodable_segment(segment)


def _decodable_segment(segment: Segment) -> None:
    codec = segment.context.charset
    try:
        segment.line.decode(codec)
    except UnicodeDecodeError as e:
        number = segment.line.count(segment.context.sep.field, 0, e.start)
        if segment.name == b"MSH":
            number += 1
        raise undecodable(f"{segment.place}-{number}", codec) from None


def document_octets(content: Rep) -> bytes:
    """The octets carried Base64 in OBX-5.5 (ED, §2.A.24); blanks and absent padding are forgiven.

    :raises ParseError: when it is not Base64.
    """
    coded = content.octets(5)
    try:
        return pybase64.b64decode(coded, validate=True)
    except ValueError:
        coded = coded.translate(None, b" \t\r\n").rstrip(b"=")
    try:
        return pybase64.b64decode(coded + b"=" * (-len(coded) % 4), validate=True)
    except ValueError:
        raise ParseError(
            "not Base64",
            where=content.place(5),
            cure="send the document Base64 encoded (RFC 4648 §4)",
            code="102",
        ) from None


def document_of(message: Message, obx: Segment) -> Rep | None:
    """OBX-5 when it is a document in Base64 (ED), and not the body of the mail that goes with it.

    The mail body is a MetaDMPMSS observation or, towards the EHR, an ED of bare text whose OBX-3 is the
    Message-ID of the mail (transmission au LPS v1.1).
    """
    if obx.text(2) != "ED":
        return None
    content = obx.rep(5)
    if content is None or content.octets(4).strip().lower() != b"base64" or obx.text(3, 3) == "MetaDMPMSS":
        return None
    if content(3) or (content(2) or "text").lower() != "text":
        return content
    return content if obx.text(3) in (None, *document_codes(message)) else None


def document_codes(message: Message) -> list[str]:
    """Codes of the document, best first: OBR-4, TXA-2 (JDV_J07)."""
    found = (message.first(name) for name in (b"OBR", b"TXA"))
    texts = (s.text(4 if s.name == b"OBR" else 2) for s in found if s is not None)
    return [t for t in texts if t]


def _check_document(content: Rep) -> bytes:
    octets = document_octets(content)
    head = octets[:4096].lstrip(b"\xef\xbb\xbf \t\r\n")
    html = head[:14].lower() == b"<!doctype html"  # a report in HTML is no XML, nothing will parse it
    if head.startswith(b"<") and b"<!DOCTYPE" in head and not html:
        raise ParseError(
            "the document has a DOCTYPE", where=content.place(5),
            cure="send it without a document type declaration (CDA has none)", code="102",
        )  # fmt: skip
    return octets


READER: Reader = Reader("hl7v2", "x-application/hl7-v2+er7", peek, parse, check)
