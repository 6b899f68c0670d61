"""``hub db``: the tables of the store, their version and their search rows."""

from __future__ import annotations

import click

from hub.commands.asking import existing_store, store_of
from hub.commands.options import home_option, json_option, print_json, settings_of


@click.group()
def command() -> None:
    """Upgrade and check the store."""


@command.command()
@home_option
def upgrade(home: str | None) -> None:
    """Bring the tables to the version of this hub, making them when there are none.

    `hub run` does it by itself; workers on other hosts wait for it.
    """
    from contextlib import closing

    from hub.store import open_store, schema

    settings = settings_of(home)
    if settings.sqlite and not (settings.home / "hub.yaml").exists() and not settings.data.exists():
        from hub.errors import ConfigError

        raise ConfigError("no hub is there", where=str(settings.home), cure="say --home FOLDER, or make one: hub init")
    with closing(open_store(settings)) as store:
        with store.reading():  # or say that it does not answer
            pass
        store.upgrade()
    click.echo(f"the store has version {schema.HEAD}")


@command.command()
@home_option
@json_option
def version(home: str | None, as_json: bool) -> int:
    """Say which version the tables have.  Exit status 1 when they must be upgraded."""
    from hub.store import schema

    with existing_store(settings_of(home)) as store, store.reading() as conn:
        found = schema.version(conn.engine)
    if as_json:
        print_json({"found": found, "needed": schema.HEAD})
    else:
        click.echo(f"the store has version {found or 'none'}, this hub needs {schema.HEAD}")
        if found != schema.HEAD:
            click.echo("run: hub db upgrade", err=True)
    return 0 if found == schema.HEAD else 1


@command.command()
@home_option
@json_option
def reindex(home: str | None, as_json: bool) -> None:
    """Write the search rows of all FHIR resources anew.  The hub may run meanwhile."""
    from hub.commands.output import counted, progress
    from hub.store.reindex import reindex as rebuild

    with store_of(home) as store:
        done = rebuild(store, progress("resources"))
    if as_json:
        print_json({"resources": done})
    else:
        click.echo(f"{counted(done, 'resource')} indexed")
