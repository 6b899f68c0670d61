"""An archive to what its documents become, and to the Lists of their submissions.

ANS CI-SIS, volet Échange de documents de santé: one archive is about one patient, and its metadata say the
same as the documents themselves.  Where they do not, the archive is held: nothing of it is stored.
"""

from __future__ import annotations

from hub.errors import MappingError
from hub.fhir.draft import Draft, Site
from hub.source.cda import ii_text
from hub.source.identity import INS_SYSTEMS
from hub.source.xdm import Document, Xdm, patient_of

from ..cda.context import Carrier
from ..cda.document import map_document
from ..shape import Element
from .entry import add_document, masks
from .submission import add_submission

_INS = tuple(f"{system}|" for system in INS_SYSTEMS)


def map_archive(archive: Xdm, draft: Draft, site: Site) -> list[Element]:
    """Map every document; returns the references to their DocumentReferences, then those to the Lists.

    :raises MappingError: when the archive is of two patients, or its metadata are of another document.
    """
    _one_patient(archive)
    documents, lists = [], []
    for subset in archive.subsets:
        withdrawn = "D" in subset.metadata.actions
        inside = []
        for number, document in enumerate(subset.documents, 1):
            place = f"{subset.name or 'IHE_XDM'}/document[{number}]"
            inside.append(_map(document, draft, site, place, withdrawn))
        told = subset.metadata.submission
        if told is not None and (made := add_submission(told, inside, _subject(inside, draft), draft)):
            lists.append(made)
        documents += inside
    if not documents:
        draft.warn("IHE_XDM", "the archive has no document", "101")
    return documents + lists


def _map(document: Document, draft: Draft, site: Site, place: str, withdrawn: bool) -> Element:
    if document.cda is None:
        return add_document(document, draft, place)
    _same_document(document, place)
    carrier = Carrier(status="entered-in-error" if withdrawn else "current", labels=masks(document.meta))
    return map_document(document.cda, draft, site, carrier)


def _subject(documents: list[Element], draft: Draft) -> Element | None:
    for one in documents:
        subject = draft.entries[one["reference"]].resource.get("subject")
        if subject:
            return {"reference": subject["reference"]}
    return None


def _same_document(document: Document, place: str) -> None:
    """typeCode and uniqueId are those of the CDA.

    :raises MappingError: when they are not: one of the two is of another document.
    """
    meta, head = document.meta, document.head
    if meta is None or head is None or document.cda is None:
        return
    kind = meta.code("type")
    pairs = {
        "typeCode": (kind.code if kind else "", head.document),
        "uniqueId": (meta.identifier("uniqueId"), ii_text(document.cda.one("id"))),
    }
    for name, (said, own) in pairs.items():
        if said and own and said != own:
            what = "METADATA.XML says another than the document itself"
            raise MappingError(what, where=f"{place}: {name}", cure="send metadata of this document", code="906")


def _one_patient(archive: Xdm) -> None:
    """:raises MappingError: when documents or metadata name two persons."""
    seen: set[str] = set()
    ins: set[str] = set()
    for number, document in enumerate(archive.documents, 1):
        known, qualified = _ids(document)
        ins |= qualified
        if len(ins) > 1 or (seen and known and not known & seen):
            raise MappingError(
                "documents or metadata of two patients in one archive", where=f"IHE_XDM/document[{number}]",
                cure="send one mail for each patient", code="904",
            )  # fmt: skip
        seen |= known
    for subset in archive.subsets:
        told = subset.metadata.submission
        patient = patient_of(told.identifier("patientId")) if told else None
        if patient and seen and patient[1] not in seen:
            where = f"{subset.name}: XDSSubmissionSet.patientId"
            raise MappingError("not the patient of its documents", where=where, cure="send one patient", code="904")


def _ids(document: Document) -> tuple[set[str], set[str]]:
    """The identifiers of the person of a document, and those that are an INS."""
    known, ins = set(), set()
    if document.head is not None:
        known |= {value for kind, value in document.head.keys if kind == "patient"}
        if document.head.order_key.startswith(_INS):
            ins.add(document.head.order_key.partition("|")[2])
    patient = patient_of(document.meta.identifier("patientId")) if document.meta else None
    if patient is not None:
        known.add(patient[1])
        if f"urn:oid:{patient[0]}" in INS_SYSTEMS:
            ins.add(patient[1])
    return known, ins
