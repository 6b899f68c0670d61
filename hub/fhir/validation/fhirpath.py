"""FHIRPath expressions that are true or not of an element of a resource: invariants of profiles.

FHIRPath N1 (2.0.0) and R4 §2.9 (use in FHIR), run by fhirpathpy; an expression is parsed once.  ``resolve()``
is not known to it, so expressions that need it cannot be judged here.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

UCUM = "http://unitsofmeasure.org"


@cache
def predicate(expression: str) -> Callable[[dict[str, Any], str, dict[str, Any]], bool]:
    """A function (element, its path in the definition, resource) -> whether the expression holds.

    It holds when it is true: an empty result is not (R4 §2.28.0.5, as the validator of HL7 reads it).
    """
    from fhirpathpy import apply_parsed_path
    from fhirpathpy.engine.nodes import ResourceNode
    from fhirpathpy.models import models
    from fhirpathpy.parser import parse

    parsed, model = parse(expression), models["r4"]

    def holds(element: dict[str, Any], path: str, resource: dict[str, Any]) -> bool:
        at = ResourceNode.create_node(element, path) if "." in path else element
        names = {"resource": resource, "rootResource": resource, "ucum": UCUM}
        return apply_parsed_path(at, parsed, names, model) == [True]

    return holds
