"""Notifications by mail, over a real SMTP server on loopback."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from email import message_from_bytes
from email.message import Message
from typing import Any

import orjson
import pytest
from aiosmtpd.controller import Controller

from hub.errors import HubError
from hub.services.subscriptions import endpoints, mailing, model
from hub.settings import Settings
from hub.store.tables import Sending
from tests.services.subscriptions.conftest import Hub, asking
from tests.waiting import until

ALLOWED = "mailto:*@chu.mssante.fr mailto:a.b@example.org"


class Box:
    """What the server took; ``refuses`` is its answer instead."""

    def __init__(self) -> None:
        self.mails: list[tuple[list[str], Message]] = []
        self.refuses = ""

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        if self.refuses:
            return self.refuses
        self.mails.append((envelope.rcpt_tos, message_from_bytes(envelope.content)))
        return "250 taken"


@pytest.fixture
def box(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Iterator[Box]:
    made = Box()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Controller(made, hostname="127.0.0.1", port=port)
    server.start()
    settings = hub.store.settings
    (settings.home / "mail.yaml").write_text(f"server: 127.0.0.1:{port}\nsecurity: none\nfrom: hub@chu.mssante.fr\n")
    more = {"subscription_endpoints": ALLOWED, "subscription_mail": "mail.yaml"}
    monkeypatch.setattr(hub.store, "settings", settings.model_copy(update=more))
    yield made
    server.stop()


def subscribe(hub: Hub, to: str = "mailto:reader@chu.mssante.fr", **more: Any) -> str:
    return hub.subscribe(**({"type": "email", "endpoint": to} | more))


def test_a_line_says_that_there_is_something(hub: Hub, box: Box) -> None:
    """R4 email without payload: nothing of the resource, nobody's name, to an ordinary box as well."""
    subscribe(hub, "mailto:A.B@example.org")
    assert box.mails == []  # the handshake is a login
    hub.patient("a", name=[{"family": "Lefèvre"}])
    until(lambda: hub.sendings() == [Sending.SENT])
    ((to, mail),) = box.mails
    assert (to, mail["From"], mail["Subject"]) == (["a.b@example.org"], "hub@chu.mssante.fr", "Notification")
    assert "Un élément" in mail.get_payload(decode=True).decode()  # type: ignore[union-attr] # of one part
    assert b"Lef" not in mail.as_bytes()


def test_a_payload_is_an_attachment(hub: Hub, box: Box) -> None:
    """Backport IG, payload-content: the notification Bundle, to a box of MSSanté."""
    subscribe(hub, content="full-resource")
    hub.patient("a")
    until(lambda: hub.sendings() == [Sending.SENT])
    *_, attached = box.mails[0][1].walk()
    bundle = orjson.loads(attached.get_payload(decode=True))  # type: ignore[arg-type] # octets of one part
    assert bundle["entry"][1]["resource"]["id"] == "a"


def test_a_mail_that_is_refused_is_held(hub: Hub, box: Box) -> None:
    subscribe(hub)
    box.refuses = "550 5.7.1 no"
    hub.patient("a")
    until(lambda: hub.sendings() == [Sending.HELD])


@pytest.mark.parametrize(
    ("to", "more", "said"),
    [("mailto:x@example.org", {}, "not on the list"), ("a.b@example.org", {}, "no address"),
     ("mailto:a.b@example.org?bcc=evil@example.org", {}, "no address"),
     ("mailto:a.b@example.org,evil@example.org", {}, "no address"),
     ("mailto:a.b@example.org\r\nX: y", {}, "no address"),
     ("mailto:a.b@example.org", {"content": "id-only"}, "ordinary mail"),
     ("mailto:a.b@example.org", {"header": ["X: y"]}, "no headers"), ("https://app.example.org", {}, "no address")],
)  # fmt: skip
def test_who_may_be_written_to(to: str, more: dict[str, Any], said: str) -> None:
    """An allow-list of boxes and domains; nothing of a resource leaves the trusted space of MSSanté."""
    with pytest.raises(HubError, match=said):
        endpoints.check(model.read(asking(to, **({"type": "email"} | more))), Settings(subscription_endpoints=ALLOWED))


@pytest.mark.parametrize("text", [None, "nonsense: 1", "server: 127.0.0.1:1\nsecurity: none\n", "- [", "\0"])
def test_a_server_that_is_not_set_up_is_told(hub: Hub, monkeypatch: pytest.MonkeyPatch, text: str | None) -> None:
    """The Subscription says what an administrator has to do."""
    settings = hub.store.settings
    if text is not None:
        (settings.home / "mail.yaml").write_text(text)
    more = {"subscription_endpoints": ALLOWED, "subscription_mail": None if text is None else "mail.yaml"}
    monkeypatch.setattr(hub.store, "settings", settings.model_copy(update=more))
    fid = subscribe(hub, status="error")
    assert "mail" in hub.read(fid)["error"]
    with pytest.raises(HubError):
        mailing.options(hub.store.settings)
