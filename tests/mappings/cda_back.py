"""A document to FHIR and back, and what has to be equal then."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from hub.fhir.bundles import document_bundle
from hub.fhir.draft import Draft
from hub.source.cda_validate import validate

from .cda_run import ANY
from .run import mapped

_OWN = ("text/xml", "application/xslt+xml")
Write = Callable[[dict[str, Any]], bytes]


def bundle(body: bytes) -> dict[str, Any]:
    """The document Bundle of a document, as any server would send it."""
    made: dict[str, Any] = json.loads(json.dumps(document_bundle(mapped(ANY, body), "http://h/fhir"), default=str))
    return made


def stated(draft: Draft) -> dict[str, Any]:
    """All resources by reference, but for what is said of the octets of the document itself."""
    made = {}
    for ref, entry in draft.entries.items():
        resource = json.loads(json.dumps(entry.resource, default=str))
        if entry.type == "Binary" and resource.get("contentType") in _OWN:
            continue
        for content in resource.get("content", ()) if entry.type == "DocumentReference" else ():
            if content["attachment"].get("contentType") in _OWN:
                content["attachment"] = {k: v for k, v in content["attachment"].items() if k not in ("size", "hash")}
        made[ref] = resource
    return made


def errors(body: bytes) -> list[str]:
    """The rules that a document breaks."""
    return [f"{f.code} {f.where}" for f in validate(body) if f.severity == "error"]


def closes(body: bytes, write: Write) -> bytes:
    """Assert that a document, its FHIR, and what is written of that say the same; returns what was written."""
    written = write(bundle(body))
    assert stated(mapped(ANY, written)) == stated(mapped(ANY, body))
    assert errors(written) == errors(body)
    return written
