"""JSON as a client sent it: read strictly, kept as it was written.

RFC 8259 and R4 §2.6.2 (http://hl7.org/fhir/R4/json.html): UTF-8, no duplicate member, and decimals whose
digits count (§2.24.0.1: 5.270 is not 5.27).  What is stored is therefore never written anew out of a
parsed value; it is cut out of the text, with the white space between its tokens left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from json.decoder import scanstring  # type: ignore[attr-defined]  # there since Python 2.6, not in typeshed
from typing import Any

import orjson

from hub.errors import ParseError

MAX_DEPTH = 100
_SPACE = re.compile(rb'("[^"\\]*(?:\\.[^"\\]*)*")|[ \t\r\n]+', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Json:
    """A JSON object: as parsed (decimals are floats there) and as written, without white space."""

    value: dict[str, Any]
    text: bytes

    @property
    def plain(self) -> bool:
        """Whether writing ``value`` gives ``text`` again."""
        return orjson.dumps(self.value) == self.text


def read(body: bytes) -> Json:
    """Read one JSON object.

    :raises ParseError: with line and column, for what is no JSON, no object, nested beyond ``MAX_DEPTH``,
        has a member twice or a NUL character.
    """
    body = body.removeprefix(b"\xef\xbb\xbf")
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as e:
        raise ParseError(
            f"this is no JSON: {e.msg}", where=f"line {e.lineno} column {e.colno}", cure="correct it there",
            code="structure",
        ) from None  # fmt: skip
    if not isinstance(value, dict):
        raise ParseError("a resource is a JSON object", where="line 1 column 1", cure="send {…}", code="structure")
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH and _depth(value) > MAX_DEPTH:
        raise ParseError(f"nested deeper than {MAX_DEPTH}", cure="send it flatter", code="too-long")
    if b"\\u0000" in body:
        raise ParseError("a string has a NUL character", cure="leave \\u0000 out (R4 §2.24.0.1)", code="value")
    if orjson.dumps(value) == body:  # then no member came twice: the second would have gone
        return Json(value, body)
    try:
        _STRICT.decode(body.decode())
    except _TwiceError as e:
        raise ParseError(
            f"the member {e.args[0]!r} comes twice in one object", cure="send it once", code="structure"
        ) from None
    return Json(value, _SPACE.sub(rb"\1", body))


def members(text: bytes) -> dict[str, bytes]:
    """The members of a JSON object without white space, each as it is written, in their order."""
    found: dict[str, bytes] = {}
    string = text.decode()
    at = 1
    while string[at] != "}":
        if string[at] == ",":
            at += 1
        name, at = scanstring(string, at + 1)
        start = at + 1
        _, at = _SCAN(string, start)
        found[name] = string[start:at].encode()
    return found


def join(parts: Mapping[str, bytes]) -> bytes:
    """The members of an object, with their commas, without its braces."""
    return b",".join(b"%b:%b" % (orjson.dumps(name), value) for name, value in parts.items())


def items(text: bytes) -> list[bytes]:
    """The items of a JSON array without white space, each as it is written."""
    string, at, found = text.decode(), 1, []
    while string[at] != "]":
        if string[at] == ",":
            at += 1
        start = at
        _, at = _SCAN(string, start)
        found.append(string[start:at].encode())
    return found


def exact(text: bytes) -> Any:
    """The value of JSON text, whose numbers with a point or an exponent are Decimals: 5.270 stays 5.270."""
    return _EXACT.decode(text.decode())


def write(value: Any) -> bytes:
    """JSON text of a value, Decimals with their digits; such as :func:`exact` and mappings give."""
    return orjson.dumps(value, default=_number)


def _number(value: Any) -> orjson.Fragment:
    if isinstance(value, Decimal | int):
        return orjson.Fragment(str(value).encode())
    raise TypeError(type(value).__name__)


def _whole(text: str) -> int | Decimal:
    return int(text) if len(text) < 19 else Decimal(text)


class _TwiceError(ValueError):
    pass


def _unique(pairs: list[tuple[str, Any]]) -> None:
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        raise _TwiceError(next(n for i, n in enumerate(names) if n in names[:i])[:64])


# Numbers as text: they are not used here, and one of a million digits costs nothing.
_SCAN = json.JSONDecoder(parse_float=str, parse_int=str).raw_decode
_EXACT = json.JSONDecoder(parse_float=Decimal, parse_int=_whole)
_STRICT = json.JSONDecoder(object_pairs_hook=_unique, parse_float=str, parse_int=str)


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level:
        depth += 1
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
    return depth
