"""A DocumentReference and its file to a document of level 1: a header around a PDF, text or image.

IHE ITI XDS-SD (1.3.6.1.4.1.19376.1.2.20); ANS CI-SIS, structuration minimale.
"""

from __future__ import annotations

from hub.errors import MappingError
from hub.fhir.draft import Resource

from ...shape import Element
from .build import el, octets
from .header import document
from .record import Record, written

TEMPLATE = "1.3.6.1.4.1.19376.1.2.20"
_KINDS = ("application/pdf", "text/plain", "text/rtf", "application/rtf", "image/jpeg", "image/tiff", "image/png")


@written
def write(bundle: Resource) -> bytes:
    """The document.

    :param bundle: a DocumentReference, or a Composition whose section has a file, with all they refer to.
    :raises MappingError: when there is no file, or one of a kind that XDS-SD does not know.
    """
    record = Record(bundle)
    kind, data = _file(record)
    body = el("nonXMLBody", None, el("text", {"mediaType": kind, "representation": "B64"}, data))
    return octets(document(record, [(TEMPLATE, None)], body))


def _file(record: Record) -> tuple[str, str]:
    """Media type and Base64 of the file."""
    for found in (*_attached(record), *_entries(record)):
        if found.get("contentType") in _KINDS and found.get("data"):
            return str(found["contentType"]), str(found["data"])
    raise MappingError(
        "the document has no file that a document of level 1 can carry", where="DocumentReference.content.attachment",
        cure=f"send one of {', '.join(_KINDS)} with its data", code="207",
    )  # fmt: skip


def _attached(record: Record) -> list[Element]:
    made = []
    for content in record.document.get("content", ()):
        told = content.get("attachment", {})
        binary = record.get({"reference": told.get("url", "")})
        made.append({"contentType": told.get("contentType"), "data": told.get("data") or binary.get("data")})
    return made


def _entries(record: Record) -> list[Element]:
    return [record.get(e) for s in record.composition.get("section", ()) for e in s.get("entry", ())]
