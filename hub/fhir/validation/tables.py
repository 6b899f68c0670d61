"""The tables of R4 as the validator reads them: elements by type, and codes by value set.

``elements.csv`` and ``codes.csv`` are written by :mod:`hub.fhir.validation.build` from the definitions of
FHIR R4 (4.0.1).  They are read once, when the first resource is checked.
"""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent


class Element(NamedTuple):
    """One element: ``path`` as in the definition (``Observation.value[x]``), the rest as in R4.

    :ivar types: type names, or one ``#Path`` whose content it shares.
    :ivar targets: types a Reference may point to; empty stands for any.
    :ivar codes: the required value set, by the last part of its URL; empty when there is none.
    :ivar rules: keys of its invariants.
    """

    path: str
    min: int
    max: str
    types: tuple[str, ...]
    targets: frozenset[str]
    codes: str
    rules: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.path.rpartition(".")[2]


Rows = dict[str, tuple[Element, tuple[Element, ...]]]


@cache
def _lines() -> dict[str, list[list[str]]]:
    """Type -> the rows of the table about it and its parts."""
    found: dict[str, list[list[str]]] = {}
    with (HERE / "elements.csv").open(encoding="utf-8", newline="") as lines:
        reader = csv.reader(lines)
        next(reader)
        for row in reader:
            found.setdefault(row[0].partition(".")[0], []).append(row)
    return found


def has_table(kind: str) -> bool:
    return kind in _lines()


@cache
def elements(kind: str) -> Rows:
    """Path of a type and of each of its parts -> its own row and those of the elements right below it.

    :raises KeyError: when there is no table of ``kind``.
    """
    own: dict[str, Element] = {}
    below: dict[str, list[Element]] = {}
    for path, low, high, types, targets, codes, rules in _lines()[kind]:
        aims = frozenset() if targets in ("", "Resource") else frozenset(targets.split("|"))
        row = Element(path, int(low), high, tuple(types.split("|")), aims, codes, tuple(rules.split()))
        own[path] = row
        below.setdefault(path.rpartition(".")[0], []).append(row)
    return {path: (row, tuple(below.get(path, ()))) for path, row in own.items()}


@cache
def codes() -> dict[str, frozenset[tuple[str, str]]]:
    """Value set -> its (system, code) pairs."""
    found: dict[str, set[tuple[str, str]]] = {}
    with (HERE / "codes.csv").open(encoding="utf-8", newline="") as lines:
        reader = csv.reader(lines)
        next(reader)
        for name, system, code in reader:
            found.setdefault(name, set()).add((system, code))
    return {name: frozenset(pairs) for name, pairs in found.items()}


@cache
def resource_types() -> frozenset[str]:
    """The types of resource of R4 (148), whether or not there is a table for each."""
    return frozenset(code for _, code in codes()["resource-types"]) - {"Resource", "DomainResource"}
