"""FHIRPath Patch of a resource: R4 §2.35 (http://hl7.org/fhir/R4/fhirpatch.html).

The operations add, insert, delete, replace and move of a Parameters resource.  Their paths are the part of
FHIRPath that names places: elements, indexes, ``first()``, ``last()``, ``where(element = 'value')`` and
``ofType(Type)``; an expression that computes something names no place and is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hub.errors import InvalidError, TooLargeError, UnprocessableError
from hub.fhir import jsontext, structures
from hub.fhir.structures import Element

MAX_OPERATIONS = 1000
_MAX_PATH = 1000
_STEP = re.compile(
    r"\.?(?:(?P<index>\[(\d{1,6})\])|(?P<edge>first|last)\(\)|where\((?P<where>[^()]*(?:\(\)[^()]*)*)\)"
    r"|(?:ofType|as)\((?P<type>\w+)\)|(?P<name>`?[A-Za-z][A-Za-z0-9]*`?))"
)
_EQUAL = re.compile(
    r"\s*(?P<path>[A-Za-z][\w.]*?)\s*(?:=\s*(?:'(?P<text>[^']*)'|(?P<plain>true|false|-?\d+(?:\.\d+)?))|\.exists\(\))\s*"
)


@dataclass(frozen=True, slots=True)
class Place:
    """One element of the resource, by what holds it; ``of`` is the structure of its content."""

    holder: Any
    key: str | int
    of: str

    @property
    def value(self) -> Any:
        return self.holder[self.key]


def apply(resource: bytes, patch: dict[str, Any]) -> bytes:
    """The JSON of a resource after a patch.

    :param patch: the Parameters, as :func:`hub.fhir.jsontext.exact` reads them.
    :raises InvalidError: when the patch is none; UnprocessableError: when it does not fit the resource.
    """
    top = {"": jsontext.exact(resource)}
    for number, operation in enumerate(_read(patch)):
        where = f"Parameters.parameter[{number}]"
        try:
            _DO[operation["type"]](top, operation, where)
        except (KeyError, TypeError, AttributeError, IndexError):
            raise UnprocessableError("does not fit the resource", where=where, cure="see its path") from None
    _tidy(top[""])
    return jsontext.write(top[""])


def _read(patch: dict[str, Any]) -> list[dict[str, Any]]:
    listed = patch.get("parameter")
    if not isinstance(listed, list) or not listed:
        cure = "send parameters called operation (R4 §2.35)"
        raise InvalidError("there is no operation", where="Parameters.parameter", cure=cure, code="required")
    if len(listed) > MAX_OPERATIONS:
        raise TooLargeError(f"more than {MAX_OPERATIONS} operations", where="Parameters", cure="send an update")
    return [_operation(one, f"Parameters.parameter[{n}]") for n, one in enumerate(listed)]


def _operation(given: Any, where: str) -> dict[str, Any]:
    """The parts of an operation by name; ``value`` is (JSON name of its type, value)."""
    if not isinstance(given, dict) or given.get("name") != "operation" or not isinstance(given.get("part"), list):
        raise InvalidError("is no operation", where=where, cure="name it operation and give parts", code="structure")
    made: dict[str, Any] = {}
    for part in given["part"]:
        if not isinstance(part, dict) or not isinstance(part.get("name"), str):
            raise InvalidError("a part has a name", where=f"{where}.part", cure="see R4 §2.35", code="structure")
        typed = next(((k, v) for k, v in part.items() if k.startswith("value")), None)
        if part["name"] == "value":
            made["value"] = typed if typed is not None else ("", _of_parts(part.get("part"), f"{where}.part"))
        elif typed is not None:
            made[part["name"]] = typed[1]
    needed = {"add": ("path", "name", "value"), "insert": ("path", "index", "value"), "delete": ("path",),
              "replace": ("path", "value"), "move": ("path", "source", "destination")}  # fmt: skip
    if made.get("type") not in needed:
        cure = f"take one of {', '.join(needed)}"
        raise InvalidError("there is no such type of operation", where=where, cure=cure, code="code-invalid")
    for name in needed[made["type"]]:
        number = name in ("index", "source", "destination")
        if name not in made or not (name == "value" or isinstance(made[name], int if number else str)):
            raise InvalidError(f"the part {name} is missing or of another type", where=where, cure="see R4 §2.35",
                               code="required")  # fmt: skip
    return made


def _of_parts(parts: Any, where: str) -> dict[str, Any]:
    """The value of an element without a type of its own: its elements as parts, those that repeat several times."""
    if not isinstance(parts, list):
        raise InvalidError("there is no value", where=where, cure="give value[x] or parts", code="required")
    made: dict[str, Any] = {}
    for part in parts:
        if not isinstance(part, dict) or not isinstance(part.get("name"), str):
            raise InvalidError("a part has a name", where=where, cure="see R4 §2.35", code="structure")
        name = part["name"]
        value = next((v for k, v in part.items() if k.startswith("value")), None)
        value = _of_parts(part.get("part"), where) if value is None else value
        made.setdefault(name, []).append(value)
    return made


def _add(top: dict[str, Any], operation: dict[str, Any], where: str) -> None:
    place = _one(top, operation["path"], where)
    holder = place.value
    element, name, value = _named(place.of, operation["name"], operation["value"], where)
    if element.many:
        holder.setdefault(name, []).append(value)
    elif name in holder or any(form in holder for form, _ in element.forms()):
        raise UnprocessableError(f"{name} is there already", where=where, cure="replace it")
    else:
        holder[name] = value


def _insert(top: dict[str, Any], operation: dict[str, Any], where: str) -> None:
    items, of = _list(top, operation["path"], where)
    if not 0 <= operation["index"] <= len(items):
        raise UnprocessableError("the index is beyond the list", where=where, cure=f"it has {len(items)} items")
    items.insert(operation["index"], _shaped(of, operation["value"][1]))


def _delete(top: dict[str, Any], operation: dict[str, Any], where: str) -> None:
    found = find(top, operation["path"], where)
    if len(found) > 1:
        raise UnprocessableError("the path finds several elements", where=where, cure="name one")
    for place in found:
        if place.holder is top:
            raise UnprocessableError("that would be the whole resource", where=where, cure="delete it as such")
        del place.holder[place.key]
        if isinstance(place.key, str):
            place.holder.pop(f"_{place.key}", None)


def _replace(top: dict[str, Any], operation: dict[str, Any], where: str) -> None:
    place = _one(top, operation["path"], where)
    kind, value = operation["value"]
    value = _shaped(place.of, value)
    if isinstance(place.key, str) and isinstance(place.holder, dict):
        last = _last_name(operation["path"])
        if place.key != last and place.key.startswith(last) and kind:  # a choice may get another type
            del place.holder[place.key]
            place.holder[last + kind.removeprefix("value")] = value
            return
    place.holder[place.key] = value


def _move(top: dict[str, Any], operation: dict[str, Any], where: str) -> None:
    items, _ = _list(top, operation["path"], where)
    source, destination = operation["source"], operation["destination"]
    if not (0 <= source < len(items) and 0 <= destination < len(items)):
        raise UnprocessableError("an index is beyond the list", where=where, cure=f"it has {len(items)} items")
    items.insert(destination, items.pop(source))


_DO: dict[str, Callable[[dict[str, Any], dict[str, Any], str], None]] = {
    "add": _add, "insert": _insert, "delete": _delete, "replace": _replace, "move": _move,
}  # fmt: skip


def find(top: dict[str, Any], path: str, where: str) -> list[Place]:
    """The elements that a path names.

    :param top: holds the resource under the key ''.
    """
    kind = top[""]["resourceType"]
    at, names = 0, 0
    found = [Place(top, "", kind)]
    while at < len(path):
        step = _STEP.match(path, at)
        if step is None or len(path) > _MAX_PATH:
            cure = "name places: elements, [n], first(), last(), where(element = 'value'), ofType(Type)"
            raise InvalidError("the path is none that a patch takes", where=f"{where}.path", cure=cure, code="value")
        at = step.end()
        if step["name"] and not names:
            names = 1
            if step["name"] in (kind, "Resource", "DomainResource"):
                continue
        if step["name"]:
            found = [below for place in found for below in _below(place, step["name"].strip("`"))]
        elif step["index"]:
            found = found[int(step[2]) :][:1]
        elif step["edge"]:
            found = found[:1] if step["edge"] == "first" else found[-1:]
        elif step["type"]:
            found = [place for place in found if place.of.lower() == step["type"].lower()]
        else:
            found = [place for place in found if _holds(place, step["where"], where)]
    return found


def _below(place: Place, name: str) -> list[Place]:
    value = place.value
    element = next((e for e in structures.elements(place.of) if e.name == name), None)
    if element is None or not isinstance(value, dict):
        return []
    for form, of in element.forms():
        if form in value:
            if isinstance(value[form], list):
                return [Place(value[form], n, _of(of, value[form][n])) for n in range(len(value[form]))]
            return [Place(value, form, _of(of, value[form]))]
    return []


def _of(of: str, value: Any) -> str:
    """The structure of a value: of a resource inside a resource its own type."""
    own = value.get("resourceType") if isinstance(value, dict) else None
    return own if isinstance(own, str) else of


def _holds(place: Place, condition: str, where: str) -> bool:
    for part in re.split(r"\band\b(?=(?:[^']*'[^']*')*[^']*$)", condition):
        match = _EQUAL.fullmatch(part)
        if match is None:
            cure = "compare with a value: where(system = 'http://x' and value = '1')"
            raise InvalidError(
                "the condition is none that a patch takes", where=f"{where}.path", cure=cure, code="value"
            )
        places = [place]
        for name in match["path"].split("."):
            places = [below for one in places for below in _below(one, name)]
        values = [one.value for one in places]
        if match["text"] is not None:
            good = match["text"] in values
        elif match["plain"] is not None:
            good = any(_plain(v) == match["plain"] for v in values)
        else:
            good = bool(values)
        if not good:
            return False
    return True


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _one(top: dict[str, Any], path: str, where: str) -> Place:
    found = find(top, path, where)
    if len(found) != 1:
        what = "nothing" if not found else "several elements"
        raise UnprocessableError(f"the path finds {what}", where=f"{where}.path", cure="name one element that is there")
    return found[0]


def _list(top: dict[str, Any], path: str, where: str) -> tuple[list[Any], str]:
    """The list that a path names, and the structure of its items."""
    found = find(top, path, where)
    if not found or not isinstance(found[0].holder, list) or len(found[0].holder) != len(found):
        raise UnprocessableError("the path finds no list", where=f"{where}.path", cure="name an element that repeats")
    return found[0].holder, found[0].of


def _named(of: str, name: str, value: tuple[str, Any], where: str) -> tuple[Element, str, Any]:
    """The element of a structure that a name means, its JSON name and its value."""
    kind, given = value
    for element in structures.elements(of):
        for form, inner in element.forms():
            if form == name or (
                element.name == name and (not element.choice or form == name + kind.removeprefix("value"))
            ):
                return element, form, _shaped(inner, given)
    raise UnprocessableError(f"there is no element {name[:64]} there", where=where, cure=f"see the elements of {of}")


def _shaped(of: str, given: Any) -> Any:
    """A value given in parts, with what repeats as lists and what does not as single values."""
    if not (isinstance(given, dict) and given and all(isinstance(v, list) for v in given.values())):
        return given
    made: dict[str, Any] = {}
    for name, values in given.items():
        element = next((e for e in structures.elements(of) if name in (e.name, *(form for form, _ in e.forms()))), None)
        if element is None:
            made[name] = values
            continue
        inner = [_shaped(element.types[0], v) for v in values]
        made[name] = inner if element.many else inner[0]
    return made


def _last_name(path: str) -> str:
    return re.sub(r"\.(?:ofType|as)\(\w+\)$", "", path).rpartition(".")[2]


def _tidy(value: Any) -> None:
    """Leave out lists and objects that a deletion left empty (R4 §2.6.2: there are none in JSON)."""
    for key, inner in list(value.items()) if isinstance(value, dict) else []:
        if isinstance(inner, dict):
            _tidy(inner)
        elif isinstance(inner, list):
            for item in inner:
                _tidy(item)
            inner[:] = [item for item in inner if item != {}]
        if inner in ({}, []):
            del value[key]
