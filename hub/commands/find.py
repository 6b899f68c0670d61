"""``hub find``: messages by what is known of them."""

from __future__ import annotations

import click

from hub.commands.asking import read_query, store_of
from hub.commands.options import home_option, json_option, print_json


@click.command()
@click.argument("query", nargs=-1)
@home_option
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="Messages at most.")
@json_option
def command(query: tuple[str, ...], home: str | None, limit: int, as_json: bool) -> None:
    """List messages, the newest first.

    QUERY is words that must all hold: an id, status:held, channel:NAME, type:ADT^A0*, control:ID,
    sender:S, trace:ID, since:2h, until:2026-11-20T10:00, and the business keys patient:, visit:,
    accession:, document:, order:.
    """
    from hub import clock
    from hub.commands.output import note, say, table
    from hub.commands.rows import HEADS, fact, line
    from hub.store import find

    wanted = read_query(query)
    with store_of(home) as store, store.reading() as conn:
        rows = find.find(conn, wanted, limit + 1)
    shown = rows[:limit]
    if as_json:
        print_json([fact(row) for row in shown])
    elif shown:
        now = clock.now()
        say(table(HEADS, [line(row, now) for row in shown]))
    if not rows:
        note("no message fits")
    elif len(rows) > limit:
        note(f"the newest {limit} are shown; say --limit, or a narrower query")
