"""A TCP listener with its own event loop on its own thread, bounded in peers and in time.

Peers are looked at when they are accepted, before any TLS handshake: an address outside ``allow``, or
one peer too many, costs one accept and one close.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import threading
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

from hub.errors import ConfigError, UnavailableError
from hub.logs import event

HANDSHAKE = 10.0  # seconds a TLS handshake may take
BACKLOG = 512
NO_DESCRIPTOR = 0.1  # seconds until the next look when the process has too many files open

Network = IPv4Network | IPv6Network

log = logging.getLogger("hub.listener")


class Guest(asyncio.Protocol, ABC):
    """A connection of a :class:`Listener`; it tells it ``joined`` and ``left``."""

    @abstractmethod
    def tick(self, now: float) -> None:
        """Look at the clock: several times within every time limit."""

    @abstractmethod
    def finish(self) -> None:
        """Take no more; close when all that was taken is answered."""

    @abstractmethod
    def abort(self) -> None:
        """Close at once."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How many may connect, and who; ``every`` is the pause between two looks at the clock."""

    connections: int
    per_peer: int
    allow: tuple[Network, ...]
    every: float


def listening_socket(bind: str, port: int, where: str) -> socket.socket:
    """A socket that listens.

    :raises ConfigError: when ``bind`` is no address of this host.
    :raises UnavailableError: when the port is taken or may not be used.
    """
    try:
        found = socket.getaddrinfo(bind or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as e:
        what = f"cannot listen on {bind!r}: {e.strerror}"
        raise ConfigError(what, where=f"{where}.bind", cure="write an address of this host") from None
    family, kind, proto, _, address = found[0]
    sock = socket.socket(family, kind, proto)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError as e:
        sock.close()
        what = f"cannot listen on {bind}:{port}: {e.strerror}"
        cure = "free the port or write another one; ports below 1024 need CAP_NET_BIND_SERVICE"
        raise UnavailableError(what, where=f"{where}.port", cure=cure) from None
    return sock


def shown(address: tuple[object, ...]) -> tuple[str, str]:
    """A peer as (host, ``host:port``), an IPv4 address mapped into IPv6 written as IPv4."""
    ip = ip_address(str(address[0]).partition("%")[0])
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    return str(ip), f"[{ip}]:{address[1]}" if ip.version == 6 else f"{ip}:{address[1]}"


class Listener:
    """Accepts connections until it is stopped; :meth:`start` and :meth:`stop` are called from outside.

    :ivar workers: threads for what blocks, so that the loop never does.
    """

    def __init__(
        self, name: str, sock: socket.socket, make: Callable[[str, str], Guest],
        tls: ssl.SSLContext | None, limits: Limits,
    ) -> None:  # fmt: skip
        self.name, self._sock, self._make, self._tls, self._limits = name, sock, make, tls, limits
        self.workers = ThreadPoolExecutor(4, thread_name_prefix=f"{name}-keep")
        self.loop = asyncio.new_event_loop()
        self.guests: dict[Guest, str] = {}
        self.refused = 0
        self._per_peer: Counter[str] = Counter()
        self._arriving: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()
        self._within = 0.0
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._port = int(sock.getsockname()[1])

    @property
    def port(self) -> int:
        return self._port

    def start(self) -> None:
        self._thread.start()

    def stop(self, within: float) -> None:
        """Close the port, answer what was taken, close the rest; nothing is left running after ``within``."""
        self._within = within
        if self._thread.ident is None:  # it never ran
            self._sock.close()
            self.loop.close()
        elif self._thread.is_alive():
            self.loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(within + 1)
        self.workers.shutdown(wait=False, cancel_futures=True)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
            runner.run(self._main())

    async def _main(self) -> None:
        ticking = asyncio.create_task(self._tick())
        self._listen()
        await self._stopping.wait()
        self.loop.remove_reader(self._sock)
        self._sock.close()
        await asyncio.sleep(0)  # who was just accepted is now arriving, and closed below
        for arriving in self._arriving:
            arriving.cancel()
        for guest in list(self.guests):
            guest.finish()
        deadline = self.loop.time() + self._within * 0.7
        while self.guests and self.loop.time() < deadline:
            await asyncio.sleep(0.01)
        for guest in list(self.guests):
            guest.abort()
        deadline = self.loop.time() + self._within * 0.2
        while self.guests and self.loop.time() < deadline:
            await asyncio.sleep(0.01)
        ticking.cancel()
        await asyncio.gather(ticking, *self._arriving, return_exceptions=True)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(self._limits.every)
            now = self.loop.time()
            for guest in list(self.guests):
                guest.tick(now)

    def _accept(self) -> None:
        """Let in who waits at the port."""
        for _ in range(BACKLOG):
            try:
                sock, address = self._sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:  # no descriptor left: look again when some may be free
                self.loop.remove_reader(self._sock)
                self.loop.call_later(NO_DESCRIPTOR, self._listen)
                return
            host, peer = shown(address)
            if self._turned_away(host):
                sock.close()
                continue
            self._per_peer[host] += 1
            _keep_alive(sock)
            task = self.loop.create_task(self._let_in(sock, host, peer))
            self._arriving.add(task)
            task.add_done_callback(self._arriving.discard)

    def _listen(self) -> None:
        if not self._stopping.is_set():
            self.loop.add_reader(self._sock, self._accept)

    def _turned_away(self, host: str) -> bool:
        limits = self._limits
        ip = ip_address(host)
        if limits.allow and not any(ip in network for network in limits.allow):
            why = "not in allow"
        elif self._per_peer.total() >= limits.connections:
            why = "max_connections"
        elif self._per_peer[host] >= limits.per_peer:
            why = "max_per_peer"
        else:
            return False
        self.refused += 1
        # A port scan must not fill the log: only each power of two is written.
        if self.refused & (self.refused - 1) == 0:
            event(log, logging.WARNING, "peers turned away", peer=host, count=self.refused, error=why, port=self._port)
        return True

    async def _let_in(self, sock: socket.socket, host: str, peer: str) -> None:
        limit = HANDSHAKE if self._tls else None
        try:
            await self.loop.connect_accepted_socket(
                lambda: self._make(host, peer), sock, ssl=self._tls, ssl_handshake_timeout=limit,
                ssl_shutdown_timeout=2.0 if self._tls else None,
            )  # fmt: skip
        except (OSError, asyncio.CancelledError) as e:  # OSError: TLS refused, or the peer went away
            sock.close()
            self.left(None, host)
            if isinstance(e, ssl.SSLError):
                event(log, logging.INFO, "TLS refused", peer=host, error=e.reason or "", port=self._port)

    def joined(self, guest: Guest, host: str) -> None:
        """A connection is up."""
        self.guests[guest] = host

    def left(self, guest: Guest | None, host: str) -> None:
        """A connection ended, or never came up."""
        if guest is not None and self.guests.pop(guest, None) is None:
            return
        self._per_peer[host] -= 1
        if self._per_peer[host] <= 0:
            del self._per_peer[host]


def _keep_alive(sock: socket.socket) -> None:
    """Notice within minutes that a silent peer is gone; send small answers at once."""
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_KEEPIDLE"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 15)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4)
