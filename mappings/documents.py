"""DocumentReference, Binary and their codes, for documents of every format.

IHE MHD and ANS PDSm 3.1.1 (document-reference); ASS_X04 (class of a type), ASS_A11 (format of a model),
JDV_J08 (visibility).  A document lives under its own identifier; what a later document says of an earlier
one (replaced, deleted) outlives a resend of that earlier one, hence its higher rank.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Final

from hub.fhir.draft import Draft, Rank, resource_id

from .codes import table
from .shape import NOS, Element, clean, keep

AFTERWARDS: Final = Rank.DOCUMENT + 1
_CLASS = f"{NOS}TRE_A03-ClasseDocument/FHIR/TRE-A03-ClasseDocument"
_FORMATS = {
    "TRE_A06": f"{NOS}TRE_A06-FormatCodeComplementaire/FHIR/TRE-A06-FormatCodeComplementaire",
    "TRE_A11": f"{NOS}TRE_A11-IheFormatCode/FHIR/TRE-A11-IheFormatCode",
}
CLASS, FORMAT = table("document-class"), table("document-format")


def category(code: str | None) -> list[Element]:
    """The class (XDS classCode) of a document type."""
    made = CLASS.coding(_CLASS, code)
    return [{"coding": [made]}] if made else []


def format_coding(models: list[str], content_type: str | None) -> Element | None:
    """The format of a document by the templateIds of its model; an XDS-SD by the media type of its body."""
    for model in models:
        row = FORMAT.rows.get(model)
        if row is None:
            continue
        target = row.target
        if target == "urn:ihe:iti:xds-sd:pdf:2008" and content_type != "application/pdf":
            if content_type != "text/plain":
                continue
            target = "urn:ihe:iti:xds-sd:text:2008"
        return {"system": _FORMATS[row.display], "code": keep(target, model)}
    return None


def add_binary(draft: Draft, identity: tuple[str, str], octets: bytes, content_type: str) -> str:
    """The document as a Binary; returns its relative URL."""
    binary = {"resourceType": "Binary", "contentType": content_type}
    return draft.add(binary, identity, octets=octets)["reference"]


def attachment(url: str, octets: bytes, content_type: str, **more: str | None) -> Element:
    """Attachment: size and SHA-1 (R4 Attachment.hash; XDS hash) of the octets as received."""
    digest = hashlib.sha1(octets, usedforsecurity=False).digest()
    return clean({
        "contentType": content_type, "language": more.get("language"), "url": url, "size": len(octets),
        "hash": base64.b64encode(digest).decode(), "title": more.get("title"), "creation": more.get("creation"),
    })  # fmt: skip


def replaced(identity: tuple[str, str]) -> Element:
    """relatesTo: this document replaces that one."""
    system, value = identity
    target = {
        "reference": f"DocumentReference/{resource_id('DocumentReference', system, value)}",
        "identifier": {"system": system, "value": value},
    }
    return {"code": "replaces", "target": target}


def supersede(draft: Draft, identity: tuple[str, str], at: int) -> None:
    """State of the document ``identity`` that a later one replaces it, whether it is here already or comes later.

    :param at: when that was said, microseconds; 0 when it is not known.
    """
    draft.patch("DocumentReference", identity, "superseded", sets={"status": "superseded"}, rank=AFTERWARDS, at=at)
