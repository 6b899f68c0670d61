"""``hub channel``: which revision runs and which the file has; pause, resume, and the way back.

A channel is its file: what changes here is the file, and the running hub follows within a second.
"""

from __future__ import annotations

from typing import Any

import click

from hub.commands.asking import agreed, store_of, yes_option
from hub.commands.options import home_option, json_option, print_json


@click.group()
def command() -> None:
    """See, pause and resume channels; go back to a former revision."""


@command.command("list")
@home_option
@json_option
def listing(home: str | None, as_json: bool) -> None:
    """List channels: how they run, by which revision, and what the file has."""
    from hub import clock
    from hub.commands.output import age, note, say, table
    from hub.commands.processes import living
    from hub.commands.revisions import standing

    with store_of(home) as store:
        found = standing(store)
        if not any(one.role == "hub" for one in living(store)):
            note("no hub runs on this store: what stands below is how it was last")
    if as_json:
        print_json([one.fact() for one in found])
    elif found:
        heads = ("CHANNEL", "STATE", "SINCE", "RUNS", "FILE", "ADDRESS", "NOTE")
        now = clock.now()
        rows = [
            (s.name, s.state, age(s.since, now), s.running or "-", s.file or "-", s.address or "-", s.note)
            for s in found
        ]
        say(table(heads, rows))
    else:
        note("no channel has run, and there is no channel file")


@command.command()
@click.argument("name")
@home_option
def pause(name: str, home: str | None) -> None:
    """Stop a channel: writes `enabled: false` into its file.  What was taken in waits."""
    _enable(name, home, False)
    click.echo(f"{name} is paused: `enabled: false` stands in its file")


@command.command()
@click.argument("name")
@home_option
def resume(name: str, home: str | None) -> None:
    """Let a channel run: writes `enabled: true` into its file."""
    _enable(name, home, True)
    click.echo(f"{name} goes on: `enabled: true` stands in its file")


def _enable(name: str, home: str | None, enabled: bool) -> None:
    from hub.commands.options import settings_of
    from hub.commands.revisions import file_of, replace, with_enabled

    settings = settings_of(home)
    path = file_of(settings, name)
    replace(path, with_enabled(path, settings, enabled))


@command.command()
@click.argument("name")
@home_option
@json_option
def revisions(name: str, home: str | None, as_json: bool) -> None:
    """List the revisions of a channel that ever ran, the newest first."""
    from hub import clock
    from hub.commands.output import age, local, say, table
    from hub.commands.revisions import ran, standing

    with store_of(home) as store:
        found = ran(store, name)
        here = next((one for one in standing(store) if one.name == name), None)
    marks = {r.revision: " ".join(_marks(r.revision, here)) for r in found}
    if as_json:
        print_json(
            [{"revision": r.revision, "first_run": clock.iso(r.first_run), "note": marks[r.revision]} for r in found]
        )
    else:
        rows = [(r.revision, local(r.first_run), age(r.first_run), marks[r.revision]) for r in found]
        say(table(("REVISION", "FIRST RUN", "AGE", "NOTE"), rows))


def _marks(revision: str, here: Any) -> list[str]:
    if here is None:
        return []
    return [word for word, one in (("runs", here.running), ("file", here.file)) if one == revision]


@command.command()
@click.argument("name")
@click.argument("revision")
@click.argument("other", default="")
@home_option
def diff(name: str, revision: str, other: str, home: str | None) -> int:
    """Show what changed from REVISION to the file as it is now, or to OTHER.  Exit status 1 when something did."""
    from hub.commands.output import say
    from hub.commands.revisions import differences, file_of, ran_as

    with store_of(home) as store:
        old = ran_as(store, name, revision)
        if other:
            to = ran_as(store, name, other)
            new, called = to.text, f"{name} {to.revision}"
        else:
            path = file_of(store.settings, name)
            new, called = _text(path), str(path)
        lines = differences(old.text, new, f"{name} {old.revision}", called)
    say([_coloured(line) for line in lines])
    return 1 if lines else 0


@command.command()
@click.argument("name")
@click.argument("revision")
@home_option
@yes_option
def restore(name: str, revision: str, home: str | None, yes: bool) -> int:
    """Write a former revision back into the file of its channel; the running hub follows within a second.

    What changes is shown first.  The present file is kept as a revision when it ran; otherwise it is lost.
    """
    from hub.commands.output import note, say
    from hub.commands.revisions import differences, file_of, ran_as, replace

    with store_of(home) as store:
        old = ran_as(store, name, revision)
        path = file_of(store.settings, name)
        lines = differences(_text(path), old.text, str(path), f"{name} {old.revision}")
        if not lines:
            note(f"the file is revision {old.revision} already")
            return 0
        say([_coloured(line) for line in lines])
        if not agreed(f"{path} will be revision {old.revision} again. Go on?", yes):
            note("nothing was changed")
            return 1
        replace(path, old.text)
    click.echo(f"{name} is revision {old.revision} again", err=True)
    return 0


def _text(path: Any) -> str:
    from hub.channel import loader

    return loader.read(path).text


def _coloured(line: str) -> str:
    fg = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1])
    return click.style(line, fg=fg) if fg and not line.startswith(("+++", "---")) else line
