"""The receipt that answers a mail: what became of its documents, to whoever asked to know.

RFC 8098 (message disposition notifications): §2.1 says when none is sent; ANS, transmission au LPS d'un document
provenant d'un courriel MSSanté v1.1: its subject, ``processed/Error: code^label``, the mail and its files again.
"""

from __future__ import annotations

import re
from email.message import EmailMessage
from email.policy import SMTP
from typing import Final

from hub.errors import HubError
from hub.source.mail import Mail, read
from hub.source.mime import Part

_OK: Final = """\
Bonjour,

Le message ci-joint a été reçu et ses documents ont été pris en charge.
"""
_KO: Final = """\
Bonjour,

Les documents du message ci-joint n'ont pas pu être intégrés (code {code} : {label}).
Corrigez-les, puis envoyez-les de nouveau.
"""
# CDA-R2 en HL7v2, codes of ERR-5 in French.
LABELS: Final = {
    "900": "la version n'est pas la dernière connue", "901": "le demandeur n'est pas l'auteur",
    "902": "patient inconnu", "903": "INS absente du document", "904": "INS ou traits différents",
    "905": "traits de l'INS incomplets", "906": "autre motif",
}  # fmt: skip


def code_of(error: HubError | None) -> str:
    """The national code of an error; 906 is any other reason."""
    return error.code if error is not None and error.code in LABELS else "906"


def asked_by(octets: bytes) -> tuple[Mail, str] | None:
    """The mail, and who gets its receipt; None when nobody may.

    A receipt goes to no program, and to nobody but the one who sent: Disposition-Notification-To must be the From
    and the Return-Path (RFC 8098 §2.1), else a mail could make the hub write to strangers.
    """
    try:
        mail = read(octets)
    except HubError:
        return None
    root = mail.root
    wanted, returns = root.addresses("Disposition-Notification-To"), root.addresses("Return-Path")
    if len(wanted) != 1 or mail.automatic or mail.type != "XDM" or tuple(wanted) != mail.sender:
        return None
    told = root.raw_header("Return-Path")
    return (mail, wanted[0]) if not told or returns == wanted else None


def receipt(mail: Mail, octets: bytes, sender: str, code: str) -> bytes:
    """The notification; ``code`` '' says that all went well.

    :param sender: the box the mail came to.
    """
    root = mail.root
    subject = root.header("Subject")
    made = EmailMessage(policy=SMTP)
    made["From"] = sender
    made["To"] = mail.sender[0]
    made["Subject"] = f"[KO Intégration système !][{code}] {subject}" if code else subject
    made["Auto-Submitted"] = "auto-replied"
    known = not mail.message_id.startswith("sha256-")
    if known:
        made["In-Reply-To"] = made["References"] = f"<{mail.message_id}>"
    outcome = f"processed/Error: {code}^{_ascii(LABELS[code])}" if code else "processed"
    fields = [
        "Reporting-UA: oncohub", f"Final-Recipient: rfc822;{sender}",
        *([f"Original-Message-ID: <{mail.message_id}>"] if known else []),
        f"Disposition: automatic-action/MDN-sent-automatically; {outcome}",
    ]  # fmt: skip
    words = EmailMessage(policy=SMTP)
    words.set_content(_KO.format(code=code, label=LABELS[code]) if code else _OK, cte="quoted-printable")
    report = "\r\n".join([*fields, ""]).encode()
    parts = [words.as_bytes(), b"Content-Type: message/disposition-notification\r\n\r\n" + report]
    parts.append(b"Content-Type: message/rfc822\r\n\r\n" + octets)
    parts += [_again(p) for p in root.walk() if p.filename and not p.parts]
    boundary = _boundary(mail.message_id)
    made["MIME-Version"] = "1.0"
    head = made.as_bytes().partition(b"\r\n\r\n")[0]
    kind = f'Content-Type: multipart/report; report-type=disposition-notification;\r\n boundary="{boundary}"\r\n\r\n'
    mark = b"--" + boundary.encode()
    body = b"".join(mark + b"\r\n" + p.rstrip(b"\r\n") + b"\r\n" for p in parts)
    return head + b"\r\n" + kind.encode() + body + mark + b"--\r\n"


def _again(part: Part) -> bytes:
    """An attachment of the mail, as it came."""
    names = ("Content-Type", "Content-Transfer-Encoding", "Content-Disposition")
    lines = [f"{n}: {' '.join(str(v).split())}" for n in names if (v := part.head.get(n))]
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape") + part.raw()


def _boundary(message_id: str) -> str:
    return f"=_receipt_{re.sub(r'[^A-Za-z0-9]', '_', message_id)[:40]}"


def _ascii(text: str) -> str:
    return text.translate(str.maketrans("éèêàç", "eeeac"))
