"""Membership of codes in the value sets that come with the hub.

R4 §4.9 (ValueSet.compose: codes listed, whole systems, other value sets, exclusions) and §4.1 (bindings).
A value set that the hub does not hold, or that filters a system it does not hold, judges nothing: None.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from hub.fhir.validation.artefacts import BASE, artefact

Member = Callable[[str, str], bool]
_ANY = "*"


@cache
def members(canonical: str, base: str = BASE) -> Member | None:
    """A function (system, code) -> whether the value set has it."""
    codes = _codes(canonical, base, frozenset())
    if codes is None:
        return None
    systems = {system for system, code in codes if code == _ANY}
    return lambda system, code: (system, code) in codes or system in systems


@cache
def bare(canonical: str, base: str = BASE) -> frozenset[str] | None:
    """The codes of a value set without their systems, for elements of type ``code``."""
    codes = _codes(canonical, base, frozenset())
    return None if codes is None else frozenset(code for _, code in codes)


def _codes(canonical: str, base: str, above: frozenset[str]) -> frozenset[tuple[str, str]] | None:
    made = artefact(canonical, base)
    if made is None or made["resourceType"] != "ValueSet" or canonical in above:
        return None
    compose = made.get("compose", {})
    found: set[tuple[str, str]] = set()
    for include in compose.get("include", ()):
        part = _included(include, base, above | {canonical})
        if part is None:
            return None
        found |= part
    for exclude in compose.get("exclude", ()):
        found -= _included(exclude, base, above | {canonical}) or set()
    return frozenset(found)


def _included(include: dict[str, Any], base: str, above: frozenset[str]) -> set[tuple[str, str]] | None:
    system = include.get("system", "")
    found: set[tuple[str, str]] | None = None
    if "concept" in include:
        found = {(system, c["code"]) for c in include["concept"]}
    elif "filter" in include:
        return None
    elif system:
        made = artefact(system, base)
        listed = made is not None and made.get("content") == "complete"
        found = {(system, c) for c in _concepts((made or {}).get("concept", ()))} if listed else {(system, _ANY)}
    for other in include.get("valueSet", ()):
        codes = _codes(other, base, above)
        if codes is None:
            return None
        found = set(codes) if found is None else found & codes
    return found


def _concepts(concepts: Any) -> Iterator[str]:
    for concept in concepts:
        yield concept["code"]
        yield from _concepts(concept.get("concept", ()))
