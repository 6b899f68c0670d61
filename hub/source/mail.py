"""Secure health mail: what the hub learns of a mail, and what mappings read of it.

RFC 5322; ANS, référentiel socle MSSanté n° 2 (client): one patient a mail, ``IHE_XDM.zip`` and its PDF
beside, the subject ``XDM/1.0/DDM+…``, the headers ``X-MSS-…``, threads by Message-ID; RFC 8098 (receipts)
with the French ``[KO …][code]`` subjects; RFC 3464 (delivery reports).

The type of a mail is ``XDM``, ``MDN^OK``, ``MDN^KO``, ``DSN^delivered``, ``DSN^delayed``, ``DSN^failed`` or
``MAIL``; its control id is its Message-ID.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from email.message import Message
from typing import Final

from hub.errors import HubError, ParseError
from hub.source import mime, xdm
from hub.source.mime import Part
from hub.source.origin import Text
from hub.source.reader import Envelope, Reader
from hub.source.xdm import Xdm

SUBJECT: Final = "XDM/1.0/DDM"
_KO = re.compile(r"^\s*\[[^\]]{1,80}\]\s*\[(\d{1,4})\]\s*XDM/")
_ID = re.compile(r"<([^<>\s]{1,199})>")
_DISPOSITION = re.compile(r";\s*([a-z-]+)\s*(/?[^:^]*)(?::\s*(\d{1,4})\s*\^?\s*(.{0,200}))?", re.IGNORECASE)
_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")
_ACTIONS = {"failed": "failed", "delayed": "delayed"}  # RFC 3464 §2.3.3; all others mean that it arrived
_THREAD: Final = 10  # Message-IDs of a thread that are looked for


@dataclass(frozen=True, slots=True)
class Notice:
    """What a receipt or a delivery report says.

    :ivar original: Message-ID of the mail it is about, or ''.
    :ivar outcome: ``OK`` or ``KO`` of a receipt; ``delivered``, ``delayed`` or ``failed`` of a delivery report.
    :ivar code: of the national table (900 to 906), or the status of RFC 3463 (``5.1.1``).
    """

    original: str
    outcome: str
    code: str = ""


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail.

    :ivar thread: Message-IDs of In-Reply-To and References.
    :ivar error: why the archive cannot be read; then ``archive`` is None.
    :ivar files: the other attachments, those a reader of the mail opens.
    """

    root: Part
    type: str
    message_id: str
    sender: tuple[str, ...]
    thread: tuple[str, ...] = ()
    notice: Notice | None = None
    archive: Xdm | None = None
    error: HubError | None = None
    files: tuple[Part, ...] = ()
    body: Part | None = None

    @property
    def automatic(self) -> bool:
        """Sent by a program: never answered (RFC 3834 §2, RFC 8098 §2.1)."""
        auto = self.root.header("Auto-Submitted").lower()
        bulk = self.root.header("Precedence").lower() in ("bulk", "junk", "list")
        return bool(self.notice) or bulk or (auto != "" and not auto.startswith("no"))


def read(octets: bytes, origins: bool = False) -> Mail:
    """Read a mail and the archive it carries.

    :raises ParseError: when it is no mail.
    """
    root = mime.read(octets)
    found = _ID.search(root.raw_header("Message-ID"))
    # Without a Message-ID its content is what it is known by: the same mail fetched twice stays one.
    message_id = found[1] if found else f"sha256-{hashlib.sha256(octets).hexdigest()[:40]}"
    if origins:
        message_id = Text(message_id, "Message-ID")
    sender = tuple(root.addresses("From"))
    thread = tuple(dict.fromkeys(_ID.findall(root.raw_header("References") + root.raw_header("In-Reply-To"))))[
        -_THREAD:
    ]
    parts = list(root.walk())
    notice = _notice(root, parts, thread)
    if notice is not None:
        kind = "MDN" if notice.outcome in ("OK", "KO") else "DSN"
        return Mail(root, f"{kind}^{notice.outcome}", message_id, sender, thread, notice)
    files = [p for p in parts if not p.parts and (p.filename or not p.type.startswith(("text/", "multipart/")))]
    body = next((p for p in parts if p.type == "text/plain" and not p.filename), None)
    archives = [p for p in files if _is_archive(p, root)]
    if not archives and not _announced(root):
        return Mail(root, "MAIL", message_id, sender, thread, files=tuple(files), body=body)
    archive, error = _archive(archives, files, origins)
    others = tuple(p for p in files if p not in archives)
    return Mail(root, "XDM", message_id, sender, thread, None, archive, error, others, body)


