"""FHIR R4 between JSON and XML, without loss, for every resource and data type.

R4 §2.6.1 (http://hl7.org/fhir/R4/xml.html), §2.6.2 (http://hl7.org/fhir/R4/json.html).  Driven by the tables
of :mod:`hub.fhir.structures`; a structure is prepared when it is first met.
"""

from __future__ import annotations

from hub.fhir.xml.read import to_json
from hub.fhir.xml.write import to_xml

__all__ = ["to_json", "to_xml"]
