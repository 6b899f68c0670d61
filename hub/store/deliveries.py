"""Rows of deliveries: due ones by destination, and what became of attempts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hub.store.messages import settle
from hub.store.tables import Sending
from hub.store.writer import Tx

_DUE = "id, message, run, order_key, body, content_type, type, control_id, trace, attempts, due"


@dataclass(slots=True)
class Due:
    """A delivery to be attempted."""

    id: int
    message: int
    run: int
    order_key: str
    body: bytes
    content_type: str
    type: str
    control_id: str
    trace: int
    attempts: int
    due: int


@dataclass(slots=True)
class Attempt:
    """What one attempt came to; ``state`` DUE means that it is tried again at ``due``."""

    id: int
    message: int
    state: Sending
    attempts: int
    due: int
    at: int
    error: str | None = None
    answer: bytes | None = None


def due(tx: Tx, channel: str, destination: str, limit: int) -> list[Due]:
    """The oldest deliveries of a destination that have not ended, whether their time has come or not."""
    rows = tx.rows(
        f"SELECT {_DUE} FROM delivery WHERE state = 0 AND channel = ? AND destination = ?"
        f" ORDER BY id LIMIT {int(limit)}",
        (channel, destination),
    )
    return [Due(r[0], r[1], r[2], r[3], bytes(r[4]), r[5], r[6], r[7], r[8], r[9], r[10]) for r in rows]


def ended(tx: Tx, items: Sequence[Attempt]) -> list[None]:
    """Writer handler: note attempts; messages whose deliveries have all ended are done."""
    tx.many(
        "UPDATE delivery SET state = ?, attempts = ?, due = ?, sent_at = ?, error = ?, answer = ?"
        " WHERE id = ? AND state = 0",
        [
            (int(a.state), a.attempts, a.due, a.at if a.state is Sending.SENT else None, a.error, a.answer, a.id)
            for a in items
        ],
    )
    settle(tx, [a.message for a in items if a.state is not Sending.DUE])
    return [None] * len(items)


def steer(tx: Tx, channel: str, name: str, **values: Any) -> None:
    """Set columns of a destination's row, making the row when there is none."""
    changes = ", ".join(f"{n} = excluded.{n}" for n in values)
    defaults = {"paused": False, "open_until": 0, "failures": 0} | values
    columns, marks = ", ".join(defaults), ", ".join("?" for _ in defaults)
    tx.many(
        f"INSERT INTO destination (channel, name, {columns}) VALUES (?, ?, {marks})"
        f" ON CONFLICT (channel, name) DO UPDATE SET {changes}",
        [(channel, name, *defaults.values())],
    )
