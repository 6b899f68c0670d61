"""ACK to Communication: the answer of a peer, kept beside what it answers.

HL7 v2.5 §2.9.2; see :mod:`hub.mappings.hl7v2.acknowledgement`.
"""

from __future__ import annotations

from hub.fhir.draft import Mapping

from ..acknowledgement import map_acknowledgement

MAPPING = Mapping("hl7v2", map_acknowledgement, "ACK, the answer of a peer, to Communication")
