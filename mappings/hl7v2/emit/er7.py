"""Writes ER7: fields out of nested values, segments, the octets in the character set of MSH-18.

HL7 v2.5 §2.5 (delimiters), §2.7 (escapes), §2.15.9.18 (MSH-18, table 0211).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from hub.errors import MappingError
from hub.source.hl7v2 import escape
from hub.source.hl7v2_text import charset

# A field: text; a tuple is its components (a tuple in it, subcomponents); a list is its repetitions.
Leaf = str | None
Component = Leaf | tuple[Leaf, ...]
Components = tuple[Component, ...]
Repetition = Component | Components
Value = Repetition | Sequence[Repetition]

# What typographers write and ISO 8859 does not have; RFC 3629 UTF-8 needs none of it.
_PLAIN: Final = str.maketrans({
    "\u2018": "'", "\u2019": "'", "\u201a": "'", "\u201c": '"', "\u201d": '"', "\u201e": '"', "\u2010": "-",
    "\u2011": "-", "\u2013": "-", "\u2014": "-", "\u2022": "-", "\u2026": "...", "\u2009": " ", "\u202f": " ",
    "\u0153": "oe", "\u0152": "OE", "\u20ac": "EUR", "\u2264": "<=", "\u2265": ">=",
})  # fmt: skip
_DEFAULT: Final = "UNICODE UTF-8"


def component(value: Component) -> str:
    """One component, its subcomponents joined, escaped."""
    if isinstance(value, tuple):
        return "&".join(escape(part) if part else "" for part in value).rstrip("&")
    return escape(value) if value else ""


def field(value: Value) -> str:
    """One field."""
    if isinstance(value, list):
        return "~".join(made for made in map(_repetition, value) if made)
    return _repetition(value)


def _repetition(value: object) -> str:
    if isinstance(value, tuple):
        return "^".join(map(component, value)).rstrip("^")
    return escape(str(value)) if value else ""


def segment(name: str, fields: Mapping[int, Value]) -> str:
    """One segment; fields by their number, absent ones empty."""
    made = {number: text for number, value in fields.items() if (text := field(value))}
    last = max(made, default=0)
    return "|".join((name, *(made.get(n, "") for n in range(1, last + 1))))


def raw_segment(name: str, fields: Mapping[int, str]) -> str:
    """One segment of fields that are written already."""
    last = max((n for n, text in fields.items() if text), default=0)
    return "|".join((name, *(fields.get(n, "") for n in range(1, last + 1))))


def octets(segments: Sequence[str], declared: str = _DEFAULT) -> bytes:
    """The message, in the character set that MSH-18 declares; a segment ends with CR.

    Typographic signs that an ISO 8859 set lacks are written plainly.

    :raises MappingError: when a letter has no place in it: nothing is lost in silence.
    """
    codec = charset(declared.encode("ascii", "replace"))
    lines = []
    for text in segments:
        line = text
        if codec != "utf-8" and not line.isascii():
            try:
                line.encode(codec)
            except UnicodeEncodeError:
                line = line.translate(_PLAIN)
        try:
            lines.append(line.encode(codec))
        except UnicodeEncodeError:
            raise MappingError(
                f"a letter that {declared} does not have", where=line[:3],
                cure="send this destination UNICODE UTF-8 (with: {encoding: UNICODE UTF-8})", code="102",
            ) from None  # fmt: skip
    return b"\r".join(lines) + b"\r"
