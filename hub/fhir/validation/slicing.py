"""To which slice of an element a value belongs.

R4 §5.1.0.17 (discriminators): ``value`` and ``pattern`` compare what lies at a path with what the slice
fixes there, ``exists`` asks whether anything does, ``type`` compares types, ``profile`` conformance.  Paths are
names, ``$this``, ``ofType(T)``, ``resolve()`` and ``extension('url')``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from hub.fhir.validation.definition import Node

Conforms = Callable[[Any, str], bool]
_STEP = re.compile(r"extension\('([^']+)'\)|ofType\((\w+)\)|resolve\(\)|\$this|[A-Za-z][A-Za-z0-9]*")


def holds(value: Any, wanted: tuple[str, Any]) -> bool:
    """Whether a value is the one that is fixed, or has all that a pattern has (R4 §2.28)."""
    word, what = wanted
    return bool(value == what) if word == "fixed" else _contains(value, what)


def _contains(value: Any, pattern: Any) -> bool:
    if isinstance(pattern, dict):
        return isinstance(value, dict) and all(k in value and _contains(value[k], p) for k, p in pattern.items())
    if isinstance(pattern, list):
        return isinstance(value, list) and all(any(_contains(v, p) for v in value) for p in pattern)
    return bool(value == pattern) and isinstance(value, bool) == isinstance(pattern, bool)


def belongs(value: Any, kind: str, sliced: Node, part: Node, conforms: Conforms) -> bool:
    """Whether ``value`` is of the slice ``part`` of the element ``sliced``; ``kind`` is its type in a choice."""
    by = sliced.discriminators or (("type", "$this"),)
    return all(_fits(value, kind, how, path, part, conforms) for how, path in by)


def _fits(value: Any, kind: str, how: str, path: str, part: Node, conforms: Conforms) -> bool:
    found = list(at(value, path))
    if how == "exists":
        node = _node(part, path)
        return bool(found) == (node is None or node.max != "0")
    if how == "type":
        kinds = {k.code for node in (_node(part, path),) if node is not None for k in node.kinds}
        return not kinds or any(_type_of(one, kind, path) in kinds for one in found)
    if how == "profile":
        asked = [p for node in (_node(part, path),) if node is not None for k in node.kinds for p in k.profiles]
        return any(conforms(one, profile) for one in found for profile in asked)
    wanted = expected(part, path)
    if wanted is None:
        return False
    return any(holds(one, wanted) for one in found)


def expected(part: Node, path: str) -> tuple[str, Any] | None:
    """What a slice fixes at a path: at the element itself, or by a pattern of one above it."""
    node, steps = part, _steps(path)
    for index, step in enumerate(steps):
        if node.value is not None:
            return _inside(node.value, steps[index:])
        if node.name == "extension" and step == "url":
            for kind in node.kinds:
                for profile in kind.profiles:
                    return ("fixed", profile)
        below = node.children.get(step) or node.children.get(f"{step}[x]")
        if below is None:
            return None
        node = below
    return node.value


def _inside(value: tuple[str, Any], steps: list[str]) -> tuple[str, Any] | None:
    word, what = value
    for step in steps:
        if isinstance(what, list):
            what = what[0] if what else None
        what = what.get(step) if isinstance(what, dict) else None
        if what is None:
            return None
    if isinstance(what, list):
        what = what[0] if what else None
    return (word, what) if what is not None else None


def _steps(path: str) -> list[str]:
    names = [m[0] for m in _STEP.finditer(path)]
    return [n for n in names if n != "$this" and "(" not in n]


def _node(part: Node, path: str) -> Node | None:
    node = part
    for step in _steps(path):
        below = node.children.get(step) or node.children.get(f"{step}[x]")
        if below is None:
            return None
        node = below
    return node


def at(value: Any, path: str) -> Iterator[Any]:
    """The values that a discriminator path leads to."""
    found = [value]
    for match in _STEP.finditer(path):
        step = match[0]
        if step in ("$this", "resolve()") or match[2]:
            continue
        found = list(_below(found, step, match[1]))
    yield from found


def _below(values: list[Any], step: str, url: str | None) -> Iterator[Any]:
    for value in values:
        if not isinstance(value, dict):
            continue
        if url is not None:
            yield from (e for e in value.get("extension", ()) if e.get("url") == url)
            continue
        below = value.get(step)
        if below is None:  # a choice, called by its stem
            below = next((v for k, v in value.items() if k.startswith(step) and k[len(step) :][:1].isupper()), None)
        if isinstance(below, list):
            yield from below
        elif below is not None:
            yield below


def _type_of(value: Any, kind: str, path: str) -> str:
    if isinstance(value, dict):
        if "resourceType" in value:
            return str(value["resourceType"])
        if path.endswith("resolve()") and isinstance(text := value.get("reference"), str):
            return text.rstrip("/").rsplit("/", 2)[-2] if "/" in text else ""
    return kind
