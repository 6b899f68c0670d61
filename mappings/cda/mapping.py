"""A mapping for one model of document, for channels that take nothing else."""

from __future__ import annotations

from hub.errors import MappingError
from hub.fhir.draft import Draft, Mapping, Site
from hub.source.cda import Document

from .document import map_document
from .frame import Model


def mapping_of(model: Model, summary: str) -> Mapping:
    """The mapping of ``model``; a document of another one is an error of the message."""

    def run(document: Document, draft: Draft, site: Site) -> None:
        if all(t.attr("root") != model.template for t in document.all("templateId")):
            raise MappingError(
                f"this is no {model.name}: it has not the templateId {model.template}",
                where="ClinicalDocument/templateId", cure="map with cda.documents.any", code="207",
            )  # fmt: skip
        map_document(document, draft, site, model=model)

    return Mapping("cda", run, f"{model.name}, {summary}")
