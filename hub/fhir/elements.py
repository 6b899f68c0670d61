"""A part of a resource: what ``_summary`` and ``_elements`` ask for, marked as such.

R4 §3.1.1.5.8 and §3.1.1.5.9 (http://hl7.org/fhir/R4/search.html#summary).  The octets of what is kept are
those that are stored, so that 5.270 stays 5.270; nothing is written anew but ``meta``, which gets the tag
SUBSETTED.  What makes the rest mean something else (``implicitRules``, ``modifierExtension``) and what has
to be there always stays.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Final

from hub.errors import InvalidError
from hub.fhir import structures
from hub.fhir.jsontext import items, join, members
from hub.fhir.structures import Element

_ALWAYS: Final = frozenset({"resourceType", "id", "meta", "implicitRules", "modifierExtension"})
_INSIDE: Final = frozenset({"id", "extension", "modifierExtension"})  # of an element that is kept
_CODE: Final = b'"SUBSETTED"'
_TAG: Final = (
    b'{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED","display":"subsetted"}'
)


def summary(json: bytes, mode: str) -> bytes:
    """The part of a resource that a summary shows.

    :param json: the resource as it is stored: without white space between its tokens.
    :param mode: ``true``: what R4 marks as summary, at every level; ``text``: narrative and what has to be
        there; ``data``: all but the narrative; ``count``: nothing of a resource, so it is marked and empty;
        ``false``: all of it.
    :raises InvalidError: for another mode, and for what is no resource of R4.
    """
    if mode == "false":
        return json
    parts = members(json)
    kind = _kind(parts)
    if mode == "data":
        kept = {name: text for name, text in parts.items() if name != "text"}
    elif mode == "text":
        kept = _with_contained(parts, _named(parts, kind, {"text"}))
    elif mode == "count":
        kept = {name: text for name, text in parts.items() if name in ("resourceType", "id", "meta")}
    elif mode == "true":
        if not _told(kind):
            return json
        kept = _with_contained(parts, _marked(parts, kind))
    else:
        cure = "take true, text, data, count or false"
        raise InvalidError("no such summary", where="http._summary", cure=cure, code="value")
    return _tagged(kept)


def only(json: bytes, names: Iterable[str]) -> bytes:
    """The elements of a resource that are named, and those that have to be there.

    :param json: the resource as it is stored.
    :param names: elements of the root: ``name`` or ``Patient.name``; a choice by its name (``value``,
        ``value[x]``) or by one of its forms (``valueQuantity``).  Names the type does not have are passed over:
        a search over several types names elements of some.
    :raises InvalidError: for what is no resource of R4.
    """
    parts = members(json)
    kind = _kind(parts)
    asked = {name.removeprefix(f"{kind}.").removesuffix("[x]") for name in names}
    return _tagged(_with_contained(parts, _named(parts, kind, asked)))


def _kind(parts: dict[str, bytes]) -> str:
    kind = parts.get("resourceType", b"")[1:-1].decode()
    if kind not in structures.resource_types():
        raise InvalidError("not a resource of R4", where="resourceType", cure="name one", code="structure")
    return kind


def _named(parts: dict[str, bytes], kind: str, asked: set[str]) -> dict[str, bytes]:
    known = _by_key(kind)
    kept = {}
    for name, text in parts.items():
        key = name.removeprefix("_")
        element = known.get(key)
        needed = element is not None and (element.least or element.name in asked)
        if needed or key in _ALWAYS or key in asked:
            kept[name] = text
    return kept


@cache
def _by_key(structure: str) -> dict[str, Element]:
    return {key: element for element in structures.elements(structure) for key, _ in element.forms()}


@cache
def _type_of(structure: str, key: str) -> str:
    return dict(_by_key(structure)[key].forms())[key]


@cache
def _told(kind: str) -> bool:
    """Whether it is known what belongs to the summary of a type."""
    own = len(structures.elements("DomainResource" if _is_domain(kind) else "Resource"))
    return any(element.summary for element in structures.elements(kind)[own:])


def _is_domain(kind: str) -> bool:
    return "contained" in _by_key(kind)


def _marked(parts: dict[str, bytes], structure: str) -> dict[str, bytes]:
    """The members that are marked as summary, and what is marked inside them."""
    known = _by_key(structure)
    kept = {}
    for name, text in parts.items():
        key = name.removeprefix("_")
        element = known.get(key)
        if key in _ALWAYS or (element is not None and (element.summary or element.least)):
            shown = text if element is None or name != key else _inside(text, _type_of(structure, key))
            if shown:
                kept[name] = shown
            elif element is not None and element.least:
                kept[name] = text  # nothing in it is marked, and it has to be there
    return kept


def _inside(text: bytes, kind: str) -> bytes:
    """What a summary shows of one value, or of a list of values; nothing, when nothing in it is marked."""
    if _whole(kind):
        return text
    if text.startswith(b"["):
        shown = [part for part in (_inside(item, kind) for item in items(text)) if part]
        return b"[" + b",".join(shown) + b"]" if shown else b""
    if not text.startswith(b"{"):
        return text
    parts = members(text)
    if structures.is_resource(kind):
        return b"{" + join(_with_contained(parts, _marked(parts, _kind(parts)))) + b"}"
    within = {name: part for name, part in parts.items() if name in _INSIDE}
    kept = {**_marked(parts, kind), **within}
    return b"{" + join(kept) + b"}" if kept else b""


@cache
def _whole(kind: str) -> bool:
    """Whether all of a type is marked, so that there is no need to look inside."""
    return _all_marked(kind, frozenset())


def _all_marked(kind: str, above: frozenset[str]) -> bool:
    if kind in structures.PRIMITIVES or kind in above or kind == "Extension":
        return True
    if structures.is_resource(kind):
        return False
    return all(
        element.name in _INSIDE
        or ((element.summary or element.least) and all(_all_marked(t, above | {kind}) for t in element.types))
        for element in structures.elements(kind)
    )


def _with_contained(parts: dict[str, bytes], kept: dict[str, bytes]) -> dict[str, bytes]:
    """What is kept, and the contained resources when something of it refers to one (R4 §2.3.0.5.3: such a
    reference has to resolve)."""
    if "contained" not in parts or not any(b'"reference":"#' in text for text in kept.values()):
        return kept
    return {name: kept.get(name, text) for name, text in parts.items() if name in kept or name == "contained"}


def _tagged(parts: dict[str, bytes]) -> bytes:
    """The JSON of the members, with the tag that tells of a part."""
    meta = members(parts["meta"]) if "meta" in parts else {}
    tags = meta.get("tag", b"[]")
    if _CODE not in tags:
        meta["tag"] = tags[:-1] + (b"," if len(tags) > 2 else b"") + _TAG + b"]"
    head: dict[str, bytes] = {name: parts[name] for name in ("resourceType", "id") if name in parts}
    return (
        b"{"
        + join({**head, "meta": b"{" + join(meta) + b"}", **{n: t for n, t in parts.items() if n != "meta"}})
        + b"}"
    )
