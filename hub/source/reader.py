"""What every reader of a format offers, and what the hub learns of a body before it is stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

NOTHING: Mapping[str, Any] = {}


@dataclass(slots=True)
class Envelope:
    """What is known of a body from its head alone: enough to answer, order, index and route it.

    :ivar type: the kind of message: ``ADT^A01``, or the code of a document ``34794-8``.
    :ivar control_id: the sender's own number of the message (MSH-10; ``ClinicalDocument/id``), or ''.
    :ivar sender: who sent it: ``GAM|CHU-X`` (MSH-3|MSH-4); author organisation of a document.
    :ivar establishment: identifier of the establishment that speaks (MSH-4; FINESS of the custodian).
    :ivar document: document type code (LOINC, TRE_A05) when the body carries a document, or ''.
    :ivar order_key: messages of one key are handled in order; '' when nothing ties this one.
    :ivar keys: business keys, (kind, value); kinds: patient, visit, accession, document, order, mail.
    :ivar parsed: the parsed body, when reading the head needed it anyway; never stored.
    :ivar facts: other facts of the format that the answer needs (HL7 v2: the raw MSH fields).
    """

    type: str = ""
    control_id: str = ""
    sender: str = ""
    establishment: str = ""
    document: str = ""
    order_key: str = ""
    keys: tuple[tuple[str, str], ...] = ()
    parsed: Any = None
    facts: Mapping[str, Any] = field(default_factory=lambda: NOTHING)


@dataclass(frozen=True, slots=True)
class Reader:
    """One format.

    :ivar name: as channels write it (``format: hl7v2``).
    :ivar content_type: media type of such a body.
    :ivar peek: body -> Envelope.  Fast, bounded, never more than the answer needs.
        Raises :class:`hub.errors.ParseError` (with the place) for a body that is not of the format.
    :ivar parse: (body, origins) -> the parsed source that mappings receive.  With ``origins`` true,
        every value read is a :class:`hub.source.origin.Text` that remembers its place.
    :ivar check: (body, envelope) -> None, or raises ParseError: cheap checks done before the answer,
        beyond what peek sees (base64 that cannot be decoded, a document with a DOCTYPE).
    """

    name: str
    content_type: str
    peek: Callable[[bytes], Envelope]
    parse: Callable[[bytes, bool], Any]
    check: Callable[[bytes, Envelope], None]
