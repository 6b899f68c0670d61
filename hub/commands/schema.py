"""``hub schema``: JSON Schema of channel files and settings, for editors."""

from __future__ import annotations

import click


@click.command()
@click.option("--settings", is_flag=True, help="The schema of hub.yaml instead of that of channel.yaml.")
def command(settings: bool) -> None:
    """Print the JSON Schema of channel files.

    Write it beside the channels (`hub schema > channels/channel.schema.json`) and begin a channel file
    with `# yaml-language-server: $schema=../channel.schema.json`.
    """
    from hub.channel.schema import channel_schema, settings_schema
    from hub.commands.options import print_json

    print_json(settings_schema() if settings else channel_schema())
