"""What a connector is, and what it may ask of the engine.

A connector is one file of ``adapters/``: option models, a source and/or a destination class, and
``CONNECTOR``.  The contract below is executed by :mod:`hub.testing.contract` for every connector:

* ``Source.start`` binds and returns at once; it raises UnavailableError or ConfigError, with the
  setting to change, when it cannot.  ``Source.stop`` ends all its threads and sockets in time.
* A source hands over bytes exactly as received and answers only with what ``receive`` gave back.
* Bounded in everything: size of a message, number of peers, time without progress.
* What is no message is handed over too (``broken``): it is kept in hold and its answer says why.
* ``Destination.send`` has a time limit, returns only when the peer has taken the message, and raises
  UnavailableError / NoAnswerError (tried again) or RefusedError (held) otherwise.
* Nothing of a body is logged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from hub.errors import HubError
from hub.source.reader import Envelope

Status = Literal["accepted", "filtered", "rejected", "failed"]


@dataclass(slots=True)
class Verdict:
    """What the engine says of a received body; the source words it in its protocol.

    ``accepted``: stored.  ``filtered``: stored, not for this channel.  ``rejected``: stored in hold,
    ``error`` says why.  ``failed``: NOT stored, the peer must send again (``error`` says why).
    With ``answer: application`` the verdict is that of the mapping.
    """

    status: Status
    message_id: int
    envelope: Envelope
    error: HubError | None = None


Answerer = Callable[[Verdict], bytes]


@dataclass(slots=True)
class Receipt:
    """What became of a body: ``answer`` is what to send back, octet for octet.

    ``duplicate``: the same body with the same control id came before; ``answer`` is the first answer.
    """

    verdict: Verdict
    answer: bytes
    duplicate: bool = False


class SourceContext(Protocol):
    """What the engine gives to a source."""

    channel: str
    bind: str  # default address to listen on

    def receive(
        self, body: bytes, *, peer: str, answer: Answerer, done: Callable[[Receipt], None], wait: bool = False
    ) -> None:
        """Take a body.  ``done`` is called once, on another thread, after the commit (or the failure).

        :param wait: answer only after the mapping (application answer).
        """

    def receive_now(self, body: bytes, *, peer: str, answer: Answerer, wait: bool = False) -> Receipt:
        """The same, blocking until the receipt is there."""

    def broken(self, body: bytes, error: HubError, *, peer: str, answer: Answerer) -> Receipt:
        """Keep in hold what is no message (bad framing, too large: then a first piece), blocking."""

    def mount(self, path: str, app: Callable[..., Any]) -> None:
        """Offer a WSGI application under ``path`` of the hub's own HTTP server (hosted sources)."""


class Source(Protocol):
    """A listener or a poller."""

    def __init__(self, options: Any, context: SourceContext) -> None: ...

    def start(self) -> None: ...

    def stop(self, within: float = 5.0) -> None: ...

    @property
    def address(self) -> str:
        """Where it listens or looks: ``mllp://127.0.0.1:2575``, ``file:/srv/in``."""

    def status(self) -> Mapping[str, Any]:
        """Facts for the console and ``hub doctor``: peers connected, last activity."""


@dataclass(slots=True)
class Outgoing:
    """One delivery, as handed to a destination.

    :ivar idempotency_key: the same on every attempt of the same delivery; told to the peer where its
        protocol has a place for it.
    """

    delivery_id: int
    message_id: int
    idempotency_key: str
    body: bytes
    content_type: str
    type: str = ""
    control_id: str = ""
    attempt: int = 1
    trace: str = ""
    hops: int = 0


@dataclass(slots=True)
class Answer:
    """What the peer said, kept with the delivery (at most 64 KiB of it)."""

    body: bytes = b""
    summary: str = ""


class Destination(Protocol):
    """A sender.  One thread uses it at a time."""

    def __init__(self, options: Any, context: DestinationContext) -> None: ...

    def send(self, item: Outgoing) -> Answer: ...

    def close(self) -> None: ...

    def probe(self) -> str:
        """See whether the peer is there, sending nothing of a patient; return what was seen."""


class DestinationContext(Protocol):
    """What the engine gives to a destination."""

    channel: str
    name: str

    def feed(self, channel: str, item: Outgoing) -> None:
        """Hand the message to another channel of this hub (the ``channel`` connector)."""


@dataclass(frozen=True, slots=True)
class Connector:
    """One protocol.

    :ivar source: class of the source, or None; ``source_options`` its pydantic model.
    :ivar hosted: the source lives inside the hub's HTTP server rather than on a port of its own.
    :ivar stores: as a destination ``fhir: {to: store}`` needs no delivery (see the fhir connector).
    :ivar capabilities: facts consulted by the contract suite: ``answers`` (the peer waits for an
        answer), ``polls``, ``tls``, ``secure``.
    """

    name: str
    summary: str
    source: Any = None
    source_options: Any = None
    destination: Any = None
    destination_options: Any = None
    format: str = "hl7v2"
    hosted: bool = False
    capabilities: frozenset[str] = field(default_factory=frozenset)
