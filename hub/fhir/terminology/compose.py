"""What a ValueSet resource holds: its ``compose`` worked out.

R4 §4.9.5 (composition rules): the codes of an ``include`` meet all its conditions, an ``exclude`` takes
away, value sets that are named add what they hold.  Filters: ``is-a``, ``descendent-of``, ``is-not-a``,
``generalizes``, ``in``, ``not-in``, ``=`` on code, and ``regex`` is not done (R4 leaves the dialect open).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from hub.errors import InvalidError, NotFoundError, TooLargeError, UnsupportedError
from hub.fhir.terminology.model import CodeSystem, Coding, ValueSet

MAX_PARTS = 100  # include and exclude; each filter of one is run over a whole code system
Codings = dict[tuple[str, str], Coding]
FindSystem = Callable[[str], CodeSystem | None]
FindSet = Callable[[str], ValueSet | None]

Test = Callable[[CodeSystem, str, str], bool]
_ON_CODES: dict[str, Test] = {
    "is-a": lambda system, code, value: system.subsumes(value, code),
    "descendent-of": lambda system, code, value: code != value and system.subsumes(value, code),
    "is-not-a": lambda system, code, value: not system.subsumes(value, code),
    "generalizes": lambda system, code, value: system.subsumes(code, value),
    "=": lambda _, code, value: code == value,
    "in": lambda _, code, value: code in [v.strip() for v in value.split(",")],
    "not-in": lambda _, code, value: code not in [v.strip() for v in value.split(",")],
}


def value_set(resource: Mapping[str, Any], find_system: FindSystem, find_set: FindSet) -> ValueSet:
    """The value set that a resource defines.

    :param find_system: a code system by its URL, and ``find_set`` a value set, or None.
    :raises InvalidError: when it is no proper ValueSet; NotFoundError: when it draws on something unknown;
        UnsupportedError: when it filters in a way that is not done.
    """
    compose = resource.get("compose")
    if not isinstance(compose, Mapping):
        return _made(resource, *_of_expansion(resource))
    codings: Codings = {}
    opened: set[str] = set()
    if len(compose.get("include", ())) + len(compose.get("exclude", ())) > MAX_PARTS:
        raise TooLargeError(f"more than {MAX_PARTS} parts", where="ValueSet.compose", cure="put them together")
    for n, include in enumerate(_list(compose, "include", "ValueSet.compose")):
        found, unknown = _part(include, f"ValueSet.compose.include[{n}]", find_system, find_set)
        codings.update(found)
        opened |= unknown
    for n, exclude in enumerate(_list(compose, "exclude", "ValueSet.compose")):
        found, _ = _part(exclude, f"ValueSet.compose.exclude[{n}]", find_system, find_set)
        for key in found:
            codings.pop(key, None)
    return _made(resource, codings, opened)


def _made(resource: Mapping[str, Any], codings: Codings, opened: set[str]) -> ValueSet:
    texts = {name: str(resource.get(name, "")) for name in ("url", "name", "version", "title")}
    return ValueSet(codings=MappingProxyType(codings), open=frozenset(opened), **texts)


def _of_expansion(resource: Mapping[str, Any]) -> tuple[Codings, set[str]]:
    """The codes of a value set that comes with its expansion only (R4 §4.9.8)."""
    found: Codings = {}
    waiting = _list(resource.get("expansion") or {}, "contains", "ValueSet.expansion")[::-1]
    while waiting:
        entry = waiting.pop()
        system, code = str(entry.get("system", "")), str(entry.get("code", ""))
        if code and not entry.get("abstract"):
            found[system, code] = Coding(system, code, str(entry.get("display", "")))
        waiting += _list(entry, "contains", "ValueSet.expansion.contains")[::-1]
    return found, set()


def _part(part: Mapping[str, Any], where: str, find_system: FindSystem, find_set: FindSet) -> tuple[Codings, set[str]]:
    """Codes of one include or exclude, and the system when it is taken whole without being known whole."""
    url = str(part.get("system", ""))
    sets = []
    for name in part.get("valueSet", ()):
        inner = find_set(str(name))
        if inner is None:
            raise NotFoundError(
                "a value set that is drawn on is not known here", where=f"{where}.valueSet", cure="load it"
            )
        sets.append(inner)
    if not url:
        if not sets:
            raise InvalidError("neither system nor value set", where=where, cure="name one (vsd-1)", code="invariant")
        first, *others = sets
        return {k: v for k, v in first.codings.items() if all(k in s.codings for s in others)}, set(first.open)
    found, opened = _of_system(part, url, where, find_system)
    return {k: v for k, v in found.items() if all(k in s.codings for s in sets)}, opened if not sets else set()


def _of_system(part: Mapping[str, Any], url: str, where: str, find_system: FindSystem) -> tuple[Codings, set[str]]:
    listed = _list(part, "concept", where)
    if listed:
        codes = {(url, str(c.get("code", ""))): str(c.get("display", "")) for c in listed}
        return {key: Coding(*key, display) for key, display in codes.items()}, set()
    system = find_system(url)
    if system is None:
        return {}, {url}
    tests = []
    if len(_list(part, "filter", where)) > MAX_PARTS:
        raise TooLargeError(f"more than {MAX_PARTS} filters", where=where, cure="put them together")
    for n, rule in enumerate(_list(part, "filter", where)):
        test = _ON_CODES.get(str(rule.get("op")))
        if test is None or rule.get("property") not in ("concept", "code"):
            raise UnsupportedError(
                "a filter that is not done here", where=f"{where}.filter[{n}]",
                cure=f"filter on concept or code by {', '.join(_ON_CODES)}, or list the concepts", code="not-supported",
            )  # fmt: skip
        tests.append((test, str(rule.get("value", ""))))
    found = {
        (url, code): Coding(url, code)
        for code in system.concepts
        if all(test(system, code, value) for test, value in tests)
    }
    return found, set() if system.complete else {url}


def _list(holder: Mapping[str, Any], name: str, where: str) -> list[Mapping[str, Any]]:
    found = holder.get(name, [])
    if not isinstance(found, list) or not all(isinstance(each, Mapping) for each in found):
        raise InvalidError(
            "not a list of objects", where=f"{where}.{name}", cure="write it as R4 says", code="structure"
        )
    return found
