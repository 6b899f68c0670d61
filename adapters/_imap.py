"""A connection to a mailbox: bounded in what it reads, in time, and ended from outside when the hub stops.

RFC 3501 (IMAP4rev1), 2177 (IDLE), 6851 (MOVE), 4315 (UIDPLUS), 3503 ($MDNSent), 2595 (STARTTLS).  imaplib of the
standard library speaks the grammar over the transport given here; it has no bounds, no deadline and, before
Python 3.14, no IDLE, and the libraries above it are built on it.
"""

from __future__ import annotations

import imaplib
import re
import selectors
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from hub.errors import HubError, UnavailableError

from ._mail import MailServer, shut, unreachable
from ._tls import client_context

PORTS: Final = {"tls": 993, "starttls": 143, "none": 143}
_LINE: Final = 1 << 20  # the UIDs of a search stand in one line
_SLACK: Final = 64 * 1024
_CONNECT: Final = 3.0  # seconds to connect: nothing can end that from outside
_ANSWER: Final = 8 << 20  # octets of one answer beside a mail
_PIECE: Final = 256 * 1024
_UID, _SIZE = re.compile(rb"\bUID (\d{1,10})\b"), re.compile(rb"\bRFC822\.SIZE (\d{1,10})\b")


class SaidNoError(Exception):
    """The server said no to one command; the connection is well."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail in the box: its UID, its octets, and whether a receipt was sent for it."""

    uid: str
    size: int
    answered: bool


class _Wire(imaplib.IMAP4):
    """imaplib over a socket whose every read has a bound and a deadline."""

    def __init__(
        self, options: MailServer, context: ssl.SSLContext | None, most: int, wake: socket.socket,
        made: Callable[[socket.socket], None],
    ) -> None:  # fmt: skip
        self._options, self._context, self._most, self._wake, self._made = options, context, most, wake, made
        self._buffer = bytearray()
        self.begin()
        super().__init__(options.peer_host, options.peer_port(PORTS))

    def begin(self) -> None:
        """Another answer is waited for: its time and its octets are counted from here."""
        self.deadline = time.monotonic() + self._options.timeout
        self._left = self._most + _ANSWER

    def open(self, host: str = "", port: int = 0, timeout: float | None = None) -> None:
        del timeout  # the deadline is ours
        self.host, self.port = host, port
        self.sock = socket.create_connection((host, port), min(self._options.timeout, _CONNECT))
        self._made(self.sock)
        if self._options.security == "tls":
            try:
                self._secure()
            except BaseException:
                self.shutdown()
                raise

    def _secure(self) -> None:
        if self._context is None:
            return
        name = self._options.tls.server_name or self._options.peer_host
        self.sock = self._context.wrap_socket(self.sock, server_hostname=name, do_handshake_on_connect=False)
        self._made(self.sock)
        self.sock.settimeout(self._options.timeout)
        self.sock.do_handshake()

    def secure(self) -> None:
        """STARTTLS; what came before TLS and after its answer may be of anybody, and ends the connection."""
        if self.xatom("STARTTLS")[0] != "OK" or self._buffer:
            raise self.abort("STARTTLS failed")
        self._secure()

    def _fill(self) -> None:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self.sock.settimeout(left)
        data = self.sock.recv(_PIECE)
        if not data:
            raise self.abort("the connection ended")
        self._left -= len(data)
        if self._left < 0:  # what nobody asked for is kept by imaplib until somebody asks
            raise self.abort("an answer without end")
        self._buffer += data

    def read(self, size: int) -> bytes:
        if size > self._most + _SLACK:
            raise self.abort("more than was asked for")
        while len(self._buffer) < size:
            self._fill()
        made = bytes(self._buffer[:size])
        del self._buffer[:size]
        return made

    def readline(self) -> bytes:
        at = 0
        while (found := self._buffer.find(b"\n", at)) < 0:
            at = len(self._buffer)
            if at > _LINE:
                raise self.abort("a line without end")
            self._fill()
        return self.read(found + 1)

    def send(self, data: Any) -> None:
        self.sock.settimeout(max(0.001, self.deadline - time.monotonic()))
        self.sock.sendall(data)

    def shutdown(self) -> None:
        with suppress(OSError):
            self.sock.close()

    def readable(self, seconds: float) -> bool:
        """Whether something comes within ``seconds``; False too when the hub stops meanwhile."""
        if self._buffer or (isinstance(self.sock, ssl.SSLSocket) and self.sock.pending()):
            return True
        with selectors.DefaultSelector() as ready:
            for one in (self.sock, self._wake):
                ready.register(one, selectors.EVENT_READ)
            return any(key.fileobj is self.sock for key, _ in ready.select(max(0.0, seconds)))


