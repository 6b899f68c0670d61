"""$validate-code, $lookup and $subsumes: what is known of one code.

R4 §4.8.15.1 (http://hl7.org/fhir/R4/codesystem-operation-lookup.html), §4.8.15.2, §4.8.15.3, §4.9.17.2.
"""

from __future__ import annotations

from typing import Any

from hub.errors import InvalidError, NotFoundError, UnsupportedError
from hub.fhir.terminology import Catalogue, CodeSystem, Coding, ValueSet, canonical_system
from hub.services.terminology.asked import HUB, Resource, code_system, concept_of, parameters, value_set
from hub.services.terminology.expansion import designated


def validate_in_value_set(
    url: str, codings: list[Coding], *, given: Resource | None = None, language: str = "fr", known: Catalogue = HUB
) -> dict[str, Any]:
    """Parameters with ``result``: whether one of the codes is in the value set, under the display given.

    A code without a system is taken for one of the system that the set has it of.
    """
    found = value_set(url, given, known)
    answers = [_in_set(found, coding, language, known) for coding in codings]
    return _answer(answers)


def validate_in_system(
    url: str, codings: list[Coding], *, given: Resource | None = None, language: str = "fr", known: Catalogue = HUB
) -> dict[str, Any]:
    """Parameters with ``result``: whether one of the codes is in the code system, under the display given."""
    answers = []
    for coding in codings:
        asked = url or coding.system
        if given is None and url and coding.system and not _same(url, coding.system):
            answers.append((False, f"the code is said to be of {coding.system}, not of {url}", ""))
            continue
        answers.append(_in_system(code_system(asked, given, "url", known), coding, language))
    return _answer(answers)


Answer = tuple[bool, str, str]  # result, message, display


def _answer(answers: list[Answer]) -> dict[str, Any]:
    """The answer for the first code that does, or else for all that do not."""
    good = next((answer for answer in answers if answer[0]), None)
    if good is not None:
        return parameters(("result", "boolean", True), ("display", "string", good[2]))
    said = "; ".join(message for _, message, _ in answers)
    display = answers[0][2] if len(answers) == 1 else ""
    return parameters(("result", "boolean", False), ("message", "string", said), ("display", "string", display))


def _same(one: str, other: str) -> bool:
    return canonical_system(one.partition("|")[0]) == canonical_system(other.partition("|")[0])


def _in_set(found: ValueSet, coding: Coding, language: str, known: Catalogue) -> Answer:
    system = canonical_system(coding.system)
    if system:
        member = found.codings.get((system, coding.code)) or found.codings.get((coding.system, coding.code))
    else:
        member = next((m for m in found.codings.values() if m.code == coding.code), None)
    if member is None:
        if system in found.open or (not system and found.open):
            return False, f"of {system or 'its code systems'} the hub knows a part, and the code is not in it", ""
        of = f" of {coding.system}" if coding.system else ""
        return False, f"the code {coding.code!r}{of} is not in the value set {found.url or found.name}", ""
    return _named(member, coding.display, language, known)


def _in_system(found: CodeSystem, coding: Coding, language: str) -> Answer:
    concept = found.concepts.get(coding.code)
    if concept is None:
        part = "" if found.complete else ", of which the hub knows a part"
        return False, f"the code {coding.code!r} is not in the code system {found.url}{part}", ""
    if coding.display and not concept.named(coding.display):
        known = concept.display(language)
        return False, f"the display is not that of the code {coding.code!r}, which is {known!r}", known
    return True, "", concept.display(language)


def _named(member: Coding, display: str, language: str, source: Catalogue) -> Answer:
    concept = concept_of(member, source)
    known = member.display or concept.display(language)
    if display and not concept._replace(also=(*concept.also, member.display)).named(display):
        return False, f"the display is not that of the code {member.code!r}, which is {known!r}", known
    return True, "", known


def lookup(coding: Coding, *, version: str = "", language: str = "fr", known: Catalogue = HUB) -> dict[str, Any]:
    """Parameters with what is known of a code: name of its system, display, designations, place in the hierarchy.

    :raises NotFoundError: when the code or its system is not known.
    """
    system = code_system(f"{coding.system}|{version}" if version else coding.system, known=known)
    concept = system.concepts.get(coding.code)
    if concept is None:
        part = "" if system.complete else ", of which the hub knows a part"
        cure = "check the code, or expand a value set that has it"
        raise NotFoundError(f"the code is not in {system.url}{part}", where="http.code", cure=cure, code="not-found")
    designations = [
        [{"name": name, f"value{'Code' if name == 'language' else 'String'}": value} for name, value in each.items()]
        for each in designated(concept)
    ]
    parent = next(iter(system.ancestors(coding.code)), "")
    children = [c for c in system.concepts if next(iter(system.ancestors(c)), "") == coding.code]
    places = [("parent", parent)] if parent in system.concepts else []
    places += [("child", child) for child in children]
    return parameters(
        ("name", "string", system.title or system.name),
        ("version", "string", system.version),
        ("display", "string", concept.display(language) or concept.code),
        *(("designation", "part", parts) for parts in designations),
        *(("property", "part", _property("definition", "valueString", d)) for d in [concept.definition] if d),
        *(("property", "part", _property(name, "valueCode", code)) for name, code in places),
    )


def _property(name: str, kind: str, value: str) -> list[dict[str, Any]]:
    return [{"name": "code", "valueCode": name}, {"name": "value", kind: value}]


def subsumes(system: str, code_a: str, code_b: str, *, version: str = "", known: Catalogue = HUB) -> dict[str, Any]:
    """Parameters with ``outcome``: equivalent, subsumes (A stands over B), subsumed-by or not-subsumed.

    :raises UnsupportedError: when the hub does not know the hierarchy of the code system.
    :raises NotFoundError: when it knows the system whole, and a code is not in it.
    """
    if not code_a or not code_b:
        raise InvalidError("two codes are compared", where="http.codeA", cure="give codeA and codeB", code="required")
    found = code_system(f"{system}|{version}" if version else system, known=known)
    for name, code in (("codeA", code_a), ("codeB", code_b)):
        if found.complete and code not in found.concepts:
            raise NotFoundError(f"the code is not in {found.url}", where=f"http.{name}", cure="check it")
    if code_a == code_b:
        outcome = "equivalent"
    elif not found.hierarchical and not found.complete:
        cure = "ask a terminology server that holds it"
        raise UnsupportedError(f"the hub has no hierarchy of {found.url}", where="http.system", cure=cure)
    elif found.subsumes(code_a, code_b):
        outcome = "subsumes"
    elif found.subsumes(code_b, code_a):
        outcome = "subsumed-by"
    else:
        outcome = "not-subsumed"
    return parameters(("outcome", "code", outcome))
