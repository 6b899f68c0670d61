"""Verdicts on signatures, kept with their messages, and the signatures that came.

A verdict is shown as it was found, years later and without asking anybody again.  A signature is taken once in a
channel: the primary key decides which of two messages that bring it at the same time is the first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson
from sqlalchemy import delete, select

from hub import clock
from hub.store import tables
from hub.store.tables import State
from hub.store.writer import Tx

if TYPE_CHECKING:
    from hub.store.handle import Store
    from hub.store.messages import Finished

REMEMBERED: Final = 30 * 86_400_000_000  # microseconds; far beyond the oldest signing time that is taken


@dataclass(frozen=True, slots=True)
class Kept:
    """What is to be kept of a message.

    :ivar verdict: JSON of :class:`hub.services.signing.verdict.Verdict`.
    :ivar signature: digest, in hexadecimal, of a signature that is valid; '' otherwise.
    """

    channel: str
    verdict: bytes
    signature: str = ""

    @property
    def digest(self) -> bytes:
        return hashlib.sha256(f"{self.channel}:{self.signature}".encode()).digest()


_VERDICT = (
    "INSERT INTO signature (message, status, verdict) VALUES (?, ?, ?) ON CONFLICT (message)"
    " DO UPDATE SET status = excluded.status, verdict = excluded.verdict"
)


def keep(tx: Tx, finished: Sequence[Finished]) -> list[tuple[Finished, int]]:
    """Keep the verdicts of messages; those whose signature another message brought before, with its id."""
    signed = [f for f in finished if f.signature is not None]
    tx.many(_VERDICT, [(f.id, str(orjson.loads(f.signature.verdict)["status"]), f.signature.verdict) for f in signed])
    taken = [f for f in signed if f.signature.signature and f.state in (State.MAPPED, State.DONE)]
    if not taken:
        return []
    tx.many(
        "INSERT INTO signature_seen (digest, message) VALUES (?, ?) ON CONFLICT (digest) DO NOTHING",
        sorted((f.signature.digest, f.id) for f in taken),  # one order for all: no two wait for each other
    )
    rows = tx.rows_in(
        "SELECT digest, message FROM signature_seen WHERE digest IN (*)", [f.signature.digest for f in taken]
    )
    first = {bytes(digest): message for digest, message in rows}
    return [(f, first[f.signature.digest]) for f in taken if first[f.signature.digest] != f.id]


def verdict_of(store: Store, message: int) -> dict[str, Any] | None:
    """The verdict on the signature of a message; None when nobody asked for one."""
    with store.reading() as conn:
        found = conn.execute(select(tables.signature.c.verdict).where(tables.signature.c.message == message)).scalar()
    return None if found is None else dict(orjson.loads(found))


def forget(tx: Tx, ids: Sequence[int], before: int) -> None:
    """Delete the verdicts of messages that are pruned, and signatures that are too old to be brought again."""
    tx.conn.execute(delete(tables.signature).where(tables.signature.c.message.in_(ids)))
    oldest = min(before, (clock.now() - REMEMBERED) << 8)
    tx.conn.execute(delete(tables.signature_seen).where(tables.signature_seen.c.message < oldest))
