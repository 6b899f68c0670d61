"""Search parameters as data, and the index rows of a resource.

R4 §3.1.3 (SearchParameter) and §3.1.1 (search).  ``searchparams.csv`` holds, for each parameter, the
paths its expression comes down to; per resource type they are folded into one tree, so that a resource
is walked once, whatever the number of parameters.  ``_id`` and ``_lastUpdated`` need no row: they are
columns of the resource table.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar
from zlib import crc32

from hub.errors import InvalidError
from hub.fhir.searchvalues import Emit, Extracted, emitter, exact, fold, interval, target

__all__ = [
    "Extracted",
    "Param",
    "exact",
    "extract",
    "fold",
    "interval",
    "param_id",
    "params",
    "target",
    "types",
]

Row = TypeVar("Row", bound=tuple[object, ...])
DEFINITIONS = "http://hl7.org/fhir/SearchParameter/"
COMMON = "Resource"  # rows of this type hold for every type
# Patient.deceased is `exists() and != false`: a patient without the element is not deceased (R4 §8.1.5).
_WHEN_ABSENT = {("Patient", "deceased"): ("deceasedBoolean", "deceasedDateTime")}
_SYSTEMLESS = {"code", "boolean", "exists", "contact"}  # a system in the query is implicit in these


@dataclass(frozen=True, slots=True)
class Param:
    """One search parameter of one type.

    :ivar kind: token, string, date, reference or uri.
    :ivar paths: (JSON path, shape of the value, only the given target type or contact system).
    :ivar targets: types a reference may point to; empty is any.
    :ivar definition: canonical URL of its SearchParameter.
    """

    type: str
    name: str
    kind: str
    paths: tuple[tuple[str, str, str], ...]
    targets: tuple[str, ...]
    definition: str

    @property
    def id(self) -> int:
        return param_id(self.type, self.name)

    @property
    def logical(self) -> int:
        """Number of the rows of identifiers inside references (``:identifier``)."""
        return param_id(self.type, f"{self.name}:identifier")

    @property
    def systemless(self) -> bool:
        """Whether no value of it carries a system (code, boolean, ContactPoint)."""
        return all(shape in _SYSTEMLESS for _, shape, _ in self.paths)


@cache
def param_id(kind: str, name: str) -> int:
    """The number that stands for a parameter in the index tables, the same for ever.

    CRC-32 of ``type.name``; that no two meet is checked when the table is read.
    """
    return crc32(f"{kind}.{name}".encode()) & 0x7FFFFFFF


@cache
def _table() -> Mapping[str, Mapping[str, Param]]:
    """Type -> name -> parameter, as the table has them."""
    found: dict[tuple[str, str, str], list[dict[str, str]]] = {}
    with (Path(__file__).parent / "searchparams.csv").open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            found.setdefault((row["type"], row["name"], row["kind"]), []).append(row)
    made: dict[str, dict[str, Param]] = {}
    for (kind, name, sort), rows in found.items():
        paths = tuple((r["path"], r["shape"], r["only"]) for r in rows)
        targets = tuple(dict.fromkeys(t for r in rows for t in r["targets"].split("|") if t))
        made.setdefault(kind, {})[name] = Param(kind, name, sort, paths, targets, DEFINITIONS + rows[0]["definition"])
    return made


@cache
def types() -> tuple[str, ...]:
    """Resource types that have search parameters of their own, in alphabetical order."""
    return tuple(sorted(t for t in _table() if t != COMMON))


@cache
def params(kind: str) -> Mapping[str, Param]:
    """Search parameters of a type by name; a type without any of its own has the common ones.

    :raises AssertionError: when two parameters would share a number (a fault of the table).
    """
    common = {n: replace(p, type=kind) for n, p in _table()[COMMON].items()}
    made = dict(sorted((common | dict(_table().get(kind, {}))).items()))
    numbers = {n for p in made.values() for n in (p.id, p.logical)}
    if len(numbers) != 2 * len(made):
        raise AssertionError(f"two search parameters of {kind} share a number")
    return made


@dataclass(slots=True)
class _Node:
    """A place in the resource: what is indexed there, and what lies below."""

    emits: tuple[Emit, ...] = ()
    below: tuple[tuple[str, _Node], ...] = ()

    def child(self, key: str) -> _Node:
        found = dict(self.below).get(key)
        if found is None:
            found = _Node()
            self.below += ((key, found),)
        return found


@dataclass(frozen=True, slots=True)
class _Plan:
    root: tuple[tuple[str, _Node], ...]
    absent: tuple[tuple[tuple[str, ...], tuple[int, str, str]], ...]


@cache
def _plan(kind: str) -> _Plan:
    root = _Node()
    for param in params(kind).values():
        for path, shape, only in param.paths:
            node = root
            for key in path.split("."):
                node = node.child(key)
            node.emits += (emitter(shape, param.id, only, param.logical),)
    absent = tuple((keys, (param_id(t, name), "false", "")) for (t, name), keys in _WHEN_ABSENT.items() if t == kind)
    return _Plan(root.below, absent)


def _walk(node: _Node, value: Any, out: Extracted) -> None:
    emits, below = node.emits, node.below
    for item in value if value.__class__ is list else (value,):
        if item is None:  # stands in for a primitive that has only extensions (R4 §2.6.2.2)
            continue
        for emit in emits:
            emit(item, out)
        for key, inner in below:
            found = item.get(key)
            if found is not None:
                _walk(inner, found, out)


def _once(rows: list[Row]) -> list[Row]:
    return list(dict.fromkeys(rows)) if len(rows) > 1 else rows


def extract(resource: Mapping[str, Any]) -> Extracted:
    """The index rows of a resource, without repetition.

    :raises InvalidError: when an element is not of the type that R4 gives it; names the element.
    """
    out = Extracted([], [], [], [])
    plan = _plan(resource["resourceType"])
    key = ""
    try:
        for key, node in plan.root:
            value = resource.get(key)
            if value is not None:
                _walk(node, value, out)
    except (AttributeError, TypeError):
        raise InvalidError(
            "an element has not the type that FHIR R4 gives it",
            where=f"{resource['resourceType']}.{key}",
            cure="validate the resource, or correct the mapping that made it",
            code="structure",
        ) from None
    for keys, row in plan.absent:
        if not any(k in resource for k in keys):
            out.token.append(row)
    return Extracted(_once(out.token), _once(out.string), _once(out.date), _once(out.reference))
