"""One resource, whatever stands around it: its type, what it contains, and Bundles.

R4 §2.1.0.3 (DomainResource: dom-2 to dom-5), §2.3.0.3 (contained resources), §2.36 (Bundle: entries of any
type, fullUrl, references that must be answered inside documents and transactions).  dom-6, which wishes a
narrative for every resource, is left out: resources of the hub are made for programs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hub.fhir.validation.finding import Context, Found, error, under
from hub.fhir.validation.primitives import is_absolute
from hub.fhir.validation.rules import objects
from hub.fhir.validation.structure import compiled, resources_are_checked_by
from hub.fhir.validation.tables import has_table, resource_types

_NO_CONTEXT: dict[str, str] = {}
# What a document must carry with its Composition: R4 §3.3.1.
_DOCUMENT = ("subject", "encounter", "author", "custodian")


def whole(resource: Any, bundle: Mapping[str, str] | None = None) -> Found | None:
    """What is wrong with a resource that stands by itself or in a Bundle; paths begin below its type."""
    if not isinstance(resource, dict):
        return error("structure", "is a resource: an object with a resourceType")
    inside = resource.get("contained")
    context = Context(_ids(inside) if inside is not None else _NO_CONTEXT, bundle)
    if resource.get("resourceType") == "Bundle":
        context.bundle = answered(resource)
    found = _typed(resource, context)
    return found if inside is None else _contained(resource, inside, found)


def _typed(resource: dict[str, Any], context: Context) -> Found | None:
    kind = resource.get("resourceType")
    if not isinstance(kind, str) or kind not in resource_types():
        what = "is required: add the type of the resource" if kind is None else "is no type of resource of R4"
        return error("structure", what, ".resourceType")
    if not has_table(kind):
        return [("", "warning", "not-supported", f"{kind} is not checked: the hub has no table of it")]
    found = compiled(kind)(resource, context, resource)
    return _bundle(resource, context, found) if kind == "Bundle" else found


def _within(resource: Any, context: Context, parent: dict[str, Any]) -> Found | None:
    """A resource in another one: contained shares the context, an entry of a Bundle has its own."""
    if parent.get("resourceType") is None:  # Bundle.entry, Parameters.parameter
        return whole(resource, context.bundle)
    if not isinstance(resource, dict):
        return error("structure", "is a resource: an object with a resourceType")
    context.inside = True
    found = _typed(resource, context)
    context.inside = False
    return found


resources_are_checked_by(_within)


# ------------------------------------------------------------------------------------------------- contained


def _ids(contained: Any) -> dict[str, str]:
    return {str(c["id"]): str(c.get("resourceType", "")) for c in objects(contained) if "id" in c}


def _contained(resource: dict[str, Any], contained: Any, found: Found | None) -> Found | None:
    used = set(_fragments(resource))
    seen: set[str] = set()
    for index, one in enumerate(contained if isinstance(contained, list) else ()):
        if not isinstance(one, dict):
            continue
        step, meta = f".contained[{index}]", one.get("meta")
        if "contained" in one:
            found = under(step, error("invariant", "dom-2: holds contained resources: move them beside it"), found)
        name = one.get("id")
        if not (isinstance(name, str) and f"#{name}" in used) and "#" not in set(_fragments(one)):
            what = "dom-3: nothing refers to it by #id: refer to it, or take it out"
            found = under(step, error("invariant", what), found)
        if isinstance(meta, dict) and {"versionId", "lastUpdated"} & meta.keys():
            found = under(step, error("invariant", "dom-4: has no version of its own: take it out", ".meta"), found)
        if isinstance(meta, dict) and "security" in meta:
            found = under(step, error("invariant", "dom-5: has no security label of its own", ".meta"), found)
        if isinstance(name, str) and name in seen:
            found = under(step, error("duplicate", "another contained resource has this id", ".id"), found)
        seen.add(str(name))
    return found


def _fragments(value: Any) -> Iterator[str]:
    """All texts that begin with # where a reference, canonical or URI may stand."""
    waiting = [value]
    while waiting:
        at = waiting.pop()
        if isinstance(at, dict):
            waiting += at.values()
        elif isinstance(at, list):
            waiting += at
        elif isinstance(at, str) and at[:1] == "#":
            yield at


# --------------------------------------------------------------------------------------------------- Bundles


def answered(bundle: dict[str, Any]) -> Mapping[str, str]:
    """What a reference inside the Bundle may say -> the type it then means: fullUrls, and Type/id."""
    found: dict[str, str] = {}
    for entry in objects(bundle.get("entry")):
        resource = entry.get("resource")
        if not isinstance(resource, dict):
            continue
        kind = str(resource.get("resourceType", ""))
        url = entry.get("fullUrl")
        if isinstance(url, str):
            found[url] = kind
            if "://" in url:
                found["/".join(url.rsplit("/", 2)[-2:])] = kind
        if isinstance(name := resource.get("id"), str):
            found[f"{kind}/{name}"] = kind
    return found


def _bundle(bundle: dict[str, Any], context: Context, found: Found | None) -> Found | None:
    for index, entry in enumerate(objects(bundle.get("entry"))):
        step = f".entry[{index}].fullUrl"
        url, resource = entry.get("fullUrl"), entry.get("resource")
        if not isinstance(url, str):
            continue
        if not is_absolute(url):
            found = under(step, error("value", "is an absolute URL or a urn:uuid:"), found)
        name = resource.get("id") if isinstance(resource, dict) else None
        if isinstance(name, str) and "://" in url and url.rsplit("/", 1)[-1] != name:
            found = under(step, error("invariant", "does not end with the id of its resource"), found)
    if bundle.get("type") == "document":
        found = _document(bundle, context.bundle or {}, found)
    return found


def _document(bundle: dict[str, Any], known: Mapping[str, str], found: Found | None) -> Found | None:
    """All that a Composition names directly is in the document."""
    entries = objects(bundle.get("entry"))
    composition = entries[0].get("resource") if entries else None
    if not isinstance(composition, dict) or composition.get("resourceType") != "Composition":
        return found  # bdl-11 has said so
    for step, reference in _named(composition):
        text = reference.get("reference") if isinstance(reference, dict) else None
        if isinstance(text, str) and not text.startswith(("#", "urn:")) and text not in known:
            what = "is not in the document: add an entry with it"
            found = under(f".entry[0].resource{step}.reference", error("not-found", what), found)
    return found


def _named(composition: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name in _DOCUMENT:
        value = composition.get(name)
        for index, one in enumerate(value if isinstance(value, list) else ()):
            yield f".{name}[{index}]", one
        if isinstance(value, dict):
            yield f".{name}", value
    for index, one in enumerate(objects(composition.get("attester"))):
        yield f".attester[{index}].party", one.get("party")
    yield from _sections(composition, "", 0)


def _sections(parent: dict[str, Any], step: str, depth: int) -> Iterator[tuple[str, Any]]:
    for index, section in enumerate(objects(parent.get("section")) if depth < 32 else ()):
        here = f"{step}.section[{index}]"
        for at, entry in enumerate(objects(section.get("entry"))):
            yield f"{here}.entry[{at}]", entry
        yield from _sections(section, here, depth + 1)
