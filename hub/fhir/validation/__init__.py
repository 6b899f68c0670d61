"""Base validation of FHIR R4 (4.0.1), compiled from tables: microseconds a resource, no model classes.

R4 §2.1-§2.6: structure, cardinality, types and their grammars, choice types, required codes, targets of
references, extensions, contained resources, narratives, Bundles and invariants.  What needs a terminology
server (extensible and preferred bindings, displays) is not judged here.

Nothing is loaded before the first resource is checked, and of the tables only the types that occur are
compiled.
"""

from __future__ import annotations

from typing import Any

from hub.fhir.draft import Issue

_TOO_DEEP = "nested too deeply: no resource of R4 needs it"


def validate(resource: Any) -> list[Issue]:
    """What is wrong with a parsed resource, in the order of its elements; nothing of its values is told."""
    from hub.fhir.validation.resource import whole

    kind = resource.get("resourceType") if isinstance(resource, dict) else None
    root = kind if isinstance(kind, str) and kind.isalpha() and len(kind) < 65 else "Resource"
    try:
        found = whole(resource)
    except RecursionError:
        return [Issue("error", root, _TOO_DEEP, "too-long")]
    if found is None:
        return []
    return [Issue(severity, root + below, what, code) for below, severity, code, what in found]


def validate_bytes(body: bytes) -> list[Issue]:
    """The same of JSON octets, which also show doubled names and how deep and large they are."""
    from hub.errors import ParseError, TooLargeError
    from hub.fhir.validation.reading import read

    try:
        value = read(body)
    except (ParseError, TooLargeError) as e:
        where = f" at {e.where}" if e.where else ""
        return [Issue("error", "Resource", f"{e.what}{where}: {e.cure}", e.code)]
    return validate(value)
