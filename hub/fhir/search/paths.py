"""The FHIRPath of search parameters, compiled: steps from a resource to the values that are indexed.

FHIRPath 2.0 (http://hl7.org/fhirpath/), the part that SearchParameter.expression of R4 uses and that site
parameters need: paths, unions, ``as``, ``ofType``, ``extension(url)``, ``where(element = 'text')`` and
``where(resolve() is Type)``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

MAX_LENGTH = 4000
MAX_STEPS = 24

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<where>\.\s*where\(\s*(?P<key>[A-Za-z]\w*)\s*=\s*'(?P<text>(?:[^'\\]|\\.)*)'\s*\))
    | (?P<resolve>\.\s*where\(\s*resolve\(\)\s+is\s+(?P<target>[A-Z]\w*)\s*\))
    | (?P<extension>\.\s*extension\(\s*'(?P<url>(?:[^'\\]|\\.)*)'\s*\))
    | (?P<cast>\.\s*(?:as|ofType)\(\s*(?P<type>[A-Za-z]\w*)\s*\))
    | (?P<child>\.\s*(?P<name>[a-z]\w*))(?!\w|\s*\()
    )""",
    re.VERBOSE | re.ASCII,
)
_HEAD = re.compile(r"\s*([A-Z]\w*)", re.ASCII)
_AS = re.compile(r"\s+as\s+([A-Za-z]\w*)\s*$", re.ASCII)


@dataclass(frozen=True, slots=True)
class Step:
    """One step; ``as`` belongs to the ``child`` before it and picks a type of a choice (``value[x]``)."""

    does: Literal["child", "as", "where", "resolve", "extension"]
    name: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class Way:
    """One alternative of an expression: the type of resource it starts at, and the steps."""

    type: str
    steps: tuple[Step, ...]


def compile_path(expression: str) -> tuple[Way, ...]:
    """The alternatives of an expression.

    :raises ValueError: saying what is not understood; the text is the author's own.
    """
    if len(expression) > MAX_LENGTH:
        raise ValueError(f"the expression is longer than {MAX_LENGTH} letters")
    return tuple(_way(part) for part in _alternatives(expression))


def _alternatives(expression: str) -> Iterator[str]:
    """The parts between ``|`` outside of brackets and texts."""
    depth, start, quoted = 0, 0, False
    for at, letter in enumerate(expression):
        if letter == "'":
            quoted = not quoted
        elif quoted:
            continue
        elif letter == "(":
            depth += 1
        elif letter == ")":
            depth -= 1
        elif letter == "|" and depth == 0:
            yield expression[start:at]
            start = at + 1
    yield expression[start:]


def _way(part: str) -> Way:
    text = part.strip()
    if text.startswith("(") and (end := _closing(text)) >= 0:  # (X.a as T).rest, or only brackets around it
        inside, rest = text[1:end].strip(), text[end + 1 :]
        cast = _AS.search(inside)
        way = _way(inside[: cast.start()]) if cast else _way(inside)
        steps = (*way.steps, *((Step("as", cast[1]),) if cast else ()), *_steps(rest))
    elif cast := _AS.search(text):
        way = _way(text[: cast.start()])
        steps = (*way.steps, Step("as", cast[1]))
    else:
        head = _HEAD.match(text)
        if not head:
            raise ValueError(f"{text[:60]!r} does not begin with a resource type")
        way = Way(head[1], ())
        steps = tuple(_steps(text[head.end() :]))
    if len(steps) > MAX_STEPS:
        raise ValueError(f"more than {MAX_STEPS} steps")
    return Way(way.type, steps)


def _closing(text: str) -> int:
    depth = 0
    for at, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if depth == 0:
            return at
    raise ValueError("a bracket is not closed")


def _steps(text: str) -> Iterator[Step]:
    at = 0
    while text[at:].strip():
        m = _TOKEN.match(text, at)
        if not m:
            raise ValueError(f"{text[at : at + 60].strip()!r} is not understood here")
        at = m.end()
        if m["where"]:
            yield Step("where", m["key"], _plain(m["text"]))
        elif m["resolve"]:
            yield Step("resolve", m["target"])
        elif m["extension"]:
            yield Step("extension", _plain(m["url"]))
        elif m["cast"]:
            yield Step("as", m["type"])
        else:
            yield Step("child", m["name"])


def _plain(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


def values(way: Way, resource: dict[str, Any]) -> list[Any]:
    """What lies at the end of a way.  A ``child`` with no type given also finds a choice (``value`` finds
    ``valueString``); references are not followed: ``resolve() is`` looks at what they say of themselves."""
    found: list[Any] = [resource]
    steps = way.steps
    for at, step in enumerate(steps):
        cast = steps[at + 1].name if at + 1 < len(steps) and steps[at + 1].does == "as" else ""
        found = [value for item in found for value in _step(step, cast, item)]
    return found


def _step(step: Step, cast: str, item: Any) -> Iterator[Any]:
    if step.does == "as":  # done with the child before it
        yield item
    elif step.does == "resolve":
        if isinstance(item, dict) and type_of(item) == step.name:
            yield item
    elif isinstance(item, dict):
        if step.does == "where":
            if item.get(step.name) == step.value:
                yield item
        elif step.does == "extension":
            for one in _several(item.get("extension")):
                if isinstance(one, dict) and one.get("url") == step.name:
                    yield one
        else:
            yield from _child(item, step.name, cast)


def _child(item: dict[str, Any], name: str, cast: str) -> Iterator[Any]:
    if name in item:
        yield from _several(item[name])
    elif cast:
        yield from _several(item.get(name + cast[0].upper() + cast[1:]))
    else:
        for key, value in item.items():
            if key.startswith(name) and key[len(name) : len(name) + 1].isupper():
                yield from _several(value)


def _several(value: Any) -> list[Any]:
    many = value if isinstance(value, list) else [value]
    return [v for v in many if v is not None]


def type_of(reference: dict[str, Any]) -> str:
    """The type of resource a Reference says it points to, or ''."""
    kind = reference.get("type")
    if isinstance(kind, str) and kind:
        return kind.rpartition("/")[2]
    literal = reference.get("reference")
    if not isinstance(literal, str) or literal[:1] in ("#", ""):
        return ""
    parts = literal.partition("/_history/")[0].rsplit("/", 2)
    return parts[-2] if len(parts) > 1 else ""
