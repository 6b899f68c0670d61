"""MDM to DocumentReference, Binary, Patient and, for a CDA, all that its header tells.

HL7 v2.5 §9.6; ANS, transmission d'un document CDA-R2 en HL7v2 v2.1: T02 a new document, T10 one that replaces
another (TXA-13), T04 one that is withdrawn.
"""

from __future__ import annotations

from hub.fhir.draft import Mapping

from ..message_documents import map_documents

MAPPING = Mapping("hl7v2", map_documents, "MDM documents (CDA-R2, PDF, text) to DocumentReference and Binary")
