"""IMAP: mails taken out of a mailbox, such as one of MSSanté, once each.

RFC 3501, 2177, 6851; ANS, référentiel socle MSSanté n° 2.  A mail leaves the folder only when it is stored: what
was under way when the hub ended is fetched again, and the engine knows it by its Message-ID and its octets.
"""

from __future__ import annotations

import hashlib
import logging
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from hub.engine.connector import Connector, Receipt, SourceContext, Verdict
from hub.errors import ForbiddenError, HubError, TooLargeError
from hub.logs import event
from hub.source import mime

from ._imap import Letter, Mailbox, SaidNoError
from ._mail import MailServer, Patterns, fits
from ._options import Octets, Seconds
from ._smtp import Postman
from ._tls import client_context

EXCERPT = 64 * 1024
REFUSED = b"refused "
BATCH = 50  # mails asked for their sizes at once
LONGEST_PAUSE = 300.0
OWED = 1000  # receipts that wait for their server

log = logging.getLogger("hub.imap")


def _folder(value: str) -> str:
    if not value.isascii() or not value.isprintable() or any(c in '"\\*%&' for c in value):
        raise ValueError('write the name of a folder in ASCII, without " \\ * % &')
    return value


Folder = Annotated[str, AfterValidator(_folder)]


class Receipts(MailServer):
    """The submission server that receipts are sent through."""

    sender: str = Field(alias="from", pattern=r"^[^\s@<>]+@[A-Za-z0-9.-]+$", description="box that receipts come from")


class ImapOptions(MailServer):
    """Options of ``source: {imap: …}``."""

    folder: Folder = Field("INBOX", min_length=1, description="folder that mails are taken from")
    done: Folder = Field("Hub-Done", description="folder for mails that were taken; empty: they are deleted")
    error: Folder = Field("Hub-Error", min_length=1, description="folder for mails that were refused")
    every: Seconds = Field(60.0, ge=0.01, le=1500, description="longest pause between two looks at the folder")
    idle: bool = Field(True, description="let the server tell of new mails (IDLE), where it can")
    senders: Patterns = Field(
        ("*",), min_length=1, description="From addresses taken, such as *.mssante.fr; others are kept in hold"
    )
    answer: Literal["commit", "application"] = Field(
        "commit", description="a receipt says that the mail is stored, or what its mapping came to"
    )
    receipts: Receipts | None = Field(None, description="send receipts to those who ask for one, by this server")
    max_size: Octets = Field(10 << 20, ge=1024, description="largest mail; of a larger one 64 KiB are kept in hold")

    @model_validator(mode="after")
    def _said(self) -> Self:
        if self.receipts is not None and self.answer != "application":
            raise ValueError("receipts say what became of a mail: write answer: application")
        return self


class _NotStoredError(Exception):
    """The store is away: every mail stays where it is."""


