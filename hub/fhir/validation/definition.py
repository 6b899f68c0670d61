"""A profile as a tree of elements: what its differentials, its own and those it builds upon, say of each.

R4 §5.1 (profiling, slicing) and §2.28 (ElementDefinition).  The tree holds what differs from the base
resource, which :mod:`hub.fhir.validation.structure` checks: a snapshot without what everybody knows.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from hub.errors import ConfigError
from hub.fhir.validation.artefacts import BASE, CORE, Artefact, artefact


@dataclass(slots=True)
class Kind:
    """One of the types of an element: its code, the profiles of its values, the targets of its references."""

    code: str
    profiles: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()


@dataclass(slots=True)
class Constraint:
    """An invariant: a FHIRPath expression that is true of each value of its element."""

    key: str
    severity: str
    human: str
    expression: str
    path: str


@dataclass(slots=True)
class Node:
    """What profiles say of one element, or of one slice of it.

    :ivar name: as in the path, with ``[x]`` of a choice.
    :ivar value: ("fixed" | "pattern", what it is or holds).
    :ivar binding: (strength, canonical of the value set).
    :ivar discriminators: of a sliced element: (type, path), in their order.
    :ivar closed: of a sliced element: a value that is of no slice is wrong.
    """

    name: str
    min: int = 0
    max: str = "*"
    kinds: tuple[Kind, ...] = ()
    value: tuple[str, Any] | None = None
    binding: tuple[str, str] | None = None
    constraints: list[Constraint] = field(default_factory=list)
    discriminators: tuple[tuple[str, str], ...] = ()
    closed: bool = False
    slices: dict[str, Node] = field(default_factory=dict)
    children: dict[str, Node] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Definition:
    """A profile: ``type`` is that of its values, ``name`` what findings call it."""

    url: str
    name: str
    type: str
    root: Node


@cache
def definition(canonical: str, base: str = BASE) -> Definition | None:
    """The profile of a canonical; None when the hub has none.

    :raises ConfigError: when profiles build upon one another in a circle.
    """
    made = artefact(canonical, base)
    if made is None or made["resourceType"] != "StructureDefinition":
        return None
    root = Node(made["type"], max="1")
    for one in reversed(_line(made, base)):
        for element in one["differential"]["element"]:
            _apply(root, element)
    return Definition(made["url"], made["name"], made["type"], root)


def _line(made: Artefact, base: str) -> list[Artefact]:
    """A profile and those it builds upon, as far as the hub has them."""
    found = [made]
    while (parent := artefact(found[-1].get("baseDefinition", ""), base)) is not None:
        if parent in found or len(found) > 16:
            raise ConfigError("profiles build upon one another in a circle", where=made["url"], cure="break it")
        found.append(parent)
    return found


def _apply(root: Node, element: dict[str, Any]) -> None:
    """Lay what a differential says of one element over what is known of it."""
    node = root
    for step in element["id"].split(".")[1:]:
        name, _, part = step.partition(":")
        if name not in node.children:
            node.children[name] = Node(name)
        node = node.children[name]
        if part:
            if part not in node.slices:
                node.slices[part] = Node(name)
            node = node.slices[part]
    node.min = element.get("min", node.min)
    node.max = element.get("max", node.max)
    if "type" in element:
        node.kinds = tuple(
            Kind(t["code"], tuple(t.get("profile", ())), tuple(t.get("targetProfile", ()))) for t in element["type"]
        )
    for key, value in element.items():
        for word in ("fixed", "pattern"):
            if key.startswith(word) and key[len(word) : len(word) + 1].isupper():
                node.value = (word, copy.deepcopy(value))
    if "binding" in element and "valueSet" in element["binding"]:
        node.binding = (element["binding"]["strength"], element["binding"]["valueSet"])
    for rule in element.get("constraint", ()):
        if "expression" in rule:
            node.constraints.append(
                Constraint(rule["key"], rule["severity"], rule["human"], rule["expression"], element["path"])
            )
    if slicing := element.get("slicing"):
        node.discriminators = tuple((d["type"], d["path"]) for d in slicing.get("discriminator", ()))
        node.closed = slicing.get("rules") == "closed"


def type_of(canonical: str, base: str = BASE) -> str:
    """The type of resource that a target profile stands for; '' when it is not known."""
    if canonical.startswith(CORE):
        return canonical.removeprefix(CORE)
    made = artefact(canonical, base)
    return str(made["type"]) if made is not None else ""
