"""Everything the hub knows of terminology, found by canonical URL.

R4 §2.1.0.16 (canonical references): ``url|version`` asks for one version; here each is known in one.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, cached_property
from typing import Any, TypeVar

from hub.fhir.terminology import artefacts, compose, tables
from hub.fhir.terminology.model import CodeSystem, ConceptMap, ValueSet
from hub.fhir.validation.artefacts import BASE, index
from hub.paths import room

_Known = TypeVar("_Known", CodeSystem, ValueSet, ConceptMap)
_MAX_IMPORTS = 20  # value sets drawn on by value sets, one inside the other


class Catalogue:
    """What is known; each part is read when it is first asked for, and kept.

    :ivar base: the URL under which the hub publishes what it defines itself.
    """

    def __init__(self, base: str = BASE) -> None:
        self.base = base
        self._sets: dict[str, ValueSet | None] = {}

    def _resources(self, kind: str) -> dict[str, Mapping[str, Any]]:
        """URL -> resource, of those of a type that lie in ``profiles/``."""
        return {url: made for url, made in index(self.base).items() if made["resourceType"] == kind}

    @cached_property
    def systems(self) -> dict[str, CodeSystem]:
        """Canonical URL -> code system; what ``profiles/`` says goes before the tables."""
        ours = {url: artefacts.code_system(resource) for url, resource in self._resources("CodeSystem").items()}
        return {**tables.systems(), **ours}

    def code_system(self, url: str) -> CodeSystem | None:
        """The code system with a canonical URL or ``urn:oid:``; None when it is not known, or not in that version."""
        name, _, version = url.partition("|")
        return _in_version(self.systems.get(canonical_system(name)), version)

    @cached_property
    def value_sets(self) -> tuple[str, ...]:
        """Canonical URLs of the value sets that are known."""
        return tuple(sorted({*self._defined, *tables.value_set_urls()}))

    @cached_property
    def _defined(self) -> dict[str, Mapping[str, Any]]:
        return self._resources("ValueSet")

    def value_set(self, url: str) -> ValueSet | None:
        """The value set with a canonical URL (``|version`` allowed) or ``urn:oid:``; None when it is not known.

        :raises HubError: when it is known and draws on something that is not.
        """
        name, _, version = url.partition("|")
        # R4 itself binds its value sets as ...|4.0.1, and the tables hold no other version.
        return _in_version(self._value_set(name, 0), version)

    def _value_set(self, url: str, depth: int) -> ValueSet | None:
        if depth > _MAX_IMPORTS:
            return None
        if url in self._sets:
            return self._sets[url]
        resource = self._defined.get(url)
        if resource is None:
            made = tables.value_set(url)
            if made is None:
                return None  # not kept: anybody can ask for any name
        else:
            made = compose.value_set(
                resource, self.code_system, lambda inner: self._value_set(inner.partition("|")[0], depth + 1)
            )
        self._sets[url] = made
        return made

    def member(self, url: str, system: str, code: str) -> bool | None:
        """Whether a code is in a value set; see :func:`hub.fhir.terminology.member`."""
        found = self.value_set(url)
        if found is None:
            return None
        if not system:
            if any(each == code for _, each in found.codings):
                return True
            return None if found.open else False
        asked = canonical_system(system)
        if (asked, code) in found.codings:
            return True
        return None if asked in found.open else False

    def below(self, system: str, code: str) -> tuple[str, ...] | None:
        """A code and all that are known to stand under it; None when the hub does not know the hierarchy."""
        found = self.code_system(system)
        if found is None or not found.hierarchical:
            return None
        return tuple({code: None, **{c: None for c in found.concepts if found.subsumes(code, c)}})

    def above(self, system: str, code: str) -> tuple[str, ...] | None:
        """A code and all it stands under, nearest first; None when the hub does not know the hierarchy."""
        found = self.code_system(system)
        return None if found is None or not found.hierarchical else (code, *found.ancestors(code))

    @cached_property
    def concept_maps(self) -> dict[str, ConceptMap]:
        """Canonical URL -> concept map: those of ``profiles/`` and the code tables of ``mappings/``."""
        ours = {url: artefacts.concept_map(resource) for url, resource in self._resources("ConceptMap").items()}
        return {**_of_code_tables(self.base), **ours}

    def concept_map(self, url: str) -> ConceptMap | None:
        """The concept map with a canonical URL; None when it is not known."""
        name, _, version = url.partition("|")
        return _in_version(self.concept_maps.get(name), version)


@cache
def catalogue(base: str = "") -> Catalogue:
    """What is known where the hub publishes under ``base`` (setting ``canonical_base``; "" for none set)."""
    return Catalogue(base or BASE)


def canonical_system(url: str) -> str:
    """The URL a code system goes by here, for its URL or its ``urn:oid:``."""
    return tables.names().get(url, url)


def _in_version(found: _Known | None, version: str) -> _Known | None:
    return found if found is None or not version or not found.version or found.version == version else None


def _of_code_tables(base: str) -> dict[str, ConceptMap]:
    """The code tables that translate one code system into another, as ``codetables.csv`` names them."""
    folder = room("mappings") / "tables"
    found = {}
    for name, sources, target in tables.read("codetables.csv"):
        url = f"{base}/ConceptMap/table-{name}"
        found[url] = artefacts.of_code_table(folder / f"{name}.csv", url, sources.split(), target)
    return found
