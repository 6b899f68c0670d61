"""What patterns of message types have in common, without a message at hand.

A pattern is a literal with ``*``; against a type it also fits by the part before ``^``, so ``ADT`` takes
``ADT^A01`` (see :func:`hub.engine.pipeline.matches`).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache


def overlap(one: Iterable[str], other: Iterable[str]) -> bool:
    """Whether some value fits both lists of patterns; an empty list takes everything."""
    left, right = _wide(one), _wide(other)
    if _other_wildcards([*left, *right]):
        return True  # not compared: better silent than wrong
    return not left or not right or any(_meet(a, b) for a in left for b in right)


def covers(earlier: str, later: str) -> bool:
    """Whether every value that fits ``later`` fits ``earlier`` too."""
    if _other_wildcards([earlier, later]):
        return earlier == later
    return all(any(_within(b, a) for a in _wide([earlier])) for b in _wide([later]))


def _other_wildcards(patterns: Iterable[str]) -> bool:
    return any("?" in p or "[" in p for p in patterns)


def _wide(patterns: Iterable[str]) -> list[str]:
    return [form for p in patterns for form in ((p,) if "^" in p or "*" in p else (p, f"{p}^*"))]


@lru_cache(maxsize=4096)
def _meet(a: str, b: str) -> bool:
    """Whether two patterns have a value in common."""
    if not a or not b:
        return not (a + b).strip("*")
    if a[0] == "*":
        return _meet(a[1:], b) or _meet(a, b[1:])
    if b[0] == "*":
        return _meet(b, a)
    return a[0] == b[0] and _meet(a[1:], b[1:])


@lru_cache(maxsize=4096)
def _within(inner: str, outer: str) -> bool:
    """Whether ``outer`` fits ``inner`` read letter by letter; a ``*`` there only fits a ``*`` here."""
    if not outer or not inner:
        return not inner and not outer.strip("*")
    if outer[0] == "*":
        return _within(inner, outer[1:]) or _within(inner[1:], outer)
    return inner[0] == outer[0] and _within(inner[1:], outer[1:])
