"""Channels that feed channels."""

import pytest
from hub.adapters.channel import ChannelDestination, ChannelDestinationOptions

from hub.errors import NotFoundError, RefusedError, UnavailableError
from hub.testing.context import MemoryOutlet, outgoing


@pytest.fixture
def outlet():
    return MemoryOutlet()


def test_a_message_is_fed_to_the_channel_that_is_named(outlet):
    """The delivery is handed over as it is; the engine keeps its trace."""
    item = outgoing(b"body", hops=7)
    destination = ChannelDestination(ChannelDestinationOptions(to="archive"), outlet)
    assert destination.send(item).summary == "taken in by archive"
    assert outlet.fed == [("archive", item)]
    assert "archive" in destination.probe()


def test_a_message_on_its_way_in_a_circle_is_held(outlet):
    """Eight channels are enough for any message."""
    destination = ChannelDestination(ChannelDestinationOptions(to="archive"), outlet)
    with pytest.raises(RefusedError, match="circle") as caught:
        destination.send(outgoing(b"body", hops=8))
    assert caught.value.where == "test: deliver.peer.channel.to"
    assert outlet.fed == []


def test_a_channel_that_does_not_run_is_waited_for(outlet):
    """It may be stopped for a while: the message is not held."""
    outlet.fail(NotFoundError("no channel called 'archive' runs here"))
    destination = ChannelDestination(ChannelDestinationOptions(to="archive"), outlet)
    with pytest.raises(UnavailableError, match="archive"):
        destination.send(outgoing(b"body"))