def _announced(root: Part) -> bool:
    return root.header("Subject").upper().startswith(SUBJECT)


def _is_archive(part: Part, root: Part) -> bool:
    name = part.filename.upper()
    if name == "IHE_XDM.ZIP":
        return True
    zipped = name.endswith(".ZIP") or part.type in ("application/zip", "application/x-zip-compressed")
    return zipped and ("XDM" in name or _announced(root))


def _archive(archives: list[Part], files: list[Part], origins: bool) -> tuple[Xdm | None, HubError | None]:
    if not archives:
        wrapped = any(p.type == "application/ms-tnef" or p.filename.lower() == "winmail.dat" for p in files)
        what = "the archive is wrapped in winmail.dat" if wrapped else "the subject announces an archive, none is there"
        return None, ParseError(what, where="IHE_XDM.zip", cure="attach IHE_XDM.zip as MIME", code="906")
    if len(archives) > 1:
        cure = "send one mail for each submission"
        return None, ParseError("more than one archive", where="IHE_XDM.zip", cure=cure, code="906")
    try:
        return xdm.read(archives[0].octets(), origins), None
    except HubError as error:
        return None, error


def _notice(root: Part, parts: list[Part], thread: tuple[str, ...]) -> Notice | None:
    ko = _KO.match(root.header("Subject"))
    for part in parts:
        if part.type == "message/disposition-notification":
            return _receipt(part.fields(), ko[1] if ko else "", thread)
        if part.type == "message/delivery-status":
            return _delivery(part.fields(), parts, thread)
    return Notice(thread[-1] if thread else "", "KO", ko[1]) if ko else None


def _receipt(blocks: list[Message], code: str, thread: tuple[str, ...]) -> Notice:
    """RFC 8098 §3.2.6: ``processed`` or ``displayed`` is well; a modifier ``error``, ``failed``, ``denied`` is not."""
    told = blocks[0] if blocks else Message()
    found = _ID.search(str(told.get("Original-Message-ID") or ""))
    original = found[1] if found else thread[-1] if thread else ""
    read = _DISPOSITION.search(str(told.get("Disposition") or ""))
    kind, modifier = (read[1].lower(), read[2].lower()) if read else ("", "")
    code = (read[3] if read and read[3] else "") or code
    bad = bool(code) or kind in ("failed", "denied") or "err" in modifier or "fail" in modifier
    return Notice(original, "KO" if bad else "OK", code)


def _delivery(blocks: list[Message], parts: list[Part], thread: tuple[str, ...]) -> Notice:
    """RFC 3464 §2.3: of several recipients the worst counts."""
    actions = [str(b.get("Action") or "").strip().lower() for b in blocks]
    outcome = next((a for a in _ACTIONS if a in actions), "delivered")
    status = (_STATUS.search(str(b.get("Status") or "")) for b, a in zip(blocks, actions, strict=True) if a == outcome)
    original = ""
    for part in parts:
        about = part.parts[0].head if part.type == "message/rfc822" and part.parts else None
        if part.type == "text/rfc822-headers":
            about = next(iter(part.fields()), None)
        found = _ID.search(str(about.get("Message-ID") or "")) if about is not None else None
        original = original or (found[1] if found else "")
    code = next((s[0] for s in status if s), "")
    return Notice(original or (thread[-1] if thread else ""), outcome, code)


def peek(body: bytes) -> Envelope:
    """Read the mail; of one that carries an archive, whose documents they are.

    :raises ParseError: when it is no mail.
    """
    mail = read(body)
    ids = [mail.message_id, *mail.thread, *([mail.notice.original] if mail.notice else [])]
    keys = tuple(dict.fromkeys(("mail", i) for i in ids if i))
    sender = mail.sender[0] if mail.sender else ""
    told = xdm.envelope(mail.archive) if mail.archive is not None else Envelope()
    return Envelope(
        type=mail.type, control_id=mail.message_id, sender=sender, document=told.document,
        order_key=told.order_key, keys=keys + told.keys, parsed=mail,
    )  # fmt: skip


def check(body: bytes, envelope: Envelope) -> None:
    """What a mail needs to be taken: one sender, and an archive that can be read when it says that there is one.

    :raises ParseError: with the header or the entry.
    """
    mail = envelope.parsed if isinstance(envelope.parsed, Mail) else read(body)
    if len(mail.sender) != 1 and not mail.notice:  # a delivery report may come from <>
        raise ParseError("not one sender", where="From", cure="send a mail from one mailbox", code="906")
    if mail.error is not None:
        raise mail.error


READER: Reader = Reader("mail", "message/rfc822", peek, read, check)
