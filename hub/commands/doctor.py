"""``hub doctor``: what the hub needs, and what to do about what is not well."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from hub.commands.options import home_option, json_option, print_json, settings_of

if TYPE_CHECKING:
    from hub.commands.checks import Check


@click.command()
@home_option
@click.option("--peers", is_flag=True, help="Also call every peer, sending nothing of a patient.")
@json_option
def command(home: str | None, peers: bool, as_json: bool) -> int:
    """Check what the hub needs: settings, store, disk, channels, certificates, ports, peers.

    Each line is ok, warn or fail, and says what to do.  Exit status 1 when something fails.
    """
    from hub.commands.output import note

    found = []
    for check in _examine(home, peers):
        found.append(check)
        if not as_json:
            _print(check)
    if as_json:
        print_json([asdict(check) for check in found])
    counts = {level: sum(c.level == level for c in found) for level in ("fail", "warn")}
    if not as_json:
        note(", ".join(f"{n} {level}" for level, n in counts.items() if n) or "all is well")
    return 1 if counts["fail"] else 0


def _examine(home: str | None, peers: bool) -> Iterator[Check]:
    from hub.commands.asking import existing_store
    from hub.commands.checks import Check, Look, examine
    from hub.errors import HubError

    try:
        settings = settings_of(home)
    except HubError as error:
        where = f"{error.where}: " if error.where else ""
        yield Check("settings", "fail", f"{where}{error.what}", error.cure)
        return
    look = Look(settings, peers=peers)
    with ExitStack() as stack:
        try:
            store = stack.enter_context(existing_store(settings))
            store.check_version()
            look.store = store
        except HubError as error:
            look.problem = error
        yield from examine(look)


def _print(check: Check) -> None:
    from hub.commands.output import coloured, plain

    click.echo(f"{coloured(check.level, check.level.ljust(4))}  {check.name.ljust(10)}  {plain(check.what)}")
    if check.cure:
        click.echo(f"{' ' * 18}do: {plain(check.cure)}")
