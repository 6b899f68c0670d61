"""The JSON of a resource as it is stored and served, and the hash that tells whether it changed.

The hub writes ``resourceType``, ``id`` and ``meta`` first; what a mapping or a client gave follows
untouched, so that stored octets can be served without parsing.  The hash leaves out what the server
adds to ``meta`` (R4 §2.27.2: versionId, lastUpdated, and our source).
"""

from __future__ import annotations

import hashlib
from typing import Any

import orjson

from hub.clock import iso


def split(resource: dict[str, Any]) -> tuple[bytes, bytes, bytes]:
    """(rest, meta, hash) of a resource: its JSON without the opening brace, type, id and meta; the
    members of its own meta (``,"profile":[…]`` or nothing); the hash of both."""
    meta = resource.get("meta")
    rest = orjson.dumps({k: v for k, v in resource.items() if k not in ("resourceType", "id", "meta")})[1:]
    own = b""
    if meta:
        kept = {k: v for k, v in meta.items() if k not in ("versionId", "lastUpdated", "source")}
        if kept:
            own = b"," + orjson.dumps(kept)[1:-1]
    return rest, own, hashlib.blake2b(own + b"\0" + rest, digest_size=16).digest()


def content(kind: str, fid: str, version: int, updated: int, source: str, own: bytes, rest: bytes) -> bytes:
    """The octets to store: ``{"resourceType":…,"id":…,"meta":{…},…}``."""
    head = (
        f'{{"resourceType":"{kind}","id":"{fid}","meta":{{"versionId":"{version}",'
        f'"lastUpdated":"{iso(updated)}","source":"{source}"'
    )
    return head.encode() + own + (b"}" + rest if rest == b"}" else b"}," + rest)
