"""MLLP: HL7 v2 messages over TCP, in plain or over TLS.

HL7 v2 Transport Specification: MLLP Release 1; HL7 v2.5 §2.9.2 and §2.9.3 (original and enhanced
acknowledgement); IHE ITI TF-2 Appendix C; ANS, transmission d'un document CDA-R2 en HL7v2 v2.1.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from datetime import datetime
from ipaddress import ip_network
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator

from hub.clock import Ids, show_id
from hub.engine.connector import Connector, SourceContext, Verdict
from hub.errors import HL7_ACK, HubError
from hub.settings import expand
from hub.source.hl7v2 import READER, build_ack
from hub.source.reader import Envelope

from ._listener import Limits, Listener, Network, listening_socket
from ._mllp_connection import Answers, Connection, Shared
from ._mllp_sender import MllpDestination, MllpDestinationOptions
from ._options import Octets, Options, Seconds
from ._tls import ServerTls, server_context

# Table 0357: conditions that the message meets here and now, not in itself (MSA-1 AR, table 0008).
CIRCUMSTANCES = frozenset({"200", "201", "202", "203", "207"})


def _filled(value: object) -> object:
    return expand(value) if isinstance(value, str) else value


class MllpSourceOptions(Options):
    """Options of ``source: {mllp: …}``."""

    port: Annotated[int, BeforeValidator(_filled), Field(ge=0, le=65535)] = Field(
        "${HUB_MLLP_PORT:-2575}",
        validate_default=True,
        description="TCP port; 0 takes a free one",
    )
    bind: str = Field("", description="address to listen on; default: the bind of the hub")
    tls: ServerTls | None = Field(None, description="serve TLS; with client_ca, clients must show a certificate")
    answer: Literal["commit", "application"] = Field(
        "commit", description="answer once the message is stored, or only once it is mapped"
    )
    max_size: Octets = Field(64 << 20, ge=1024, description="largest message; of a larger one 64 KiB are kept in hold")
    max_connections: int = Field(256, ge=1, le=10_000, description="connections at one time")
    max_per_peer: int = Field(64, ge=1, le=10_000, description="connections of one address at one time")
    allow: tuple[Network, ...] = Field((), description="networks that may connect, such as 10.1.0.0/16; none: all")
    frame_timeout: Seconds = Field(
        30.0, ge=0, description="time from the first octet of a message to its last; 0: none"
    )
    idle_timeout: Seconds = Field(0.0, ge=0, description="a connection without traffic is closed after this; 0: never")
    window: int = Field(64, ge=1, le=4096, description="unanswered messages of a connection before it is held back")

    @field_validator("allow", mode="before")
    @classmethod
    def _networks(cls, value: object) -> object:
        return tuple(map(ip_network, value)) if isinstance(value, list | tuple) else value


class MllpSource:
    """Listens on one port."""

    def __init__(self, options: MllpSourceOptions, context: SourceContext) -> None:
        self._options, self._context = options, context
        self._listener: Listener | None = None
        self._shared: Shared | None = None
        self._ids = Ids(0)
        self._clock = (0, "")
        self._mutex = threading.Lock()

    def start(self) -> None:
        """Listen.

        :raises ConfigError, UnavailableError: with the option to change.
        """
        options = self._options
        where = f"{self._context.channel}: source.mllp"
        tls = server_context(options.tls, f"{where}.tls") if options.tls else None
        sock = listening_socket(options.bind or self._context.bind, options.port, where)
        self._shared = shared = Shared(
            self._context, self._answer, _envelope, options.answer == "application", options.max_size,
            options.window, options.frame_timeout, options.idle_timeout, most_held=max(4 * options.max_size, 256 << 20),
        )  # fmt: skip
        every = min([0.5, *(t / 5 for t in (options.frame_timeout, options.idle_timeout) if t)])
        limits = Limits(options.max_connections, options.max_per_peer, options.allow, max(every, 0.02))
        listener = Listener(
            f"mllp-{self._context.channel}", sock, lambda host, peer: Connection(shared, listener, answers, host, peer),
            tls, limits,
        )  # fmt: skip
        answers = Answers(listener.loop)
        self._listener = listener
        listener.start()

    def stop(self, within: float = 5.0) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.stop(within)

    @property
    def address(self) -> str:
        """``mllp://127.0.0.1:2575``, or ``mllps://`` with TLS."""
        port = self._listener.port if self._listener else self._options.port
        host = self._options.bind or self._context.bind
        return f"mllp{'s' if self._options.tls else ''}://{f'[{host}]' if ':' in host else host}:{port}"

    def status(self) -> Mapping[str, Any]:
        """Peers and messages since the start."""
        listener, shared = self._listener, self._shared
        if listener is None or shared is None:
            return {"listening": False}
        return {
            "listening": True, "connections": len(listener.guests), "received": shared.received,
            "turned_away": listener.refused,
        }  # fmt: skip

    def _answer(self, verdict: Verdict) -> bytes:
        envelope = verdict.envelope if verdict.envelope.facts else None
        code = ack_code(verdict.status, verdict.error)
        if envelope is not None and self._options.answer == "commit" and _enhanced(envelope):
            code = f"C{code[1]}"
        return build_ack(
            envelope, code, ack_id=show_id(verdict.message_id or self._ids.take()), at=self._now(),
            name="ONCOHUB", error=verdict.error,
        )  # fmt: skip

    def _now(self) -> str:
        """MSH-7, made once a second."""
        second = int(time.time())
        known, text = self._clock
        if known != second:
            text = datetime.fromtimestamp(second).astimezone().strftime("%Y%m%d%H%M%S%z")
            self._clock = second, text
        return text


def ack_code(status: str, error: HubError | None) -> str:
    """MSA-1 (table 0008): AA taken; AE the message is wrong; AR it cannot be taken here or now."""
    if status in ("accepted", "filtered"):
        return "AA"
    if status == "failed" or error is None or error.code in CIRCUMSTANCES:
        return "AR"
    return "AE" if error.code.isdigit() else HL7_ACK[error.category][0]


def _enhanced(envelope: Envelope) -> bool:
    """Whether MSH-15 asks for a commit accept (HL7 v2.5 §2.9.3.1, table 0155)."""
    line: bytes = envelope.facts.get("msh", b"")
    fields = line.split(line[3:4], 15) if len(line) > 3 else []
    return len(fields) > 14 and fields[14] in (b"AL", b"SU", b"ER")


def _envelope(body: bytes) -> Envelope:
    try:
        return READER.peek(body)
    except HubError:
        return Envelope()


CONNECTOR = Connector(
    name="mllp",
    summary="HL7 v2 over TCP (MLLP), with TLS and mutual TLS",
    source=MllpSource,
    source_options=MllpSourceOptions,
    destination=MllpDestination,
    destination_options=MllpDestinationOptions,
    format="hl7v2",
    capabilities=frozenset({"answers", "tls", "secure"}),
)
