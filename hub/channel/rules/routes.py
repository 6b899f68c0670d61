"""Rules about what can never happen, and about channels that feed each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from hub.channel.patterns import covers, overlap
from hub.channel.rules import Context, Hit, each, rule
from hub.settings import Settings

if TYPE_CHECKING:
    from hub.channel.model import Loaded


@each("C301", "a destination that never gets a message")
def unreachable_when(one: Loaded, _settings: Settings) -> Iterator[Hit]:
    """No type of message that the channel accepts fits the `when` of the destination.  Messages of that
    kind would be lost without a trace.
    """
    for destination, place in one.places:
        if one.spec and not overlap(destination.when.type, one.spec.accept):
            what = f"{destination.name}: no accepted type is {' or '.join(destination.when.type)}"
            yield Hit(one, (*place, "when", "type"), what, f"accepted are {', '.join(one.spec.accept)}")


@each("C302", "a mapping that is never used")
def unreachable_map(one: Loaded, _settings: Settings) -> Iterator[Hit]:
    """The first mapping whose pattern fits is used.  One that stands after a wider pattern, or whose
    pattern fits no accepted type, never is.
    """
    spec = one.spec
    for i, made in enumerate(spec.map if spec else ()):
        place = _map_place(one, i)
        earlier = next((e for e in (spec.map[:i] if spec else ()) if covers(e.pattern, made.pattern)), None)
        if earlier is not None:
            what = f"{made.mapping} is never used: {earlier.pattern!r} before it takes all of {made.pattern!r}"
            yield Hit(one, place, what, "put the narrower pattern first", key=True)
        elif spec and not overlap([made.pattern], spec.accept):
            what = f"{made.mapping} is never used: no accepted type is {made.pattern!r}"
            yield Hit(one, place, what, f"accepted are {', '.join(spec.accept)}", key=True)


def _map_place(one: Loaded, number: int) -> tuple[str | int, ...]:
    """Where the n-th map rule of a channel stands."""
    places: list[tuple[str | int, ...]] = []
    for i, step in enumerate(one.document.raw(("steps",)) or []):
        maps = step.get("map")
        if isinstance(maps, dict):
            places += [("steps", i, "map", pattern) for pattern in maps]
        elif maps is not None:
            places.append(("steps", i, "map"))
    return places[number] if number < len(places) else ("steps",)


@each("C303", "accepted, and mapped by nothing", "warning")
def unmapped_type(one: Loaded, _settings: Settings) -> Iterator[Hit]:
    """When some types are mapped, an accepted type that no pattern fits passes unmapped: nothing of it
    reaches the FHIR store.
    """
    spec = one.spec
    if spec is None or not spec.map or not spec.store:
        return
    for i, pattern in enumerate(spec.accept):
        if not overlap([pattern], [m.pattern for m in spec.map]):
            what = f"{pattern} is accepted and no mapping takes it"
            yield Hit(one, ("accept", i), what, "add a pattern to `map`, or take it out of `accept`")


@rule("C304", "feeds a channel that does not exist")
def unknown_channel(context: Context) -> Iterator[Hit]:
    """`channel: {to: name}` hands messages to another channel of this hub, which must be there, be enabled
    and have `source: {channel: {}}`.
    """
    specs = {one.spec.name: one.spec for one in context.channels if one.spec}
    for one in context.channels:
        for destination, place in one.places:
            if destination.part.kind != "channel":
                continue
            to, at = str(destination.part.options.to), (*place, "channel", "to")
            target = specs.get(to)
            if target is None:
                yield Hit(one, at, f"no channel is called {to!r}", "write the name of one that is there")
            elif target.source.kind != "channel":
                what = f"{to} listens to {target.source.kind}, not to other channels"
                yield Hit(one, at, what, f"write `source: {{channel: {{}}}}` in {to}")
            elif not target.enabled:
                yield Hit(one, at, f"{to} is not enabled", f"write `enabled: true` in {to}")


@rule("C305", "channels feed each other in a circle")
def circle(context: Context) -> Iterator[Hit]:
    """A message comes back to where it was.  Through `channel:` it is stopped after eight hops and held;
    through MLLP or HTTP, back into a port or a path of this hub, it never stops.
    """
    ways: dict[str, set[str]] = {}
    feeds = list(_feeds(context))
    for name, to, _, _ in feeds:
        ways.setdefault(name, set()).add(to)
    for name, to, one, place in feeds:
        back = _way(ways, to, name)
        if back:
            yield Hit(one, place, f"a circle: {' > '.join([name, *back])}", "take one of these deliveries out")


def _feeds(context: Context) -> Iterator[tuple[str, str, Loaded, tuple[str | int, ...]]]:
    """(from, to, channel file, place) of each delivery that ends in a channel of this hub."""
    doors = dict(_doors(context))
    for one in context.channels:
        for destination, place in one.places:
            door = _door(destination.part.options, destination.part.kind)
            to = doors.get(door)
            if one.spec and to:
                yield one.spec.name, to, one, (*place, destination.part.kind)


def _doors(context: Context) -> Iterator[tuple[str, str]]:
    """What leads into each channel, and its name."""
    for one in context.channels:
        if one.spec is None:
            continue
        options, name = one.spec.source.options, one.spec.name
        yield f"channel:{name}", name
        if getattr(options, "port", None):
            yield f"port:{options.port}", name
        if getattr(options, "path", None):
            yield f"port:{context.settings.http_port}{str(options.path).rstrip('/')}", name


def _door(options: Any, kind: str) -> str:
    """What a destination leads to, when it may be of this hub."""
    if kind == "channel":
        return f"channel:{options.to}"
    url = urlsplit(str(getattr(options, "url", "")))
    host = str(getattr(options, "host", "") or url.hostname or "")
    if host not in _HERE:
        return ""
    default = 443 if url.scheme == "https" else 80
    return f"port:{getattr(options, 'port', None) or url.port or default}{url.path.rstrip('/')}"


_HERE = ("localhost", "127.0.0.1", "::1")


def _way(ways: dict[str, set[str]], start: str, goal: str) -> list[str]:
    """The shortest way from one channel to another, ends included; empty when there is none."""
    queue, seen = [[start]], {start}
    while queue:
        path = queue.pop(0)
        if path[-1] == goal:
            return path
        for step in sorted(ways.get(path[-1], set()) - seen):
            seen.add(step)
            queue.append([*path, step])
    return []
