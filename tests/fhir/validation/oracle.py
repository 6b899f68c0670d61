"""fhir.resources R4B as an independent judge of structure, cardinality and types.

It does not see required codes, invariants, targets of references, empty arrays, blank texts and more;
:data:`KNOWN` lists, with the reason, where it refuses what R4 allows.
"""

from __future__ import annotations

from typing import Any

# what it says of a resource that is sound -> why R4 disagrees
KNOWN = {
    "extra_forbidden:valueMeta": "R4 has Extension.valueMeta, R4B has not",
}


def refused(resource: dict[str, Any]) -> list[str]:
    """``type:last place`` of each error, without those that are known to be wrong."""
    from fhir.resources.R4B import get_fhir_model_class
    from pydantic import ValidationError

    try:
        get_fhir_model_class(str(resource.get("resourceType"))).model_validate(resource)
    except ValidationError as e:
        said = [f"{one['type']}:{one['loc'][-1] if one['loc'] else ''}" for one in e.errors(include_input=False)]
        return [one for one in said if one not in KNOWN]
    except (KeyError, ValueError, TypeError, AttributeError) as e:  # it fails rather than refuse
        return [type(e).__name__]
    return []
