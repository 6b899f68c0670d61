"""Sends HL7 v2 messages over MLLP and reads their acknowledgements.

HL7 v2.5 §2.9.2: MSA-1 AA or CA, the peer has it; AE or CE, it will never take it as it is; AR or CR, not
now.  MSA-2 must be the MSH-10 of what was sent: any other answer belongs to something else.
"""

from __future__ import annotations

import select
import socket
import ssl
import time

from pydantic import Field

from hub.engine.connector import Answer, DestinationContext, Outgoing
from hub.errors import HubError, NoAnswerError, ParseError, RefusedError, UnavailableError
from hub.source.hl7v2 import Message, read_ack

from ._framing import Broken, Deframer, frame
from ._options import Options, Seconds
from ._tls import ClientTls, client_context

MOST = 1024 * 1024  # largest acknowledgement read
KEPT = 64 * 1024  # of it, what is kept with the delivery
_PIECE = 256 * 1024


class MllpDestinationOptions(Options):
    """Options of ``mllp: …`` below ``deliver:``."""

    host: str = Field(min_length=1, description="host name or address of the receiver")
    port: int = Field(ge=1, le=65535, description="TCP port of the receiver")
    tls: ClientTls | None = Field(None, description="use TLS; {} trusts the authorities of the system")
    connect_timeout: Seconds = Field(10.0, gt=0, description="time to connect, TLS included")
    timeout: Seconds = Field(30.0, gt=0, description="time to send a message and receive its acknowledgement")


class MllpDestination:
    """One connection, kept between messages."""

    def __init__(self, options: MllpDestinationOptions, context: DestinationContext) -> None:
        self._options = options
        self._where = f"{context.channel}: deliver.{context.name}.mllp"
        self._tls = client_context(options.tls, f"{self._where}.tls") if options.tls else None
        self._sock: socket.socket | None = None

    def send(self, item: Outgoing) -> Answer:
        """Send the body as it is and wait for its acknowledgement.

        :raises RefusedError: the peer says AE or CE.
        :raises UnavailableError, NoAnswerError: it may be tried again.
        """
        sock = self._connected()
        deadline = time.monotonic() + self._options.timeout
        try:
            _send_all(sock, frame(item.body), deadline)
            answer = _read_frame(sock, deadline)
            return self._judge(answer, control_id(item.body) or item.control_id)
        except TimeoutError:
            self.close()  # an answer that comes later must not be taken for that of the next message
            what = f"{self.peer} did not acknowledge within {self._options.timeout:g} s"
            raise NoAnswerError(what, where=f"{self._where}.timeout", cure="see whether the peer is well") from None
        except OSError as e:
            self.close()
            what = f"the connection to {self.peer} broke before the acknowledgement ({_reason(e)})"
            raise NoAnswerError(what, where=self._where) from None

    def _judge(self, answer: bytes | Broken, expected: str) -> Answer:
        if isinstance(answer, Broken):
            self.close()
            raise NoAnswerError(
                f"{self.peer} sent what is no MLLP frame", where=self._where, cure="check host and port"
            )
        try:
            ack = read_ack(answer)
        except ParseError as e:
            self.close()
            raise NoAnswerError(f"{self.peer} answered, but {e.what}", where=self._where, cure=e.cure) from None
        if expected and ack.control_id != expected:
            self.close()
            what = f"{self.peer} acknowledged another message (MSA-2 is not the MSH-10 that was sent)"
            raise NoAnswerError(what, where="MSA-2", cure="see whether the peer answers in order")
        if ack.code in ("AA", "CA"):
            return Answer(answer[:KEPT], ack.code)
        said = f"{self.peer} answered {ack.code}{_condition(answer)}"
        if ack.code in ("AE", "CE"):
            raise RefusedError(said, where=self._where, cure="correct the message or its mapping, then send again")
        raise UnavailableError(said, where=self._where, cure="the peer takes it later, or its settings are wrong")

    def close(self) -> None:
        sock, self._sock = self._sock, None
        if sock is not None:
            sock.close()

    def probe(self) -> str:
        """Connect, shake hands, and leave."""
        sock = self._connected()
        version = sock.version() if isinstance(sock, ssl.SSLSocket) else None
        self.close()
        return f"connected to {self.peer}" + (f", {version}" if version else "")

    @property
    def peer(self) -> str:
        return f"{self._options.host}:{self._options.port}"

    def _connected(self) -> socket.socket:
        """The connection; a new one when the peer closed it, or said something nobody asked for."""
        if self._sock is not None and select.select([self._sock], [], [], 0)[0]:
            self.close()
        if self._sock is None:
            self._sock = self._connect()
        return self._sock

    def _connect(self) -> socket.socket:
        options = self._options
        deadline = time.monotonic() + options.connect_timeout
        try:
            sock = socket.create_connection((options.host, options.port), options.connect_timeout)
        except OSError as e:
            cure = "see whether it runs and whether a firewall stands between"
            raise UnavailableError(
                f"cannot connect to {self.peer}: {_reason(e)}", where=self._where, cure=cure
            ) from None
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if self._tls is None or options.tls is None:
                return sock
            sock.settimeout(_left(deadline))
            return self._tls.wrap_socket(sock, server_hostname=options.tls.server_name or options.host)
        except OSError as e:
            sock.close()
            what = f"no TLS with {self.peer}: {_reason(e)}"
            raise UnavailableError(what, where=f"{self._where}.tls", cure="check both certificates") from None


def control_id(body: bytes) -> str:
    """MSH-10 of an HL7 v2 message; '' of anything else."""
    head = body[:4096].replace(b"\n", b"\r").partition(b"\r")[0]
    fields = head.split(head[3:4]) if head.startswith(b"MSH") and len(head) > 3 else []
    return fields[9].decode("utf-8", "replace") if len(fields) > 9 else ""


def _condition(answer: bytes) -> str:
    """What ERR says in codes: place and condition.  Its texts may name a person, so they stay out."""
    try:
        err = Message(answer).first(b"ERR")
        code = err.text(3, 1) if err else None
        place = [err.text(2, i) or "" for i in (1, 3, 5)] if err else []
    except HubError:
        return ""
    said = f", condition {code}" if code and code.isalnum() and len(code) < 8 else ""
    if place and all(p.isalnum() for p in place[:2]) and len("".join(place)) < 12:
        said += f" at {place[0]}-{place[1]}" + (f".{place[2]}" if place[2].isdigit() else "")
    return said


def _send_all(sock: socket.socket, data: bytes, deadline: float) -> None:
    view = memoryview(data)
    while view:
        sock.settimeout(_left(deadline))
        view = view[sock.send(view[:_PIECE]) :]


def _read_frame(sock: socket.socket, deadline: float) -> bytes | Broken:
    frames = Deframer(MOST)
    while True:
        sock.settimeout(_left(deadline))
        data = sock.recv(_PIECE)
        if not data:
            raise ConnectionResetError("closed by the peer")
        found = frames.feed(data)
        if found:
            return found[0]


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "TLS failed").replace("_", " ").lower()
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return error.strerror or str(error) or type(error).__name__
