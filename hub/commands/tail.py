"""``hub tail``: messages as they come in."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

from hub.commands.asking import read_query, store_of
from hub.commands.options import home_option

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from hub.store import Store
    from hub.store.find import MessageQuery

RHYTHM = 0.5  # seconds between two looks
# Ids are taken before the commit, by several processes, so a smaller one may be seen after a larger one.
LATE = 3_000_000
PATIENCE = 2_000_000  # a message that waits longer is shown as waiting
_BITE = 1000
_WIDTHS = (13, 19, 16, 8, 16, 8)


def follow(store: Store, query: MessageQuery, last: int, pause: Callable[[], None]) -> Iterator[list[Any]]:
    """Rows of messages as they come in, each once: first the ``last`` newest, then what is new.

    A message is given when it has been worked on, so that its line says what became of it.
    """
    from hub import clock
    from hub.store import find
    from hub.store.tables import State

    floor = clock.now() - LATE  # what was taken in before is settled
    with store.reading() as conn:
        first = list(reversed(find.find(conn, query, last))) if last else []
        seen = {row.id for row in _since(conn, query, floor)} | {row.id for row in first}
    yield first
    while True:
        pause()
        now = clock.now()
        with store.reading() as conn:
            fresh = [row for row in _since(conn, query, floor) if row.id not in seen]
        young = [r for r in fresh if r.state == State.WAITING and now - clock.id_time(r.id) < PATIENCE]
        wait = {row.id for row in young}
        ready = [row for row in fresh if row.id not in wait]
        floor = min([now - LATE, *(clock.id_time(row.id) for row in young)])
        seen = {i for i in seen if clock.id_time(i) >= floor} | {row.id for row in ready}
        yield ready


def _since(conn: Connection, query: MessageQuery, floor: int) -> Iterator[Any]:
    from hub.store import find

    after, bite = floor << 8, _BITE
    while bite == _BITE:
        rows = find.find(conn, query, _BITE, after=after, newest_first=False)
        yield from rows
        after, bite = rows[-1].id if rows else after, len(rows)


@click.command()
@click.argument("query", nargs=-1)
@home_option
@click.option("--last", type=click.IntRange(0, 1000), default=10, show_default=True, help="Begin with so many.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one message a line.")
def command(query: tuple[str, ...], home: str | None, last: int, as_json: bool) -> None:
    """Follow messages as they come in, the newest at the bottom, until Ctrl-C.

    QUERY is that of `hub find`.
    """
    from hub.commands.rows import fact

    wanted = read_query(query)
    with store_of(home) as store:
        try:
            heads = not as_json
            for rows in follow(store, wanted, last, lambda: time.sleep(RHYTHM)):
                lines = [json.dumps(fact(r), ensure_ascii=False) for r in rows] if as_json else _lines(rows, heads)
                heads = False
                for line in lines:
                    click.echo(line)
        except KeyboardInterrupt:
            click.echo("", err=True)


def _lines(rows: list[Any], heads: bool) -> list[str]:
    """Lines of the table of ``hub find``, without the age, which would soon be wrong."""
    from hub import clock
    from hub.commands.output import table
    from hub.commands.rows import HEADS, line

    now = clock.now()
    cells = [[c for i, c in enumerate(line(row, now)) if HEADS[i] != "AGE"] for row in rows]
    made = table([h for h in HEADS if h != "AGE"], cells, _WIDTHS)
    return made if heads else made[1:]
