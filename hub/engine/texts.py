"""How the engine writes errors, stages and Bundles for the store."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import orjson

from hub.errors import HubError
from hub.fhir import jsontext
from hub.fhir.draft import Draft


def error_json(error: HubError, stage: str = "") -> str:
    """An error as kept with a message or a delivery."""
    kept = {
        "category": error.category, "stage": stage or error.stage, "code": error.code,
        "where": error.where, "what": error.what, "cure": error.cure,
    }  # fmt: skip
    return clean(orjson.dumps({k: v for k, v in kept.items() if v}).decode())


def clean(text: str, limit: int = 0) -> str:
    """Text that every database takes: no NUL, no lone surrogate, at most ``limit`` characters."""
    if "\0" in text:
        text = text.replace("\0", "")
    if limit and len(text) > limit:
        text = text[:limit]
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def stages_json(stages: Sequence[tuple[str, int, str]]) -> str:
    return orjson.dumps(stages).decode()


def bundle(draft: Draft) -> bytes:
    """The resources as a transaction Bundle of updates (R4 §3.1.0.11): sent twice, it changes nothing.

    What is stated of some elements of a resource lies over it when it is in the Bundle; of others it is left out.
    """
    entries: list[dict[str, Any]] = []
    for entry in draft.entries.values():
        if entry.only_if_exists:
            continue  # meaningful only where the older view is known to be
        resource = {"resourceType": entry.type, "id": entry.id} | {
            k: v for k, v in entry.resource.items() if k not in ("resourceType", "id")
        }
        for (ref, _), patch in draft.patches.items():
            if ref == entry.ref:
                resource |= patch.sets
                resource |= {name: [*resource.get(name, ()), *items] for name, items in patch.adds.items()}
        if entry.octets is not None:
            resource["data"] = base64.b64encode(entry.octets).decode()
        entries.append(
            {"fullUrl": f"urn:uuid:{entry.id}", "resource": resource, "request": {"method": "PUT", "url": entry.ref}}
        )
    return jsontext.write({"resourceType": "Bundle", "type": "transaction", "entry": entries})
