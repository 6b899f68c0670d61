"""From documents that are provided to what is written: what is there already is left, what is replaced superseded.

IHE MHD 4.2.3 §3.65.4.1.3 (Expected Actions).  The sender may supersede by itself (UpdateDocumentRefs) or leave
it to the hub; the outcome is the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import orjson

from hub.fhir.jsontext import Json
from hub.services.documents import guide
from hub.services.documents.standing import Standing
from hub.services.resources import bundles
from hub.services.resources.bundles import Part


def writes(parts: Sequence[Part], now: Standing) -> list[Part]:
    """The entries of a transaction that does it; entries of the hub's own have numbers beyond those given."""
    to = {p.full_url: now.there[p.number] for p in parts if p.number in now.there and p.full_url}
    made = [_linked(p, to) for p in parts if p.number not in now.there]
    rest = [ref for ref in now.superseded if ref not in now.patched]
    return made + [superseding(len(parts) + n, ref) for n, ref in enumerate(rest)]


def _linked(part: Part, to: dict[str, str]) -> Part:
    if part.json is None or not to:
        return part
    text = bundles.relink(part.json.text, to)
    return part if text == part.json.text else replace(part, json=Json(orjson.loads(text), text))


def superseding(number: int, ref: str) -> Part:
    """The entry by which a document becomes superseded: the patch of IHE.MHD.Patch.Parameters."""
    said: list[dict[str, Any]] = [
        {"name": "type", "valueCode": "replace"},
        {"name": "path", "valueString": "DocumentReference.status"},
        {"name": "value", "valueCode": guide.SUPERSEDED},
    ]
    patch = {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": said}]}
    kind, _, fid = ref.partition("/")
    return Part(number, "PATCH", ref, kind, fid, "", "", Json(patch, orjson.dumps(patch)))
