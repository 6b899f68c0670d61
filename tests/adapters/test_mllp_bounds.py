"""The MLLP listener is bounded in everything: size, number, time, and who may connect."""

import socket
import threading
import tracemalloc
from contextlib import contextmanager

from hub.adapters import _mllp_connection

from hub.testing.parrot import call, expect, expect_end, say, say_slowly
from tests.adapters.wire import END, adt, codes, connected, framed, running


def test_a_large_message_is_not_overtaken():
    """Another thread hands it over; what comes behind it on the connection waits."""
    large, small = adt("1") + b"NTE|1||" + b"x" * 600_000 + b"\r", adt("2")
    with running() as (source, intake):
        receive = intake.receive

        def slow_for_large(body, **kw):
            threading.Event().wait(0.1 if len(body) > 1000 else 0)
            receive(body, **kw)

        intake.receive = slow_for_large
        assert codes(call(source.at, say(framed(large, small)), *[expect(END)] * 2)) == ["AA", "AA"]
        assert [large, small] == [r.body for r in intake.received]


def taken_while_held(source, intake, bodies):
    """How many of these are handed over while none is answered."""
    taken = []
    receive = intake.receive
    intake.receive = lambda body, **kw: (taken.append(body), receive(body, **kw))
    intake.hold()
    with socket.create_connection(source.at, 10) as sock:
        sock.sendall(framed(*bodies))
        while source.status()["received"] == 0:
            threading.Event().wait(0.01)
        threading.Event().wait(0.1)
        count = len(taken)
        intake.release()
        intake.wait_for(len(bodies))
    return count


def test_octets_under_way_are_bounded(monkeypatch):
    """Few large messages hold a sender back as many small ones do."""
    monkeypatch.setattr(_mllp_connection, "IN_FLIGHT", 1000)
    body = adt() + b"NTE|" + b"x" * 600 + b"\r"
    with running() as (source, intake):
        assert taken_while_held(source, intake, [body] * 5) == 2


def test_a_sender_far_ahead_of_its_answers_is_held_back():
    """At most ``window`` messages of a connection are under way."""
    with running(window=4) as (source, intake):
        assert taken_while_held(source, intake, [adt(c) for c in "abcdefghij"]) == 4


@contextmanager
def unread(source):
    """As asyncio tells it when the answers of the only peer pile up (Protocol.pause_writing)."""
    [guest] = source._listener.guests
    call_soon = source._listener.loop.call_soon_threadsafe
    call_soon(guest.pause_writing)
    yield
    call_soon(guest.resume_writing)


def test_a_peer_that_reads_no_answers_is_held_back():
    """Nothing more is read from it until it reads; then nothing was lost."""
    with running() as (source, intake), socket.create_connection(source.at, 10) as sock:
        sock.sendall(framed(adt("1")))
        assert sock.recv(1000)
        with unread(source):
            sock.sendall(framed(adt("2")))
            threading.Event().wait(0.1)
            assert len(intake.received) == 1
        assert len(intake.wait_for(2)) == 2


def test_a_peer_that_never_reads_its_answers_is_cut_off(monkeypatch):
    """Bounded in the time without progress, for answers too."""
    monkeypatch.setattr(_mllp_connection, "UNREAD", 0.05)
    with running(frame_timeout=0.1) as (source, _), socket.create_connection(source.at, 10) as sock:
        sock.sendall(framed(adt("1")))
        assert sock.recv(1000)
        with unread(source):
            assert sock.recv(1000) == b""


def test_a_slow_sender_is_cut_off_with_what_it_sent(monkeypatch):
    """frame_timeout: from the first octet of a frame to its last; the piece is in hold, the peer knows why."""
    monkeypatch.setattr(_mllp_connection, "LINGER", 0.1)
    with running(frame_timeout=0.2) as (source, intake):
        heard = call(source.at, say(framed(adt("1"))), say_slowly(b"\x0bMSH|" + b"x" * 500, 0.02), expect_end())
        assert codes(heard) == ["AA", "AR"]
        kept = intake.wait_for(2)[1]
        assert kept.body.startswith(b"MSH|xx")
        assert "0.2 s" in kept.error.what


def test_who_is_cut_off_may_read_why(monkeypatch):
    """The hub ends its side and hears the rest for a moment: a reset could cost the peer its answer."""
    monkeypatch.setattr(_mllp_connection, "LINGER", 0.5)
    with running(frame_timeout=0.1) as (source, _), socket.create_connection(source.at, 10) as sock:
        sock.sendall(b"\x0bMSH|half")
        heard = b""
        while data := sock.recv(1000):
            heard += data
        assert codes(heard) == ["AR"]
        for _ in range(5):
            sock.sendall(b"still talking")
            threading.Event().wait(0.01)


