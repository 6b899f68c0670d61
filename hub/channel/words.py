"""Turns what pydantic says of a value into a finding: where, what, and what to write."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from hub.channel.loader import Document, Place

# pydantic's error type -> our words; {..} come from its context.
_WORDS = {
    "bool_parsing": "is true or false",
    "bool_type": "is true or false",
    "int_parsing": "is a whole number",
    "int_type": "is a whole number",
    "int_from_float": "is a whole number",
    "float_parsing": "is a number",
    "float_type": "is a number",
    "string_type": "is a text: put it in quotes",
    "string_too_short": "has at least {min_length} character(s)",
    "string_too_long": "has at most {max_length} characters",
    "list_type": "is a list: [one, two]",
    "dict_type": "is a mapping: {{name: value}}",
    "model_type": "is a mapping: {{name: value}}",
    "model_attributes_type": "is a mapping: {{name: value}}",
    "too_short": "has at least {min_length} item(s)",
    "greater_than_equal": "is at least {ge}",
    "greater_than": "is more than {gt}",
    "less_than_equal": "is at most {le}",
    "less_than": "is less than {lt}",
    "literal_error": "is {expected}",
    "enum": "is {expected}",
}
_NAMES = r"^[a-z][a-z0-9-]{0,62}$"


def tell(document: Document, error: ValidationError, model: type[BaseModel], base: Place = ()) -> None:
    """Add what ``error`` says of the value at ``base`` to the findings of its document."""
    seen: set[Place] = set()
    for one in error.errors(include_url=False, include_input=False):
        place, kind, context = _real(document, base, one["loc"]), one["type"], one.get("ctx", {})
        if kind == "missing":
            place = (*place, str(one["loc"][-1]))
        if place in seen:
            continue  # the other branches of a union
        seen.add(place)
        name = dotted(place)
        if kind == "missing":
            document.find("C102", place[:-1], f"{name} is missing", _describe(model, one["loc"]), key=True)
        elif kind == "extra_forbidden":
            where = fields(model, one["loc"][:-1])
            document.find("C101", place, f"unknown setting {name}", nearest(str(one["loc"][-1]), where), key=True)
        elif kind == "string_pattern_mismatch" and context.get("pattern") == _NAMES:
            document.find("C103", place, f"{name} has small letters, digits and hyphens, and starts with a letter")
        elif kind == "value_error":
            document.find("C103", place, f"{name}: {context['error']}")
        elif kind in _WORDS:
            document.find("C103", place, f"{name} {_WORDS[kind].format(**context)}")
        else:
            document.find("C103", place, f"{name}: {one['msg'][:1].lower()}{one['msg'][1:]}")


def nearest(name: str, among: list[str]) -> str:
    """The cure for a wrong name: the nearest right one, or all of them."""
    near = get_close_matches(name, among, 1)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"known here: {', '.join(sorted(among))}" if among else "it takes no settings"


def dotted(place: Place) -> str:
    """``source.mllp.port``, ``deliver[1].when``."""
    out = ""
    for part in place:
        out += f"[{part}]" if isinstance(part, int) else f".{part}" if out else part
    return out or "the file"


def fields(model: Any, loc: tuple[Any, ...]) -> list[str]:
    """The settings that may stand in the part of a model that ``loc`` leads to."""
    for part in loc:
        if isinstance(part, str) and isinstance(model, type) and issubclass(model, BaseModel):
            step = next((f for n, f in model.model_fields.items() if part in (n, f.alias)), None)
            if step is None:
                continue  # the tag of a union
            model = next(_models(step.annotation), None)
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return []
    return [field.alias or name for name, field in model.model_fields.items()]


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)


def _describe(model: type[BaseModel], loc: tuple[Any, ...]) -> str:
    field = model.model_fields.get(str(loc[0])) if len(loc) == 1 else None
    return re.sub(r"\s+", " ", field.description or "") if field else ""


def _real(document: Document, base: Place, loc: tuple[Any, ...]) -> Place:
    """The place in the file: pydantic's, without the names of union branches."""
    place = base
    for part in loc:
        if (*place, part) in document.values:
            place = (*place, part)
    return place
