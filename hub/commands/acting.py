"""What ``hub replay``, ``hold``, ``release`` and ``cancel`` share: count, ask, do, tell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from hub.commands.asking import agreed, read_query, store_of
from hub.commands.options import print_json

if TYPE_CHECKING:
    from hub.store import Store
    from hub.store.find import MessageQuery

_MEANING = {
    "replay": "worked on again", "hold": "held", "release": "released", "cancel": "cancelled for good",
}  # fmt: skip
_ONLY = {
    "replay": "those that wait already, and what could not be read whole, stay as they are",
    "hold": "only those that wait can be held",
    "release": "only held ones whose body is whole can be released",
    "cancel": "only those that wait, are held, or are not delivered yet can be cancelled",
}


def act(
    action: str,
    words: Sequence[str],
    home: str | None,
    do: Callable[[Store, MessageQuery], int],
    *,
    yes: bool,
    as_json: bool,
    dry_run: bool = False,
) -> int:
    """Count what a query finds, ask, and do it.  Exit status 1 when nothing was done that was meant.

    :raises ConfigError: for a query that is empty or not understood, or when nobody can be asked.
    """
    from hub.commands.output import counted, note
    from hub.engine import steer

    query = read_query(words, needed=True)
    with store_of(home) as store:
        count = steer.count(store, query, action)
        go = not dry_run and count.started > 0
        if count.started < count.found:
            note(f"{count.found} found, {count.started} of them fit: {_ONLY[action]}")
        if go and not agreed(f"{counted(count.started, 'message')} will be {_MEANING[action]}. Go on?", yes):
            note("nothing was changed")
            return 1
        done = do(store, query) if go else 0
    if as_json:
        print_json({"found": count.found, "fit": count.started, "done": done, "dry_run": dry_run})
    elif dry_run:
        click.echo(f"{counted(count.started, 'message')} would be {_MEANING[action]}")
    else:
        click.echo(f"{counted(done, 'message')} {_MEANING[action]}" if count.found else "no message fits")
    return 0 if dry_run or done else 1
