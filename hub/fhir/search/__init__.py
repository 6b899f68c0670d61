"""Search parameters and the index rows of resources (R4 §3.1.1, §3.1.3)."""

from hub.fhir.search.plan import extract
from hub.fhir.search.table import Param, generation, params, types
from hub.fhir.search.texts import exact, fold, interval, number, target
from hub.fhir.search.values import Extracted, param_id

__all__ = [
    "Extracted", "Param", "exact", "extract", "fold", "generation", "interval", "number", "param_id", "params",
    "target", "types",
]  # fmt: skip
