"""The listener behind MLLP, where a real peer cannot lead it: no descriptors, a stranger to the log, a late stop."""

import errno
import logging
import socket
import threading

import pytest
from hub.adapters import _listener
from hub.adapters._listener import Guest, Limits, Listener, listening_socket, shown
from hub.adapters.mllp import MllpSource, MllpSourceOptions

from hub.errors import UnavailableError
from hub.testing.context import MemoryIntake
from hub.testing.parrot import call, expect_end, say


class Closing(Guest):
    """Closes as soon as it is connected."""

    def __init__(self, listener, host):
        self.listener, self.host = listener, host

    def connection_made(self, transport):
        self.listener.joined(self, self.host)
        transport.close()

    def connection_lost(self, exc):
        self.listener.left(self, self.host)

    def tick(self, now):
        pass

    def finish(self):
        pass

    def abort(self):
        pass


@pytest.fixture
def listener():
    limits = Limits(connections=10, per_peer=10, allow=(), every=0.05)
    made = Listener(
        "test", listening_socket("127.0.0.1", 0, "test"), lambda host, peer: Closing(made, host), None, limits
    )
    yield made
    made.stop(1)


def test_no_descriptor_left_is_waited_for(listener, monkeypatch):
    """EMFILE: the listener looks again a little later, and does not spin."""
    monkeypatch.setattr(_listener, "NO_DESCRIPTOR", 0.02)
    calls = []

    class Short:
        """Fails twice, then accepts."""

        def __init__(self, sock):
            self.sock = sock

        def accept(self):
            calls.append(1)
            if len(calls) < 3:
                raise OSError(errno.EMFILE, "Too many open files")
            return self.sock.accept()

        def __getattr__(self, name):
            return getattr(self.sock, name)

    listener._sock = Short(listener._sock)
    listener.start()
    assert call(("127.0.0.1", listener.port), expect_end()) == b""
    assert 3 <= len(calls) < 10


def test_a_listener_that_never_ran_is_closed(listener):
    """stop without start leaves no socket."""
    listener.stop(1)
    with pytest.raises(ConnectionRefusedError):
        call(("127.0.0.1", listener.port))


def test_a_scan_fills_no_log(caplog):
    """Who is turned away is logged at 1, 2, 4, 8... times."""
    intake = MemoryIntake()
    source = MllpSource(MllpSourceOptions(port=0, allow=["10.0.0.0/8"]), intake)
    source.start()
    port = int(source.address.rpartition(":")[2])
    try:
        with caplog.at_level(logging.WARNING, "hub.listener"):
            for _ in range(20):
                call(("127.0.0.1", port), expect_end())
    finally:
        source.stop()
        intake.close()
    assert [r.facts["count"] for r in caplog.records] == [1, 2, 4, 8, 16]
    assert caplog.records[0].facts["error"] == "not in allow"


def test_a_taken_port_is_told_with_its_setting():
    """The address, the reason, the option."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UnavailableError, match=f"127.0.0.1:{port}: Address already in use") as caught:
            listening_socket("127.0.0.1", port, "x")
    assert caught.value.where == "x.port"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (("10.0.0.1", 5), ("10.0.0.1", "10.0.0.1:5")),
        (("::1", 5, 0, 0), ("::1", "[::1]:5")),
        (("::ffff:10.0.0.1", 5, 0, 0), ("10.0.0.1", "10.0.0.1:5")),
        (("fe80::1%eth0", 5, 0, 2), ("fe80::1", "[fe80::1]:5")),
    ],
)
def test_a_peer_has_one_name(address, expected):
    """An IPv4 peer on an IPv6 socket is the same peer: it is counted, and looked up in allow, as IPv4."""
    assert expected == shown(address)


def test_an_engine_that_fails_keeps_the_connection_alive():
    """Whatever broken() raises, the peer gets AR and the next message is heard."""
    intake = MemoryIntake()
    intake.broken = None  # not even callable
    source = MllpSource(MllpSourceOptions(port=0), intake)
    source.start()
    port = int(source.address.rpartition(":")[2])
    try:
        done = threading.Event()
        heard = call(("127.0.0.1", port), say(b"junk\x1c\r"), lambda t: (t.more(), done.set()))
        assert b"MSA|AR" in heard
    finally:
        source.stop()
        intake.close()
