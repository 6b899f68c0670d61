"""A FHIR message to the HL7 v2 message that says the same, as the document to deliver.

R4 §2.4 (messaging) in; HL7 v2.5 and v2.6 out (:mod:`hub.mappings.hl7v2.emit`).  The channel delivers it with
``send: document`` and keeps nothing in the store (``store: false``): what is sent is no resource of ours.
"""

from __future__ import annotations

from typing import Any

from hub.fhir.draft import Draft, Mapping, Site

from ...hl7v2.emit.messages import emit


def send(message: dict[str, Any], draft: Draft, site: Site) -> None:
    """Map one Bundle.

    :raises MappingError: with the element that is missing or cannot be said in HL7 v2.
    """
    made = emit(message, site)
    number = made.split(b"|", 10)[9].decode()
    binary = {"resourceType": "Binary", "contentType": "x-application/hl7-v2+er7"}
    draft.add(binary, ("urn:oncohub:sent", number), octets=made)
    draft.key("message", number)


MAPPING = Mapping("fhir", send, "FHIR messages to HL7 v2: ADT, MDM, ORU, ZAM, ACK")
