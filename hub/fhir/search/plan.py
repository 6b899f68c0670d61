"""The index rows of a resource: one walk through it, whatever the number of parameters.

R4 §3.1.1 (search).  The paths of all parameters of a type are folded into one tree, made once a type.
Parameters of a site (custom SearchParameters) are few and are worked out one by one, after the walk.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

from hub.errors import InvalidError
from hub.fhir.search import custom
from hub.fhir.search.table import Pair, leaves, pair_id, params
from hub.fhir.search.values import Emit, Extracted, Group, emitter

Row = TypeVar("Row", bound=tuple[object, ...])

_POINT = re.compile(r"\.(?![^\[]*\])")  # between steps, not inside a condition

# Patient.deceased is `exists() and != false`: a patient without the element is not deceased (R4 §8.1.5).
_WHEN_ABSENT = {("Patient", "deceased"): ("deceasedBoolean", "deceasedDateTime")}


@dataclass(slots=True)
class _Node:
    """A place in the resource: what is indexed there, and what lies below."""

    emits: tuple[Emit, ...] = ()
    below: tuple[tuple[str, _Node], ...] = ()

    only: tuple[str, str] = ("", "")  # an element and the value it must have

    def at(self, path: str) -> _Node:
        """The place at a path, such as ``name.family`` or ``relatedArtifact[type=composed-of].resource``."""
        node = self
        for step in _POINT.split(path):
            key, _, condition = step.partition("[")
            name, _, value = condition.rstrip("]").partition("=")
            found = next((n for k, n in node.below if k == key and n.only == (name, value)), None)
            if found is None:
                found = _Node(only=(name, value))
                node.below += ((key, found),)
            node = found
        return node


@dataclass(frozen=True, slots=True)
class _Plan:
    root: Mapping[str, tuple[_Node, ...]]
    absent: tuple[tuple[tuple[str, ...], tuple[int, str, str]], ...]


@cache
def _plan(kind: str) -> _Plan:
    root = _Node()
    for (path, shape), by in leaves(kind).items():
        groups = {only: Group.of(kind, names) for only, names in by.items()}
        root.at(path).emits += (emitter(shape, groups),)
    for name, param in params(kind).items():
        for pair in param.pairs:
            if pair.root:
                root.at(pair.root).emits += (_together(kind, name, pair),)
    absent = tuple(
        (keys, (params(t)[name].ids[0], "false", "")) for (t, name), keys in _WHEN_ABSENT.items() if t == kind
    )
    places: dict[str, tuple[_Node, ...]] = {}
    for key, node in root.below:
        places[key] = (*places.get(key, ()), node)
    return _Plan(places, absent)


def _together(kind: str, name: str, pair: Pair) -> Emit:
    """Indexes the second value of a composite under a number that the first is part of."""
    nothing = Group(0, 0, 0, 0)
    first, *others = [
        (path, emitter(shape, {"": nothing}))
        for path, _, shape in (spec.partition(":") for spec in (pair.first, *pair.second))
    ]

    def emit(item: dict[str, Any], out: Extracted) -> None:
        heads = _aside([first], item)
        if not heads.token:
            return
        tails = _aside(others, item)
        numbers = {
            pair_id(kind, name, code, told) for _, code, system in heads.token for told in (None, system)
        }  # the query may or may not say the system
        for rows, found in zip(out, tails, strict=True):
            if rows is not out.string:
                rows.extend((number, *row[1:]) for number in sorted(numbers) for row in found)  # type: ignore[attr-defined]

    return emit


def _aside(parts: list[tuple[str, Emit]], item: dict[str, Any]) -> Extracted:
    out = empty()
    for path, emit in parts:
        value = item.get(path)
        if value is not None:
            emit(value, out)
    return out


def empty() -> Extracted:
    """No rows."""
    return Extracted([], [], [], [], [])


def _walk(node: _Node, value: Any, out: Extracted) -> None:
    if value.__class__ is list:
        for item in value:
            if item is not None:  # null stands in for a primitive that has only extensions (R4 §2.6.2.2)
                _walk(node, item, out)
        return
    if node.only[0] and value.get(node.only[0]) != node.only[1]:
        return
    for emit in node.emits:
        emit(value, out)
    for key, inner in node.below:
        found = value.get(key)
        if found is not None:
            _walk(inner, found, out)


def _once(rows: list[Row]) -> list[Row]:
    return list(dict.fromkeys(rows)) if len(rows) > 1 else rows


def extract(resource: Mapping[str, Any]) -> Extracted:
    """The index rows of a resource, without repetition.

    :raises InvalidError: when an element is not of the type that R4 gives it; names the element.
    """
    out = empty()
    kind = resource["resourceType"]
    plan = _plan(kind)
    places = plan.root
    key = ""
    try:
        for key, value in resource.items():
            if key in places and value is not None:
                for node in places[key]:
                    _walk(node, value, out)
    except (AttributeError, TypeError, KeyError):
        raise InvalidError(
            "an element has not the type that FHIR R4 gives it",
            where=f"{kind}.{key}",
            cure="validate the resource, or correct the mapping that made it",
            code="structure",
        ) from None
    for keys, row in plan.absent:
        if not any(k in resource for k in keys):
            out.token.append(row)
    if custom.indexed:
        custom.emit(resource, out)
    return Extracted(*map(_once, out))  # type: ignore[arg-type] # each list keeps its type
