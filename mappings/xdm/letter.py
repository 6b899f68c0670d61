"""The mail around an archive: subject, headers and words of the national rules.

ANS, référentiel socle MSSanté n° 2: ECO.2.1.1 (attachments), ECO.2.1.3 (subject), ECO.2.2 (threads), ECO.2.4
(X-MSS headers).  RFC 5322, 2045, 8098 (request for a receipt).  The Date is left to who sends it.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP
from typing import Final

from hub.source.mail import SUBJECT

from .metadata import stable_uuid

_UNSAFE = re.compile(r"[^A-Za-z0-9]+")
_BODY: Final = """\
Bonjour,

Veuillez trouver ci-joint : {title}.

Patient : {patient}{born}
Émetteur : {sender}

Le document structuré est dans IHE_XDM.zip ; le fichier PDF en est la forme lisible.
Ce message contient des données de santé : s'il ne vous est pas destiné, prévenez l'émetteur et supprimez-le.
"""


@dataclass(frozen=True, slots=True)
class Letter:
    """What a mail says of the document in it.

    :ivar born: date of birth, ISO 8601, or ''.
    :ivar unique: XDS uniqueId of the document, ``earlier`` that of the one it replaces: the thread of the mails.
    :ivar qualified: the patient is known by the INS.
    """

    title: str
    family: str
    given: str
    born: str
    code: str
    date: str
    unique: str
    qualified: bool
    archive: bytes
    pdf: bytes
    earlier: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Post:
    """From whom to whom, as a channel's ``with:`` and the document say.

    :ivar software: X-MSS-NIL, the number of the software, or ''.
    :ivar receipt: whether a receipt is asked for.
    """

    sender: str
    name: str
    to: tuple[str, ...]
    software: str = ""
    receipt: bool = True
    more: dict[str, str] = field(default_factory=dict)


def message_id(unique: str, post: Post) -> str:
    """The Message-ID of the mail that carries a document: sent again, it is the same mail."""
    return f"<{stable_uuid('mail', post.sender, unique)}@{post.sender.rpartition('@')[2]}>"


def letter(told: Letter, post: Post) -> bytes:
    """The mail, octet for octet the same for the same document."""
    born = "/".join(reversed(told.born.split("-"))) if len(told.born) == 10 else ""
    made = EmailMessage(policy=SMTP)
    made["From"] = post.sender
    made["To"] = ", ".join(post.to)
    made["Subject"] = _line(f"{SUBJECT}+{told.title} {told.family} {told.given} {born}")
    made["Message-ID"] = message_id(told.unique, post)
    if told.earlier:
        before = [message_id(unique, post) for unique in told.earlier]
        made["In-Reply-To"] = before[-1]
        made["References"] = " ".join(before)
    if post.receipt:
        made["Disposition-Notification-To"] = post.sender
    made["X-MSS-CODECDA"] = _line(told.code)
    made["X-MSS-INS"] = "O" if told.qualified else "N"
    if post.software:
        made["X-MSS-NIL"] = _line(post.software)
    patient = _line(f"{told.family} {told.given}")
    words = _BODY.format(
        title=_line(told.title), patient=patient, born=f", né(e) le {born}" if born else "", sender=_line(post.name)
    )
    made.set_content(words, charset="utf-8", cte="quoted-printable")
    made.add_attachment(told.archive, maintype="application", subtype="zip", filename="IHE_XDM.zip")
    name = f"{told.date}_{_safe(told.title)}_{_safe(told.family)}_{_safe(told.given)}.pdf"
    made.add_attachment(told.pdf, maintype="application", subtype="pdf", filename=name)
    made.set_boundary(f"=_{stable_uuid('boundary', told.unique)}")  # by chance otherwise, and never twice the same
    return made.as_bytes()


def _line(text: str) -> str:
    """One line: a title must not begin another header."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _safe(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return _UNSAFE.sub("_", plain).strip("_")[:40] or "document"
