"""The MLLP listener on real sockets: answers, bad framing, connections that end, the stop."""

import threading

import pytest
from hub.adapters.mllp import MllpSource, MllpSourceOptions, ack_code

from hub.errors import (
    ConfigError,
    ForbiddenError,
    InvalidError,
    MappingError,
    ParseError,
    TooLargeError,
    UnavailableError,
    UnsupportedError,
)
from hub.source.hl7v2 import Message
from hub.testing.context import MemoryIntake
from hub.testing.parrot import call, expect, expect_end, half_close, reset, say, say_slowly
from tests.adapters.wire import END, acks, adt, codes, framed, running


def test_acknowledges_with_the_control_id_of_the_message():
    """HL7 v2.5 §2.9.2.2: MSA-2 is the MSH-10 of the message, sender and receiver change places."""
    with running() as (source, intake):
        heard = call(source.at, say(framed(adt("A-17"))), expect(END))
        ack = Message(heard[1:-2])
        assert (ack.msh.text(3), ack.msh.text(5), ack.msh.text(9, 2)) == ("HUB", "GAM", "A01")
        assert [(a.code, a.control_id) for a in acks(heard)] == [("AA", "A-17")]
        assert len(ack.msh.text(10)) == 13
        [received] = intake.wait_for(1)
        assert received.peer.startswith("127.0.0.1:")
        assert received.wait is False


def test_answers_in_enhanced_mode_when_the_sender_asks():
    """§2.9.3.1: MSH-15 AL asks for a commit accept (CA, CR); NE and nothing do not."""
    with running() as (source, intake):
        said = framed(adt("1", "AL"), adt("2", "NE"), adt("3"))
        assert codes(call(source.at, say(said), *[expect(END)] * 3)) == ["CA", "AA", "AA"]
        intake.fail(UnavailableError("away"))
        assert codes(call(source.at, say(framed(adt("4", "AL"))), expect(END))) == ["CR"]


def test_each_acknowledgement_has_a_number_of_its_own():
    """MSH-10 is unique (HL7 v2.5 §2.15.9.10), also where nothing was stored."""
    with running() as (source, intake):
        intake.fail(UnavailableError("away"), UnavailableError("away"))
        heard = call(source.at, say(framed(adt(), adt(), adt())), *[expect(END)] * 3)
        numbers = {Message(f.removeprefix(b"\x0b")).msh.text(10) for f in heard.split(END)[:-1]}
        assert codes(heard) == ["AR", "AR", "AA"]
        assert len(numbers) == 3


def test_waits_for_the_mapping_when_told_to():
    """answer: application is the application acknowledgement, also to who asks for a commit accept."""
    with running(answer="application") as (source, intake):
        assert codes(call(source.at, say(framed(adt("1", "AL"))), expect(END))) == ["AA"]
        assert intake.wait_for(1)[0].wait is True


@pytest.mark.parametrize(
    ("status", "error", "expected"),
    [
        ("accepted", None, "AA"),
        ("filtered", None, "AA"),
        ("rejected", ParseError("x", code="101"), "AE"),
        ("rejected", ParseError("x", code="207"), "AR"),
        ("rejected", MappingError("x"), "AE"),
        ("rejected", InvalidError("x", code="invariant-1"), "AE"),
        ("rejected", UnsupportedError("x", code="200"), "AR"),
        ("rejected", UnsupportedError("x", code="201"), "AR"),
        ("rejected", UnsupportedError("x"), "AR"),
        ("rejected", ForbiddenError("x"), "AR"),
        ("rejected", TooLargeError("x"), "AR"),
        ("rejected", None, "AR"),
        ("failed", ParseError("x", code="101"), "AR"),
    ],
)
def test_msa_1_tells_a_wrong_message_from_a_wrong_moment(status, error, expected):
    """ANS volet v2.1: AE, correct it; AR, circumstances, send again.  Table 0357: 200-203 and 207."""
    assert expected == ack_code(status, error)


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (adt() + END, ["AR"]),
        (b"GET / HTTP/1.1\r\n\r\n" + framed(adt()), ["AR", "AA"]),
        (b"\x0b" + adt("1") + framed(adt("2")), ["AR", "AA"]),
        (framed(adt("1")) + b"between" + framed(adt("2")), ["AA", "AR", "AA"]),
        (framed(b""), ["AE"]),
        (framed(b"PID|1"), ["AE"]),
        (b"\x0b" + adt("1") + b"\x1c" + b"\x0b" + adt("2") + b"\x1c", ["AA", "AA"]),
    ],
)
def test_bad_framing_is_answered_kept_and_survived(octets, expected):
    """What is no frame gets AR and is kept in hold; the same connection goes on."""
    with running() as (source, intake):
        more = framed(adt("last"))
        heard = call(source.at, say(octets), *[expect(b"\x1c")] * len(expected), say(more), expect(END))
        assert [*expected, "AA"] == codes(heard)
        kept = intake.wait_for(len(expected) + 1)
        assert expected.count("AR") == sum(r.error is not None for r in kept)


