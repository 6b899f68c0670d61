"""``hub bench``: how many messages a second this machine takes, maps and keeps, as a Markdown table."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from hub.bench.database import Place


@click.command()
@click.argument("what", type=click.Choice(["messages", "fhir"]), default="messages")
@click.option("--quick", is_flag=True, help="A second a line: to see that it works, not to compare.")
@click.option("--seconds", type=click.FloatRange(0.1, 600), default=10.0, show_default=True, help="Of each line.")
@click.option("--database", "databases", multiple=True, help="sqlite, or the URL of a PostgreSQL server.")
@click.option("--only", "names", multiple=True, help="messages: a line of the table, such as adt-4 or ceiling.")
@click.option("--patients", type=click.IntRange(50), default=100_000, show_default=True, help="fhir: of the store.")
@click.option("--workers", type=click.IntRange(1, 64), default=2, show_default=True, help="fhir: HTTP workers.")
def command(
    what: str, quick: bool, seconds: float, databases: tuple[str, ...], names: tuple[str, ...], patients: int,
    workers: int,
) -> int:  # fmt: skip
    """Measure messages (the default) or requests of the FHIR API per second, waits and memory, on SQLite and,
    when it is there, on PostgreSQL.

    messages: each line starts a hub of its own with the channels that come with it, sends from a client on the same
    machine, and waits until everything is mapped and can be searched.  On PostgreSQL it makes a schema and
    drops it.
    """
    places = _places(databases)
    seconds = 1.0 if quick else seconds
    if what == "fhir":
        return _fhir(places, 1000 if quick else patients, seconds, workers)
    return _messages(places, seconds, names)


def _fhir(places: list[Place], patients: int, seconds: float, workers: int) -> int:
    from hub.bench import fhir, measure, report
    from hub.testing.child import alone

    with alone():
        figures = [
            one
            for place in places
            for one in fhir.run(place, patients, seconds, workers, lambda line: click.echo(line, err=True))
        ]
    click.echo(report.heading(measure.machine(Path(tempfile.gettempdir())), seconds))
    click.echo(f"- store: {patients} patients; 16 connections, {workers} HTTP workers\n\n{report.requests(figures)}")
    return 1 if any(one.bad for one in figures) else 0


def _messages(places: list[Place], seconds: float, names: tuple[str, ...]) -> int:
    from hub.bench import ceiling, measure, report, rows
    from hub.registry import unknown
    from hub.testing.child import alone

    known = [row.name for row in rows.ROWS] + ["ceiling"]
    for name in names:
        if name not in known:
            raise unknown("line of the table", name, known)
    with alone():
        figures = [
            rows.run(row, place, seconds, lambda line: click.echo(line, err=True))
            for place in places
            for row in rows.ROWS
            if not names or row.name in names
        ]
        rates = [
            (place.name, waiting, ceiling.inserts(place, waiting, min(seconds, 3.0)))
            for place in places
            for waiting in (1, 16, 64)
            if not names or "ceiling" in names
        ]
    click.echo(report.heading(measure.machine(Path(tempfile.gettempdir())), seconds))
    if figures:
        click.echo(f"\n{report.table(figures)}")
    if rates:
        click.echo(f"\n{report.ceilings(rates)}")
    return 1 if any(one.bad or one.unmapped for one in figures) else 0


def _places(asked: tuple[str, ...]) -> list[Place]:
    from hub.bench.database import LOCAL, SQLITE, Place, reachable

    if asked:
        return [SQLITE if text == "sqlite" else Place("PostgreSQL", text) for text in asked]
    if reachable(LOCAL):
        return [SQLITE, Place("PostgreSQL", LOCAL)]
    click.echo("no PostgreSQL at 127.0.0.1:5432: measured on SQLite alone (see --database)", err=True)
    return [SQLITE]
