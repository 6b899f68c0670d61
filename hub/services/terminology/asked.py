"""What is asked for: a value set or a code system, by URL or brought along, and one code of it.

R4 §4.7.3: ``url`` or the resource itself; a code as ``code`` and ``system``, as Coding, or as CodeableConcept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any

from hub.errors import InvalidError, NotFoundError, TooLargeError
from hub.fhir.terminology import Catalogue, CodeSystem, Coding, Concept, ConceptMap, ValueSet, catalogue
from hub.fhir.terminology.artefacts import code_system as system_of
from hub.fhir.terminology.artefacts import concept_map as map_of
from hub.fhir.terminology.compose import value_set as set_of

Resource = Mapping[str, Any]
MAX_CODINGS = 100
HUB = catalogue()


def value_set(url: str, given: Resource | None = None, known: Catalogue = HUB) -> ValueSet:
    """The value set meant: one brought along, or one that is known by its URL.

    :raises NotFoundError: when the hub does not know it; InvalidError: when nothing is said.
    """
    if given is not None:
        with _shaped("ValueSet", given):
            return set_of(given, known.code_system, known.value_set)
    _said(url, "url")
    found = known.value_set(url)
    if found is None:
        raise _unknown("value set", url, list(known.value_sets), "url")
    return found


def code_system(url: str, given: Resource | None = None, where: str = "system", known: Catalogue = HUB) -> CodeSystem:
    """The code system meant.

    :raises NotFoundError: when the hub does not know it; InvalidError: when nothing is said.
    """
    if given is not None:
        with _shaped("CodeSystem", given):
            return system_of(given)
    _said(url, where)
    found = known.code_system(url)
    if found is None:
        raise _unknown("code system", url, list(known.systems), where)
    return found


def concept_map(url: str, given: Resource | None = None, known: Catalogue = HUB) -> ConceptMap:
    """The concept map meant.

    :raises NotFoundError: when the hub does not know it.
    """
    if given is not None:
        with _shaped("ConceptMap", given):
            return map_of(given)
    found = known.concept_map(url)
    if found is None:
        raise _unknown("concept map", url, list(known.concept_maps), "url")
    return found


@contextmanager
def _shaped(kind: str, given: object) -> Iterator[None]:
    """Read a resource that a client brings along: one that is not shaped as R4 says is its fault."""
    cure = f"send a {kind} of R4; $validate says what is wrong with one"
    if not isinstance(given, Mapping) or given.get("resourceType") != kind:
        raise InvalidError(f"this is no {kind}", where="http.parameter", cure=cure, code="structure")
    try:
        yield
    except (AttributeError, KeyError, TypeError):
        raise InvalidError(f"this {kind} is not shaped as R4 says", where=kind, cure=cure, code="structure") from None


def _said(url: str, where: str) -> None:
    if not url:
        raise InvalidError("nothing is asked for", where=f"http.{where}", cure=f"give {where}", code="required")


def _unknown(kind: str, url: str, names: list[str], where: str) -> NotFoundError:
    near = get_close_matches(url.partition("|")[0], names, 1, 0.8)
    cure = f"did you mean {near[0]}?" if near else "TerminologyCapabilities lists those there are"
    return NotFoundError(f"the hub does not know this {kind}, or not in this version", where=f"http.{where}", cure=cure)


def codings(
    code: str = "", system: str = "", display: str = "", coding: Resource | None = None, concept: Resource | None = None
) -> list[Coding]:
    """The codes meant, of which one has to do.

    :raises InvalidError: when none is given, or in a wrong form.
    """
    given: list[Any] = []
    if coding is not None:
        given = [coding]
    elif concept is not None:
        given = concept.get("coding", []) if isinstance(concept, Mapping) else [None]
    if not isinstance(given, list) or not all(isinstance(each, Mapping) for each in given):
        cure = "send it as R4 says"
        raise InvalidError("no Coding or CodeableConcept", where="http.coding", cure=cure, code="structure")
    found = [Coding(str(c.get("system", "")), str(c.get("code", "")), str(c.get("display", ""))) for c in given]
    if not given and code:
        found = [Coding(system, code, display)]
    found = [each for each in found if each.code]
    if len(found) > MAX_CODINGS:
        raise TooLargeError(f"more than {MAX_CODINGS} codes", where="http.codeableConcept", cure="ask in parts")
    if not found:
        cure = "give code and system, coding or codeableConcept"
        raise InvalidError("no code is given", where="http.code", cure=cure, code="required")
    return found


def concept_of(coding: Coding, known: Catalogue = HUB) -> Concept:
    """What is known of a code; when its system is not known, no more than the code and the display given."""
    system = known.code_system(coding.system)
    found = system.concepts.get(coding.code) if system is not None else None
    if found is None:
        return Concept(coding.code, coding.display, coding.display)
    return found


def parameters(*listed: tuple[str, str, Any]) -> dict[str, Any]:
    """A Parameters resource of (name, type of value, value); a value of None or "" is left out."""
    made = [
        {"name": name, "part" if kind == "part" else f"value{kind[0].upper()}{kind[1:]}": value}
        for name, kind, value in listed
        if value is not None and value not in ("", [])
    ]
    return {"resourceType": "Parameters", "parameter": made}


def as_coding(system: str, code: str, display: str) -> dict[str, str]:
    """A Coding without what is empty."""
    pairs = {"system": system, "code": code, "display": display}
    return {name: value for name, value in pairs.items() if value}
