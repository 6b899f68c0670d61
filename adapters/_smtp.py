"""One mail at a time to a submission server, with a limit on the whole of it.

RFC 5321 (SMTP), 6409 (submission), 3207 (STARTTLS), 4954 (AUTH), 1870 (SIZE), 6152 (8BITMIME), 3463 (enhanced
status codes).  smtplib of the standard library speaks the protocol: one thread, one connection and blocking
calls are all that a destination needs; what it lacks (bounds on replies, one deadline) is added here.
"""

from __future__ import annotations

import base64
import re
import smtplib
import socket
import time
from typing import Any, Final

from hub.errors import HubError, NoAnswerError, RefusedError, UnavailableError
from hub.source.mime import ADDRESS

from ._mail import MailServer, shut, unreachable, within
from ._tls import client_context

PORTS: Final = {"tls": 465, "starttls": 587, "none": 25}
_LINES, _LINE = 100, 2048  # of one reply; RFC 5321 §4.5.3.1.5 says 512 octets a line
_IDLE: Final = 60.0  # seconds after which a kept connection is first asked whether it is still there
# Line ends that are none in SMTP: servers that read them as ends let one mail smuggle in another (CVE-2023-51764).
_BARE, _LINE_END = re.compile(rb"(?<!\r)\n|\r(?!\n)"), re.compile(rb"\r\n|\r|\n")
_ENHANCED = re.compile(rb"[245]\.\d{1,3}\.\d{1,3}\b")


class _Client(smtplib.SMTP):
    """smtplib with a bound on what one reply may be."""

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None:
            self.file = self.sock.makefile("rb")  # type: ignore[union-attr]  # connected, or nobody asks
        lines: list[bytes] = []
        while len(lines) < _LINES:
            line = self.file.readline(_LINE)
            if not line:
                self.close()
                raise smtplib.SMTPServerDisconnected("the connection ended")
            if not line[:3].isdigit() or not line.endswith(b"\n"):
                break
            lines.append(line[4:].strip())
            if line[3:4] != b"-":
                return int(line[:3]), b"\n".join(lines)
        self.close()
        raise smtplib.SMTPServerDisconnected("what came is no reply of SMTP")


