"""Rules about a channel by itself and about its name among others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hub.channel.rules import Context, Hit, each, rule
from hub.settings import Settings

if TYPE_CHECKING:
    from hub.channel.model import Loaded


@rule("C201", "two channels have one name")
def one_name(context: Context) -> Iterator[Hit]:
    """The name of a channel is its identity: messages, counters and addresses are kept under it.  The
    first folder with the name runs, the others do not.
    """
    seen: dict[str, Loaded] = {}
    for one in context.channels:
        assert one.spec is not None  # noqa: S101 - only sound channels reach the rules
        first = seen.setdefault(one.spec.name, one)
        if first is not one:
            what = f"the channel {one.spec.name!r} is already in {first.folder.name}/"
            yield Hit(one, ("channel",), what, "choose another name")


@each("C202", "the folder has another name than the channel", "warning")
def folder_name(one: Loaded, _settings: Settings) -> Iterator[Hit]:
    """Whoever reads of a channel in a log looks for a folder of that name."""
    name = one.spec.name if one.spec else ""
    if one.path.name == "channel.yaml" and one.folder.resolve().name != name:
        what = f"the channel {name!r} lies in the folder {one.folder.resolve().name!r}"
        yield Hit(one, ("channel",), what, "give both one name")


@each("C203", "no accept: every type of message is taken", "warning")
def accept_missing(one: Loaded, _settings: Settings) -> Iterator[Hit]:
    """Without `accept` a channel answers positively to anything of its format, also to what nobody has
    thought of.  Say which types it takes; `accept: "*"` says that all are meant.
    """
    spec = one.spec
    if spec and not spec.accept and spec.format == "hl7v2":
        yield Hit(one, (), "no accept: every type of message is taken", 'write `accept: [ADT^A01]`, or "*" for all')


@each("C204", "two destinations have one name")
def destination_names(one: Loaded, _settings: Settings) -> Iterator[Hit]:
    """Deliveries are queued, paused and counted by the name of their destination.  Without `name` a
    destination is called as its connector.
    """
    seen: set[str] = set()
    for destination, place in one.places:
        if destination.name in seen:
            what = f"a second destination called {destination.name!r}"
            yield Hit(one, (*place, "name"), what, "give it a name of its own: `name: ...`")
        seen.add(destination.name)


@each("C205", "nothing comes out of the channel", "warning")
def no_way_out(one: Loaded, _settings: Settings) -> Iterator[Hit]:
    """A channel without `deliver` keeps its messages and does nothing else with them.  Write
    `deliver: [{fhir: {to: store}}]` to keep what was mapped in the FHIR store of the hub.
    """
    if one.spec and not one.spec.destinations and not one.spec.store:
        yield Hit(one, (), "messages are kept and go nowhere", "write `deliver: [{fhir: {to: store}}]`")


@each("C206", "sends what no mapping makes")
def nothing_mapped(one: Loaded, _settings: Settings) -> Iterator[Hit]:
    """`fhir: {to: store}`, `send: fhir` and `send: document` need a step `map`: without one there are no
    resources and no document to send.
    """
    spec = one.spec
    if spec is None or spec.map:
        return
    if spec.store:
        yield Hit(one, ("deliver",), "`to: store` keeps what is mapped, and nothing is", "add a step `map`", key=True)
    for destination, place in one.places:
        if destination.send != "original":
            what = f"`send: {destination.send}` needs what a mapping makes"
            yield Hit(one, place, what, "add a step `map`, or write `send: original`")


@each("C207", "a mapping for another format")
def mapping_format(one: Loaded, _settings: Settings) -> Iterator[Hit]:
    """A mapping reads one format: `hl7v2.messages.adt` cannot read a CDA document."""
    spec = one.spec
    for made in spec.map if spec else ():
        # Mappings are laid out by the format they read; importing them to ask would cost a second.
        source = made.mapping.partition(".")[0]
        if spec and source != spec.format:
            what = f"{made.mapping} reads {source}, the channel reads {spec.format}"
            yield Hit(one, ("steps",), what, f"write `format: {source}`, or choose another mapping", key=True)
