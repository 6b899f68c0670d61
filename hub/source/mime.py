"""The parts of a mail, found within bounds; nothing is decoded before it is asked for.

RFC 5322 (message), RFC 2045 and 2046 (MIME), RFC 2047 (words in headers), RFC 2231 (parameters).  The heads
are read by the standard library; the tree is walked here, because the library's parser has no bound on
parts and nesting and takes each line of a large attachment in hand.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.errors import HeaderParseError, MessageError
from email.header import decode_header
from email.message import Message
from email.parser import BytesHeaderParser
from email.policy import compat32
from typing import Final

import pybase64

from hub.errors import ParseError, TooLargeError

MAX_OCTETS: Final = 64 << 20
MAX_HEAD: Final = 256 * 1024  # of one part; the Received lines of a long way take some
MAX_PARTS: Final = 200
MAX_DEPTH: Final = 10
_MIME: Final = 4096  # of a header with parameters
_PARAMETERS: Final = ("Content-Type", "Content-Disposition")
_MARKS: Final = 2000  # lines that look like a boundary and may be none
_BLANK = re.compile(rb"\r?\n\r?\n")
_END = re.compile(rb"(--)?[ \t]*(?:\r?\n|$)")
_WORDS: Final = 16 * 1024  # of one header, decoded: longer ones are no subject
_QUOTED = re.compile(r'"[^"]*"')
ADDRESS: Final = re.compile(r"[^\s@<>()\[\],;:\\\"]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?")
_NOISE = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"))
_HEADS = BytesHeaderParser(policy=compat32)


@dataclass(frozen=True, slots=True)
class Part:
    """One part: its head, where its body lies in the mail, and the parts in it."""

    head: Message
    mail: bytes
    start: int
    end: int
    parts: tuple[Part, ...] = ()

    @property
    def type(self) -> str:
        return self.head.get_content_type()

    @property
    def filename(self) -> str:
        """The name the sender gave, without its path; '' for none."""
        try:
            name = self.head.get_filename() or ""
        except (ValueError, LookupError, TypeError, MessageError):
            return ""
        return decoded(name).replace("\\", "/").rpartition("/")[2][:255]

    def header(self, name: str) -> str:
        """The first header of a name, its encoded words decoded, folding undone; '' for none."""
        return decoded(str(self.head.get(name) or ""))

    def raw_header(self, name: str) -> str:
        """All headers of a name as they came, for what must not hide in an encoded word (addresses, ids)."""
        return " ".join(", ".join(map(str, self.head.get_all(name) or ())).split())[:_WORDS]

    def addresses(self, name: str) -> list[str]:
        """The addresses in the headers of a name, in small letters, each once; names beside them are not read."""
        bare = _QUOTED.sub(" ", self.raw_header(name)) if "<" in self.raw_header(name) else self.raw_header(name)
        return list(dict.fromkeys(a.lower() for a in ADDRESS.findall(bare)))

    def fields(self) -> list[Message]:
        """The blocks of fields of a report (RFC 3464 §2.1, RFC 8098 §3.1), a bounded number of them."""
        blocks = _BLANK.split(self.octets()[:MAX_HEAD].strip())
        return [_HEADS.parsebytes(b) for b in blocks[:MAX_PARTS]]

    def parameter(self, name: str) -> str:
        """A parameter of Content-Type, in small letters."""
        try:
            found = self.head.get_param(name)
        except (ValueError, LookupError, TypeError, MessageError):
            return ""
        return found.lower() if isinstance(found, str) else ""

    def walk(self) -> Iterator[Part]:
        """This part and those in it, the first first; not those of a mail in the mail."""
        yield self
        for part in self.parts if self.type != "message/rfc822" else ():
            yield from part.walk()

    def raw(self) -> bytes:
        return self.mail[self.start : self.end]

    def octets(self) -> bytes:
        """The body, its transfer encoding undone.

        :raises ParseError: when it is not what the head says.
        """
        encoding = str(self.head.get("Content-Transfer-Encoding") or "").strip().lower()
        body = self.raw()
        if encoding == "base64":
            # What is no letter of the alphabet is passed over (RFC 2045 §6.8).
            coded = body.translate(None, _NOISE)
            try:
                return pybase64.b64decode(coded + b"=" * (-len(coded) % 4))
            except (binascii.Error, ValueError):
                raise ParseError("a part that is not Base64", where="mail", cure="send it again", code="906") from None
        return binascii.a2b_qp(body) if encoding == "quoted-printable" else body

    def text(self) -> str:
        """The body as text, in the charset of its head, else as UTF-8 or Latin-1."""
        octets = self.octets()
        for charset in (self.parameter("charset"), "utf-8"):
            try:
                return octets.decode(charset) if charset else octets.decode()
            except (LookupError, UnicodeError, ValueError):
                continue
        return octets.decode("latin-1")


def read(octets: bytes) -> Part:
    """The tree of a mail.

    :raises ParseError: when it is no mail, or nested deeper than mails are.
    :raises TooLargeError: beyond a bound of size or number.
    """
    if len(octets) > MAX_OCTETS:
        raise TooLargeError(f"a mail of more than {MAX_OCTETS >> 20} MiB", where="mail", cure="send less")
    part = _Walk(octets).part(0, len(octets), 0)
    if not part.head.keys():
        raise ParseError("this is no mail: it has no header", where="mail", cure="send RFC 5322")
    return part


def decoded(text: str) -> str:
    """A header as a person reads it: encoded words decoded, line breaks and control characters as blanks."""
    if "=?" in text:
        try:
            pieces = decode_header(text[:_WORDS])
        except (HeaderParseError, ValueError):
            pieces = [(text, None)]
        text = "".join(p if isinstance(p, str) else _bytes(p, charset) for p, charset in pieces)
    # A raw octet stands as a lone surrogate: what is not ASCII without being encoded is mostly UTF-8.
    text = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _bytes(octets: bytes, charset: str | None) -> str:
    try:
        return octets.decode(charset or "latin-1")
    except (LookupError, UnicodeError, ValueError):
        return octets.decode("latin-1")


class _Walk:
    """One mail being walked: how many parts there were, and lines that look like a boundary."""

    def __init__(self, octets: bytes) -> None:
        self.octets = octets
        self.count = self.marks = 0

    def part(self, start: int, end: int, depth: int) -> Part:
        self.count += 1
        if self.count > MAX_PARTS:
            raise TooLargeError(f"more than {MAX_PARTS} parts", where="mail", cure="send fewer")
        if depth > MAX_DEPTH:
            raise ParseError(f"parts nested deeper than {MAX_DEPTH}", where="mail", cure="send it flatter")
        head, body = self._head(start, end)
        kind = head.get_content_type()
        inside: tuple[Part, ...] = ()
        if kind.startswith("multipart/"):
            boundary = self._boundary(head)
            inside = tuple(self.part(a, b, depth + 1) for a, b in self._pieces(boundary, body, end))
        elif kind == "message/rfc822" and body < end:
            inside = (self.part(body, end, depth + 1),)
        return Part(head, self.octets, body, end, inside)

    def _head(self, start: int, end: int) -> tuple[Message, int]:
        """The head of a part, and where its body begins."""
        for nothing in (b"\r\n", b"\n"):  # a part without a head
            if self.octets.startswith(nothing, start, end):
                return Message(compat32), start + len(nothing)
        blank = _BLANK.search(self.octets, start, min(end, start + MAX_HEAD))
        if blank is None and end - start > MAX_HEAD:
            raise TooLargeError(f"a head of more than {MAX_HEAD >> 10} KiB", where="mail", cure="send less")
        stop, body = (blank.start(), blank.end()) if blank else (end, end)
        try:
            head = _HEADS.parsebytes(self.octets[start:stop])
        except (ValueError, LookupError, TypeError, MessageError):
            raise ParseError("a head that cannot be read", where="mail", cure="send RFC 5322") from None
        if any(len(str(head.get(name) or "")) > _MIME for name in _PARAMETERS):
            # The library reads parameters in a time that grows with the square of their length.
            raise TooLargeError(f"more than {_MIME} octets of parameters", where="Content-Type", cure="send less")
        return head, body

    def _boundary(self, head: Message) -> bytes:
        try:
            boundary = head.get_boundary() or ""
        except (ValueError, LookupError, TypeError, MessageError):
            boundary = ""
        octets = boundary.encode("ascii", "ignore")
        if not octets or len(octets) > 200:
            raise ParseError("parts without a boundary", where="Content-Type", cure="send MIME (RFC 2046)")
        return octets

    def _pieces(self, boundary: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Where the parts of a multipart begin and end (RFC 2046 §5.1.1): the last line break is the boundary's."""
        octets, mark = self.octets, b"\n--" + boundary
        at = start - 1 if octets.startswith(mark[1:], start, end) else octets.find(mark, start, end)
        opened = -1
        while at >= 0:
            self.marks += 1
            if self.marks > _MARKS:
                raise TooLargeError(f"more than {MAX_PARTS} parts", where="mail", cure="send fewer")
            told = _END.match(octets, at + len(mark), end)
            if told is not None:
                if opened >= 0:
                    yield opened, max(opened, at - 1 if octets[at - 1 : at] == b"\r" else at)
                if told[1]:
                    return
                opened = told.end()
            at = octets.find(mark, max(at + len(mark) - 1, start), end)
        if opened >= 0:  # cut off: what came is read
            yield opened, end
