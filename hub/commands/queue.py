"""``hub queue``: what waits to be delivered, by destination, and what people do about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from hub.commands.asking import agreed, channel_files, store_of, yes_option
from hub.commands.options import home_option, json_option, print_json

if TYPE_CHECKING:
    from hub.engine.steer import Queue
    from hub.store import Store

_HEADS = ("QUEUE", "STATUS", "DUE", "HELD", "HEAD", "AGE", "TRIES", "NEXT TRY", "LAST ERROR")


@click.group(invoke_without_command=True)
@home_option
@json_option
@click.pass_context
def command(ctx: click.Context, home: str | None, as_json: bool) -> None:
    """See, pause and resume the queues of destinations; send again what is held.

    A queue is written CHANNEL/DESTINATION.
    """
    if ctx.invoked_subcommand is None:
        _list(home, "", 0, as_json)


@command.command("list")
@click.argument("queue", default="")
@home_option
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="Deliveries at most.")
@json_option
def listing(queue: str, home: str | None, limit: int, as_json: bool) -> None:
    """List the queues that hold something, are paused or away; of one QUEUE, its deliveries."""
    _list(home, queue, limit, as_json)


def _list(home: str | None, queue: str, limit: int, as_json: bool) -> None:
    from hub import clock
    from hub.commands.output import note, say, table
    from hub.commands.rows import DELIVERY_HEADS, delivery_fact, delivery_line
    from hub.engine import steer

    with store_of(home) as store:
        if not queue:
            queues = steer.queues(store)
            if as_json:
                print_json([_fact(one) for one in queues])
            elif queues:
                say(table(_HEADS, [_line(one, clock.now()) for one in queues]))
            else:
                note("nothing waits, and no destination is paused or away")
            return
        found = steer.waiting_deliveries(store, *_named(store, queue), limit=limit + 1)
    if as_json:
        print_json([delivery_fact(row) for row in found[:limit]])
    elif found:
        now = clock.now()
        say(table(DELIVERY_HEADS, [delivery_line(row, now) for row in found[:limit]]))
    if not found:
        note("nothing waits there")
    elif len(found) > limit:
        note(f"the oldest {limit} are shown; say --limit")


@command.command()
@click.argument("queue")
@home_option
def pause(queue: str, home: str | None) -> None:
    """Send nothing to a destination until it is resumed; its deliveries wait."""
    _pause(queue, home, True)
    click.echo(f"{queue} is paused")


@command.command()
@click.argument("queue")
@home_option
def resume(queue: str, home: str | None) -> None:
    """Go on sending to a destination; a peer that was away is tried at once."""
    _pause(queue, home, False)
    click.echo(f"{queue} goes on")


def _pause(queue: str, home: str | None, paused: bool) -> None:
    from hub.engine import steer

    with store_of(home) as store:
        steer.pause(store, *_named(store, queue), paused=paused)


@command.command()
@click.argument("what", nargs=-1, required=True)
@home_option
@yes_option
def resend(what: tuple[str, ...], home: str | None, yes: bool) -> int:
    """Try held deliveries again at once: WHAT is their ids, or a CHANNEL/DESTINATION for all it holds."""
    from hub.engine import steer

    return _each(what, home, yes, steer.resend, "tried again", held=True)


@command.command()
@click.argument("what", nargs=-1, required=True)
@home_option
@yes_option
def cancel(what: tuple[str, ...], home: str | None, yes: bool) -> int:
    """Give up deliveries that were not sent: WHAT is their ids, or a CHANNEL/DESTINATION for all."""
    from hub.engine import steer

    return _each(what, home, yes, steer.cancel_delivery, "given up", held=None)


def _each(
    what: Sequence[str],
    home: str | None,
    yes: bool,
    do: Callable[[Store, int], None],
    meaning: str,
    *,
    held: bool | None,
) -> int:
    """Do something to deliveries one by one; exit status 1 when it was done to none."""
    from hub.commands.output import counted, note
    from hub.engine import steer
    from hub.errors import NotFoundError
    from hub.store import find

    with store_of(home) as store:
        ids: list[int] = []
        for one in what:
            if "/" in one:
                ids += [row.id for row in steer.waiting_deliveries(store, *_named(store, one), held=held)]
            else:
                ids += find.parse([one]).ids
        if ids and not agreed(f"{counted(len(ids), 'delivery')} will be {meaning}. Go on?", yes):
            note("nothing was changed")
            return 1
        done = 0
        for one_id in ids:
            try:
                do(store, one_id)
                done += 1
            except NotFoundError as error:
                note(str(error))
    click.echo(f"{counted(done, 'delivery')} {meaning}")
    return 0 if done else 1


def _named(store: Store, text: str) -> tuple[str, str]:
    """Channel and destination of a queue that is known to the store or to a channel file.

    :raises ConfigError: when there is none of that name.
    """
    from sqlalchemy import select

    from hub.channel.model import inspect
    from hub.errors import ConfigError
    from hub.registry import unknown
    from hub.store.tables import delivery, destination

    channel, slash, name = text.partition("/")
    if not slash or not channel or not name:
        raise ConfigError("a queue is written CHANNEL/DESTINATION", where=text, cure="see hub queue list")
    with store.reading() as conn:
        row = destination.c
        if conn.execute(select(row.name).where(row.channel == channel, row.name == name)).first():
            return channel, name
        sent = delivery.c
        mine = (sent.channel == channel) & (sent.destination == name) & (sent.state.in_([0, 2]))
        if conn.execute(select(sent.id).where(mine).limit(1)).first():
            return channel, name
    specs = [one.spec for path in channel_files(store.settings) if (one := inspect(path, store.settings)).spec]
    known = sorted(f"{spec.name}/{d.name}" for spec in specs if spec for d in spec.destinations)
    if text not in known:
        raise unknown("queue", text, known)
    return channel, name


def _status(queue: Queue) -> str:
    return "paused" if queue.paused else "away" if queue.failures else "held" if queue.held and not queue.due else "due"


def _line(queue: Queue, now: int) -> tuple[Any, ...]:
    from hub import clock
    from hub.commands.output import age, error_line

    next_try = "-" if queue.paused or not queue.due else "now" if queue.next_try <= now else age(queue.next_try, now)
    return (
        f"{queue.channel}/{queue.destination}", _status(queue), queue.due, queue.held,
        clock.show_id(queue.head) if queue.head else "-", age(queue.head_made_at, now), queue.attempts, next_try,
        error_line(queue.last_error),
    )  # fmt: skip


def _fact(queue: Queue) -> dict[str, Any]:
    from hub import clock
    from hub.commands.output import error_of

    return {
        "channel": queue.channel, "destination": queue.destination, "status": _status(queue), "due": queue.due,
        "held": queue.held, "head": clock.show_id(queue.head) if queue.head else None,
        "head_made": clock.iso(queue.head_made_at) if queue.head_made_at else None, "attempts": queue.attempts,
        "next_try": clock.iso(queue.next_try) if queue.due and not queue.paused else None, "paused": queue.paused,
        "failures": queue.failures, "last_error": error_of(queue.last_error) or None,
    }  # fmt: skip
