"""The scripted peer: what it plays is what goes over the wire."""

import socket
import threading

import pytest

from hub.testing.parrot import (
    Parrot,
    call,
    drop,
    each,
    each_request,
    expect,
    expect_end,
    garbage,
    half_close,
    reply,
    reset,
    say,
    say_slowly,
    silent,
    wait,
)


def test_plays_a_script_to_its_end():
    """Expect, say, reply; what was heard is kept."""
    with Parrot([expect(b"?"), say(b"one "), expect(b"?"), reply(bytes.upper)]) as peer:
        assert call(peer.address, say(b"a?b?"), expect_end()) == b"one A?B?"
        peer.wait_over(1)
        assert peer.heard == [bytearray(b"a?b?")]


def test_plays_the_next_script_on_each_connection_and_the_last_for_ever():
    """The first connection is special, as after a restart."""
    with Parrot([say(b"1")], [say(b"2")]) as peer:
        assert [call(peer.address, expect_end()) for _ in range(3)] == [b"1", b"2", b"2"]


def disappoint(error=None):
    """Play a script whose expectation is not met."""
    with Parrot([expect(b"never")]) as peer:
        call(peer.address, say(b"x"))
        peer.wait_over(1)
        if error is not None:
            raise error


def test_a_script_that_is_not_met_fails_the_test():
    """An end where more was expected is an error of the test, not silence."""
    with pytest.raises(AssertionError, match="ended before"):
        disappoint()


def test_a_failure_of_the_test_itself_is_not_hidden():
    """The error of the script comes second."""
    with pytest.raises(KeyError):
        disappoint(KeyError())


def test_a_mark_may_come_in_pieces():
    """A mark split over two segments is found."""
    with Parrot([expect(b"abc"), say(b"ok")]) as peer:
        assert call(peer.address, say_slowly(b"xxabcyy", 0.001), expect(b"ok")) == b"ok"


def test_breaks_a_connection():
    """reset gives ECONNRESET, drop an end."""
    with Parrot([expect(b"x"), reset()], [expect(b"x"), drop()]) as peer:
        with pytest.raises(ConnectionResetError):
            call(peer.address, say(b"x"), lambda talk: talk.more())
        assert call(peer.address, say(b"x"), expect_end()) == b""


def test_ends_one_side_only():
    """half_close: the other side still answers."""
    with Parrot([expect_end(), say(b"bye")]) as peer:
        assert call(peer.address, say(b"x"), half_close(), expect(b"bye")) == b"bye"


def test_stays_silent_until_it_is_stopped_or_left():
    """No octet, no end."""
    with Parrot([silent()], [say(b"1"), silent()]) as peer:
        with socket.create_connection(peer.address, 5) as sock:
            sock.sendall(b"hello")
            sock.settimeout(0.1)
            with pytest.raises(TimeoutError):
                sock.recv(1)
        peer.wait_over(1)
        with socket.create_connection(peer.address, 5) as sock:
            assert sock.recv(1) == b"1"
            peer.stop()
            assert sock.recv(1) == b""


def test_stopping_ends_a_script_in_the_middle():
    """Also one that sends slowly, or waits for more."""
    with Parrot([say_slowly(b"x" * 1000, 0.01)], [expect(b"never")]) as peer:
        with socket.create_connection(peer.address, 5) as one, socket.create_connection(peer.address, 5):
            assert one.recv(1) == b"x"
            peer.stop()
        assert peer.errors == []


def test_waits_for_what_a_test_does():
    """wait: go on when an event is set."""
    event = threading.Event()
    with Parrot([wait(event), say(b"now")]) as peer, socket.create_connection(peer.address, 5) as sock:
        event.set()
        assert sock.recv(3) == b"now"


def test_garbage_is_the_same_for_a_seed():
    """A failure can be played again."""
    with Parrot([garbage(64, 3)]) as peer:
        assert call(peer.address, expect_end()) == call(peer.address, expect_end())


def test_answers_each_message_and_each_request():
    """Loops for peers that behave."""
    with Parrot([each(b";", bytes.upper)], [each_request(lambda head, body: head[:4] + body)]) as peer:
        assert call(peer.address, say(b"a;b;"), expect(b"B;")) == b"A;B;"
        posts = b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nhiGET / HTTP/1.1\r\n\r\n"
        assert call(peer.address, say(posts), expect(b"GET ")) == b"POSThiGET "
        half = b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf"
        assert call(peer.address, say(half), half_close(), expect_end()) == b""


def test_takes_the_port_of_one_that_is_gone():
    """A peer that comes back has its old address."""
    with Parrot([say(b"1")]) as first:
        assert call(first.address, expect_end()) == b"1"
    with pytest.raises(ConnectionRefusedError):
        call(first.address)
    with Parrot([say(b"2")], port=first.port) as second:
        assert call(second.address, expect_end()) == b"2"
