"""What verbs share that look into a store or change it: opening it, reading a query, asking first."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from hub.commands.options import settings_of

if TYPE_CHECKING:
    from pathlib import Path

    from hub.engine.model import ChannelSpec
    from hub.settings import Settings
    from hub.store import Store
    from hub.store.find import MessageQuery

yes_option = click.option("--yes", is_flag=True, help="Do not ask.")


@contextmanager
def store_of(home: str | None) -> Iterator[Store]:
    """The store of the hub in ``home``, which must be there and of this version.

    :raises ConfigError: when there is none, or it must be upgraded.
    """
    settings = settings_of(home)
    with existing_store(settings) as store:
        store.check_version()
        yield store


@contextmanager
def existing_store(settings: Settings) -> Iterator[Store]:
    """A store that answers, of whatever version.  Looking for one in a wrong folder makes no new one there.

    :raises ConfigError: when there is none.
    """
    from pathlib import Path

    from sqlalchemy.engine import make_url

    from hub.errors import ConfigError
    from hub.store import open_store

    if settings.sqlite:
        file = Path(make_url(settings.database).database or "")
        if not file.is_file():
            raise ConfigError(
                "no store is there", where=str(file), cure="say --home FOLDER, or make one with hub db upgrade"
            )
    store = open_store(settings)
    try:
        with store.reading():
            pass
        yield store
    finally:
        store.close()


def read_query(words: Sequence[str], *, needed: bool = False) -> MessageQuery:
    """The query that people wrote.

    :raises ConfigError: when it is not understood, or is empty where it must say something.
    """
    from hub.errors import ConfigError
    from hub.store import find

    if needed and not words:
        raise ConfigError(
            "a query is needed: everything is never meant", cure="write ids, or status:held channel:NAME since:1h"
        )
    return find.parse(words)


def interactive() -> bool:
    """Whether somebody can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def agreed(question: str, yes: bool) -> bool:
    """Ask before something is changed.

    :raises ConfigError: when nobody can be asked and ``--yes`` was not said.
    """
    from hub.errors import ConfigError

    if yes:
        return True
    if not interactive():
        raise ConfigError(f"{question} Nobody can be asked here", cure="say --yes")
    return click.confirm(question, err=True)


def channel_files(settings: Settings) -> list[Path]:
    """The channel files of a site; none where it has no folder for them."""
    from hub.channel.model import files

    return files([settings.channels]) if settings.channels.is_dir() else []


def spec_of(settings: Settings, channel: str) -> ChannelSpec:
    """A channel as its file is now.

    :raises ConfigError: when no file has that channel, or the file is broken.
    """
    from hub.channel.model import inspect, load_channel
    from hub.registry import unknown

    names = []
    for path in channel_files(settings):
        loaded = inspect(path, settings)
        name = loaded.spec.name if loaded.spec else path.parent.name
        if name == channel:
            return load_channel(path, settings)
        names.append(name)
    raise unknown("channel", channel, sorted(names))
