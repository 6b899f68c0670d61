"""``hub token``: issue, list and revoke the bearer tokens of the API (RFC 6750)."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import click

from hub.commands.options import home_option, json_option, print_json, print_table, settings_of

if TYPE_CHECKING:
    from hub.store import Store


def _store(home: str | None) -> Store:
    from hub.store import open_store

    store = open_store(settings_of(home))
    store.upgrade()
    return store


@click.group()
def command() -> None:
    """Issue, list and revoke bearer tokens of the API."""


@command.command()
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    help="system/*.read (default), system/*.write, system/TYPE.cruds, ingest, metrics; may be repeated.",
)
@click.option("--days", type=click.IntRange(0), default=365, show_default=True, help="Until it expires; 0: never.")
@home_option
def issue(name: str, scopes: tuple[str, ...], days: int, home: str | None) -> None:
    """Issue a token and print it, alone on its line; it is not shown again."""
    from hub.store import tokens

    with closing(_store(home)) as store:
        secret = tokens.issue(store, name, scopes or (tokens.READ,), days or None)
    click.echo("Keep it safe: it is not shown again.", err=True)
    click.echo(secret)


@command.command("list")
@home_option
@json_option
def listing(home: str | None, as_json: bool) -> None:
    """List tokens: name, number, scopes, expiry, state."""
    from hub import clock
    from hub.store import tokens

    with closing(_store(home)) as store, store.reading() as conn:
        found = tokens.listing(conn)
    at = clock.now()
    rows: list[dict[str, Any]] = [
        {
            "name": one.name,
            "number": one.number,
            "scopes": " ".join(sorted(one.scopes)),
            "expires": clock.iso(one.expires_at)[:10] if one.expires_at is not None else "never",
            "state": "revoked" if one.revoked_at is not None else "in use" if one.good(at) else "expired",
        }
        for one in found
    ]
    if as_json:
        print_json(rows)
    else:
        print_table([[*row.values()] for row in rows])


@command.command()
@click.argument("name")
@home_option
def revoke(name: str, home: str | None) -> None:
    """Revoke the tokens of a name; they are refused within seconds."""
    from hub.store import tokens

    with closing(_store(home)) as store:
        count = tokens.revoke(store, name)
    click.echo(f"{count} revoked")
