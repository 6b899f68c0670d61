"""A peer that plays a script on a real socket, and misbehaves as well as any peer ever did.

A script is a sequence of steps; a :class:`Parrot` plays one on each connection it accepts,
:func:`call` plays one on a connection it makes.  After its last step the connection is closed.
"""

from __future__ import annotations

import random
import re
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

LIMIT = 10.0  # seconds a step may take before the script is a failure


@dataclass
class Talk:
    """One connection while a script is played.

    :ivar heard: all octets that came; ``taken`` of them belong to steps that are over.
    """

    sock: socket.socket
    heard: bytearray
    stopping: threading.Event
    taken: int = 0

    def more(self) -> bool:
        """Hear more; False at the end of the stream."""
        data = self.sock.recv(256 * 1024)
        self.heard += data
        return bool(data)


Step = Callable[[Talk], None]


def expect(mark: bytes) -> Step:
    """Hear until ``mark`` came."""

    def play(talk: Talk) -> None:
        at = talk.taken
        while (found := talk.heard.find(mark, at)) < 0:
            at = max(talk.taken, len(talk.heard) - len(mark) + 1)
            if not talk.more():
                raise AssertionError(f"the stream ended before {mark!r}")
        talk.taken = found + len(mark)

    return play


def expect_end() -> Step:
    """Hear until the other side ends the stream, or breaks it."""

    def play(talk: Talk) -> None:
        with suppress(ConnectionError, ssl.SSLError):
            while talk.more():
                pass

    return play


def say(data: bytes) -> Step:
    """Send."""
    return lambda talk: talk.sock.sendall(data)


def say_slowly(data: bytes, every: float, size: int = 1) -> Step:
    """Send ``size`` octets at a time, with a pause after each; stop when the other side went away."""

    def play(talk: Talk) -> None:
        with suppress(ConnectionError, ssl.SSLError):
            for start in range(0, len(data), size):
                talk.sock.sendall(data[start : start + size])
                if talk.stopping.wait(every):
                    return

    return play


def garbage(size: int, seed: int = 1) -> Step:
    """Send octets that mean nothing, the same for each seed."""
    return say(random.Random(seed).randbytes(size))  # noqa: S311 - nothing secret


def reply(make: Callable[[bytes], bytes]) -> Step:
    """Send what ``make`` makes of all that was heard."""
    return lambda talk: talk.sock.sendall(make(bytes(talk.heard)))


def each(mark: bytes, make: Callable[[bytes], bytes]) -> Step:
    """Answer everything that ends with ``mark``, until the other side ends the stream."""

    def play(talk: Talk) -> None:
        with suppress(ConnectionError, ssl.SSLError, TimeoutError):
            while True:
                while (found := talk.heard.find(mark, talk.taken)) < 0:
                    if not talk.more():
                        return
                piece = bytes(talk.heard[talk.taken : found + len(mark)])
                talk.taken = found + len(mark)
                talk.sock.sendall(make(piece))

    return play


def each_request(make: Callable[[bytes, bytes], bytes]) -> Step:
    """Answer each HTTP/1.1 request, given as head and body, until the other side ends the stream."""

    def play(talk: Talk) -> None:
        with suppress(ConnectionError, ssl.SSLError, TimeoutError):
            while True:
                while (end := talk.heard.find(b"\r\n\r\n", talk.taken)) < 0:
                    if not talk.more():
                        return
                head = bytes(talk.heard[talk.taken : end])
                told = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
                talk.taken = end + 4 + (int(told[1]) if told else 0)
                while len(talk.heard) < talk.taken:
                    if not talk.more():
                        return
                talk.sock.sendall(make(head, bytes(talk.heard[end + 4 : talk.taken])))

    return play


def half_close() -> Step:
    """Send no more, and go on hearing."""
    return lambda talk: talk.sock.shutdown(socket.SHUT_WR)


def drop() -> Step:
    """Close in order."""
    return lambda talk: talk.sock.close()


def reset() -> Step:
    """Break the connection: the other side gets ECONNRESET."""

    def play(talk: Talk) -> None:
        talk.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        talk.sock.close()

    return play


def silent() -> Step:
    """Hear and say nothing until the other side ends, or the parrot is stopped."""

    def play(talk: Talk) -> None:
        talk.sock.settimeout(0.05)
        with suppress(ConnectionError, ssl.SSLError):
            while not talk.stopping.is_set():
                with suppress(TimeoutError):
                    if not talk.more():
                        return

    return play


def wait(event: threading.Event) -> Step:
    """Go on when ``event`` is set."""

    def play(_talk: Talk) -> None:
        assert event.wait(LIMIT), "what the script waits for did not happen"

    return play


def call(address: tuple[str, int], *steps: Step, tls: ssl.SSLContext | None = None, name: str = "localhost") -> bytes:
    """Connect, play the steps, return all that was heard."""
    sock = socket.create_connection(address, LIMIT)
    try:
        if tls is not None:
            sock = tls.wrap_socket(sock, server_hostname=name)
        talk = Talk(sock, bytearray(), threading.Event())
        for step in steps:
            step(talk)
        return bytes(talk.heard)
    finally:
        sock.close()


class Parrot:
    """A server that plays the next script on each connection, the last one on all later ones.

    :ivar heard: what came on each connection, in the order they were accepted.
    """

    def __init__(self, *scripts: Sequence[Step], tls: ssl.SSLContext | None = None, port: int = 0) -> None:
        self._scripts, self._tls = scripts, tls
        self._sock = socket.create_server(("127.0.0.1", port))
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._open: set[socket.socket] = set()
        self._change = threading.Condition()
        self._over = 0
        self.errors: list[BaseException] = []
        self.heard: list[bytearray] = []
        self.address: tuple[str, int] = self._sock.getsockname()

    @property
    def port(self) -> int:
        return self.address[1]

    def __enter__(self) -> Self:
        self._threads.append(threading.Thread(target=self._accept, name="parrot", daemon=True))
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if kind is None and self.errors:
            raise self.errors[0]

    def stop(self) -> None:
        """Refuse connections from now on and end those that are there."""
        self._stopping.set()
        for sock in (self._sock, *list(self._open)):
            with suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
        self._sock.close()
        for thread in list(self._threads):
            thread.join(LIMIT)

    def wait_over(self, count: int) -> None:
        """Wait until ``count`` scripts were played to their end."""
        with self._change:
            assert self._change.wait_for(lambda: self._over >= count, LIMIT), f"{self._over} of {count} scripts ended"

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                sock, _ = self._sock.accept()
            except OSError:
                return
            heard = bytearray()
            script = self._scripts[min(len(self.heard), len(self._scripts) - 1)]
            self.heard.append(heard)
            thread = threading.Thread(target=self._play, args=(sock, heard, script), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _play(self, sock: socket.socket, heard: bytearray, script: Sequence[Step]) -> None:
        try:
            sock.settimeout(LIMIT)
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_side=True)
            self._open.add(sock)
            if self._stopping.is_set():  # too late for stop() to see this connection
                return
            talk = Talk(sock, heard, self._stopping)
            for step in script:
                step(talk)
        except (ssl.SSLError, ConnectionError):
            pass  # the other side refused, or left: its own test looks at that
        except BaseException as e:
            if not self._stopping.is_set():  # a script that is stopped ends where it is
                self.errors.append(e)
        finally:
            self._open.discard(sock)
            sock.close()
            with self._change:
                self._over += 1
                self._change.notify_all()
