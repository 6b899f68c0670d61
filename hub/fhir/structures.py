"""The elements of every data type and resource of R4, in their order.

R4 4.0.1, element definitions; ``structures.csv`` is written by ``build_structures.py``.  A part of a type is
a structure of its own: ``Bundle.entry`` is ``BundleEntry``.  A structure is read when it is asked for.
"""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path
from typing import NamedTuple

PRIMITIVES = frozenset(
    """base64Binary boolean canonical code date dateTime decimal id instant integer markdown oid positiveInt
    string time unsignedInt uri url uuid xhtml""".split()  # noqa: SIM905 - reads better than quotes
)
_ABSTRACT = ("Resource", "DomainResource", "MetadataResource", "Element", "BackboneElement")


class Element(NamedTuple):
    """One element of a structure.

    :ivar name: as in paths; a choice without its ``[x]``.
    :ivar types: data types, or the one structure of a part.
    :ivar least: 0, or 1 when it has to be there.
    :ivar summary: whether it belongs to ``_summary=true``.
    """

    name: str
    types: tuple[str, ...]
    least: int
    many: bool
    summary: bool
    choice: bool

    def forms(self) -> tuple[tuple[str, str], ...]:
        """(JSON name, type) of each form it takes: one, or one for each type of a choice."""
        if not self.choice:
            return ((self.name, self.types[0]),)
        return tuple((self.name + t[0].upper() + t[1:], t) for t in self.types)


@cache
def _table() -> dict[str, tuple[str, str]]:
    with (Path(__file__).parent / "structures.csv").open(encoding="utf-8", newline="") as file:
        rows = csv.reader(line for line in file if not line.startswith("#"))
        return {name: (base, elements) for name, base, elements in rows}


@cache
def elements(structure: str) -> tuple[Element, ...]:
    """The elements of a structure in the order of R4, those it inherits first.

    :raises KeyError: when R4 has no such structure.
    """
    base, text = _table()[structure]
    own = tuple(_element(word) for word in text.split())
    return (elements(base) if base else ()) + own


def _element(word: str) -> Element:
    head, _, types = word.partition(":")
    summary = head.endswith("^")
    head = head.removesuffix("^")
    name, mark = head[:-1], head[-1]
    return Element(
        name.removesuffix("[x]"), tuple(types.split("|")), int(mark in "!+"), mark in "*+", summary, name.endswith("]")
    )


def is_resource(name: str) -> bool:
    """Whether a type is a resource, an abstract one or not."""
    while name and name != "Resource":
        name = _table().get(name, ("", ""))[0]
    return bool(name)


@cache
def resource_types() -> frozenset[str]:
    """Names of the resources of R4 that can be made."""
    return frozenset(name for name in _table() if name not in _ABSTRACT and is_resource(name))
