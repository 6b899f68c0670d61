"""Checks of values: primitives, codes of required value sets, and the arrays they may stand in.

R4 §2.24 (primitives), §4.1 (bindings), §2.6.2.3 (arrays of primitives and their ``_name`` siblings).
"""

from __future__ import annotations

from typing import Any

from hub.fhir.validation.finding import Check, Context, Found, error, under
from hub.fhir.validation.primitives import GRAMMARS, MAX_STRING, PRIMITIVES, REMEMBERED, Match, Test, is_absolute
from hub.fhir.validation.tables import Element, codes

Parent = dict[str, Any]


def primitive(test: Test, shape: str, plain: Match | None = None) -> Check:
    """:param plain: a pattern that most values of the type fit, and no value of another type."""
    what = f"is {shape}"
    if plain is not None:
        usual = plain

        def quick(value: Any, _context: Context, _parent: Parent) -> Found | None:
            if (isinstance(value, str) and usual(value)) or test(value):
                return None
            return error(*misfit(value, what))

        return quick

    def check(value: Any, _context: Context, _parent: Parent) -> Found | None:
        if test(value):
            return None
        return error(*misfit(value, what))

    return check


def text(value: Any, _context: Context, _parent: Parent) -> Found | None:
    """A string or markdown: the most frequent of all, so spelled out."""
    if isinstance(value, str) and value.isprintable() and value and not value.isspace() and len(value) <= MAX_STRING:
        return None
    test, shape = PRIMITIVES["string"]
    return None if test(value) else error(*misfit(value, f"is {shape}"))


def remembering(one: Check) -> Check:
    """A check that knows the values it has seen to be sound, a bounded number of short ones."""
    known: set[str] = set()

    def check(value: Any, context: Context, parent: Parent) -> Found | None:
        if isinstance(value, str) and value in known:
            return None
        found = one(value, context, parent)
        if found is None and len(value) < 200:
            if len(known) >= REMEMBERED:
                known.clear()
            known.add(value)
        return found

    return check


def misfit(value: Any, what: str) -> tuple[str, str]:
    """The issue code and the words for a value that is no primitive of its type."""
    if isinstance(value, list):
        return "structure", "stands once: write the value itself, not an array"
    if value is None:
        return "structure", "is null: leave the element out"
    if value == "":
        return "value", "is empty: leave the element out"
    return "value", what


def coded(row: Element, kind: str) -> Check:
    """A code of a required value set."""
    if row.codes in GRAMMARS:
        test, shape = GRAMMARS[row.codes]
        return primitive(test, shape)
    allowed = frozenset(code for _, code in codes()[row.codes])
    some = ", ".join(sorted(allowed)) if len(allowed) < 20 else f"a code of {row.codes}"
    well_formed = PRIMITIVES[kind][0]

    def check(value: Any, _context: Context, _parent: Parent) -> Found | None:
        if isinstance(value, str) and value in allowed:
            return None
        if not well_formed(value):
            return error(*misfit(value, f"is one of {some}"))
        return error("code-invalid", f"is no code of the required value set {row.codes}: one of {some}")

    return check


def absolute(one: Check) -> Check:
    def check(value: Any, context: Context, parent: Parent) -> Found | None:
        found = one(value, context, parent)
        if found is None and not is_absolute(value):
            return error("value", "is an absolute URI (http://..., urn:oid:...), not a name or a relative one")
        return found

    return check


def bound(one: Check, value_set: str) -> Check:
    """A CodeableConcept of a required value set: one of its codings is in it (R4 §4.1.3)."""
    allowed = codes()[value_set]
    some = ", ".join(sorted(code for _, code in allowed))
    system = " or ".join(sorted({system for system, _ in allowed}))

    def check(value: Any, context: Context, parent: Parent) -> Found | None:
        found = one(value, context, parent)
        if found is None and not any(
            (c.get("system"), c.get("code")) in allowed for c in value.get("coding", ()) if isinstance(c, dict)
        ):
            return error("code-invalid", f"needs a coding of the required value set {value_set}: {system}, {some}")
        return found

    return check


def many(one: Check) -> Check:
    """An element that repeats."""

    def check(value: Any, context: Context, parent: Parent) -> Found | None:
        if not isinstance(value, list):
            return error("structure", "repeats: write an array, even of one")
        if not value:
            return error("structure", "is an empty array: leave the element out")
        found = None
        for index, item in enumerate(value):
            wrong = one(item, context, parent)
            if wrong is not None:
                found = under(f"[{index}]", wrong, found)
        return found

    return check


def many_primitives(name: str, one: Check) -> Check:
    """A primitive that repeats: null where only its extensions are told (R4 §2.6.2.3)."""
    sibling = f"_{name}"

    def check(value: Any, context: Context, parent: Parent) -> Found | None:
        if not isinstance(value, list):
            return error("structure", "repeats: write an array, even of one")
        if not value:
            return error("structure", "is an empty array: leave the element out")
        found = None
        for index, item in enumerate(value):
            if item is None and _at(parent.get(sibling), index) is not None:
                continue
            wrong = one(item, context, parent)
            if wrong is not None:
                found = under(f"[{index}]", wrong, found)
        return found

    return check


def _at(items: Any, index: int) -> Any:
    return items[index] if isinstance(items, list) and index < len(items) else None


def siblings(name: str, element: Check) -> Check:
    """``_name`` of a primitive that repeats: as long as the values, null where there is nothing to tell."""

    def check(value: Any, context: Context, parent: Parent) -> Found | None:
        if not isinstance(value, list) or not value:
            return error("structure", f"_{name} is an array as long as {name}")
        values = parent.get(name)
        if isinstance(values, list) and len(values) != len(value):
            return error("structure", f"_{name} is as long as {name}: write null where there is nothing to tell")
        found = None
        for index, item in enumerate(value):
            if item is None:
                if _at(values, index) is None:
                    found = under(f"[{index}]", error("structure", "is null, and so is its value"), found)
                continue
            wrong = element(item, context, parent)
            if wrong is not None:
                found = under(f"[{index}]", wrong, found)
        return found

    return check
