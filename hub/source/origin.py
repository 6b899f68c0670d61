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


class Members(dict[str, Any]):
    """Members of an element whose values cannot remember (booleans, numbers): it does so for them.

    :ivar origins: member -> origin.
    """

    __slots__ = ("origins",)
    origins: dict[str, str]

    def __init__(self, members: dict[str, Any], origins: dict[str, str]) -> None:
        super().__init__(members)
        self.origins = origins


def carry(element: dict[str, Any], *parts: dict[str, Any]) -> dict[str, Any]:
    """``element``, made of ``parts`` among others: it keeps the origins that they keep for their members."""
    found = [p.origins for p in parts if type(p) is Members]
    if not found:
        return element
    return Members(element, {name: origin for known in found for name, origin in known.items()})


def joined(kept: Any, same: Any) -> Any:
    """``kept`` with the origins of ``same``, which says the same at another place; ``kept`` where they differ."""
    if isinstance(kept, Text) and kept == same:
        return derive(kept, kept, same)
    if isinstance(kept, dict) and isinstance(same, dict):
        return carry({k: joined(v, same.get(k)) for k, v in kept.items()}, kept)
    if isinstance(kept, list) and isinstance(same, list) and len(kept) == len(same):
        return [joined(a, b) for a, b in zip(kept, same, strict=True)]
    return kept


def lineage(node: Any, path: str) -> Iterator[tuple[str, str]]:
    """Each (FHIR path, origin) below a resource, in document order."""
    if isinstance(node, dict):
        if isinstance(node, Members):
            yield from ((f"{path}.{key}", origin) for key, origin in node.origins.items() if key in node)
        for key, value in node.items():
            yield from lineage(value, f"{path}.{key}")
    elif isinstance(node, list):
        for i, value in enumerate(node):
            yield from lineage(value, f"{path}[{i}]")
    elif isinstance(node, Text):
        yield path, node.origin
