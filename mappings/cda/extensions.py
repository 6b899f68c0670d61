"""The extensions that mappings of documents write, each with where it is defined.

Those of HL7 (R4, R5 ahead of time, FHIR Clinical Document IG) and ANS (document-core) where they have one; ours,
under :data:`OURS`, where nobody has.
"""

from __future__ import annotations

from typing import Final

from hub.source.cda import Node

from ..shape import Element, part

_HL7 = "http://hl7.org/fhir/StructureDefinition/"
_DOCUMENT = "http://hl7.org/fhir/uv/fhir-clinical-document/StructureDefinition/"
OURS: Final = "urn:oncohub:extension:"

# Composition
VERSION: Final = "http://hl7.org/fhir/5.0/StructureDefinition/extension-Composition.version"
DATA_ENTERER: Final = f"{_DOCUMENT}data-enterer-extension"
INFORMANT: Final = f"{_DOCUMENT}informant-extension"
RECIPIENT: Final = f"{_DOCUMENT}information-recipient-extension"
PARTICIPANT: Final = f"{_DOCUMENT}participant-extension"
CONSENT: Final = f"{_DOCUMENT}consent-extension"
BASED_ON: Final = f"{_HL7}event-basedOn"
AUTHOR_TIME: Final = "https://interop.esante.gouv.fr/ig/document-core/StructureDefinition/fr-author-time"
NOTE: Final = f"{_HL7}note"
DOCUMENT_STATUS: Final = f"{OURS}document-status"  # CI-SIS GEN-065, finer than Composition.status

# Clinical resources
NEGATED: Final = f"{OURS}negated"  # modifier: what negationInd denies
ASSERTED: Final = f"{_HL7}condition-assertedDate"
PRIORITY: Final = f"{OURS}priority"  # priorityCode with words of its own, or a rank
TIME: Final = f"{OURS}time"  # when a performer took part
TYPE_CODE: Final = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"


def type_code(node: Node) -> Element | None:
    """typeCode of a participation to CodeableConcept."""
    code = node.attr("typeCode")
    return {"coding": [{"system": TYPE_CODE, "code": code}]} if code else None


def actor(
    url: str,
    party: Element | None,
    *,
    kind: Element | None = None,
    function: Element | None = None,
    time: Element | None = None,
) -> list[Element]:
    """A participation as an extension: its type, function, time and party; nothing without a party.

    :param time: members ``valueDateTime`` or ``valuePeriod``.
    """
    if not party:
        return []
    return part(
        url,
        {"url": "type", "valueCodeableConcept": kind} if kind else None,
        {"url": "function", "valueCodeableConcept": function} if function else None,
        {"url": "time", **time} if time else None,
        {"url": "party", "valueReference": party},
    )
