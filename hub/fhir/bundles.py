"""A draft as one Bundle: the document with all it refers to, or a transaction that writes it.

R4 §3.3 (document: the Composition first, with an identifier and a timestamp) and §3.2.0.11.2 (transaction).  Pure:
the ids are those of the draft, full URLs stand under the base that is given, so that references resolve (R4 §2.36.4.1).
"""

from __future__ import annotations

import base64
from typing import Any

from hub.errors import MappingError
from hub.fhir.draft import Draft, Entry, Resource


def document_bundle(draft: Draft, base: str) -> Resource:
    """The Composition of a draft and everything else that the draft states, as a Bundle of type ``document``.

    Its identifier is that of the DocumentReference of the document (ClinicalDocument/id), its timestamp the date of the
    Composition.

    :param base: of the FHIR API, without a slash at its end.
    :raises MappingError: when the draft has no Composition.
    """
    composition = next((e for e in draft.entries.values() if e.type == "Composition"), None)
    if composition is None:
        raise MappingError("the document has no Composition", where="Composition", cure="send title, author and date")
    others = [e for e in draft.entries.values() if e is not composition and not e.only_if_exists]
    told = next((e.resource for e in others if e.type == "DocumentReference" and "masterIdentifier" in e.resource), {})
    date = str(composition.resource["date"])
    return {
        "resourceType": "Bundle",
        **({"identifier": told["masterIdentifier"]} if told else {}),
        "type": "document",
        "timestamp": date if "T" in date else f"{(date + '-01-01')[:10]}T00:00:00Z",
        "entry": [_entry(e, base) for e in (composition, *others)],
    }


def transaction_bundle(draft: Draft, base: str) -> Resource:
    """Everything that a draft states as a Bundle of type ``transaction``: a PUT each, so that a replay changes nothing.

    What a draft says only of resources that are there already (``only_if_exists``, ``patches``) is not in it: a
    transaction cannot say "if it is there".
    """
    entries = [e for e in draft.entries.values() if not e.only_if_exists]
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [{**_entry(e, base), "request": {"method": "PUT", "url": e.ref}} for e in entries],
    }


def _entry(entry: Entry, base: str) -> Resource:
    return {"fullUrl": f"{base}/{entry.ref}", "resource": whole(entry)}


def whole(entry: Entry) -> dict[str, Any]:
    """The resource of an entry with its id, a Binary with its data."""
    made = {"resourceType": entry.type, "id": entry.id, **entry.resource}
    if entry.octets is not None:
        made["data"] = base64.b64encode(entry.octets).decode()
    return made
