"""JSON octets to a value, with what only the octets can show: doubled names, numbers, depth, size.

R4 §2.6.2: JSON of RFC 8259 in UTF-8, no name twice in an object; §2.24.0.1: no NaN.  A value that is read
here is safe to walk: neither deeper nor larger than the bounds.
"""

from __future__ import annotations

import json
from typing import Any

import orjson

from hub.errors import ParseError, TooLargeError

MAX_SIZE = 64 * 1024 * 1024
MAX_DEPTH = 100


def read(body: bytes, limit: int = MAX_SIZE) -> Any:
    """The JSON value of ``body``.

    :raises TooLargeError: when it is longer than ``limit`` octets or nested deeper than 100 levels.
    :raises ParseError: when it is no JSON, or an object has one name twice.
    """
    if len(body) > limit:
        raise TooLargeError(f"longer than {limit} octets", cure="send it in parts", code="too-long")
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as e:
        place = f"line {e.lineno}, column {e.colno}"
        what = "nested too deeply" if "recursion" in e.msg.lower() else "this is no JSON (RFC 8259, in UTF-8)"
        raise ParseError(what, where=place, cure="see the octets at that place", code="structure") from None
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH and deeper(value, MAX_DEPTH):
        raise TooLargeError(f"nested deeper than {MAX_DEPTH} levels", cure="flatten it", code="too-long")
    json.loads(body, object_pairs_hook=_once)
    return value


def deeper(value: Any, limit: int) -> bool:
    """Whether arrays and objects are nested deeper than ``limit``."""
    level = [value]
    for _ in range(limit + 1):
        level = [one for one in level if isinstance(one, dict | list)]
        if not level:
            return False
        level = [below for one in level for below in (one.values() if isinstance(one, dict) else one)]
    return True


def _once(pairs: list[tuple[str, Any]]) -> None:
    if len(pairs) > 1 and len({name for name, _ in pairs}) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        shown = "".join(c for c in twice[:40] if c.isalnum() or c in "_-")
        raise ParseError(
            f"the name {shown!r} stands twice in one object", cure="keep one, or make it an array", code="structure"
        )
