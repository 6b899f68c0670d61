"""$translate: what a code becomes in another code system.

R4 §4.10.15.1 (http://hl7.org/fhir/R4/conceptmap-operation-translate.html).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hub.fhir.terminology import Catalogue, Coding, ConceptMap, Target, canonical_system
from hub.services.terminology.asked import HUB, Resource, as_coding, concept_map, parameters

# R4 ConceptMap.equivalence, read from target to source
_REVERSED = {"wider": "narrower", "narrower": "wider", "subsumes": "specializes", "specializes": "subsumes"}
_NO_MATCH = ("unmatched", "disjoint", "")  # "" stands in a table for a code with nothing to become


def translate(
    codings: list[Coding],
    *,
    url: str = "",
    given: Resource | None = None,
    source: str = "",
    target: str = "",
    target_system: str = "",
    reverse: bool = False,
    known: Catalogue = HUB,
) -> dict[str, Any]:
    """Parameters with ``result`` and each ``match``.

    :param url: the concept map; without it (and without ``given``) all maps that are known are asked.
    :param source: value set the code comes from, ``target`` the one it is to be of; ``target_system`` the code
        system it is to be of.
    :param reverse: read the maps from target to source.
    :raises NotFoundError: when there is no such map.
    """
    if url or given is not None:
        maps = [concept_map(url, given, known)]
    else:
        if reverse:
            source, target = target, source
        maps = [
            m
            for m in known.concept_maps.values()
            if (not source or m.source == source) and (not target or m.target == target)
        ]
    matches: list[tuple[Target, str]] = []
    for one in maps:
        for coding in codings:
            found = _backward(one, coding) if reverse else _forward(one, coding)
            for match in found:
                if (not target_system or match.system == target_system) and (match, one.url) not in matches:
                    matches.append((match, one.url))
    good = any(match.equivalence not in _NO_MATCH for match, _ in matches)
    said = "" if good else "no map the hub knows has this code" if not matches else "the code has no match"
    return parameters(
        ("result", "boolean", good),
        ("message", "string", said),
        *(("match", "part", _match(match, origin)) for match, origin in matches),
    )


def _forward(one: ConceptMap, coding: Coding) -> Iterator[Target]:
    system = canonical_system(coding.system)
    for source in dict.fromkeys((system, coding.system)):
        found = one.targets.get((source, coding.code))
        if found is not None:
            yield from found
            return
    if system in one.unmapped:
        yield one.unmapped[system]


def _backward(one: ConceptMap, coding: Coding) -> Iterator[Target]:
    systems = {canonical_system(coding.system), coding.system}
    for (system, code), targets in one.targets.items():
        for target in targets:
            if target.code == coding.code and target.system in systems:
                yield Target(system, code, "", _REVERSED.get(target.equivalence, target.equivalence))


def _match(match: Target, origin: str) -> list[dict[str, Any]]:
    coding = as_coding(match.system, match.code, match.display)
    parts: list[dict[str, Any]] = [{"name": "equivalence", "valueCode": match.equivalence or "relatedto"}]
    if match.code:
        parts.append({"name": "concept", "valueCoding": coding})
    if origin:
        parts.append({"name": "source", "valueUri": origin})
    return parts
