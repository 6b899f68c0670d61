"""The JSON of a resource as it is stored and served, and the hash that tells whether it changed.

The hub writes ``resourceType``, ``id`` and ``meta`` first; what a mapping or a client gave follows
untouched, so that stored octets can be served without parsing.  The hash leaves out what the server
adds to ``meta`` (R4 §2.27.2: versionId, lastUpdated, and our source).
"""

from __future__ import annotations

import hashlib
from typing import Any

from hub.clock import iso
from hub.fhir import jsontext
from hub.fhir.jsontext import Json

_HEAD = ("resourceType", "id", "meta")
_SERVER = ("versionId", "lastUpdated", "source")


def split(resource: dict[str, Any]) -> tuple[bytes, bytes, bytes]:
    """(rest, meta, hash) of a resource: its JSON without the opening brace, type, id and meta; the
    members of its own meta (``,"profile":[…]`` or nothing); the hash of both."""
    meta = resource.get("meta")
    rest = jsontext.write({k: v for k, v in resource.items() if k not in _HEAD})[1:]
    own = b""
    if meta:
        kept = {k: v for k, v in meta.items() if k not in _SERVER}
        if kept:
            own = b"," + jsontext.write(kept)[1:-1]
    return rest, own, digest(own, rest)


def split_text(given: Json) -> tuple[bytes, bytes, bytes]:
    """The same of a resource as a client wrote it: no digit of a decimal changes."""
    if given.plain:
        return split(given.value)
    own, rest = unwrap(given.text)
    return rest, own, digest(own, rest)


def unwrap(text: bytes) -> tuple[bytes, bytes]:
    """(own meta, rest) of the JSON of a resource without white space, such as :func:`content` makes."""
    parts = jsontext.members(text)
    meta = jsontext.members(parts["meta"]) if "meta" in parts else {}
    kept = {name: text for name, text in meta.items() if name not in _SERVER}
    rest = {name: text for name, text in parts.items() if name not in _HEAD}
    return (b"," + jsontext.join(kept) if kept else b""), jsontext.join(rest) + b"}"


def digest(own: bytes, rest: bytes) -> bytes:
    """16 octets that are the same for the same content."""
    return hashlib.blake2b(own + b"\0" + rest, digest_size=16).digest()


def content(kind: str, fid: str, version: int, updated: int, source: str, own: bytes, rest: bytes) -> bytes:
    """The octets to store: ``{"resourceType":…,"id":…,"meta":{…},…}``."""
    head = (
        f'{{"resourceType":"{kind}","id":"{fid}","meta":{{"versionId":"{version}",'
        f'"lastUpdated":"{iso(updated)}","source":"{source}"'
    )
    return head.encode() + own + (b"}" + rest if rest == b"}" else b"}," + rest)
