"""The seal of the hub on what it stored: a Provenance of each message of a channel that verifies signatures.

FHIR R4 §6.3, IHE ITI DSG.  The Provenance is of the versions that the message wrote and names the message;
its signature, with the key of the organisation, says that the hub verified the signature that came (purpose
``verification``) or, of what came unsigned, that it saw it come in (``event-witness``).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select

from hub import clock
from hub.errors import HubError
from hub.logs import event
from hub.security import certificates
from hub.services.signing import build, names
from hub.services.signing.deferred import PARTICIPANT
from hub.services.signing.provenance import signature_element
from hub.services.signing.seal import FileSealer, Sealer
from hub.services.signing.versions import SOURCE, keep, version
from hub.store import tables, written
from hub.store.handle import Store

log = logging.getLogger("hub.signing")


def after(store: Store, ids: Iterable[int]) -> None:
    """Seal what messages wrote, when this hub has a seal.  What fails is logged: the messages are stored."""
    certificate, key = store.settings.seal_certificate, store.settings.seal_key
    if certificate is None or key is None:
        return
    try:
        sealer = FileSealer.load(certificate, key)
        for one in ids:
            seal_message(store, one, sealer, clock.now())
    except HubError as error:
        event(log, logging.ERROR, "not sealed", code=error.code, reason=error.what)


def seal_message(store: Store, message: int, sealer: Sealer, at: int) -> dict[str, Any] | None:
    """Seal the versions that a message wrote; the Provenance, or None when it wrote none.

    :param at: microseconds since the epoch.
    """
    with store.reading() as conn:
        columns = tables.message.c.mapped_at, tables.signature.c.status
        joined = tables.message.outerjoin(tables.signature, tables.signature.c.message == tables.message.c.id)
        row = conn.execute(select(*columns).select_from(joined).where(tables.message.c.id == message)).first()
        found = written.written_by(conn, message, row.mapped_at) if row is not None else []
    found = [w for w in found if not w.ref.startswith("Provenance/")]
    if row is None or not found:
        return None
    original = f"urn:oncohub:message:{clock.show_id(message)}"
    targets = [version(store, one.ref, one.version) for one in found]
    documents = {one.name: one.octets for one in targets}
    purpose = "verification" if row.status == "valid" else "event-witness"
    moment = datetime.fromtimestamp(at / 1_000_000, UTC)
    dsg = build.seal_documents(documents, sealer, moment, purpose=purpose)
    identity = certificates.identity(sealer.chain[0])
    who = {"identifier": {"system": f"urn:oid:{identity.system}", "value": identity.id}}
    made = {
        "resourceType": "Provenance",
        "target": [{"reference": one.name} for one in targets],
        "recorded": clock.iso(at),
        "agent": [{"type": {"coding": [{**PARTICIPANT, "code": "custodian"}]}, "who": who}],
        "entity": [{"role": "source", "what": {"identifier": {"system": SOURCE, "value": original}}}],
        "signature": [signature_element(dsg, clock.iso(at), who, names.PURPOSES[purpose])],
    }
    return keep(store, made, original)  # one a message: sealed again, it is another version of it