class Mailbox:
    """One folder of one account, opened for writing.

    :param most: octets of a mail that are fetched whole.
    :param wake: becomes readable when the hub stops.
    """

    def __init__(self, options: MailServer, folder: str, most: int, wake: socket.socket, where: str) -> None:
        self._options, self._folder, self._most, self._wake, self._where = options, folder, most, wake, where
        self._sock: socket.socket | None = None
        self._ended = self._opened = False

    def open(self) -> None:
        """Connect, log in, open the folder.

        :raises UnavailableError: when it is not there, or the login fails.
        """
        options, where = self._options, self._where
        context = client_context(options.tls, f"{where}.tls") if options.security != "none" else None
        try:
            self._wire = _Wire(options, context, self._most, self._wake, self._note)
            try:
                self._begin(self._folder)
            except BaseException:
                self._wire.shutdown()
                raise
        except (OSError, imaplib.IMAP4.error) as error:
            raise self._away(error) from None
        self._opened = True

    def _note(self, sock: socket.socket) -> None:
        self._sock = sock
        if self._ended:
            shut(sock)

    def _away(self, error: Exception) -> HubError:
        if isinstance(error, OSError):
            return unreachable(self._options.server, error, self._where)
        what = f"{self._options.server} broke off ({type(error).__name__})"
        return UnavailableError(what, where=self._where, cure="see whether it is well")

    def _begin(self, folder: str) -> None:
        wire, options = self._wire, self._options
        if options.security == "starttls":
            wire.secure()
        if options.user or wire.state == "NONAUTH":  # a server may greet who shows a certificate as known (PREAUTH)
            self._login()
        told = b" ".join(d for d in self._do("CAPABILITY", wire.capability) if isinstance(d, bytes))
        self._can = set(told.decode("ascii", "replace").upper().split())
        self._do("SELECT", lambda: wire.select(_quoted(folder)), "see `folder`")

    def _login(self) -> None:
        secret = f"\0{self._options.user}\0{self._options.secret(self._where)}".encode()
        # Without a name the certificate says who calls (RFC 4422 appendix A).
        way, said = ("PLAIN", secret) if self._options.user else ("EXTERNAL", b"")
        try:
            typ, _ = self._wire.authenticate(way, lambda _challenge: said)
        except imaplib.IMAP4.abort:
            raise
        except imaplib.IMAP4.error:
            typ = "NO"
        if typ != "OK":
            raise UnavailableError(
                f"{self._options.server} refused the login", where=f"{self._where}.user",
                cure="see user, password and certificate",
            )  # fmt: skip

    def _do(self, what: str, act: Any, cure: str = "see its log") -> list[Any]:
        """One command within the time of one answer.

        :raises UnavailableError: when the connection is gone.
        :raises SaidNoError: when the server says no: to this mail, not to all.
        """
        self._wire.begin()
        try:
            typ, data = act()
        except (OSError, imaplib.IMAP4.abort) as error:
            raise self._away(error) from None
        except imaplib.IMAP4.error:  # BAD
            typ, data = "BAD", []
        if typ == "OK":
            return list(data)
        if what == "SELECT":
            raise UnavailableError(f"{self._options.server} does not open the folder", where=self._where, cure=cure)
        raise SaidNoError(f"{self._options.server} answered {typ} to {what}")

    def waiting(self) -> list[str]:
        """UIDs of the mails in the folder, the oldest first; those deleted left out."""
        data = self._do("SEARCH", lambda: self._wire.uid("SEARCH", "UNDELETED"))
        uids = {u for line in data if line for u in line.split() if u.isdigit()}
        return [u.decode() for u in sorted(uids, key=int)]

    def look(self, uids: list[str]) -> list[Letter]:
        """Sizes and flags of mails; those that are gone are left out."""
        data = self._do("FETCH", lambda: self._wire.uid("FETCH", ",".join(uids), "(UID RFC822.SIZE FLAGS)"))
        made = {}
        for line in data:
            text = line if isinstance(line, bytes) else b""
            uid, size = _UID.search(text), _SIZE.search(text)
            if uid and size:
                made[uid[1].decode()] = Letter(uid[1].decode(), int(size[1]), b"$mdnsent" in text.lower())
        return [made[u] for u in uids if u in made]

    def fetch(self, uid: str, most: int = 0) -> bytes:
        """The octets of a mail, or the first ``most``; its flags stay as they are.

        :raises SaidNoError: when it is gone.
        """
        part = f"BODY.PEEK[]<0.{most}>" if most else "BODY.PEEK[]"
        data = self._do("FETCH", lambda: self._wire.uid("FETCH", uid, f"({part})"))
        found = next((bytes(d[1]) for d in data if isinstance(d, tuple) and len(d) > 1), None)
        if found is None:
            raise SaidNoError("the mail is gone")
        return found

    def note_answered(self, uid: str) -> None:
        """Note that a receipt was sent (RFC 3503), where the folder can keep that."""
        with suppress(SaidNoError):
            self._do("STORE", lambda: self._wire.uid("STORE", uid, "+FLAGS.SILENT", "($MDNSent)"))

    def make(self, folder: str) -> None:
        """Make a folder; it may be there."""
        with suppress(SaidNoError):
            self._do("CREATE", lambda: self._wire.create(_quoted(folder)))

    def put_away(self, uid: str, folder: str) -> None:
        """Move a mail to another folder; '' deletes it."""
        if folder and "MOVE" in self._can:
            self._do("MOVE", lambda: self._wire.uid("MOVE", uid, _quoted(folder)))
            return
        if folder:
            self._do("COPY", lambda: self._wire.uid("COPY", uid, _quoted(folder)))
        self._do("STORE", lambda: self._wire.uid("STORE", uid, "+FLAGS.SILENT", "(\\Deleted)"))
        if "UIDPLUS" in self._can:  # EXPUNGE alone would take away what others deleted
            self._do("EXPUNGE", lambda: self._wire.uid("EXPUNGE", uid))

    def wait(self, seconds: float, idle: bool) -> None:
        """Wait for a change of the folder at most ``seconds``, or until the hub stops; keep the connection alive."""
        wire = self._wire
        if not idle or "IDLE" not in self._can:
            wire.readable(seconds)
            self._do("NOOP", wire.noop)
            return
        wire.begin()
        until = time.monotonic() + seconds
        try:
            wire.send(b"HUB1 IDLE\r\n")
            while not wire.readline().startswith(b"+"):
                pass
            while wire.readable(until - time.monotonic()):
                wire.begin()
                line = wire.readline().upper()
                if line.rstrip().endswith(b"EXISTS") or time.monotonic() >= until:
                    break
            wire.begin()
            wire.send(b"DONE\r\n")
            while not wire.readline().startswith(b"HUB1 "):
                pass
        except (OSError, imaplib.IMAP4.abort) as error:
            raise self._away(error) from None

    def cut(self) -> None:
        """End the connection from another thread, whatever it waits for."""
        self._ended = True
        shut(self._sock)

    def close(self) -> None:
        """Log out, within a second."""
        if not self._opened:
            return
        with suppress(OSError, imaplib.IMAP4.error, HubError, SaidNoError):
            self._wire.deadline = time.monotonic() + 1.0
            self._wire.logout()
        self._wire.shutdown()


def _quoted(folder: str) -> str:
    return f'"{folder}"'
