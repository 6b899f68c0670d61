"""FHIR JSON to FHIR XML.

R4 §2.6.1: elements in the order of their definition, values in ``value``, UTF-8.  Numbers are written as the
JSON has them, digit for digit.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from decimal import Decimal
from itertools import zip_longest
from typing import Any, NoReturn

from hub.errors import HubError, InvalidError, ParseError
from hub.fhir.xml.narrative import checked
from hub.fhir.xml.plan import FHIR, MAX_DEPTH, PRIMITIVE, Plan, Spec, by_rank, plan, resource_plan

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"})
# XML 1.0 §2.2; JSON can hold these only as \u escapes, but for the last two
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Number(str):
    """A number as it is written."""

    __slots__ = ()


def to_xml(resource: bytes | str | Mapping[str, Any]) -> bytes:
    """The resource in XML.

    :param resource: octets of JSON, or what they were parsed to (a number is then written as Python does).
    :raises ParseError: when this is no JSON; InvalidError: with the path, for what R4 does not have, for a
        value of the wrong kind and for a character that XML cannot hold.
    """
    known = isinstance(resource, (bytes, str))
    found = _parsed(resource) if isinstance(resource, (bytes, str)) else resource
    out: list[str] = [_HEAD]
    try:
        _resource(out, found, f' xmlns="{FHIR}"', 0)
    except _WrongError as e:
        raise InvalidError(e.what, where=e.path(found), cure=e.cure, code="structure") from None
    text = "".join(out)
    # Control characters come out of JSON by its escapes only; without a backslash there are none.
    if (
        not known
        or (b"\\" if isinstance(resource, bytes) else "\\") in resource
        or "\ufffe" in text
        or "\uffff" in text
    ):
        _check(text)
    return text.encode()


def _parsed(octets: bytes | str) -> Any:
    try:
        return json.loads(octets, parse_float=Number, parse_int=Number, parse_constant=_constant)
    except json.JSONDecodeError as e:
        raise _no_json(e.msg, e.lineno, e.colno) from None
    except UnicodeDecodeError:
        raise _no_json("not UTF-8") from None
    except RecursionError:
        raise _no_json("nested too deep") from None


def _constant(name: str) -> NoReturn:
    raise _no_json(f"{name} is no number of JSON")


def _no_json(what: str, line: int = 1, column: int = 1) -> ParseError:
    where = f"line {line} column {column}"
    return ParseError(f"this is no JSON: {what}", where=where, cure="correct it there", code="structure")


def _check(text: str) -> None:
    bad = _NO_XML.search(text)
    if bad is not None:
        name = text[text.rfind("<", 0, bad.start()) + 1 :].partition(" ")[0]
        raise InvalidError(
            f"character U+{ord(bad[0]):04X}, which XML cannot hold", where=name, cure="take it out", code="value"
        )


class _WrongError(Exception):
    """Something that cannot be written; its place is put together on the way out."""

    def __init__(self, what: str, *steps: str | int, cure: str = "correct the resource, or ask for JSON") -> None:
        super().__init__(what)
        self.what, self.steps, self.cure = what, list(steps), cure

    def path(self, root: Any) -> str:
        kind = root.get("resourceType") if isinstance(root, Mapping) else None
        steps = (f"[{s}]" if isinstance(s, int) else f".{s[:64]}" for s in self.steps)
        return (kind if isinstance(kind, str) else "resource") + "".join(steps)


def _resource(out: list[str], found: Any, namespace: str, depth: int) -> None:
    if not isinstance(found, Mapping):
        raise _WrongError("a resource is a JSON object")
    name = found.get("resourceType")
    try:
        known = resource_plan(name)
    except HubError as e:
        raise _WrongError(e.what, "resourceType", cure=e.cure) from None
    out.append(f"<{name}{namespace}>")
    _members(out, found, known, depth + 1)
    out.append(f"</{name}>")


def _members(out: list[str], found: Mapping[str, Any], known: Plan, depth: int) -> None:
    """Write what stands inside an element, in the order of its definition."""
    if depth > MAX_DEPTH:
        raise _WrongError(f"nested deeper than {MAX_DEPTH}", cure="flatten the resource")
    keys = known.keys
    try:
        specs = [keys[key] for key in found]
    except KeyError as e:
        raise _WrongError(f"R4 has no such element in {known.name}", str(e.args[0])) from None
    specs.sort(key=by_rank)
    at: int | None = None
    for spec in specs:
        kind, key = spec.kind, spec.key
        try:
            if kind in PRIMITIVE:
                if not spec.beside:
                    value, ext = found[key], found.get(spec.under)
                elif key not in found:
                    value, ext = None, found[spec.under]
                else:
                    continue  # written with the value it stands beside
                if not spec.many:
                    _primitive(out, spec, value, ext, depth)
                    continue
                values, exts = _list(value or []), _list(ext or [])
                for at, (each, beside) in enumerate(zip_longest(values, exts)):  # noqa: B007 - told when one is wrong
                    _primitive(out, spec, each, beside, depth)
                at = None
            elif kind in ("attribute", "type"):
                continue
            elif spec.many:
                for at, each in enumerate(_list(found[key])):  # noqa: B007
                    _other(out, spec, each, depth)
                at = None
            else:
                _other(out, spec, found[key], depth)
        except _WrongError as e:
            e.steps[:0] = [key] if at is None else [key, at]
            raise


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise _WrongError("this element repeats: a list is expected")
    return value


def _other(out: list[str], spec: Spec, value: Any, depth: int) -> None:
    """Write an element that is no primitive."""
    if spec.kind == "part":
        _part(out, spec.key, value, plan(spec.structure), depth)
    elif spec.kind == "resource":
        out.append(f"<{spec.key}>")
        _resource(out, value, "", depth + 1)
        out.append(f"</{spec.key}>")
    else:
        if not isinstance(value, str):
            raise _WrongError("text is expected")
        try:
            out.append(checked(value))
        except InvalidError as e:
            raise _WrongError(e.what, cure=e.cure) from None


def _part(out: list[str], tag: str, value: Any, known: Plan, depth: int) -> None:
    if not isinstance(value, Mapping):
        raise _WrongError("an object is expected")
    head = f"<{tag}{_attribute(value, 'id')}"
    if known.url:
        head += _attribute(value, "url")
    at = len(out)
    out.append(head + ">")
    _members(out, value, known, depth + 1)
    if len(out) == at + 1:
        out[at] = head + "/>"
    else:
        out.append(f"</{tag}>")


def _attribute(value: Mapping[str, Any], name: str) -> str:
    text = value.get(name)
    if text is None:
        return ""
    if type(text) is not str:
        raise _WrongError("text is expected", name)
    return f' {name}="{_escaped(text)}"'


def _primitive(out: list[str], spec: Spec, value: Any, ext: Any, depth: int) -> None:
    """Write a primitive: its value, what stands beside it, or both."""
    if value is None:
        if ext is None:
            raise _WrongError("neither value nor extension")
        head = f"<{spec.key}"
    else:
        kind = spec.kind
        if kind == "text":
            if type(value) is not str:
                raise _WrongError("text is expected")
            text = _escaped(value)
        elif kind == "boolean":
            if value is not True and value is not False:
                raise _WrongError("true or false is expected")
            text = "true" if value else "false"
        else:
            text = _number(value)
        if ext is None:
            out.append(f'<{spec.key} value="{text}"/>')
            return
        head = f'<{spec.key} value="{text}"'
    if not isinstance(ext, Mapping):
        raise _WrongError("an object is expected beside the value")
    head += _attribute(ext, "id")
    at = len(out)
    out.append(head + ">")
    _members(out, ext, plan("Element"), depth + 1)
    if len(out) == at + 1:
        out[at] = head + "/>"
    else:
        out.append(f"</{spec.key}>")


def _number(value: Any) -> str:
    if type(value) is Number:
        return value
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool) and math.isfinite(value):
        return str(value)
    raise _WrongError("a number is expected")


def _escaped(text: str) -> str:
    """Text as an attribute holds it; line ends escaped, or a reader would make spaces of them (XML §3.3.3)."""
    if "&" in text or "<" in text or '"' in text or "\n" in text or "\r" in text or "\t" in text:
        return text.translate(_ESCAPES)
    return text
