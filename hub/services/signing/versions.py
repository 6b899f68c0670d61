"""What is signed of the store: versions of resources, each by its name and in its canonical form.

FHIR R4 §6.3 (Provenance.target), http://hl7.org/fhir/R4/json.html#canonical.  A signature is over a version, so
that it still says something when the resource has changed; a document (Binary) is signed octet for octet.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import orjson

from hub.errors import NotFoundError
from hub.fhir.draft import Entry, Rank, resource_id
from hub.services.signing.provenance import canonical_json
from hub.store import changes
from hub.store.handle import Store

SOURCE: Final = "urn:oncohub:signing"
_NOW = "SELECT version, content, octets FROM resource WHERE ref = ? AND NOT deleted"
_PAST = (
    "SELECT h.version, h.content, h.octets FROM resource_history h JOIN resource r ON r.rid = h.rid"
    " WHERE r.ref = ? AND h.version = ? AND NOT h.deleted"
)
_LOCAL = re.compile(r"(Binary/[A-Za-z0-9.-]{1,64})(?:/_history/([0-9]{1,9}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a resource.

    :ivar name: ``Type/id/_history/n``, as signatures and Provenance have it.
    :ivar octets: what is signed of it.
    """

    name: str
    octets: bytes
    resource: dict[str, Any]


def version(store: Store, ref: str, number: int = 0) -> Version:
    """One version; 0 for the present one.

    :raises NotFoundError: when there is none, or it was deleted.
    """
    with store.looking() as tx:
        rows = tx.rows(_NOW, (ref,))
        if rows and number and rows[0][0] != number:
            rows = tx.rows(_PAST, (ref, number))
    if not rows:
        raise NotFoundError("there is no such version", where=ref, cure="search for the resource")
    found, content, sha = rows[0]
    octets = store.bodies.read(bytes(sha)) if sha is not None else canonical_json(bytes(content))
    return Version(f"{ref}/_history/{found}", octets, orjson.loads(content))


def with_documents(store: Store, ref: str) -> list[Version]:
    """The present version of a resource and, of a DocumentReference, those of the documents that it leads to."""
    first = version(store, ref)
    found = [first]
    contents = first.resource.get("content", ()) if first.resource.get("resourceType") == "DocumentReference" else ()
    for one in contents:
        local = _LOCAL.fullmatch(str(one.get("attachment", {}).get("url", "")))
        if local is not None:
            found.append(version(store, local[1], int(local[2] or 0)))
    return found


def keep(store: Store, provenance: dict[str, Any], signature: str) -> dict[str, Any]:
    """Store a Provenance under an id that is the same for the same signature; return it with its id."""
    fid = resource_id("Provenance", "urn:oncohub:signature", signature)
    made = {k: v for k, v in provenance.items() if k != "id"}
    rest = orjson.dumps({k: v for k, v in made.items() if k != "resourceType"})[1:]
    write = changes.decided(store, Entry("Provenance", fid, made, Rank.PERSON), SOURCE, rest, b"")
    changes.change(store, [changes.Change(write)])
    return {"resourceType": "Provenance", "id": fid, **made}
