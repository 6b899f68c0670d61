"""Simplified Publish, as it was sent: a DocumentReference that holds its document.

IHE MHD 4.2.3 §3.105 (ITI-105); ANS PDSm 3.1.1, pdsm-simplified-publish (flux 9).  The document becomes a Binary, its
size and hash are worked out where they are not told, and what ITI-65 demands of relations holds here as well.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from hashlib import sha1
from typing import Any

import orjson
import pybase64

from hub.fhir.draft import Issue
from hub.fhir.jsontext import Json
from hub.services.documents import content, guide
from hub.services.documents.links import Links, references
from hub.services.documents.provided import Provided, identified, related
from hub.services.resources import rules
from hub.services.resources.bundles import Part
from hub.services.resources.rules import FindingsError

DOCUMENT, BINARY = 0, 1  # numbers of the entries that it becomes
_URL = "urn:uuid:00000000-0000-4000-8000-000000000001"


def asked(resource: Mapping[str, Any]) -> bool:
    """Whether a DocumentReference says, by its profile, that it is published this way."""
    return guide.level(resource, "document") in ("s", "p")


def read(sent: Json, base: str) -> tuple[Provided, list[Part]]:
    """What is to be written: the DocumentReference and its Binary, as entries of a transaction.

    :raises InvalidError: (400) with each thing that the guide forbids, in places of the DocumentReference.
    """
    given = sent.value
    rules.check(given, "DocumentReference")
    found = list(_wrong(given, base))
    if found:
        raise FindingsError(found)
    made: dict[str, Any] = copy.deepcopy(given)
    made.pop("id", None)
    attachment = made["content"][0]["attachment"]
    data = attachment.pop("data")
    octets = pybase64.b64decode(data)
    attachment |= {
        "url": _URL, "size": len(octets),
        "hash": pybase64.b64encode(sha1(octets, usedforsecurity=False).digest()).decode(),
    }  # fmt: skip
    binary = {"resourceType": "Binary", "contentType": attachment["contentType"], "data": data}
    document = _part(DOCUMENT, "DocumentReference", "", made)
    held = _part(BINARY, "Binary", _URL, binary)
    parts = [document, held]
    links = Links(parts, base)
    return Provided("s", None, (), (document,), (), {DOCUMENT: held}, links), parts


def _wrong(given: Mapping[str, Any], base: str) -> list[Issue]:
    where, level = "DocumentReference", guide.level(given, "document")
    links = Links((), base)
    found = list(guide.broken(given, "document", level, where))
    for name in ("masterIdentifier", "identifier"):
        for one in guide.values(given, name):
            found += identified(one, f"{where}.{name}")
    for path, text in references(given):
        if (wrong := links.wrong(text, given)) is not None:
            found.append(Issue("error", f"{where}.{path}", wrong, "not-found"))
    found += related(given, where, None, links)
    for attachment in guide.values(given, "content.attachment"):
        octets = content.decoded(attachment.get("data"))
        if octets:
            found += content.measured(attachment, octets, f"{where}.content[0].attachment")
        elif octets is None:
            found.append(Issue("error", f"{where}.content[0].attachment.data", "is no base64", "value"))
    return found


def _part(number: int, kind: str, full_url: str, resource: dict[str, Any]) -> Part:
    return Part(number, "POST", kind, kind, "", "", full_url, Json(resource, orjson.dumps(resource)))
