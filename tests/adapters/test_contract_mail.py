"""The contract of :mod:`hub.engine.connector` for the mail connectors, over real servers of SMTP and IMAP."""

from contextlib import ExitStack, contextmanager

import pytest
from hub.adapters.imap import ImapSource
from hub.adapters.smtp import SmtpDestination, SmtpOptions

from hub.testing.context import MemoryIntake, MemoryOutlet
from hub.testing.contract import DESTINATION_CHECKS, MARK, SOURCE_CHECKS
from hub.testing.parrot import Parrot, drop, expect, say, silent
from tests.adapters.mailboxes import mail, options
from tests.adapters.mailservers import free_port, smtp_server

LARGE = 128 * 1024


class Imap:
    traits = frozenset({"bounded"})
    body = mail(subject=MARK.decode())

    def __init__(self, box):
        self.box = box

    def intake(self):
        return MemoryIntake()

    def make(self, intake, *, like=None):
        return ImapSource(options(self.box, max_size=LARGE), intake)

    def deliver(self, source, intake, body):
        self.box.put(body)
        return b""

    def positive(self, answer):
        return answer != b"error"

    def deliver_too_large(self, source, intake):
        self.box.put(b"x" * (LARGE + 1))
        self.box.wait("Hub-Error", 1)
        return b"error"


@pytest.mark.parametrize("check", [c for c in SOURCE_CHECKS if c.applies(Imap)], ids=lambda c: c.name)
def test_imap_keeps_the_contract(check, mailbox):
    """hub.engine.connector, executed."""
    check.run(Imap(mailbox))


MAIL = mail(subject=MARK.decode(), Date="Mon, 5 Jan 2026 10:00:00 +0100")
GREETING = say(b"220 localhost ESMTP\r\n")


class Peer:
    """An aiosmtpd that takes, or that first refuses; a parrot that is silent or hangs up; or nobody."""

    def __init__(self, stack, behaviour):
        self.outlet, self._stack, self._behaviour = MemoryOutlet(), stack, behaviour
        self.port = free_port()
        self._inbox = self._parrot = None
        if behaviour in ("takes", "refuses"):
            self._serve()
        if behaviour == "refuses":
            self._inbox.say["b@chu.mssante.fr"] = f"550 5.1.1 no {MARK.decode()} here"
        if behaviour in ("silent", "drops"):
            script = [GREETING, expect(b"\r\n"), silent() if behaviour == "silent" else drop()]
            self._parrot = stack.enter_context(Parrot(script, port=self.port))

    def _serve(self):
        self._inbox = self._stack.enter_context(smtp_server(self.port))

    def destination(self):
        chosen = SmtpOptions(server=f"127.0.0.1:{self.port}", security="none", timeout=0.5)
        return SmtpDestination(chosen, self.outlet)

    def recover(self):
        if self._parrot is not None:
            self._parrot.stop()
        if self._inbox is None:
            self._serve()
        self._inbox.say.clear()

    def taken(self):
        return [content for _, _, content in self._inbox.taken]


class Smtp:
    behaviours = frozenset({"takes", "refuses", "silent", "drops", "away"})
    body, content_type = MAIL, "message/rfc822"

    @contextmanager
    def peer(self, behaviour):
        with ExitStack() as stack:
            yield Peer(stack, behaviour)


@pytest.mark.parametrize("check", [c for c in DESTINATION_CHECKS if c.applies(Smtp)], ids=lambda c: c.name)
def test_smtp_keeps_the_contract(check):
    """hub.engine.connector, executed."""
    check.run(Smtp())