def test_a_message_without_any_frame_is_answered_soon():
    """A sender that knows no MLLP waits for an answer too: it gets one after a second of silence."""
    with running() as (source, intake):
        heard = call(source.at, say(adt()), expect(END), say(framed(adt())), expect(END))
        assert codes(heard) == ["AR", "AA"]
        assert intake.wait_for(2)[0].body == adt()


def test_one_octet_at_a_time_is_a_message():
    """A frame may be split anywhere."""
    with running() as (source, _):
        assert codes(call(source.at, say_slowly(framed(adt()), 0), expect(END))) == ["AA"]


def test_answers_come_in_the_order_of_the_messages():
    """Many messages in one segment, and a large one that another thread hands over, in order."""
    ids = [f"{i}" for i in range(200)]
    bodies = [adt(i) + (b"NTE|1||" + b"x" * 600_000 + b"\r" if i == "3" else b"") for i in ids]
    with running(window=16) as (source, intake):
        heard = call(source.at, say(framed(*bodies)), *[expect(END)] * 200)
        assert ids == [a.control_id for a in acks(heard)]
        assert bodies == [r.body for r in intake.wait_for(200)]


@pytest.mark.parametrize("ending", [[half_close(), expect_end()], [reset()]], ids=["ends", "breaks"])
def test_a_connection_that_ends_inside_a_frame_leaves_the_piece_in_hold(ending):
    """Whether it ends or breaks; a complete message before it was taken."""
    with running() as (source, intake):
        call(source.at, say(framed(adt()) + b"\x0bMSH|half"), expect(END), *ending)
        assert intake.wait_for(2)[1].body == b"MSH|half"


def test_a_peer_that_ends_its_side_still_gets_its_answers():
    """A half-closed connection is open the other way (RFC 9293 §3.6)."""
    with running() as (source, _):
        assert codes(call(source.at, say(framed(adt("1"), adt("2"))), half_close(), expect_end())) == ["AA", "AA"]


def test_a_peer_that_vanishes_before_its_answer_harms_nobody():
    """The answer of a connection that is gone is dropped; others go on."""
    with running() as (source, intake):
        intake.hold()
        call(source.at, say(framed(adt("1"))), reset())
        intake.release()
        intake.wait_for(1)
        assert codes(call(source.at, say(framed(adt("2"))), expect(END))) == ["AA"]


def test_listens_on_ipv6():
    """bind takes an IPv6 address."""
    with running(bind="::1") as (source, intake):
        assert source.address.startswith("mllp://[::1]:")
        call(("::1", source.at[1]), say(framed(adt())), expect(END))
        assert intake.wait_for(1)[0].peer.startswith("[::1]:")


def test_an_address_that_is_not_ours_is_a_wrong_configuration():
    """bind: an address of this host."""
    intake = MemoryIntake(bind="no.such.host.invalid")
    with pytest.raises(ConfigError, match=r"source\.mllp\.bind"):
        MllpSource(MllpSourceOptions(port=0), intake).start()
    intake.close()


def test_stop_answers_what_was_taken_and_drops_what_was_not():
    """What is stored is answered; who got no answer sends again."""
    with running(window=1) as (source, intake):
        intake.hold()
        heard = []
        talk = threading.Thread(
            target=lambda: heard.append(call(source.at, say(framed(adt("1"), adt("2"))), expect_end()))
        )
        talk.start()
        while not source.status()["received"]:
            threading.Event().wait(0.01)
        guests = list(source._listener.guests)
        stop = threading.Thread(target=source.stop)
        stop.start()
        while not all(guest._stopped for guest in guests):
            threading.Event().wait(0.01)
        intake.release()
        stop.join(6)
        talk.join(6)
        assert [a.control_id for a in acks(heard[0])] == ["1"]
        assert len(intake.received) == 1


def test_the_port_of_the_settings_is_the_default(monkeypatch):
    """HUB_MLLP_PORT, else 2575 (IANA: hl7)."""
    monkeypatch.delenv("HUB_MLLP_PORT", raising=False)
    assert MllpSourceOptions().port == 2575
    monkeypatch.setenv("HUB_MLLP_PORT", "12575")
    assert MllpSourceOptions().port == 12575
