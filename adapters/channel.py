"""Another channel of this hub: one hands a message over, the other takes it in.

The message keeps its trace, so that the whole way of it is found from either end.  A message that went
through too many channels is on its way in a circle, and is held.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from hub.engine.connector import Answer, Connector, DestinationContext, Outgoing, SourceContext
from hub.errors import NotFoundError, RefusedError, UnavailableError

from ._options import Options

HOPS = 8


class ChannelSourceOptions(Options):
    """Options of ``source: {channel: {}}``: there are none."""


class ChannelSource:
    """Taken in by the engine itself; other channels feed it."""

    def __init__(self, options: ChannelSourceOptions, context: SourceContext) -> None:
        self._options, self._context = options, context
        self._running = False

    def start(self) -> None:
        self._running = True

    def stop(self, within: float = 5.0) -> None:  # noqa: ARG002 - nothing of its own is running
        self._running = False

    @property
    def address(self) -> str:
        return f"channel:{self._context.channel}"

    def status(self) -> Mapping[str, Any]:
        return {"listening": self._running}


class ChannelDestinationOptions(Options):
    """Options of ``channel: …`` below ``deliver:``."""

    to: str = Field(min_length=1, max_length=64, description="name of the channel that takes the message in")


class ChannelDestination:
    """Feeds another channel."""

    def __init__(self, options: ChannelDestinationOptions, context: DestinationContext) -> None:
        self._to, self._context = options.to, context
        self._where = f"{context.channel}: deliver.{context.name}.channel"

    def send(self, item: Outgoing) -> Answer:
        """Hand over; returns when the other channel has stored it.

        :raises RefusedError: the message went through too many channels.
        :raises UnavailableError: the other channel does not run.
        """
        if item.hops >= HOPS:
            what = f"the message went through {item.hops} channels: they feed each other in a circle"
            raise RefusedError(what, where=f"{self._where}.to", cure="break the circle, then cancel or send again")
        try:
            self._context.feed(self._to, item)
        except NotFoundError as e:  # it may be stopped for a while only
            cure = "start the channel, or correct `to`"
            raise UnavailableError(e.what, where=f"{self._where}.to", cure=cure) from None
        return Answer(b"", f"taken in by {self._to}")

    def close(self) -> None:
        """Nothing is open."""

    def probe(self) -> str:
        return f"channel {self._to} of this hub"


CONNECTOR = Connector(
    name="channel",
    summary="another channel of this hub",
    source=ChannelSource,
    source_options=ChannelSourceOptions,
    destination=ChannelDestination,
    destination_options=ChannelDestinationOptions,
    format="hl7v2",
    capabilities=frozenset({"secure"}),
)
