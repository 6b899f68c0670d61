"""ZAM (DMP reception, mail delivered, mail read) to Communication, and to the end of the Task it answers.

ANS, transmission d'un document CDA-R2 en HL7v2 v2.1; see :mod:`hub.mappings.hl7v2.acknowledgement`.
"""

from __future__ import annotations

from hub.fhir.draft import Mapping

from ..acknowledgement import map_acknowledgement

MAPPING = Mapping("hl7v2", map_acknowledgement, "ZAM business acknowledgements to Communication and Task")
