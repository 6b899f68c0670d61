"""ORU: documents to DocumentReference and Binary, results in values to DiagnosticReport and Observation.

HL7 v2.5 §7.3; ANS, transmission d'un document CDA-R2 en HL7v2 v2.1: one report, or two renderings of it (N1, N3),
with all that its header tells; laboratory results (FIT, HPV, any other) by the HL7 v2-to-FHIR maps.
"""

from __future__ import annotations

from hub.fhir.draft import Draft, Mapping, Rank, Site
from hub.source.hl7v2 import Message, document_of

from ..context import Context
from ..message_documents import map_documents
from ..results.groups import Group, order_groups
from ..results.report import map_results
from ..segments.pid import pid_patient
from ..volet import META


def oru(message: Message, draft: Draft, site: Site) -> None:
    """Map one ORU message.

    :raises MappingError: without a patient, or when a document cannot be read.
    """
    groups = [g for g in order_groups(message) if _keep_values(message, g)]
    documents = any(document_of(message, obx) is not None for obx in message.segments(b"OBX"))
    if documents or not groups:
        map_documents(message, draft, site)
    if groups:
        c = Context.of(message, draft, site)
        # a document knows its patient better than the message around it
        map_results(groups, pid_patient(c, Rank.MENTION if documents else Rank.DOCUMENT), c)


def _keep_values(message: Message, group: Group) -> bool:
    """Leave to a group its observations in values: no document, no word about how to send it."""
    group.values = [
        v for v in group.values
        if v.obx.text(3, 3) != META and v.obx.text(2) not in ("ED", "RP") and document_of(message, v.obx) is None
    ]  # fmt: skip
    return bool(group.values)


MAPPING = Mapping("hl7v2", oru, "ORU reports and results to DocumentReference, DiagnosticReport and Observation")
