"""The work: processes, channels that run, messages that wait or are held, queues of destinations."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import func, select

from hub import clock
from hub.commands.checks import Check, Look
from hub.commands.output import age, counted, error_line, span

_SILENT = 60_000_000  # a process of another host says every ten seconds that it is there
_SLOW, _STUCK = 60_000_000, 600_000_000


def processes(look: Look) -> Iterator[Check]:
    if look.store is None:
        return
    now = clock.now()
    roles = [one.role for one in look.processes if one.role != "tool"]
    hubs = [one for one in look.processes if one.role == "hub"]
    if not hubs:
        yield Check("processes", "warn", "no hub runs on this store", "hub run")
        return
    silent = [one for one in hubs if now - one.seen > _SILENT]
    for one in silent:
        what = f"process {one.pid} on {one.host} was last heard of {age(one.seen, now)} ago"
        yield Check("processes", "warn", what, "see whether it hangs; its log says more")
    if not silent:
        told = ", ".join(f"{roles.count(role)} {role}" for role in dict.fromkeys(roles))
        yield Check("processes", "ok", told)


def running(look: Look) -> Iterator[Check]:
    """Channels that should run and do not, or run by another revision than their file's."""
    from hub.commands.revisions import standing

    if look.store is None or not any(one.role == "hub" for one in look.processes):
        return
    enabled = {one.spec.name for one in look.channels if one.spec and one.spec.enabled}
    found = standing(look.store)
    sound = 0
    for one in found:
        if one.state == "failed":
            yield Check(
                "running", "fail", f"{one.name}: {one.note}", "mend it; the hub tries again when its file changes"
            )
        elif one.name in enabled and one.state != "running":
            yield Check("running", "warn", f"{one.name} does not run", "see the log of the hub")
        elif one.running and one.note:
            yield Check("running", "warn", f"{one.name}: {one.note}", f"see hub channel diff {one.name} {one.running}")
        else:
            sound += one.state == "running"
    if sound:
        yield Check("running", "ok", f"{counted(sound, 'channel')} running")


def waiting(look: Look) -> Iterator[Check]:
    """Messages that wait for their mapping, and since when."""
    from hub.store.tables import State, message

    if look.store is None:
        return
    with look.store.reading() as conn:
        count, oldest = conn.execute(
            select(func.count(), func.min(message.c.id)).where(message.c.state == int(State.WAITING))
        ).one()
    if not count:
        yield Check("waiting", "ok", "no message waits for its mapping")
        return
    since = clock.now() - clock.id_time(int(oldest))
    told = f"{counted(count, 'message')} waiting for the mapping, the oldest for {span(since)}"
    if since < _SLOW:
        yield Check("waiting", "ok", told)
    elif since < _STUCK or not any(one.role == "hub" for one in look.processes):
        yield Check("waiting", "warn", told, "they are handled once the hub and its workers run")
    else:
        yield Check("waiting", "fail", told, "see the log of the hub, and of its workers; hub channel list")


def held(look: Look) -> Iterator[Check]:
    """Messages that need a person."""
    from hub.store import find
    from hub.store.tables import State

    if look.store is None:
        return
    with look.store.reading() as conn:
        count = find.count(conn, find.MessageQuery(states=(State.HELD,)))
    if count:
        yield Check(
            "held", "warn", f"{counted(count, 'message')} held", "hub find status:held, then release or cancel them"
        )
    else:
        yield Check("held", "ok", "no message is held")


def queues(look: Look) -> Iterator[Check]:
    """Destinations that are away, paused, or hold deliveries that were refused."""
    from hub.engine import steer

    if look.store is None:
        return
    now, sound = clock.now(), True
    for one in steer.queues(look.store):
        name = f"{one.channel}/{one.destination}"
        since = f", the oldest for {age(one.head_made_at, now)}" if one.due else ""
        if one.failures:
            sound = False
            why = error_line(one.last_error)
            what = f"{name} is away: {one.due} wait{since}{'; ' if why else ''}{why}"
            yield Check("queues", "warn", what, "see to the peer; what waits is sent when it is back")
        elif one.paused:
            sound = False
            yield Check("queues", "warn", f"{name} is paused: {one.due} wait{since}", f"hub queue resume {name}")
        elif one.due and now - one.head_made_at > _STUCK:
            sound = False
            yield Check("queues", "warn", f"{name}: {one.due} wait{since}", "see hub queue list and the log of the hub")
        if one.held:
            sound = False
            cure = f"hub queue list {name}, then resend or cancel them"
            yield Check("queues", "warn", f"{name} holds {counted(one.held, 'delivery')}", cure)
    if sound:
        yield Check("queues", "ok", "no destination is away, paused or holds anything")
