"""Base validation of a resource: names, cardinalities and types of R4.

FHIR R4 4.0.1, checked with the R4B classes of fhir.resources, which are the same for all resources the
hub makes.  It does not see bindings, invariants or targets of references.  Slow (a third of a
millisecond and more a resource): for tests, ``hub try`` and channels that ask for it.
"""

from __future__ import annotations

from typing import Any

from hub.fhir.draft import Issue


def validate(resource: dict[str, Any]) -> list[Issue]:
    """What is wrong with a resource; nothing of its values is in what is said."""
    from fhir.resources.R4B import get_fhir_model_class
    from pydantic import ValidationError

    kind = str(resource.get("resourceType", ""))
    try:
        model = get_fhir_model_class(kind)
    except (KeyError, ValueError):
        return [Issue("error", "resourceType", "not a resource of R4", "structure")]
    try:
        model.model_validate(resource)
    except ValidationError as e:
        return [_issue(kind, error["loc"], error["type"], error["msg"]) for error in e.errors(include_input=False)]
    except KeyError:  # the package looks a contained type up without asking whether it exists
        return [Issue("error", f"{kind}.contained", "not a resource of R4", "structure")]
    return []


def _issue(kind: str, loc: tuple[int | str, ...], code: str, said: str) -> Issue:
    path = kind + "".join(f"[{p}]" if isinstance(p, int) else f".{p.removesuffix('_fhir')}" for p in loc)
    # The package's own messages may quote the value; pydantic's do not.
    what = "not a valid value" if code in ("value_error", "assertion_error") else said
    return Issue("error", path, what, "required" if code == "missing" else "structure")
