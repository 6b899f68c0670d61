"""``hub new``: the first files of a channel."""

from __future__ import annotations

import click

from hub.commands.options import home_option, settings_of


@click.group()
def command() -> None:
    """Write the first files of a channel."""


@command.command()
@click.argument("name")
@click.option("--source", default="mllp", show_default=True, help="Connector that receives.")
@click.option("--map", "mapping", default="", help="Mapping, such as hl7v2.messages.adt (`hub list mappings`).")
@click.option("--to", multiple=True, help="store, or a connector that sends; may be given several times.")
@home_option
def channel(name: str, source: str, mapping: str, to: tuple[str, ...], home: str | None) -> None:
    """Write channels/NAME: channel.yaml with every setting commented, a README, a message and a test."""
    from hub.channel.findings import shown
    from hub.channel.scaffold import new_channel

    folder = new_channel(name, source, mapping, to, settings_of(home))
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        click.echo(f"wrote {shown(str(path))}")
    click.echo(f"\nnext: hub lint {name}, hub test {name}")
