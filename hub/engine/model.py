"""A channel as the engine runs it: frozen, checked, free of YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Part:
    """A connector and its options, already validated by the connector's own option model."""

    kind: str
    options: Any


@dataclass(frozen=True, slots=True)
class Rule:
    """When a destination receives a message: every field given must match one of its patterns.

    Patterns are literals with ``*`` as wildcard, compared with the envelope of the message:
    ``type`` (``ADT^A0*``), ``sender`` (``GAM|*``), ``document`` (``34794-8``), ``establishment``.
    """

    type: tuple[str, ...] = ()
    sender: tuple[str, ...] = ()
    document: tuple[str, ...] = ()
    establishment: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Retry:
    """Times and pauses (seconds) between attempts of one delivery; ``times`` 0 means for ever."""

    times: int = 0
    first: float = 1.0
    up_to: float = 300.0


@dataclass(frozen=True, slots=True)
class DestinationSpec:
    """Where messages go.

    :ivar name: unique in the channel.
    :ivar send: what is sent: ``original`` (the body as received), ``fhir`` (the mapped resources as a
        transaction Bundle), ``document`` (the octets of the mapped Binary).
    """

    name: str
    part: Part
    when: Rule = Rule()
    send: str = "original"
    retry: Retry = Retry()


@dataclass(frozen=True, slots=True)
class MapRule:
    """Messages whose type matches ``pattern`` are mapped by ``mapping`` with the options ``site``."""

    pattern: str
    mapping: str
    site: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CheckRule:
    """One thing a message is checked against.

    :ivar what: ``hl7v2`` or ``cda`` (the body), or ``fhir`` (each resource it became).
    :ivar levels: of ``fhir``, by type of resource (``*``: the others): ``off``, ``base`` (R4), ``profile``
        (the profiles the resource names, else the hub's own) or the URL of a profile.
    :ivar otherwise: what becomes of an unfit message: ``hold``, ``reject`` or ``tag``.
    :ivar base: where this site publishes the profiles of the hub; empty: as they are shipped.
    """

    what: str
    levels: Mapping[str, str] = field(default_factory=dict)
    otherwise: str = "hold"
    base: str = ""


@dataclass(frozen=True, slots=True)
class Signature:
    """What is asked of the signature of a message.

    :ivar mode: ``required``, ``optional`` or ``record-only``.
    :ivar trust: folder of the authorities that are believed.
    """

    mode: str
    trust: str


@dataclass(frozen=True, slots=True)
class Keep:
    """Days until finished messages, held ones and their bodies are pruned; 0 keeps for ever."""

    done: int = 0
    held: int = 0
    bodies: int = 0


@dataclass(frozen=True, slots=True)
class ChannelSpec:
    """One channel.

    :ivar revision: first 12 hex digits of the SHA-256 of the channel file.
    :ivar accept: patterns of message types that the channel takes; empty takes all.
    :ivar otherwise: what happens to others: ``reject`` (a negative answer, kept in hold) or
        ``filter`` (a positive answer, kept as filtered, not mapped).
    :ivar signature: how signatures are verified before the mapping; None: not at all.
    :ivar map: the first rule whose pattern matches is applied; no rule: the message passes unmapped.
    :ivar validate: checks after reading and mapping, in their order.
    :ivar store: whether mapped resources are written to the hub's own FHIR store.
    :ivar order: ``patient``, ``visit``, ``document``: messages of one such key in order;
        ``channel``: all in order; ``none``: no order promised.
    """

    name: str
    source: Part
    revision: str = ""
    summary: str = ""
    path: str = ""
    text: str = ""
    enabled: bool = True
    format: str = "hl7v2"
    accept: tuple[str, ...] = ()
    otherwise: str = "reject"
    signature: Signature | None = None
    map: tuple[MapRule, ...] = ()
    validate: tuple[CheckRule, ...] = ()
    store: bool = True
    destinations: tuple[DestinationSpec, ...] = ()
    order: str = "patient"
    keep: Keep = Keep()
