"""ORU that carries reports to DocumentReference, Binary, Patient and, for a CDA, all that its header tells.

HL7 v2.5 §7.3; ANS, transmission d'un document CDA-R2 en HL7v2 v2.1: one report, or two renderings of it (N1, N3).
"""

from __future__ import annotations

from hub.fhir.draft import Mapping

from ..message_documents import map_documents

MAPPING = Mapping("hl7v2", map_documents, "ORU reports (CDA-R2, PDF, text) to DocumentReference and Binary")
