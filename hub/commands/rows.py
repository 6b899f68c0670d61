"""A message as verbs list it: one line for people, one object for programs."""

from __future__ import annotations

from typing import Any

from hub import clock
from hub.commands.output import age, error_line, error_of, local, plain
from hub.store.messages import REJECTED
from hub.store.tables import BROKEN, CONTROL_REUSED, EXCERPT, Sending, State

HEADS = ("ID", "RECEIVED", "AGE", "CHANNEL", "TYPE", "CONTROL ID", "STATUS", "WHY")

FLAGS = {
    CONTROL_REUSED: "control id came before with another body",
    EXCERPT: "only the first piece of the body is kept",
    BROKEN: "no message of the channel's format",
    REJECTED: "answered with a refusal",
}


def state(row: Any) -> str:
    return State(row.state).name.lower()


def line(row: Any, now: int) -> tuple[str, ...]:
    """The columns of ``HEADS``."""
    at = clock.id_time(row.id)
    return (
        clock.show_id(row.id), local(at), age(at, now), plain(row.channel, 20), plain(row.type, 9),
        plain(row.control_id, 20) or "-", state(row), error_line(row.error),
    )  # fmt: skip


def fact(row: Any) -> dict[str, Any]:
    """What programs get of a message in a list; no body, no key of a person."""
    return {
        "id": clock.show_id(row.id), "received": clock.iso(clock.id_time(row.id)), "channel": row.channel,
        "revision": row.revision, "type": row.type, "control_id": row.control_id, "sender": row.sender,
        "peer": row.peer, "status": state(row), "size": row.size, "content_type": row.content_type,
        "flags": [text for bit, text in FLAGS.items() if row.flags & bit],
        "trace": clock.show_id(row.trace), "parent": clock.show_id(row.parent) if row.parent else None,
        "mapped": clock.iso(row.mapped_at) if row.mapped_at else None, "runs": row.runs, "step": row.step,
        "error": error_of(row.error) or None,
    }  # fmt: skip


def delivery_state(row: Any) -> str:
    return Sending(row.state).name.lower()


def delivery_fact(row: Any) -> dict[str, Any]:
    """What programs get of a delivery."""
    waits = row.state == Sending.DUE
    return {
        "id": clock.show_id(row.id), "message": clock.show_id(row.message), "channel": row.channel,
        "destination": row.destination, "run": row.run, "status": delivery_state(row), "attempts": row.attempts,
        "made": clock.iso(row.made_at), "next_try": clock.iso(row.due) if waits else None,
        "sent": clock.iso(row.sent_at) if row.sent_at else None, "error": error_of(row.error) or None,
        "size_of_answer": len(row.answer) if row.answer else 0,
    }  # fmt: skip


DELIVERY_HEADS = ("DELIVERY", "DESTINATION", "STATUS", "TRIES", "AGE", "NEXT TRY", "LAST ERROR")


def delivery_line(row: Any, now: int) -> tuple[str, ...]:
    """The columns of ``DELIVERY_HEADS``."""
    waits = row.state == Sending.DUE
    next_try = ("now" if row.due <= now else age(row.due, now)) if waits else "-"
    return (
        clock.show_id(row.id), plain(row.destination, 20), delivery_state(row), str(row.attempts),
        age(row.made_at, now), next_try, error_line(row.error),
    )  # fmt: skip
