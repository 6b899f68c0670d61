"""CodeSystem and ConceptMap resources read into the model; and code tables of mappings seen as concept maps.

R4 §4.8.11 (concepts, their designations and hierarchy, ``subsumedBy``/``parent`` properties), §4.10.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from hub.errors import InvalidError
from hub.fhir.terminology.model import CodeSystem, Concept, ConceptMap, Target

MAX_DEPTH = 50
_ABOVE = ("parent", "subsumedBy")


def code_system(resource: Mapping[str, Any]) -> CodeSystem:
    """The code system that a resource defines.

    :raises InvalidError: when its concepts are nested beyond reason.
    """
    language = str(resource.get("language", ""))
    concepts: dict[str, Concept] = {}
    parents: dict[str, str] = {}
    for concept, above in _walk(resource.get("concept", ()), "", 0):
        made = _concept(concept, language)
        concepts[made.code] = made
        said = [str(p.get("valueCode")) for p in concept.get("property", ()) if p.get("code") in _ABOVE]
        if above or said:
            parents[made.code] = above or said[0]
    return CodeSystem(
        url=str(resource.get("url", "")), name=str(resource.get("name", "")), version=str(resource.get("version", "")),
        title=str(resource.get("title", "")), concepts=MappingProxyType(concepts), parents=MappingProxyType(parents),
        complete=resource.get("content") == "complete",
    )  # fmt: skip


def _walk(concepts: Any, above: str, depth: int) -> Iterator[tuple[Mapping[str, Any], str]]:
    if depth > MAX_DEPTH:
        raise InvalidError(f"concepts nested deeper than {MAX_DEPTH}", where="CodeSystem.concept", cure="flatten them")
    for concept in concepts:
        yield concept, above
        yield from _walk(concept.get("concept", ()), str(concept.get("code", "")), depth + 1)


def _concept(concept: Mapping[str, Any], language: str) -> Concept:
    display = str(concept.get("display", ""))
    in_english = language.lower().startswith("en")
    said = {"fr": "" if in_english else display, "en": display if in_english else ""}
    also = []
    for designation in concept.get("designation", ()):
        lang, value = str(designation.get("language", ""))[:2].lower(), str(designation.get("value", ""))
        if lang in said and not said[lang]:
            said[lang] = value
        elif value:
            also.append(value)
    return Concept(
        str(concept.get("code", "")), said["fr"], said["en"], tuple(also), str(concept.get("definition", ""))
    )


def concept_map(resource: Mapping[str, Any]) -> ConceptMap:
    """The concept map that a resource defines."""
    targets: dict[tuple[str, str], tuple[Target, ...]] = {}
    unmapped: dict[str, Target] = {}
    for group in resource.get("group", ()):
        source, target = str(group.get("source", "")), str(group.get("target", ""))
        for element in group.get("element", ()):
            found = tuple(
                Target(target, str(t.get("code", "")), str(t.get("display", "")), str(t.get("equivalence", "")))
                for t in element.get("target", ())
            )
            key = source, str(element.get("code", ""))
            targets[key] = targets.get(key, ()) + found
        otherwise = group.get("unmapped") or {}
        if otherwise.get("mode") == "fixed":
            unmapped[source] = Target(
                target, str(otherwise.get("code", "")), str(otherwise.get("display", "")), "inexact"
            )
    return ConceptMap(
        url=str(resource.get("url", "")), name=str(resource.get("name", "")), version=str(resource.get("version", "")),
        title=str(resource.get("title", "")), targets=MappingProxyType(targets), unmapped=MappingProxyType(unmapped),
        source=_one(resource, "sourceUri", "sourceCanonical"), target=_one(resource, "targetUri", "targetCanonical"),
    )  # fmt: skip


def _one(resource: Mapping[str, Any], *names: str) -> str:
    return next((str(resource[name]) for name in names if resource.get(name)), "")


def of_code_table(file: Path, url: str, sources: list[str], target: str) -> ConceptMap:
    """The concept map of a code table of mappings (columns source, target, display, equivalence).

    Its source ``*`` is what an unknown code becomes; a code counts in each of the systems ``sources``.
    """
    targets: dict[tuple[str, str], tuple[Target, ...]] = {}
    unmapped: dict[str, Target] = {}
    with file.open(encoding="utf-8", newline="") as opened:
        for row in csv.DictReader(line for line in opened if not line.startswith("#")):
            made = Target(target, row["target"] or "", row["display"] or "", row["equivalence"] or "")
            for source in sources:
                if row["source"] == "*":
                    unmapped[source] = made._replace(equivalence="inexact")
                else:
                    targets[source, row["source"]] = (made,) if made.code else ()
    name = "".join(part.capitalize() for part in file.stem.split("-"))
    return ConceptMap(url, name, MappingProxyType(targets), MappingProxyType(unmapped), target=target)