class Postman:
    """A connection to a server, kept between mails.

    :param where: its place in the channel, for errors.
    """

    def __init__(self, options: MailServer, where: str, total: float = 0.0) -> None:
        self._options, self._where = options, where
        # A large mail takes its time; a server that takes more than ten answers' worth is not well.
        self._total = total or options.timeout * 10
        self._context = client_context(options.tls, f"{where}.tls") if options.security != "none" else None
        self._client: _Client | None = None
        self._used = 0.0
        self._at = _Progress()

    def send(self, sender: str, recipients: list[str], mail: bytes) -> str:
        """Send to all of the recipients or to none; return the last reply, in a word.

        :raises RefusedError: the server will never take this mail, or not for one of the recipients.
        :raises UnavailableError: it was not reached, or asks to come back later.
        :raises NoAnswerError: the mail was sent and its answer did not come.
        """
        for address in (sender, *recipients):
            if not ADDRESS.fullmatch(address) or not address.isascii():
                raise RefusedError("an address that is none", where=self._where, cure="correct From and To")
        at = self._at = _Progress()
        try:
            with within(self._total, self.cut):
                return self._send(sender, recipients, mail, at)
        except (OSError, smtplib.SMTPException, TimeoutError) as error:
            self.close()
            raise self._failed(error, at) from None
        except HubError:
            raise
        except Exception:
            self.close()
            raise

    def _send(self, sender: str, recipients: list[str], mail: bytes, at: _Progress) -> str:
        client = self._connected()
        limit = client.esmtp_features.get("size", "")
        if limit.isdecimal() and 0 < int(limit) < len(mail):
            raise RefusedError(
                f"the mail has {len(mail)} octets, the server takes {int(limit)}", where=self._where,
                cure="send it another way", code="552",
            )  # fmt: skip
        options = [f"SIZE={len(mail)}"] if "size" in client.esmtp_features else []
        if not mail.isascii():
            if "8bitmime" not in client.esmtp_features:
                raise RefusedError("the server takes 7 bits only", where=self._where, cure="send the mail encoded")
            options.append("BODY=8BITMIME")
        self._check(*client.mail(sender, options), "MAIL FROM", client)
        for number, address in enumerate(recipients, 1):
            code, said = client.rcpt(address)
            self._check(code, said, f"recipient {number} of {len(recipients)}", client)
        at.data = True
        try:
            code, said = client.data(_LINE_END.sub(b"\r\n", mail) if _BARE.search(mail) else mail)
        except smtplib.SMTPDataError as e:  # refused before it was sent
            error = e.smtp_error
            code, said = e.smtp_code, error if isinstance(error, bytes) else error.encode()
        self._check(code, said, "the mail", client)
        self._used = time.monotonic()
        return f"{code} {_status(said)}".strip()

    def _check(self, code: int, said: bytes, what: str, client: _Client) -> None:
        if 200 <= code < 300:
            return
        try:
            if code != 421:
                client.rset()  # the others of the recipients must not get what one did not
        except (OSError, smtplib.SMTPException):
            code = code or 421
        if client.sock is None or code == 421:
            self.close()
        raise self._judged(code, said, what)

    def _judged(self, code: int, said: bytes, what: str) -> HubError:
        # Only codes are told: words of a server quote addresses.
        words = f"the server answered {' '.join(filter(None, (str(code), _status(said))))} to {what}"
        if code in (530, 535, 538):  # RFC 4954 §6: what is wrong is between the server and us, not in the mail
            return UnavailableError(
                words, where=self._where, cure="see user, password, certificate and security", code=str(code)
            )
        if code >= 500:
            return RefusedError(words, where=self._where, cure="correct the mail or its recipients", code=str(code))
        return UnavailableError(words, where=self._where, cure="the server takes it later", code=str(code))

    def _connected(self) -> _Client:
        client = self._client
        if client is not None and time.monotonic() - self._used > _IDLE:
            try:
                alive = client.noop()[0] == 250
            except (OSError, smtplib.SMTPException):
                alive = False
            if not alive:
                self.close()
        elif client is not None and _ended(client.sock):
            self.close()  # the server hung up meanwhile, as servers do
        if self._client is None:
            self._client = self._connect()
        return self._client

    def _connect(self) -> _Client:
        options = self._options
        client = _Client(local_hostname=_name(), timeout=options.timeout)
        self._client = client  # so that the deadline may cut it
        host, port = options.peer_host, options.peer_port(PORTS)
        client._host = options.tls.server_name or host  # type: ignore[attr-defined]  # what starttls verifies
        client.sock = socket.create_connection((host, port), options.timeout)
        self._at.connected = True
        if options.security == "tls" and self._context is not None:
            client.sock = self._context.wrap_socket(
                client.sock, server_hostname=options.tls.server_name or host, do_handshake_on_connect=False
            )
            client.sock.do_handshake()  # in reach of the deadline, which cuts client.sock
        code, said = client.getreply()
        if code != 220:
            self._turned_away(code, said, "the connection")
        self._hello(client)
        if options.security == "starttls":
            if "starttls" not in client.esmtp_features:
                self._turned_away(0, b"", "STARTTLS, which it does not offer")
            code, said = client.starttls(context=self._context)
            if code != 220:
                self._turned_away(code, said, "STARTTLS")
            self._hello(client)
        if options.user:
            self._login(client)
        return client

    def _login(self, client: _Client) -> None:
        """One attempt, in UTF-8 (RFC 4616): smtplib tries several and locks accounts, and knows ASCII only."""
        user, secret = self._options.user, self._options.secret(self._where)
        ways = client.esmtp_features.get("auth", "").upper().split()
        if "PLAIN" in ways:
            code, said = client.docmd("AUTH", f"PLAIN {_coded(f'{chr(0)}{user}{chr(0)}{secret}')}")
        elif "LOGIN" in ways:
            code, said = client.docmd("AUTH", "LOGIN")
            for word in (user, secret) if code == 334 else ():
                code, said = client.docmd(_coded(word))
        else:
            code, said = 0, b""
        if code != 235:
            self._turned_away(code, said, "the login" if ways else "a login, which it does not offer")

    def _hello(self, client: _Client) -> None:
        code, said = client.ehlo()
        if code != 250:
            self._turned_away(code, said, "EHLO")

    def _turned_away(self, code: int, said: bytes, what: str) -> None:
        """Before any mail: nothing that a mail could cause, so it is tried again, whatever the code."""
        self.close()
        told = " ".join(filter(None, (str(code) if code else "", _status(said))))
        raise UnavailableError(
            f"{self._options.server} answered {told} to {what}" if told else f"{self._options.server}: {what}",
            where=self._where, cure="see user, password, certificate and security", code=str(code or ""),
        )  # fmt: skip

    def _failed(self, error: Exception, at: _Progress) -> HubError:
        server = self._options.server
        if at.data:
            return NoAnswerError(
                f"{server} did not say whether it took the mail", where=f"{self._where}.timeout",
                cure="it is sent again with the same Message-ID",
            )  # fmt: skip
        if isinstance(error, TimeoutError) and at.connected:
            what = f"{server} did not answer within {self._options.timeout:g} s"
            return NoAnswerError(what, where=f"{self._where}.timeout", cure="see whether it is well")
        if isinstance(error, OSError) and not isinstance(error, smtplib.SMTPException):
            return unreachable(server, error, self._where)
        what = f"{server} broke off ({type(error).__name__})"
        return UnavailableError(what, where=self._where, cure="see whether it is well")

    def probe(self) -> str:
        """Connect, log in, and send nothing."""
        at = self._at = _Progress()
        try:
            with within(self._total, self.cut):
                client = self._connected()
                client.noop()
                limit = client.esmtp_features.get("size", "")
        except (OSError, smtplib.SMTPException, TimeoutError) as error:
            self.close()
            raise self._failed(error, at) from None
        return f"{self._options.server} is there" + (f", takes {int(limit) >> 20} MiB" if limit.isdecimal() else "")

    def cut(self) -> None:
        """End the connection from another thread."""
        shut(self._client.sock if self._client is not None else None)

    def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()  # without QUIT: whoever closes does not wait for an answer


class _Progress:
    """How far a mail came, for who must say what failed."""

    def __init__(self) -> None:
        self.connected = self.data = False


def _status(said: bytes) -> str:
    found = _ENHANCED.match(said or b"")
    return found[0].decode() if found else ""


def _ended(sock: Any) -> bool:
    """Whether the server ended the connection, or said something unasked (421): both mean a new one."""
    if sock is None:
        return True
    timeout = sock.gettimeout()
    try:
        sock.settimeout(0)
        sock.recv(1)
        return True
    except (BlockingIOError, InterruptedError):
        return False
    except OSError as e:
        return e.__class__.__name__ not in ("SSLWantReadError", "SSLWantWriteError")
    finally:
        sock.settimeout(timeout)


def _coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _name() -> str:
    """What EHLO says: an address literal, so that nothing waits for the DNS (RFC 5321 §4.1.3)."""
    return "[127.0.0.1]"
