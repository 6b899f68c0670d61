"""What stands in the store after the engine worked."""

from __future__ import annotations

from typing import Any

import orjson
from sqlalchemy import Table, select

from hub.engine.connector import Receipt
from hub.engine.counters import Counters
from hub.engine.intake import Intake
from hub.engine.model import ChannelSpec
from hub.engine.outcomes import Outcomes
from hub.engine.work import Outcome
from hub.store import Store, messages
from hub.store.tables import message

from .bench import word


class Nobody:
    """A runner that works on nothing, and keeps what it was told."""

    def __init__(self) -> None:
        self.came_in: list[tuple[str, int]] = []
        self.outcomes = Outcomes()

    def came(self, channel: str, lane: int) -> None:
        self.came_in.append((channel, lane))

    def when_mapped(self, message_id: int, told: Any, within: float) -> None:
        self.outcomes.wait(message_id, told, within)


def rows(store: Store, table: Table, *where: Any) -> list[Any]:
    """All rows of a table, by primary key."""
    with store.reading() as conn:
        return list(conn.execute(select(table).where(*where).order_by(*table.primary_key.columns)))


def states(store: Store) -> list[int]:
    """States of all messages, in order of arrival."""
    return [r.state for r in rows(store, message)]


def reason(row: Any) -> dict[str, str]:
    """The error of a message or a delivery."""
    found: dict[str, str] = orjson.loads(row.error)
    return found


def receive(store: Store, spec: ChannelSpec, *bodies: bytes, runner: Any = None) -> list[Receipt]:
    """Take bodies in, one after the other."""
    intake = Intake(store, spec, runner or Nobody(), Counters(), "127.0.0.1")
    return [intake.receive_now(octets, peer="127.0.0.1:1", answer=word) for octets in bodies]


def waiting(store: Store, spec: ChannelSpec) -> list[messages.Waiting]:
    """What a worker would be given."""
    with store.looking() as tx:
        return messages.waiting(tx, spec.name, 100, 1 << 30)[0]


def outcome_of(told: list[Outcome | None]) -> Outcome:
    """The one outcome that was told."""
    assert len(told) == 1
    assert told[0] is not None
    return told[0]
