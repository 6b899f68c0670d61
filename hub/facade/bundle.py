"""Bundles put together out of stored octets, without parsing them (R4 §2.36, §3.1.1.5)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from hub import clock


def bundle(kind: str, entries: Iterable[bytes], *, links: Sequence[tuple[str, str]], total: int | None) -> bytes:
    """A Bundle of type ``kind``; ``entries`` are JSON objects, ``links`` (relation, URL)."""
    head: dict[str, Any] = {"resourceType": "Bundle", "type": kind, "meta": {"lastUpdated": clock.iso(clock.now())}}
    if total is not None:
        head["total"] = total
    if links:
        head["link"] = [{"relation": r, "url": u} for r, u in links]
    inside = b",".join(entries)
    made = orjson.dumps(head)
    # An empty array is no FHIR (R4 §2.6.2): a Bundle without hits has no entry.
    return made[:-1] + b',"entry":[' + inside + b"]}" if inside else made


def entry(base: str, ref: str, content: bytes, mode: str) -> bytes:
    """An entry of a searchset; ``mode`` is match or include."""
    url = f'{{"fullUrl":"{base}/{ref}","resource":'
    return b"".join((url.encode(), content, f',"search":{{"mode":"{mode}"}}}}'.encode()))


def remark(outcome: bytes) -> bytes:
    """The entry that tells a client of a searchset what was not done."""
    return b'{"resource":' + outcome + b',"search":{"mode":"outcome"}}'


def past(base: str, ref: str, version: int, updated: int, content: bytes | None) -> bytes:
    """An entry of a history; ``content`` None stands for a deletion (R4 §3.1.0.13)."""
    created = version == 1
    method = "DELETE" if content is None else "POST" if created else "PUT"
    url = ref.partition("/")[0] if method == "POST" else ref
    status = "204" if content is None else "201" if created else "200"
    head = f'{{"fullUrl":"{base}/{ref}",'.encode()
    tail = (
        f'"request":{{"method":"{method}","url":"{url}"}},"response":{{"status":"{status}",'
        f'"etag":"W/\\"{version}\\"","lastModified":"{clock.iso(updated)}"}}}}'
    ).encode()
    return head + (b'"resource":' + content + b"," if content is not None else b"") + tail
