"""Signatures on the way of a message: what a channel with ``signature:`` makes of what came in.

``required``: what is not validly signed is held.  ``optional``: what is signed is signed validly, or held.
``record-only``: the verdict is kept, and the message goes on as it came.  Where a verdict is valid, mappings read
the octets that were verified and nothing else; what is relayed are the octets as received.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from hub import clock
from hub.errors import HubError, InvalidError
from hub.security import trust
from hub.services.signing import provenance
from hub.services.signing.examination import Given, Signed
from hub.services.signing.verify import verify


@dataclass(frozen=True, slots=True)
class Passed:
    """What came of it.

    :ivar octets: what is mapped.
    :ivar verdict: in JSON, to be kept with the message.
    :ivar status: in a word, with the reason.
    :ivar signature: digest of the signature, when it is one that may come only once.
    :ivar error: why the message is held.
    """

    octets: bytes
    verdict: bytes
    status: str
    signature: str = ""
    error: HubError | None = None


def check(mode: str, folder: str, body: bytes, at: int = 0) -> Passed:
    """Verify what came in.

    :param mode: ``required``, ``optional`` or ``record-only``.
    :param folder: of trust.
    :param at: when it came in, microseconds since the epoch; 0 for now.  A message that is handled again is judged
        by the time it came, with what is known today.
    :raises ConfigError: when the folder of trust cannot be read.
    """
    moment = datetime.fromtimestamp((at or clock.now()) / 1_000_000, UTC)
    signed = verify(body, Given(trust.current(Path(folder)), moment))
    verdict = signed.verdict
    kept = orjson.dumps(verdict.to_json())
    status = verdict.status + (f": {verdict.code}" if verdict.code else "")
    if verdict.valid:
        return Passed(_only_signed(body, signed), kept, status, verdict.signature)
    if mode == "record-only" or (mode == "optional" and verdict.status == "absent"):
        return Passed(body, kept, status)
    cure = "ask the sender to sign it" if verdict.status == "absent" else "hub verify says more; then replay or cancel"
    if verdict.status == "indeterminate":
        cure = "refresh the revocation lists, then replay"
    return Passed(body, kept, status, "", InvalidError(verdict.what, where="signature", cure=cure, code=verdict.code))


def _only_signed(body: bytes, signed: Signed) -> bytes:
    """What was signed, in the form that the reader of the channel takes."""
    documents = signed.documents
    if "document" in documents:
        return documents["document"]
    if not body.lstrip().startswith(b"{"):
        return body  # an archive: each document of it was digested as it stands
    return provenance.write_json(_bundle(provenance.read_json(body), documents))


def _bundle(read: dict[str, Any], documents: Any) -> dict[str, Any]:
    """A Bundle in which each resource is as it was signed: without meta and narrative that were not."""
    entries = []
    for entry in read.get("entry", ()):
        resource = entry["resource"]
        name, version = f"{resource.get('resourceType')}/{resource.get('id')}", resource.get("meta", {})
        names = (entry.get("fullUrl"), name, f"{name}/_history/{version.get('versionId')}")
        octets = next((documents[n] for n in names if n in documents), None)
        entries.append(entry if octets is None else {**entry, "resource": _resource(resource, octets)})
    return {**read, "entry": entries} if entries else read


def _resource(resource: dict[str, Any], octets: bytes) -> Any:
    """A resource as it was signed; of a document (Binary) only the octets are, and its media type is kept."""
    if resource.get("resourceType") == "Binary" and "data" in resource:
        return resource
    return provenance.read_json(octets)
