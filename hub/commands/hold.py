"""``hub hold``: messages that wait are kept from being worked on."""

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
    """Keep messages that wait from being worked on, until `hub release`.

    QUERY is that of `hub find` and must not be empty.
    """
    from hub.engine import steer

    return act("hold", query, home, steer.hold, yes=yes, as_json=as_json)
