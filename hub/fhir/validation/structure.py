"""The tables of R4, compiled: one function per type that says what is wrong with a value of it.

R4 §2.6.2 (JSON): names, cardinality, choice types, arrays and their nulls, primitive elements and their
``_name`` siblings, empty objects; §2.1.0.3 (ele-1), §2.4 (ext-1) and the invariants of
:mod:`hub.fhir.validation.rules`.  A type is compiled when the first value of it is met; types refer to one
another, so each function closes over a table that is filled afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from threading import RLock
from typing import Any

from hub.fhir.validation.finding import Check, Context, Found, error, under
from hub.fhir.validation.narrative import narrative
from hub.fhir.validation.primitives import PLAIN, PRIMITIVES, REPEATED
from hub.fhir.validation.references import reference
from hub.fhir.validation.rules import RULES, Rule, choice
from hub.fhir.validation.tables import Element, elements, resource_types
from hub.fhir.validation.values import (
    absolute,
    bound,
    coded,
    many,
    many_primitives,
    primitive,
    remembering,
    siblings,
    text,
)

Parent = dict[str, Any]
_SHARED_KEYS = {"par-1": "inv-1", "tsk-1": "inv-1"}  # the published key of a rule that was renamed
# Elements whose URI must be absolute: R4 §2.24.0.6 (Coding), §2.24.0.10 (Identifier).
_ABSOLUTE = {"Coding.system", "Identifier.system", "Quantity.system"}
# Data types that are BackboneElements: R4 §2.24, §2.28.
_BACKBONES = {
    "Dosage", "ElementDefinition", "MarketingStatus", "Population", "ProdCharacteristic", "ProductShelfLife",
    "SubstanceAmount", "Timing",
}  # fmt: skip
_ELEMENT: tuple[Element, tuple[Element, ...]] = (Element("Element", 0, "*", ("",), frozenset(), "", ()), ())

_TEXTS = ("string", "markdown")

_compiled: dict[str, Check] = {}
_making: dict[str, Check] = {}  # those whose fields are not all there yet
_lock = RLock()
_resource: list[Check] = []  # how a resource inside another one is checked; set by the module that knows


def resources_are_checked_by(check: Check) -> None:
    """Set the function for ``contained``, ``Bundle.entry.resource`` and ``Parameters.parameter.resource``."""
    _resource[:] = [check]


def compiled(path: str) -> Check:
    """The check of a type or part, such as ``Patient`` or ``Patient.contact``.

    :raises KeyError: when R4 has no table of it.
    """
    known = _compiled.get(path)
    return known if known is not None else _finished(path)


def _finished(path: str) -> Check:
    """Compile a type and all it refers to; other threads see them when all are whole."""
    with _lock:
        outermost = not _making
        try:
            made = _making.get(path) or _compile(path)
            if outermost:
                _compiled.update(_making)
        finally:
            if outermost:
                _making.clear()
    return made


def _compile(path: str) -> Check:
    own, below = elements(path.partition(".")[0])[path] if path != "Element" else _ELEMENT
    fields: dict[str, Check] = {}
    labels: dict[str, str] = {}
    groups: list[tuple[str, frozenset[str], bool]] = []
    required = frozenset(row.name for row in below if row.min and not row.name.endswith("[x]"))
    rules = tuple((key, RULES[key]) for key in own.rules)
    check = _object(path, fields, labels, required, groups, rules)
    # Known before its fields are, for they may hold it again (Extension in Extension, item in item).
    _making[path] = check
    for row in below:
        name = row.name
        if not name.endswith("[x]"):
            _add(fields, row, name, row.types[0], path)
            continue
        stem, members = name[:-3], set()
        for kind_of in row.types:
            member = f"{stem}{kind_of[0].upper()}{kind_of[1:]}"
            _add(fields, row, member, kind_of, path)
            labels[member] = f".{stem}.ofType({kind_of})"
            members |= {member, f"_{member}"} if f"_{member}" in fields else {member}
        groups.append((stem, frozenset(members), bool(row.min)))
    _everywhere(fields, own)
    for name in fields:
        plain = name.lstrip("_")
        labels.setdefault(name, labels.get(plain, f".{plain}"))
    return check


def _is_resource(name: str) -> bool:
    return name in resource_types()


def _everywhere(fields: dict[str, Check], own: Element) -> None:
    """What every element, part and resource has."""
    extensions = many(_extension(outside=own.path != "Extension"))
    if _is_resource(own.path):
        fields["resourceType"] = _nothing_wrong
        fields["id"] = primitive(*PRIMITIVES["id"])
        if "text" in fields:
            fields["extension"] = fields["modifierExtension"] = extensions
        return
    fields["id"] = primitive(_element_id, "a text without spaces")
    fields["extension"] = extensions
    if own.types[0] == "BackboneElement" or own.path in _BACKBONES:
        fields["modifierExtension"] = extensions


def _element_id(value: Any) -> bool:
    return isinstance(value, str) and value != "" and not any(c.isspace() for c in value)


def _nothing_wrong(_value: Any, _context: Context, _parent: Parent) -> None:
    return None


def _add(fields: dict[str, Check], row: Element, name: str, kind: str, path: str) -> None:
    if kind in PRIMITIVES:
        one = (
            coded(row, kind) if row.codes else text if kind in _TEXTS else primitive(*PRIMITIVES[kind], PLAIN.get(kind))
        )
        if f"{path}.{name}" in _ABSOLUTE:
            one = absolute(one)
        if kind in REPEATED and not row.codes:
            one = remembering(one)
        if kind != "System.String":
            fields[f"_{name}"] = siblings(name, compiled("Element")) if row.max == "*" else compiled("Element")
        fields[name] = many_primitives(name, one) if row.max == "*" else one
        return
    one = _of_type(row, kind)
    if row.rules:
        one = _with_rules(one, tuple((key, RULES[key]) for key in row.rules)) if not _is_part(kind) else one
    if row.codes and kind == "CodeableConcept":
        one = bound(one, row.codes)
    fields[name] = many(one) if row.max == "*" else one


def _is_part(kind: str) -> bool:
    return kind in ("BackboneElement", "Element")  # its rules are compiled with it


def _of_type(row: Element, kind: str) -> Check:
    if kind.startswith("#"):
        return compiled(kind[1:])
    if _is_part(kind):
        return compiled(row.path)
    if kind == "xhtml":
        return narrative
    if kind == "Reference":
        return reference(compiled(kind), row.targets)
    if kind == "Resource" or _is_resource(kind):
        return _inner(kind)
    return compiled(kind)


def _inner(kind: str) -> Check:
    """A resource inside a resource; of one type when ``kind`` is not ``Resource``."""

    def check(value: Any, context: Context, parent: Parent) -> Found | None:
        if kind != "Resource" and isinstance(value, dict) and value.get("resourceType") != kind:
            return error("structure", f"is a resource of type {kind}")
        return _resource[0](value, context, parent)

    return check


def _extension(*, outside: bool) -> Check:
    """An extension: a value or extensions (ext-1), and a url that is absolute outside of other extensions."""
    whole = compiled("Extension")
    address = remembering(absolute(_nothing_wrong)) if outside else _nothing_wrong

    def check(value: Any, context: Context, parent: Parent) -> Found | None:
        found = whole(value, context, parent)
        if found is not None:
            return found
        # Beside the url stands one thing, that is no id: the usual case, and a sound one.
        if (len(value) != 2 or "id" in value) and ("extension" in value) == choice("value", value):
            return error("invariant", "ext-1: has a value or extensions, one of the two")
        found = address(value["url"], context, value)
        return found and under(".url", found, None)

    return check


def _with_rules(one: Check, rules: Sequence[tuple[str, Rule]]) -> Check:
    """Rules that hold for the elements of one place, beside those of their type."""

    def check(value: Any, context: Context, parent: Parent) -> Found | None:
        found = one(value, context, parent)
        return found if not isinstance(value, dict) else _broken(rules, value, found)

    return check


def _broken(rules: Sequence[tuple[str, Rule]], value: Parent, found: Found | None) -> Found | None:
    for key, rule in rules:
        if not rule.holds(value):
            what = f"{_SHARED_KEYS.get(key, key)}: {rule.what}"
            found = under("", [("", rule.severity, "invariant", what)], found)
    return found


def _object(
    path: str,
    fields: dict[str, Check],
    labels: dict[str, str],
    required: frozenset[str],
    groups: list[tuple[str, frozenset[str], bool]],
    rules: Sequence[tuple[str, Rule]],
) -> Check:
    """The check of an object; ``fields``, ``labels`` and ``groups`` are filled after it is made."""
    field: Callable[[str], Check | None] = fields.get
    tests = tuple(rule.holds for _, rule in rules)

    def check(value: Any, context: Context, _parent: Parent) -> Found | None:
        if not isinstance(value, dict):
            return error("structure", "repeats no more: write the object itself" if isinstance(value, list) else
                         "is null: leave the element out" if value is None else "is an object: {...}")  # fmt: skip
        found = None
        for name, item in value.items():
            one = field(name)
            if one is None:
                found = under(_step(name), _unknown(name, fields, path), found)
                continue
            wrong = one(item, context, value)
            if wrong is not None:
                found = under(labels[name], wrong, found)
        if len(value) < 2 and (not value or "id" in value):
            found = under("", error("invariant", "ele-1: has neither a value nor children: leave it out"), found)
        if required and not value.keys() >= required:
            found = _missing(required, value, found)
        for stem, members, needed in groups:
            there = members.intersection(value)
            if (len(there) > 1) if there else needed:
                found = _chosen(stem, there, found)
        for holds in tests:
            if not holds(value):
                return _broken(rules, value, found)
        return found

    return check


def _step(name: str) -> str:
    """A name as a step of a path; what a hostile sender wrote is cut and made printable."""
    shown = "".join(c if c.isalnum() or c in "_-" else "?" for c in name[:40])
    return f".{shown}"


def _unknown(name: str, fields: dict[str, Check], path: str) -> Found:
    near = get_close_matches(name[:64], [f for f in fields if f[0] != "_"], 1)
    cure = f"did you mean {near[0]}?" if near else "take it out, or write it as an extension"
    return error("structure", f"is no element of {path}: {cure}")


def _missing(required: frozenset[str], value: Parent, found: Found | None) -> Found | None:
    for name in sorted(required):
        if name not in value and f"_{name}" not in value:
            found = under(f".{name}", error("required", "is required: add it"), found)
    return found


def _chosen(stem: str, there: frozenset[str], found: Found | None) -> Found | None:
    """A required choice element that is missing, or one that may be of several types at once."""
    plain = {name.lstrip("_") for name in there}
    if not plain:
        return under(f".{stem}", error("required", f"is required: add {stem} and its type"), found)
    if len(plain) == 1:
        return found
    return under(f".{stem}", error("structure", f"has one type: keep one of {', '.join(sorted(plain))}"), found)
