"""Values that remember where they were read.

A mapping that is run over such values yields resources whose every text knows its source field; the
lineage ``Patient.birthDate ← PID-7`` is then one walk (house, way of a message, step 7).  The hot path
runs the same mapping over plain ``str`` and pays nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


class Text(str):
    """A value with its origin, such as ``PID-3[2].1`` or ``recordTarget/patientRole/id[1]/@extension``."""

    __slots__ = ("origin",)
    origin: str

    def __new__(cls, value: str, origin: str) -> Text:
        self = super().__new__(cls, value)
        self.origin = origin
        return self


def derive(value: str, *parents: object) -> str:
    """``value`` made out of ``parents``: it keeps their origins, joined by ``+``, when they have any."""
    origins = dict.fromkeys(p.origin for p in parents if isinstance(p, Text))
    return Text(value, "+".join(origins)) if origins else value


def lineage(node: Any, path: str) -> Iterator[tuple[str, str]]:
    """Each (FHIR path, origin) below a resource, in document order."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from lineage(value, f"{path}.{key}")
    elif isinstance(node, list):
        for i, value in enumerate(node):
            yield from lineage(value, f"{path}[{i}]")
    elif isinstance(node, Text):
        yield path, node.origin
