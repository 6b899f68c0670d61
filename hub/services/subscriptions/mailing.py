"""Notifications by mail, handed to the submission server that an administrator named.

R4, subscription-channel-type email ("sending an email to the email addressed in the URI, which must be a mailto:").
The ``smtp`` connector does the sending; its options stand in the file of the setting ``subscription_mail``.  The
handshake is a login: nobody answers a mail.
"""

from __future__ import annotations

from dataclasses import replace
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

from pydantic import ValidationError

from hub import registry
from hub.engine.connector import Answer, DestinationContext, Outgoing
from hub.errors import ConfigError
from hub.services.subscriptions import endpoints
from hub.services.subscriptions.model import Subscription
from hub.settings import Settings

SUBJECT = "Notification"
_TEXT = "Un élément que vous suivez a été créé ou modifié. Connectez-vous pour le consulter.\r\n"


class Mail:
    """The box of a Subscription, as a destination of the engine."""

    def __init__(self, settings: Settings, asked: Subscription, context: DestinationContext) -> None:
        endpoints.check(asked, settings)
        self._to = endpoints.mailbox(asked.endpoint)
        self._options = options(settings).model_copy(update={"to": (self._to,), "subject": SUBJECT})
        self._destination = registry.connector("smtp").destination(self._options, context)

    def send(self, item: Outgoing) -> Answer:
        """Send one notification: what it holds as an attachment, or a line that says that there is something.

        :raises HubError: see the connector.
        """
        if not item.body:
            item = replace(item, body=self._line(), content_type="message/rfc822")
        answer: Answer = self._destination.send(item)
        return answer

    def _line(self) -> bytes:
        made = EmailMessage(policy=SMTP)
        made["From"], made["To"], made["Subject"] = self._options.sender, self._to, SUBJECT
        made.set_content(_TEXT)
        return made.as_bytes()

    def tell(self, kind: str, total: int) -> None:  # noqa: ARG002 - as of every endpoint
        """See that the server is there and lets the hub in."""
        self.probe()

    def close(self) -> None:
        self._destination.close()

    def probe(self) -> str:
        """Connect and log in."""
        said: str = self._destination.probe()
        return said


def options(settings: Settings) -> Any:
    """Options of the ``smtp`` connector.

    :raises ConfigError: when the file is missing or says something else.
    """
    path = settings.subscription_mail
    if path is None:
        raise ConfigError("the hub has no server for mails", where="subscription_mail", cure="name the file of one")
    import yaml

    file = settings.home / path
    try:
        read = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):  # whose text may quote a secret
        raise ConfigError("cannot be read", where=str(file), cure="write options of the smtp connector") from None
    try:
        made = registry.connector("smtp").destination_options.model_validate(read)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = f"{file}: {'.'.join(map(str, first['loc']))}"
        raise ConfigError(first["msg"], where=where, cure="see hub schema") from None
    if not made.sender:
        raise ConfigError("there is no sender", where=f"{file}: from", cure="name the box that sends")
    return made
