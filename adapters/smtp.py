"""SMTP: mails handed to a submission server, such as that of an operator of MSSanté.

RFC 5321, 5322, 6409; ANS, référentiel socle MSSanté n° 2.  A body that is a mail (message/rfc822) is sent octet for
octet, but for a Message-ID and a Date where it has none; any other body goes as the attachment of a mail.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import PurePath
from typing import Annotated

from pydantic import AfterValidator, Field

from hub.engine.connector import Answer, Connector, DestinationContext, Outgoing
from hub.errors import RefusedError
from hub.source import mime
from hub.source.mime import ADDRESS

from ._mail import MailServer, Patterns, fits
from ._options import Octets
from ._smtp import Postman

_EXTENSIONS = {
    "x-application/hl7-v2+er7": "hl7", "application/fhir+json": "json", "text/xml": "xml", "application/pdf": "pdf",
    "application/zip": "zip", "text/plain": "txt",
}  # fmt: skip


def _address(value: str) -> str:
    if value and not (ADDRESS.fullmatch(value) and value.isascii()):
        raise ValueError("write an address: box@hopital.mssante.fr")
    return value


def _line(value: str) -> str:
    if not value.isprintable():
        raise ValueError("write one line")
    return value


def _name(value: str) -> str:
    if PurePath(value).name != value or not value.isprintable():
        raise ValueError("write a file name")
    return value


Address = Annotated[str, AfterValidator(_address)]


class SmtpOptions(MailServer):
    """Options of ``smtp: …`` below ``deliver:``."""

    sender: Address = Field("", alias="from", description="box that sends; default: the From of the mail")
    to: tuple[Address, ...] = Field((), description="boxes written to; default: To, Cc and Bcc of the mail")
    recipients: Patterns = Field(
        ("*",), description="addresses that may be written to, such as *.mssante.fr; a mail to another is held"
    )
    subject: Annotated[str, AfterValidator(_line)] = Field(
        "Document", max_length=200, description="subject of a body that is no mail; nothing of a patient"
    )
    max_size: Octets = Field(10 << 20, ge=1024, description="largest mail; a larger one is held")


class SmtpDestination:
    """Sends each body as one mail."""

    def __init__(self, options: SmtpOptions, context: DestinationContext) -> None:
        self._options = options
        self._where = f"{context.channel}: deliver.{context.name}.smtp"
        self._postman = Postman(options, self._where)

    def send(self, item: Outgoing) -> Answer:
        """Send to all recipients or to none.

        :raises RefusedError, UnavailableError, NoAnswerError: see :meth:`Postman.send`.
        """
        mail = item.body if item.content_type.startswith("message/rfc822") else self._wrapped(item)
        sender, recipients, message_id, mail = self._stamped(mail, item.idempotency_key)
        if len(mail) > self._options.max_size:
            what = f"the mail has {len(mail)} octets, max_size is {self._options.max_size}"
            raise RefusedError(what, where=f"{self._where}.max_size", cure="raise it, or send less")
        said = self._postman.send(sender, recipients, mail)
        return Answer(message_id.encode(), said)

    def _stamped(self, mail: bytes, key: str) -> tuple[str, list[str], str, bytes]:
        """Who sends to whom, the Message-ID, and the mail as it is sent."""
        head = mime.read(mail)
        froms = head.addresses("From")
        sender = self._options.sender or (froms[0] if len(froms) == 1 else "")
        if not sender:
            raise RefusedError("the mail has no sender", where=f"{self._where}.from", cure="name the box that sends")
        recipients = list(self._options.to) or [a for n in ("To", "Cc", "Bcc") for a in head.addresses(n)]
        recipients = list(dict.fromkeys(recipients))
        if not recipients:
            raise RefusedError("the mail has no recipient", where=f"{self._where}.to", cure="name the boxes")
        if not all(fits(a.lower(), self._options.recipients) for a in recipients):
            cure = "add its domain, or correct the recipient"
            raise RefusedError("a recipient that may not be written to", where=f"{self._where}.recipients", cure=cure)
        more = b""
        message_id = head.raw_header("Message-ID")
        if not message_id:  # the same on every attempt: who gets the mail twice sees that it is one
            message_id = f"<{key}@{sender.rpartition('@')[2]}>"
            more += f"Message-ID: {message_id}\r\n".encode()
        if not head.raw_header("Date"):
            more += f"Date: {format_datetime(datetime.now(UTC))}\r\n".encode()
        body = _without_bcc(mail) if head.raw_header("Bcc") else mail
        return sender, recipients, message_id, more + body

    def _wrapped(self, item: Outgoing) -> bytes:
        """A mail around a body that is none."""
        options = self._options
        if not options.sender or not options.to:
            cure = "write both, or let the channel make the mail (send: document)"
            raise RefusedError(
                "this body is no mail, and from or to is missing", where=f"{self._where}.from", cure=cure
            )
        made = EmailMessage(policy=SMTP)
        made["From"], made["To"], made["Subject"] = options.sender, ", ".join(options.to), options.subject
        made.set_content("Veuillez trouver le document ci-joint.\r\n")
        kind = item.content_type.partition(";")[0].strip()
        main, slash, sub = kind.partition("/")
        if not slash or not re.fullmatch(r"[A-Za-z0-9.+-]+/[A-Za-z0-9.+-]+", kind) or main in ("message", "multipart"):
            main, sub = "application", "octet-stream"
        name = f"{re.sub(r'[^A-Za-z0-9-]', '_', item.idempotency_key)}.{_EXTENSIONS.get(kind, 'bin')}"
        made.add_attachment(item.body, maintype=main, subtype=sub, filename=name)
        return made.as_bytes()

    def close(self) -> None:
        self._postman.close()

    def probe(self) -> str:
        """Connect and log in."""
        return self._postman.probe()


def _without_bcc(mail: bytes) -> bytes:
    """The mail without its Bcc headers (RFC 5322 §3.6.3)."""
    head, blank, body = mail.partition(b"\r\n\r\n" if b"\r\n\r\n" in mail else b"\n\n")
    return re.sub(rb"(?im)^bcc:[^\n]*\n(?:[ \t][^\n]*\n)*", b"", head + b"\n").removesuffix(b"\n") + blank + body


CONNECTOR = Connector(
    name="smtp",
    summary="mails handed to a submission server, such as that of MSSanté",
    destination=SmtpDestination,
    destination_options=SmtpOptions,
    format="raw",
    capabilities=frozenset({"tls", "secure"}),
)
