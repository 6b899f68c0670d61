"""``hub prune``: deletes what channels no longer keep."""

from __future__ import annotations

from typing import Any

import click

from hub.commands.asking import channel_files, spec_of, store_of
from hub.commands.options import home_option, json_option, print_json


@click.command()
@click.argument("channel", default="")
@home_option
@click.option("--dry-run", is_flag=True, help="Only count.")
@json_option
def command(channel: str, home: str | None, dry_run: bool, as_json: bool) -> None:
    """Apply the `keep:` of channels (all, or CHANNEL) now; `hub run` does it every minute.

    The hub may run meanwhile: messages go in bites, between which everybody else has their turn.
    """
    from hub.channel.model import choose, inspect
    from hub.commands.output import note, say, table
    from hub.commands.run import prune_channel
    from hub.store import prune

    with store_of(home) as store:
        specs, findings = choose(
            [inspect(path, store.settings) for path in channel_files(store.settings)], store.settings
        )
        if channel:
            specs, findings = [spec_of(store.settings, channel)], []
        rows: list[dict[str, Any]] = []
        for spec in specs:
            keep = spec.keep
            if dry_run:
                count = prune.due(store, spec.name, done_days=keep.done, held_days=keep.held)
            else:
                count = prune_channel(store, spec)
            rows.append({
                "channel": spec.name, "keep_done": keep.done, "keep_held": keep.held, "keep_bodies": keep.bodies,
                "messages": count, "dry_run": dry_run,
            })  # fmt: skip
    for finding in findings:
        note(f"not looked at: {finding}")
    if as_json:
        print_json(rows)
    else:
        heads = ("CHANNEL", "KEEPS DONE", "HELD", "BODIES", "WOULD GO" if dry_run else "GONE")
        say(table(heads, [
            (r["channel"], *(_days(r[f"keep_{k}"]) for k in ("done", "held", "bodies")), r["messages"]) for r in rows
        ]))  # fmt: skip


def _days(days: int) -> str:
    return f"{days} d" if days else "for ever"
