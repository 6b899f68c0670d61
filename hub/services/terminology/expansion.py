"""$expand: all codes of a value set, or those whose name holds a text.

R4 §4.9.17.1 (http://hl7.org/fhir/R4/valueset-operation-expand.html).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import Any
from uuid import uuid4

from hub import clock
from hub.errors import InvalidError, TooLargeError
from hub.fhir.terminology import Catalogue, Coding, Concept, ValueSet
from hub.services.terminology.asked import HUB, Resource, as_coding, concept_of, value_set

MAX_CODES = 10_000
MAX_FILTER = 200


def expand(
    url: str = "",
    given: Resource | None = None,
    *,
    text: str = "",
    offset: int = 0,
    count: int | None = None,
    language: str = "fr",
    designations: bool = False,
    known: Catalogue = HUB,
) -> dict[str, Any]:
    """A ValueSet with its expansion.

    :param given: the ValueSet itself, when it is not one the hub knows.
    :param text: words that all have to be in the display or begin the code; accents and case aside.
    :param offset: how many to pass over; ``count``: how many to show at most (0: none, only how many there are).
    :raises InvalidError: with code ``too-costly``, when there are more than ``MAX_CODES`` to show.
    """
    if offset < 0 or (count is not None and count < 0):
        raise InvalidError("a negative number", where="http.count", cure="count from 0", code="value")
    if len(text) > MAX_FILTER:
        raise TooLargeError(f"a filter of more than {MAX_FILTER} characters", where="http.filter", cure="shorten it")
    found = value_set(url, given, known)
    words = fold(text).split()
    matching = [pair for pair in _concepts(found, known) if not words or _matches(pair[1], words)]
    stop = None if count is None else offset + count
    shown = matching[offset:stop]
    if len(shown) > MAX_CODES:
        cure = f"ask for pages with offset and count, at most {MAX_CODES} a page, or filter"
        raise InvalidError(
            f"{len(matching)} codes are too many at once", where="http.count", cure=cure, code="too-costly"
        )
    asked: list[tuple[str, str, Any]] = [("filter", "valueString", text), ("displayLanguage", "valueCode", language)]
    if offset or count is not None:
        asked += [("offset", "valueInteger", offset), ("count", "valueInteger", count)]
    expansion: dict[str, Any] = {
        "identifier": f"urn:uuid:{uuid4()}",
        "timestamp": clock.iso(clock.now()),
        "total": len(matching),
        "parameter": [{"name": name, kind: value} for name, kind, value in asked if value not in ("", None)],
    }
    if offset or count is not None:
        expansion["offset"] = offset
    if found.open:
        # R4 has no better word: of these systems the hub holds a part, and so the expansion is one.
        expansion["parameter"] += [{"name": "limitedExpansion", "valueBoolean": True}]
    if shown:
        expansion["contains"] = [_contains(coding, concept, language, designations) for coding, concept in shown]
    head = {"url": found.url, "version": found.version, "name": found.name, "title": found.title}
    return {
        "resourceType": "ValueSet",
        **{name: value for name, value in head.items() if value},
        "status": "active",
        "expansion": expansion,
    }


def _concepts(found: ValueSet, known: Catalogue) -> Iterator[tuple[Coding, Concept]]:
    return ((coding, concept_of(coding, known)) for coding in found.codings.values())


@lru_cache(maxsize=32_768)
def fold(text: str) -> str:
    """Text without accents and case, as a person types it into a search field."""
    plain = unicodedata.normalize("NFD", text.replace("œ", "oe").replace("Œ", "OE").replace("æ", "ae"))
    return "".join(c for c in plain if not unicodedata.combining(c)).casefold()


def _matches(concept: Concept, words: list[str]) -> bool:
    said = " ".join(fold(name) for name in (concept.fr, concept.en, *concept.also) if name)
    code = concept.code.casefold()
    return all(word in said or code.startswith(word) for word in words)


def _contains(coding: Coding, concept: Concept, language: str, designations: bool) -> dict[str, Any]:
    made: dict[str, Any] = as_coding(coding.system, coding.code, coding.display or concept.display(language))
    if designations:
        listed = designated(concept)
        if listed:
            made["designation"] = listed
    return made


def designated(concept: Concept) -> list[dict[str, Any]]:
    """All names of a concept as designations."""
    pairs = [("fr", concept.fr), ("en", concept.en)]
    made: list[dict[str, Any]] = [{"language": lang, "value": name} for lang, name in pairs if name]
    return made + [{"value": name} for name in concept.also]
