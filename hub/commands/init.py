"""``hub init``: a folder in which a hub can run."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=".")
@click.option("--force", is_flag=True, help="Add what is missing to a folder that is not empty.")
def command(folder: Path, force: bool) -> None:
    """Make FOLDER a place in which a hub can run: hub.yaml, a secret, and the channels that come with it."""
    from hub.channel.findings import shown
    from hub.channel.site import make_site

    for path in make_site(folder, force=force):
        click.echo(f"wrote {shown(str(path))}")
    home = "" if folder.resolve() == Path.cwd() else f" --home {folder}"
    click.echo(f"\nnext: hub lint{home}, hub test{home}, hub run{home}")
