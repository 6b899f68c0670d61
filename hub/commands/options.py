"""What several verbs have in common: the folder of the hub, and printing for people or for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from hub.settings import Settings

home_option = click.option(
    "--home", type=click.Path(file_okay=False), help="Folder of the hub. Default: HUB_HOME, or here."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def settings_of(home: str | None) -> Settings:
    """The settings of the hub in ``home``."""
    from hub.settings import Settings

    return Settings.load(home)


def channel_paths(paths: Sequence[str], settings: Settings) -> list[Path]:
    """The channels a verb is about: paths, names of channels of the site, or all of the site.

    Outside of a site they are the channels that come with the hub.
    """
    from hub.errors import ConfigError
    from hub.paths import room

    site = settings.channels if settings.channels.is_dir() else room("channels")
    if not paths:
        return [site]
    found = []
    for text in paths:
        path = Path(text)
        if path.exists():
            found.append(path)
        elif (site / text).is_dir() and path.name == text:
            found.append(site / text)
        else:
            from hub.registry import unknown

            near = sorted(p.name for p in site.iterdir() if p.is_dir())
            if "/" in text or text.endswith(".yaml"):
                raise ConfigError(f"no file {text}", cure="write a path, or the name of a channel")
            raise unknown("channel", text, near)
    return found


def print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as their widest value; the last one is free."""
    if not rows:
        return
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    for row in rows:
        cells = [text.ljust(width) for text, width in zip(row, widths, strict=False)]
        click.echo("  ".join([*cells, row[-1]]).rstrip())
