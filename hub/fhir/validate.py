"""Base validation under its short name: what is wrong with a resource of R4.

FHIR R4 4.0.1; the work is done by :mod:`hub.fhir.validation`, in microseconds.
"""

from hub.fhir.validation import validate

__all__ = ["validate"]
