"""``hub cancel``: messages end for good."""

from __future__ import annotations

import click

from hub.commands.acting import act
from hub.commands.asking import yes_option
from hub.commands.options import home_option, json_option


@click.command()
@click.argument("query", nargs=-1)
@home_option
@yes_option
@json_option
def command(query: tuple[str, ...], home: str | None, yes: bool, as_json: bool) -> int:
    """End messages for good, with what of their deliveries was not sent yet.

    QUERY is that of `hub find` and must not be empty.
    """
    from hub.engine import steer

    return act("cancel", query, home, steer.cancel, yes=yes, as_json=as_json)
