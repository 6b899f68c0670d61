"""``hub list``: channels, connectors, mappings and formats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from hub.commands.options import channel_paths, home_option, json_option, print_json, print_table, settings_of

if TYPE_CHECKING:
    from hub.settings import Settings


@click.command()
@click.argument("what", type=click.Choice(["channels", "connectors", "mappings", "formats"]), default="channels")
@home_option
@json_option
def command(what: str, home: str | None, as_json: bool) -> None:
    """List channels (of the site), connectors, mappings or formats."""
    rows = _channels(settings_of(home)) if what == "channels" else _COMPONENTS[what]()
    if as_json:
        print_json(rows)
    else:
        print_table([[_cell(v) for v in row.values()] for row in rows])


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "enabled" if value else "disabled"
    return ", ".join(value) if isinstance(value, list) else str(value)


def _channels(settings: Settings) -> list[dict[str, Any]]:
    from hub.channel.model import files, inspect

    rows = []
    for path in files(channel_paths((), settings)):
        loaded = inspect(path, settings)
        spec = loaded.spec
        if spec is None:
            wrong = f"broken: {loaded.findings[0]}"
            rows.append(
                {
                    "channel": path.parent.name,
                    "revision": "",
                    "enabled": False,
                    "source": "",
                    "to": [],
                    "summary": wrong,
                }
            )
            continue
        to = (["store"] if spec.store else []) + [d.name for d in spec.destinations]
        rows.append(
            {
                "channel": spec.name, "revision": spec.revision, "enabled": spec.enabled,
                "source": spec.source.kind, "to": to, "summary": spec.summary,
            }
        )  # fmt: skip
    return rows


def _connectors() -> list[dict[str, Any]]:
    from hub import registry

    rows = []
    for name in registry.connectors():
        one = registry.connector(name)
        ways = [way for way, made in (("source", one.source), ("destination", one.destination)) if made]
        rows.append({"connector": name, "ways": ways, "summary": one.summary})
    return rows


def _mappings() -> list[dict[str, Any]]:
    from hub import registry

    return [
        {"mapping": name, "format": registry.mapping(name).source, "summary": registry.mapping(name).summary}
        for name in registry.mappings()
    ]


def _formats() -> list[dict[str, Any]]:
    from hub import registry

    return [{"format": name, "content_type": registry.reader(name).content_type} for name in registry.readers()]


_COMPONENTS = {"connectors": _connectors, "mappings": _mappings, "formats": _formats}
