"""Octets of an ER7 message to text and back: separators, character sets, escape sequences.

HL7 v2.5 §2.5.4 (delimiters), §2.7 (escape sequences), §2.15.9.18 (MSH-18, table 0211).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from hub.errors import ParseError

BOM = b"\xef\xbb\xbf"


class Separators(NamedTuple):
    """The delimiters of one message, as octets; an absent one is ``b''``."""

    field: bytes
    component: bytes
    repetition: bytes
    escape: bytes
    sub: bytes


STANDARD = Separators(b"|", b"^", b"~", b"\\", b"&")


@lru_cache(maxsize=64)
def separators(field: bytes, encoding: bytes) -> Separators:
    """What MSH-1 and MSH-2 say.

    :raises ParseError: when they cannot be delimiters: letters, digits, blanks, twice the same.
    """
    used = field + encoding
    if (
        not 2 <= len(encoding) <= 5
        or len(set(used)) != len(used)
        or not used.isascii()
        or any(c <= 0x20 or c == 0x7F or chr(c).isalnum() for c in used)
    ):
        raise ParseError(
            "MSH-1 and MSH-2 cannot be separators",
            where="MSH-2",
            cure=r"send them as MSH|^~\&| or other distinct punctuation (HL7 v2.5 §2.5.4)",
            code="100",
        )
    parts = [encoding[i : i + 1] for i in range(4)]
    return Separators(field, *parts)


# MSH-18, table 0211, as it is met: blanks, dashes, slashes and case do not matter.
_CHARSETS = {
    "": "utf-8",  # absent: the standard says ASCII, which UTF-8 contains
    "UNICODEUTF8": "utf-8", "UTF8": "utf-8", "UNICODE": "utf-8",
    "ASCII": "ascii", "USASCII": "ascii", "ISOIR6": "ascii",
    **{f"{iso}8859{n}": f"iso8859-{n}" for iso in ("", "ISO") for n in (1, 2, 3, 4, 5, 6, 7, 8, 9, 15)},
}  # fmt: skip
_NOISE = re.compile(r"[\s/_-]+")


@lru_cache(maxsize=64)
def charset(declared: bytes) -> str:
    """The Python codec of MSH-18.

    :raises ParseError: when the hub does not read that character set.
    """
    name = _CHARSETS.get(_NOISE.sub("", declared.decode("ascii", "replace")).upper())
    if name is None:
        raise ParseError(
            "character set not supported",
            where="MSH-18",
            cure="send UNICODE UTF-8, 8859/1, 8859/15 or ASCII",
            code="103",
        )
    return name


def undecodable(where: str, codec: str) -> ParseError:
    return ParseError(
        f"octets that are not {codec}",
        where=where,
        cure="encode the message as MSH-18 says, or declare in MSH-18 what it is encoded in",
        code="102",
    )


def unescape(value: str, sep: Separators, codec: str) -> str:
    r"""Replace the escape sequences of §2.7: ``\F\``, ``\X0D\``, ``\.br\``...

    Highlighting (``\H\``, ``\N\``) is dropped; what is not an escape sequence stays as it is written.
    """
    escape = sep.escape.decode()
    known = {
        "F": sep.field.decode(), "S": sep.component.decode(), "R": sep.repetition.decode(),
        "E": escape, "T": sep.sub.decode(), "P": "#", "H": "", "N": "",
    }  # fmt: skip
    out = []
    at = 0
    while True:
        start = value.find(escape, at)
        end = value.find(escape, start + 1) if start >= 0 else -1
        if end < 0:
            out.append(value[at:])
            return "".join(out)
        out.append(value[at:start])
        code = value[start + 1 : end]
        made = known.get(code)
        if made is None and code[:1] == "X":
            made = _hex(code[1:], codec)
        elif made is None and (code == ".br" or code[:3] == ".sp"):
            made = "\n" * (int(code[3:]) if code[3:].isdigit() and len(code) < 6 else 1)
        if made is None:  # no escape sequence: keep it, and let the second sign open the next one
            out.append(value[start:end])
            at = end
        else:
            out.append(made)
            at = end + 1


def _hex(digits: str, codec: str) -> str | None:
    try:
        return bytes.fromhex(digits).decode(codec, "replace")
    except ValueError:
        return None


def escape(value: str, sep: Separators = STANDARD) -> str:
    """``value`` as it may stand in a component: delimiters and line breaks escaped."""
    if not _SPECIAL.search(value) and sep == STANDARD:
        return value
    esc = sep.escape.decode() or "\\"
    table = {esc: f"{esc}E{esc}", "\r\n": f"{esc}.br{esc}", "\r": f"{esc}.br{esc}", "\n": f"{esc}.br{esc}"}
    for letter, sign in zip("FSRT", (sep.field, sep.component, sep.repetition, sep.sub), strict=True):
        if sign:
            table[sign.decode()] = f"{esc}{letter}{esc}"
    return re.sub("\r\n|" + "|".join(re.escape(s) for s in table if len(s) == 1), lambda m: table[m[0]], value)


_SPECIAL = re.compile(r"[|^~\\&\r\n]")

# FHIR strings hold no control character but tab, CR and LF (R4 §2.24.0.1).  Octets 80 to 9F under an
# ISO 8859 label are Windows-1252 in all mail of the world (and in the WHATWG Encoding standard).
_CLEAN: dict[int, str | None] = dict.fromkeys((*range(9), 11, 12, *range(14, 32), 127))
_CLEAN |= {c: bytes([c]).decode("cp1252", "ignore") or None for c in range(0x80, 0xA0)}


def printable(value: str) -> str:
    """``value`` without control characters."""
    return value.translate(_CLEAN)
