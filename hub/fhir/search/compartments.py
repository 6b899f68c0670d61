"""Compartments: what belongs to a patient, an encounter, a practitioner, a related person, a device.

R4 §5.1 (CompartmentDefinition) and the five definitions of R4, as ``compartments.csv``: for each type the
parameters through which it belongs; ``{def}`` is the resource of the compartment itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from hub.fhir.search.table import params, rows

ITSELF = "{def}"


@cache
def compartments() -> Mapping[str, Mapping[str, tuple[str, ...]]]:
    """Compartment -> type of resource -> parameters through which one belongs."""
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for row in rows("compartments.csv"):
        found.setdefault(row["compartment"], {})[row["type"]] = tuple(row["params"].split("|"))
    return found


@cache
def membership(compartment: str, kind: str) -> tuple[tuple[int, ...], bool] | None:
    """(numbers of the reference parameters, whether the resource itself belongs); None when none ever do."""
    names = compartments().get(compartment, {}).get(kind)
    if names is None:
        return None
    return tuple(n for name in names if name != ITSELF for n in params(kind)[name].ids), ITSELF in names
