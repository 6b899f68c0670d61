"""Rows of channels: what runs, by which revision, and every revision that ever ran."""

from __future__ import annotations

from hub.store.writer import Tx


def note(tx: Tx, name: str, revision: str, state: str, detail: str, address: str, text: str, at: int) -> None:
    """Say how a channel stands; keep the text of a revision that runs for the first time."""
    tx.many(
        "INSERT INTO channel_run (channel, revision, state, detail, address, at) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (channel) DO UPDATE SET revision = excluded.revision, state = excluded.state,"
        " detail = excluded.detail, address = excluded.address, at = excluded.at",
        [(name, revision, state, detail, address, at)],
    )
    if state == "running":
        tx.many(
            "INSERT INTO channel_revision (channel, revision, first_run, text) VALUES (?, ?, ?, ?)"
            " ON CONFLICT DO NOTHING",
            [(name, revision, at, text)],
        )
