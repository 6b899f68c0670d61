"""The questions R4 puts to a terminology server: expand, validate-code, lookup, translate, subsumes.

R4 §4.7 (http://hl7.org/fhir/R4/terminology-service.html).  Plain functions: values in, a FHIR resource as a
dict out, a :class:`hub.errors.HubError` for what cannot be answered.  Their parameter ``known`` is what a site
knows (:func:`hub.fhir.terminology.catalogue` of its setting ``canonical_base``).  Displays are French when
there is one and no other language is asked for.
"""

from __future__ import annotations

from hub.services.terminology.capabilities import capabilities
from hub.services.terminology.codes import lookup, subsumes, validate_in_system, validate_in_value_set
from hub.services.terminology.expansion import expand
from hub.services.terminology.translation import translate

__all__ = ["capabilities", "expand", "lookup", "subsumes", "translate", "validate_in_system", "validate_in_value_set"]