class ImapSource:
    """Looks at one folder from one thread."""

    def __init__(self, options: ImapOptions, context: SourceContext) -> None:
        self._options, self._context = options, context
        self._where = f"{context.channel}: source.imap"
        self._stopping = threading.Event()
        self._until = 0.0
        self._thread: threading.Thread | None = None
        self._box: Mailbox | None = None
        self._wake: tuple[socket.socket, socket.socket] | None = None
        self._postman: Postman | None = None
        # Answers of mails that are stored and whose receipt could not be sent yet, by the SHA-256 of the mail: a UID
        # may mean another mail once the server renumbers its folder (RFC 3501 §2.3.1.1).
        self._owed: dict[bytes, bytes] = {}
        self._received = self._refused = self._receipts = 0
        self._trouble = ""
        self._connected = False

    def start(self) -> None:
        """Begin to look; a server that is away is called again and again.

        :raises ConfigError: for certificates and passwords that cannot be read.
        """
        options = self._options
        for server, where in ((options, self._where), (options.receipts, f"{self._where}.receipts")):
            if server is not None:
                server.secret(where)
                client_context(server.tls, f"{where}.tls")
        if options.receipts is not None:
            self._postman = Postman(options.receipts, f"{self._where}.receipts")
        self._stopping.clear()
        self._wake = socket.socketpair()
        name = f"imap-{self._context.channel}"
        self._thread = threading.Thread(target=self._run, args=(self._wake[1],), name=name, daemon=True)
        self._thread.start()

    def stop(self, within: float = 5.0) -> None:
        self._until = time.monotonic() + within * 0.5
        self._stopping.set()
        if self._wake is not None:
            with suppress(OSError):
                self._wake[0].send(b"x")
        if self._thread is not None:
            self._thread.join(within * 0.7)
            if self._thread.is_alive():  # it waits for a server: the connection is ended under it
                box, postman = self._box, self._postman
                if box is not None:
                    box.cut()
                if postman is not None:
                    postman.cut()
                self._thread.join(within * 0.3)
            self._thread = None
        for side in self._wake or ():
            side.close()
        self._wake = None

    @property
    def address(self) -> str:
        return f"imap:{self._options.server}/{self._options.folder}"

    def status(self) -> Mapping[str, Any]:
        alive = self._thread is not None and self._thread.is_alive()
        return {
            "listening": alive, "connected": alive and self._connected, "received": self._received,
            "refused": self._refused, "receipts": self._receipts, "trouble": self._trouble,
        }  # fmt: skip

    def _run(self, wake: socket.socket) -> None:
        failures = 0
        while not self._stopping.is_set():
            try:
                self._stay(wake)
                failures = 0
            except Exception as error:  # whatever it is, the mails lie where they lay
                failures = 0 if self._connected else failures + 1
                self._told(_why(error))
            finally:
                self._connected = False
                self._leave()
            self._stopping.wait(min(LONGEST_PAUSE, self._options.every, 2.0 ** min(failures, 9)))
        if self._postman is not None:
            self._postman.close()

    def _leave(self) -> None:
        box, self._box = self._box, None
        if box is not None:
            box.close()

    def _stay(self, wake: socket.socket) -> None:
        """One connection: look, wait, look again."""
        options = self._options
        self._box = box = Mailbox(options, options.folder, options.max_size, wake, self._where)
        if self._stopping.is_set():
            return
        box.open()
        for folder in (options.done, options.error):
            if folder:
                box.make(folder)
        self._connected = True
        while not self._stopping.is_set():
            trouble = self._look(box)
            self._told(trouble)
            if self._stopping.is_set():
                return
            if trouble:  # not busily: IDLE would tell of nothing new and the same mails would be asked for at once
                self._stopping.wait(min(5.0, options.every))
            else:
                box.wait(options.every, options.idle)

    def _told(self, trouble: str) -> None:
        """Log a trouble when it begins and when it ends, not each time it is met."""
        if trouble != self._trouble:
            self._trouble = trouble
            level, what = (logging.WARNING, "mailbox not usable") if trouble else (logging.INFO, "mailbox usable again")
            event(log, level, what, channel=self._context.channel, error=trouble)

    def _look(self, box: Mailbox) -> str:
        """One round over the folder; return what troubled it."""
        trouble = ""
        uids = box.waiting()
        for start in range(0, len(uids), BATCH):
            for letter in box.look(uids[start : start + BATCH]):
                if self._stopping.is_set():
                    return trouble
                try:
                    trouble = self._one(box, letter) or trouble
                except _NotStoredError:  # nor would be the others
                    return "the hub could not store a mail"
                except SaidNoError as error:  # the server says no to this mail, the others are taken all the same
                    trouble = str(error)
        return trouble

    def _one(self, box: Mailbox, letter: Letter) -> str:
        options = self._options
        large = letter.size > options.max_size
        body = box.fetch(letter.uid, EXCERPT if large else 0)
        key = hashlib.sha256(body).digest()
        answer = self._owed.get(key)
        if answer is None:
            self._received += 1
            taken = self._hand_over(body, large, letter.size)
            if taken is None:
                return "a mail could not be handed over"
            if taken.verdict.status == "failed":
                raise _NotStoredError
            answer = taken.answer
        if not large and self._postman is not None and not letter.answered:
            self._owed[key] = answer
            while len(self._owed) > OWED:
                del self._owed[next(iter(self._owed))]
            trouble = self._answer(body, answer)
            if trouble:
                return trouble
            box.note_answered(letter.uid)
        refused = answer.startswith(REFUSED)
        box.put_away(letter.uid, options.error if refused else options.done)
        self._owed.pop(key, None)
        self._refused += refused
        return ""

    def _hand_over(self, body: bytes, large: bool, size: int) -> Receipt | None:
        """Give a mail to the engine; None when it stays in the folder: the hub stops, or failed at it."""
        try:
            return self._receive(body, large, size)
        except Exception as e:  # the mails behind this one are taken all the same
            event(log, logging.ERROR, "a mail could not be handed over", channel=self._context.channel,
                  error=type(e).__name__)  # fmt: skip
            return None

    def _receive(self, body: bytes, large: bool, size: int) -> Receipt | None:
        if large:
            what = f"a mail of {size} octets is beyond the limit of {self._options.max_size}"
            error: HubError = TooLargeError(what, where="source.imap.max_size", cure="raise max_size or send less")
            return self._context.broken(body, error, peer=self.address, answer=_word)
        if not self._known(body):
            what, cure = "a sender that is not taken", "add its domain to `senders`, when it is one you know"
            error = ForbiddenError(what, where="From", cure=cure)
            return self._context.broken(body, error, peer=self.address, answer=_word)
        box: list[Receipt] = []
        ready = threading.Event()

        def done(made: Receipt) -> None:
            box.append(made)
            ready.set()

        wait = self._options.answer == "application"
        self._context.receive(body, peer=self.address, answer=_word, done=done, wait=wait)
        while not ready.wait(0.1):
            if self._stopping.is_set() and time.monotonic() > self._until:
                return None
        return box[0]

    def _known(self, body: bytes) -> bool:
        if self._options.senders == ("*",):
            return True
        try:
            froms = mime.read(body).addresses("From")
        except HubError:
            return True  # no mail at all: the reader says why
        return len(froms) == 1 and fits(froms[0], self._options.senders)

    def _answer(self, body: bytes, answer: bytes) -> str:
        """Send the receipt of a mail that asks for one; return what troubled it when it must be tried again."""
        from ._receipts import asked_by, receipt

        postman, options = self._postman, self._options.receipts
        asked = asked_by(body)
        if postman is None or options is None or asked is None or not fits(asked[1], self._options.senders):
            return ""
        mail, to = asked
        code = answer.removeprefix(REFUSED).decode() if answer.startswith(REFUSED) else ""
        try:
            postman.send(options.sender, [to], receipt(mail, body, options.sender, code))
            self._receipts += 1
        except HubError as error:
            if error.retry == "later":
                return f"receipts: {error.what}"
            event(log, logging.WARNING, "a receipt was refused", channel=self._context.channel, code=error.code)
        return ""


def _why(error: Exception) -> str:
    """What may be told of an error: the text of a foreign one may quote a mail."""
    if isinstance(error, HubError):
        return error.what
    return str(error) if isinstance(error, SaidNoError) else type(error).__name__


def _word(verdict: Verdict) -> bytes:
    """What is kept with the message; a duplicate hears how the first one fared."""
    from ._receipts import code_of  # reads archives, and so CDA: only where mails come, not where channels are listed

    return REFUSED + code_of(verdict.error).encode() if verdict.status == "rejected" else verdict.status.encode()


CONNECTOR = Connector(
    name="imap",
    summary="mails taken out of a mailbox, such as one of MSSanté",
    source=ImapSource,
    source_options=ImapOptions,
    format="mail",
    capabilities=frozenset({"polls", "tls", "secure"}),
)
