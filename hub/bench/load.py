"""A closed-loop client: N connections, each sends, waits for the whole answer, looks at it, sends the next.

Latency is from just before the write of a message to the last octet of its answer.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

SB, EB = b"\x0b", b"\x1c\r"
Make = Callable[[int], bytes]  # the number of a message -> the message


@dataclass(slots=True)
class Load:
    """What a run of the client saw.

    :ivar waits: nanoseconds until each answer; ``bad``: answers that were no acceptance.
    """

    seconds: float = 0.0
    waits: list[int] = field(default_factory=list)
    bad: int = 0

    @property
    def answered(self) -> int:
        return len(self.waits)

    def percentile(self, share: float) -> float:
        """Milliseconds within which ``share`` percent of the answers came (nearest rank)."""
        if not self.waits:
            return 0.0
        ordered = sorted(self.waits)
        rank = -(-len(ordered) * share // 100)
        return ordered[max(0, min(len(ordered) - 1, int(rank) - 1))] / 1e6


@dataclass(frozen=True, slots=True)
class Target:
    """Where to send, and how messages and answers look on the wire.

    :ivar frame: message -> octets to write.
    :ivar end: octets received so far -> length of the first whole answer, or 0.
    :ivar good: (message, answer) -> whether it was accepted.
    """

    address: tuple[str, int]
    frame: Callable[[bytes], bytes]
    end: Callable[[bytearray], int]
    good: Callable[[bytes, bytes], bool]


def mllp(address: tuple[str, int]) -> Target:
    """HL7 v2 over MLLP: good is MSA-1 AA or CA for the control id sent."""

    def end(buffer: bytearray) -> int:
        at = buffer.find(EB)
        return at + len(EB) if at >= 0 else 0

    def good(message: bytes, answer: bytes) -> bool:
        control_id = message[: message.index(b"\r")].split(b"|", 10)[9]
        return b"\rMSA|AA|" + control_id in answer or b"\rMSA|CA|" + control_id in answer

    return Target(address, lambda message: SB + message + EB, end, good)


def http(address: tuple[str, int], path: str, token: str, content_type: str) -> Target:
    """POST on a kept connection (RFC 9112): good is any 2xx."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {address[0]}:{address[1]}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: {content_type}\r\nContent-Length: "
    ).encode()

    def end(buffer: bytearray) -> int:
        at = buffer.find(b"\r\n\r\n")
        if at < 0:
            return 0
        for line in bytes(buffer[:at]).lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                whole = at + 4 + int(line[15:])
                return whole if len(buffer) >= whole else 0
        raise ConnectionError("an answer without Content-Length")

    return Target(
        address,
        lambda body: b"%s%d\r\n\r\n%s" % (head, len(body), body),
        end,
        lambda _body, answer: answer[9:10] == b"2",
    )


def fhir(address: tuple[str, int], token: str) -> Target:
    """Whole requests (:func:`request`) on a kept connection: good is any 2xx."""
    plain = http(address, "/", token, "application/fhir+json")
    return Target(address, lambda octets: octets, plain.end, plain.good)


def request(address: tuple[str, int], token: str, method: str, path: str, body: bytes) -> bytes:
    """The octets of one request (RFC 9112 §2.1)."""
    head = f"{method} {path} HTTP/1.1\r\nHost: {address[0]}:{address[1]}\r\nAuthorization: Bearer {token}\r\n"
    if body:
        head += f"Content-Type: application/fhir+json\r\nContent-Length: {len(body)}\r\n"
    return f"{head}\r\n".encode() + body


class _Peer(asyncio.Protocol):
    """One connection; protocols rather than streams, for the client shares the machine with the hub."""

    def __init__(self, target: Target, make: Make, numbers: Iterator[int]) -> None:
        self._target, self._make, self._numbers = target, make, numbers
        self._buffer = bytearray()
        self._load = Load()
        self._until = 0.0
        self._sent = 0
        self._message = b""
        self._done: asyncio.Future[None] | None = None
        self.lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what create_connection makes
        self.transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def begin(self, load: Load, until: float) -> asyncio.Future[None]:
        """Send until then; the future ends with the last answer."""
        self._load, self._until = load, until
        self._done = done = asyncio.get_running_loop().create_future()
        self._next()
        return done

    def _next(self) -> None:
        self._message = self._make(next(self._numbers))
        octets = self._target.frame(self._message)
        self._sent = time.perf_counter_ns()
        self.transport.write(octets)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        try:
            end = self._target.end(self._buffer)
        except ConnectionError as error:
            self._fail(error)
            return
        if not end or self._done is None or self._done.done():
            return
        self._load.waits.append(time.perf_counter_ns() - self._sent)
        self._load.bad += not self._target.good(self._message, bytes(self._buffer[:end]))
        del self._buffer[:end]
        if time.perf_counter() < self._until:
            self._next()
        else:
            self._done.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set()
        self._fail(exc or ConnectionError("the hub closed a connection"))

    def _fail(self, error: Exception) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_exception(error)


class Client:
    """Connections that are opened once; warm-up and measurement use the same ones.

    :param make: makes the message of a number; numbers are never used twice.
    """

    def __init__(self, target: Target, make: Make, connections: int) -> None:
        self._target, self._make, self._count = target, make, connections
        self._numbers: Iterator[int] = itertools.count(1)
        self._peers: list[_Peer] = []

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(self._count):
            _, peer = await loop.create_connection(
                lambda: _Peer(self._target, self._make, self._numbers), *self._target.address
            )
            self._peers.append(peer)

    async def close(self) -> None:
        for peer in self._peers:
            peer.transport.close()
        for peer in self._peers:
            await peer.lost.wait()

    async def run(self, seconds: float) -> Load:
        """Send for ``seconds`` on every connection; what is on its way then is still waited for."""
        load = Load()
        began = time.perf_counter()
        await asyncio.gather(*(peer.begin(load, began + seconds) for peer in self._peers))
        load.seconds = time.perf_counter() - began
        return load
