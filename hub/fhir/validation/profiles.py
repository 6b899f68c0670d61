"""Validation against profiles: those a resource names, those asked for, else the hub's own of its type.

R4 §5.1 and §2.27.3 (``meta.profile``).  A profile that the hub does not hold is told once, as information: it
cannot be judged.  Extensions that the hub defines are checked wherever they stand.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any

from hub.errors import NotFoundError
from hub.fhir.draft import Issue
from hub.fhir.validation import validate as base_validate
from hub.fhir.validation.artefacts import BASE, CORE, index, own, profiles
from hub.fhir.validation.conform import Judge
from hub.fhir.validation.definition import Definition, definition

# What base validation says of a resource whose shape is wrong: it cannot be judged further.
_SHAPELESS = frozenset({"structure", "value", "invalid", "too-long"})


def validate(resource: Any, asked: Sequence[str] = (), base: str = "", *, default: bool = True) -> list[Issue]:
    """What is wrong with a resource, of R4 and of its profiles.

    :param asked: canonicals of the profiles to judge by; empty: those of ``meta.profile``, else the hub's own.
    :param default: whether a resource that names no profile is judged by the hub's own of its type.
    :param base: where the canonicals of the hub are published; empty: as they are written.
    :raises NotFoundError: when a profile that is asked for is not there.
    """
    base = base or BASE
    found = base_validate(resource)
    if any(issue.severity == "error" and issue.code in _SHAPELESS for issue in found):
        return found
    for path, one in _resources(resource):
        found += _judged(one, path, asked if one is resource else (), base, default)
    return found


def _resources(resource: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The resource, and those of its entries when it is a Bundle."""
    kind = resource["resourceType"]
    yield kind, resource
    if kind == "Bundle":
        for at, entry in enumerate(resource.get("entry", ())):
            if isinstance(inner := entry.get("resource"), dict):
                yield f"Bundle.entry[{at}].resource", inner


def _judged(resource: dict[str, Any], path: str, asked: Sequence[str], base: str, default: bool) -> Iterator[Issue]:
    kind = resource["resourceType"]
    named = asked or resource.get("meta", {}).get("profile", ())
    if not named and default and kind in own(base):
        named = [own(base)[kind]]
    for canonical in named:
        if canonical.partition("|")[0] == CORE + kind:
            continue  # R4 itself
        profile = definition(canonical, base)
        if profile is None:
            if asked:
                near = get_close_matches(canonical, [p["url"] for p in profiles(base)], 1, 0.4)
                cure = (
                    f"did you mean {near[0]}?" if near else f"those of the hub begin with {base}/StructureDefinition/"
                )
                raise NotFoundError(f"the hub has no profile {canonical}", cure=cure, code="not-found")
            what = f"{canonical.partition('|')[0]} is not a profile of the hub: it was not judged"
            yield Issue("information", f"{path}.meta.profile", what, "not-supported")
            continue
        yield from _by(profile, resource, path, base)
    yield from _extensions(resource, path, base)


def _by(profile: Definition, resource: dict[str, Any], path: str, base: str) -> Iterator[Issue]:
    kind = resource["resourceType"]
    if profile.type != kind:
        yield Issue("error", path, f"is a {kind}; {profile.name} is a profile of {profile.type}", "structure")
        return
    for below, severity, code, what in Judge(resource, base).judge(profile):
        yield Issue(severity, path + below, what, code)


def _extensions(resource: dict[str, Any], path: str, base: str) -> Iterator[Issue]:
    """What is wrong with extensions that the hub defines, wherever they stand."""
    waiting: list[tuple[str, Any]] = [(path, resource)]
    while waiting:
        where, value = waiting.pop()
        for name, below in value.items():
            items = below if isinstance(below, list) else [below]
            for at, one in enumerate(items):
                if not isinstance(one, dict):
                    continue
                step = f"{where}.{name.lstrip('_')}" + (f"[{at}]" if isinstance(below, list) else "")
                if name in ("extension", "modifierExtension") and one.get("url") in index(base):
                    made = definition(one["url"], base)
                    for inner, severity, code, what in Judge(resource, base).errors(one, made) if made else ():
                        yield Issue(severity, step + inner, what, code)
                if name not in ("contained", "entry") or where != path:
                    waiting.append((step, one))
