"""Fixtures of mail tests: the IMAP server of this process, and a mailbox of each test's own."""

from __future__ import annotations

import uuid

import pytest
from hub.adapters.imap import ImapOptions, ImapSource

from hub.testing.context import MemoryIntake
from tests.adapters.mailservers import PASSWORD, Dovecot, Hands


@pytest.fixture(scope="session")
def dovecot(pki):
    server = Dovecot(pki)
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture
def mailbox(dovecot):
    """A mailbox that nothing is in, and hands to put mails into it."""
    hands = Hands(dovecot, f"box-{uuid.uuid4().hex[:12]}@chu.mssante.test")
    hands.server = dovecot
    yield hands
    hands.close()


def options(mailbox, **chosen):
    """Options of a source that looks often, over the plain port of loopback."""
    chosen = {"server": f"127.0.0.1:{mailbox.server.port}", "security": "none", "every": 0.05, "idle": False} | chosen
    return ImapOptions(user=mailbox.user, password=PASSWORD, timeout=5.0, **chosen)


def source(mailbox, intake=None, **chosen):
    """A source on the mailbox, not started, and its intake."""
    intake = intake or MemoryIntake()
    return ImapSource(options(mailbox, **chosen), intake), intake


def mail(subject="x", body=b"words", **headers):
    """A small mail, CRLF as it stands on a server."""
    told = {"From": "a@chu.mssante.fr", "To": "b@chu.mssante.fr", "Subject": subject, "Message-ID": "<m1@chu>"} | {
        k.replace("_", "-"): v for k, v in headers.items()
    }
    head = "".join(f"{k}: {v}\r\n" for k, v in told.items() if v is not None)
    return head.encode() + b"\r\n" + body + b"\r\n"