def test_time_stands_still_while_the_hub_holds_a_sender_back():
    """frame_timeout counts what the peer does, not what the hub does."""
    with running(window=1, frame_timeout=0.1) as (source, intake):
        intake.hold()
        with socket.create_connection(source.at, 10) as sock:
            second = framed(adt("2"))
            sock.sendall(framed(adt("1")) + second[:30])
            threading.Event().wait(0.4)
            intake.release()
            assert sock.recv(1000).endswith(END)
            threading.Event().wait(0.05)
            sock.sendall(second[30:])
            intake.wait_for(2)
            assert [r.error for r in intake.received] == [None, None]


def test_each_frame_has_its_own_time():
    """A stream in which a frame is always half there is no slow sender."""
    pieces = framed(*[adt(str(n)) for n in range(8)])
    step = len(pieces) // 8
    with running(frame_timeout=0.3) as (source, intake), socket.create_connection(source.at, 10) as sock:
        sock.sendall(pieces[: step // 2])
        for start in range(step // 2, len(pieces), step):
            threading.Event().wait(0.1)
            sock.sendall(pieces[start : start + step])
        assert [r.error for r in intake.wait_for(8)] == [None] * 8


def test_a_pause_between_messages_is_no_slow_frame():
    """frame_timeout does not run between frames."""
    with running(frame_timeout=0.1) as (source, _):
        pause = threading.Event()
        heard = call(
            source.at, say(framed(adt())), expect(END), lambda _: pause.wait(0.4), say(framed(adt())), expect(END)
        )
        assert codes(heard) == ["AA", "AA"]


def test_an_idle_connection_is_closed_when_told_to():
    """idle_timeout closes in order, without a word."""
    with running(idle_timeout=0.1) as (source, intake):
        assert call(source.at, say(framed(adt())), expect(END), expect_end()).count(END) == 1
        assert len(intake.received) == 1


def test_a_large_block_takes_no_memory():
    """100 MB against a limit of 1 MiB: what is beyond streams by; AR, the first 64 KiB in hold, closed."""
    piece = b"x" * (1 << 20)
    with running(max_size=1 << 20) as (source, intake):
        tracemalloc.start()
        heard = call(source.at, say(b"\x0b"), *[say(piece)] * 100, say(END), expect_end())
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert codes(heard) == ["AR"]
        assert len(intake.wait_for(1)[0].body) == 65536
        assert peak < 8 << 20


def test_nothing_is_taken_after_what_was_too_large():
    """The answer, then the end: the sender must see that something is wrong."""
    with running(max_size=2000) as (source, intake):
        said = framed(adt("1"), b"x" * 3000, adt("3"))
        assert codes(call(source.at, say(said), expect_end())) == ["AA", "AR"]
        assert len(intake.received) == 2


def test_many_large_frames_at_once_are_asked_to_come_again(monkeypatch):
    """All connections together hold a bounded number of octets; who is beyond it gets AR and sends again."""
    with running(max_size=4 << 20) as (source, intake):
        monkeypatch.setattr(source._shared, "most_held", 1 << 20)
        assert codes(call(source.at, say(b"\x0b" + b"x" * (2 << 20)), expect(END))) == ["AR"]
        assert intake.received == []
        assert codes(call(source.at, say(framed(adt())), expect(END))) == ["AA"]
        assert source._shared.held == 0


def test_one_peer_too_many_is_turned_away():
    """max_connections and max_per_peer; who leaves makes room."""
    with running(max_per_peer=1) as (source, _):
        with socket.create_connection(source.at, 10):
            connected(source, 1)
            assert codes(call(source.at, expect_end())) == []
            assert source.status()["turned_away"] == 1
        connected(source, 0)
        assert source._listener._per_peer == {}
        assert codes(call(source.at, say(framed(adt())), expect(END))) == ["AA"]
    with running(max_connections=1) as (source, _), socket.create_connection(source.at, 10):
        connected(source, 1)
        assert codes(call(source.at, expect_end())) == []


def test_only_networks_of_the_list_may_connect():
    """allow: a list of networks; the others are closed before they are heard."""
    with running(allow=["10.0.0.0/8", "2001:db8::/32"]) as (source, intake):
        call(source.at, say(framed(adt())), expect_end())
        assert intake.received == []
    with running(allow=["127.0.0.0/8"]) as (source, _):
        assert codes(call(source.at, say(framed(adt())), expect(END))) == ["AA"]


def test_stop_ends_in_time_although_the_store_hangs():
    """within is a promise, whatever is under way."""
    with running() as (source, intake):
        intake.hold()
        with socket.create_connection(source.at, 10) as sock:
            sock.sendall(framed(adt()))
            while not source.status()["received"]:
                threading.Event().wait(0.01)
            thread = threading.Thread(target=source.stop, args=(0.5,))
            thread.start()
            thread.join(3)
            assert not thread.is_alive()
            intake.release()
            assert sock.recv(10) == b""
