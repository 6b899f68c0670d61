"""What all mappings of one document share: the document, its draft, and what carried it."""

from __future__ import annotations

from dataclasses import dataclass, field

from hub.errors import MappingError
from hub.fhir.draft import Draft, Rank, Resource, Site
from hub.source.cda import Document

from ..patients import Identities
from ..shape import Element
from ..times import FRANCE
from .datatypes import ii_identity

# The order of elements in R4, for resources that several places of one document describe.
_ORDER = (
    "resourceType", "identifier", "active", "practitioner", "organization", "code", "type", "name", "telecom",
    "address", "partOf", "contact", "deviceName", "modelNumber", "version",
)  # fmt: skip


@dataclass(slots=True)
class Carrier:
    """What the message around a document adds to it (HL7 v2: PID, TXA, the MetaDMPMSS observations).

    :ivar status: of the DocumentReference.
    :ivar replaces: (system, value) of the document this one replaces.
    :ivar labels: more security labels.
    :ivar patient: identifiers of the patient the message knows.
    :ivar extension: extensions of the Patient (the status of the identity, which CDA cannot say).
    :ivar visits: identifiers of the stay.
    """

    status: str = "current"
    replaces: tuple[str, str] | None = None
    labels: list[Element] = field(default_factory=list)
    patient: Identities | None = None
    extension: list[Element] = field(default_factory=list)
    visits: list[Element] = field(default_factory=list)


@dataclass(slots=True)
class Context:
    """The way of one document; ``identity`` is (system, value) of ClinicalDocument/id."""

    document: Document
    draft: Draft
    identity: tuple[str, str]
    zone: str = FRANCE
    carrier: Carrier = field(default_factory=Carrier)
    patient: Element = field(default_factory=dict)
    patient_ids: frozenset[tuple[str, str]] = frozenset()

    @classmethod
    def of(cls, document: Document, draft: Draft, site: Site, carrier: Carrier | None = None) -> Context:
        """:raises MappingError: when the document has no identifier to know it by."""
        identity = ii_identity(document.one("id"))
        if identity is None:
            raise MappingError(
                "the document has no identifier", where="ClinicalDocument/id/@root", cure="send one", code="101"
            )
        return cls(document, draft, identity, site.get("zone") or FRANCE, carrier or Carrier())

    def describe(self, resource: Resource, identity: tuple[str, str], rank: Rank) -> Element:
        """Add what one place of the document says of a resource to what others said before."""
        reference = self.draft.add(resource, identity, rank=-1)  # only to learn its id; a known one stays
        known = self.draft.entries[reference["reference"]]
        merged = {**known.resource, **resource}
        ordered = {k: merged[k] for k in _ORDER if k in merged}
        ordered.update(merged)
        self.draft.add(ordered, identity, rank=max(rank, known.rank))
        return reference
