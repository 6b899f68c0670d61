"""Any CDA-R2 document of the CI-SIS: its header, its sections and itself, octet for octet; no entries.

ANS, structuration minimale des documents de santé.  For who wants documents and people, not their coded content.
"""

from __future__ import annotations

from hub.fhir.draft import Draft, Mapping, Site
from hub.source.cda import Document

from ..document import map_document


def header(document: Document, draft: Draft, site: Site) -> None:
    """Map one document.

    :raises MappingError: without an identifier, or without a patient to know by an identifier.
    """
    map_document(document, draft, site, entries=False)


MAPPING = Mapping("cda", header, "any CDA-R2 document: Patient, DocumentReference, Composition, Binary, people")
