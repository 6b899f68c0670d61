"""``hub replay``: messages are worked on again."""

from __future__ import annotations

import click

from hub.commands.acting import act
from hub.commands.asking import yes_option
from hub.commands.options import home_option, json_option


@click.command()
@click.argument("query", nargs=-1)
@home_option
@click.option("--dry-run", is_flag=True, help="Only count.")
@click.option(
    "--from", "step", type=click.Choice(["map", "store", "deliver"]), default="map", show_default=True,
    help="map: all again; store: map and store, deliver nothing; deliver: deliver, the store stays.",
)  # fmt: skip
@yes_option
@json_option
def command(query: tuple[str, ...], home: str | None, dry_run: bool, step: str, yes: bool, as_json: bool) -> int:
    """Handle messages again, in their order, as their channels are now.

    QUERY is that of `hub find` and must not be empty.  Messages keep their ids, and so their place in
    time: what later messages said of a patient stays.
    """
    from hub.engine import steer

    return act(
        "replay", query, home, lambda store, found: steer.replay(store, found, step).started,
        yes=yes, as_json=as_json, dry_run=dry_run,
    )  # fmt: skip
