"""Any CDA-R2 document of the CI-SIS, entry by entry where its model is known.

ANS CI-SIS, modèles de contenu: the model is told by its templateId.  The models are the modules of this folder that
have a MODEL; of another document the header, the sections and the document itself are kept.
"""

from __future__ import annotations

from hub.fhir.draft import Draft, Mapping, Site
from hub.source.cda import Document

from ..document import map_document


def document(source: Document, draft: Draft, site: Site) -> None:
    """Map one document.

    :raises MappingError: without an identifier, or without a patient to know by an identifier.
    """
    map_document(source, draft, site)


MAPPING = Mapping("cda", document, "any CDA-R2 document: header, sections and, of known models, each coded entry")
