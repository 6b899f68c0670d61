"""``hub try``: what a channel makes of a message."""

from __future__ import annotations

from pathlib import Path

import click

from hub.commands.options import channel_paths, home_option, json_option, print_json, settings_of


@click.command()
@click.argument("channel")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@home_option
@json_option
def command(channel: str, file: Path, home: str | None, as_json: bool) -> int:
    """Show every stage of the message in FILE through CHANNEL (a name or a path).

    Nothing is stored or delivered.  Exit status: 0 when the message would be done or filtered, 1 when
    it would be rejected or held.
    """
    from hub.channel.model import load_channel
    from hub.channel.testing import read_message
    from hub.channel.trying import attempt

    settings = settings_of(home)
    spec = load_channel(channel_paths((channel,), settings)[0], settings)
    stages = attempt(spec, read_message(file))
    if as_json:
        print_json([{"stage": s.name, "outcome": s.outcome, "lines": s.lines, "value": s.value} for s in stages])
    else:
        for stage in stages:
            click.echo(f"{click.style(stage.name.ljust(9), bold=True)} {stage.outcome}")
            for line in stage.lines:
                click.echo(f"          {line}")
    return 0 if stages[-1].outcome in ("done", "filtered") else 1
