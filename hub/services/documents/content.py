"""The octets of documents against what their DocumentReference says of them.

R4 §2.4 (Attachment: url, size, hash), IHE MHD 4.2.3 §3.65.4.1.2.3: the hash is the SHA-1 of the document.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha1
from typing import Any

import pybase64

from hub.fhir.draft import Issue
from hub.services.documents.links import Links
from hub.services.resources.bundles import Part

_FHIR = ("application/fhir+json", "application/fhir+xml")


def matched(documents: Sequence[Part], held: Sequence[Part], links: Links) -> tuple[dict[int, Part], list[Issue]]:
    """(number of a DocumentReference -> the entry that holds its document, what is wrong with them).

    :param held: the Binaries and document Bundles.
    """
    made: dict[int, Part] = {}
    found: list[Issue] = []
    free = {one.number: one for one in held}
    for part in documents:
        for at, attachment in _attachments(part):
            target = links.part(str(attachment.get("url", "")))
            if target is None or target.kind not in ("Binary", "Bundle"):
                what = "the document is not in the Bundle: url is the fullUrl of its Binary"
                found.append(Issue("error", f"{at}.url", what, "not-found"))
            elif free.pop(target.number, None) is None:
                found.append(Issue("error", f"{at}.url", "another DocumentReference has this document", "duplicate"))
            else:
                made[part.number] = target
                found += judged(attachment, target, at)
    for one in free.values():
        found.append(Issue("error", one.where, "no DocumentReference of the Bundle is about it", "incomplete"))
    return made, found


def _attachments(part: Part) -> Iterator[tuple[str, dict[str, Any]]]:
    contents = part.json.value.get("content") if part.json is not None else None
    for number, one in enumerate(contents if isinstance(contents, list) else ()):
        attachment = one.get("attachment") if isinstance(one, dict) else None
        if isinstance(attachment, dict):
            yield f"{part.where}.resource.content[{number}].attachment", attachment


def judged(attachment: Mapping[str, Any], held: Part, where: str) -> Iterator[Issue]:
    """What an attachment says that is not so."""
    resource = held.json.value if held.json is not None else {}
    if held.kind == "Bundle":  # a FHIR document has no octets of its own until it is read in one form or another
        if media(attachment.get("contentType")) not in _FHIR:
            yield Issue("error", f"{where}.contentType", f"a FHIR document is {' or '.join(_FHIR)}", "value")
        return
    if media(attachment.get("contentType")) != media(resource.get("contentType")):
        yield Issue("error", f"{where}.contentType", "the Binary says another media type", "value")
    octets = decoded(resource.get("data"))
    if not octets:
        what = "there is no document in it" if octets is not None else "is no base64"
        yield Issue("error", f"{held.where}.resource.data", what, "required" if octets is not None else "value")
        return
    yield from measured(attachment, octets, where)


def measured(attachment: Mapping[str, Any], octets: bytes, where: str) -> Iterator[Issue]:
    """Whether size and hash, where they are told, are those of the document."""
    size, told = attachment.get("size"), attachment.get("hash")
    if size is not None and size != len(octets):
        yield Issue("error", f"{where}.size", f"the document has {len(octets)} octets", "value")
    if told is not None and decoded(told) != sha1(octets, usedforsecurity=False).digest():
        yield Issue("error", f"{where}.hash", "is not the SHA-1 of the document, in base64", "value")


def decoded(data: Any) -> bytes | None:
    """The octets of base64; b'' for nothing, None for what is none."""
    if data is None:
        return b""
    try:
        return pybase64.b64decode(data, validate=True)
    except (binascii.Error, ValueError, TypeError):
        return None


def media(text: Any) -> str:
    """A media type as it is compared: without parameters, in small letters."""
    return text.partition(";")[0].strip().lower() if isinstance(text, str) else ""
