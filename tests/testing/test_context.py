"""The engine in memory: it stores, refuses, fails and waits as told."""

import threading

import pytest

from hub.errors import InvalidError, UnavailableError
from hub.source.hl7v2 import READER
from hub.testing.context import MemoryIntake, MemoryOutlet, outgoing

ADT = b"MSH|^~\\&|A|B|C|D|20260105||ADT^A01|1|P|2.5\r"


@pytest.fixture
def intake():
    made = MemoryIntake(READER)
    yield made
    made.close()


def word(verdict):
    return f"{verdict.status} {verdict.message_id >> 8}".encode()


def take(intake, body=ADT, **kw):
    return intake.receive_now(body, peer="p", answer=word, **kw)


def test_stores_and_reads_the_head(intake):
    """Verdict, envelope, number, answer."""
    receipt = take(intake, wait=True)
    assert (receipt.answer, receipt.duplicate, receipt.verdict.envelope.control_id) == (b"accepted 1", False, "1")
    assert [(r.body, r.peer, r.wait) for r in intake.received] == [(ADT, "p", True)]


def test_the_same_again_has_the_first_answer(intake):
    """Same control id, same octets."""
    take(intake)
    second = take(intake)
    assert (second.answer, second.duplicate) == (b"accepted 1", True)
    assert take(intake, ADT + b"EVN|\r").duplicate is False


def test_a_body_of_another_format_is_rejected(intake):
    """By its reader, as the engine does."""
    assert take(intake, b"x").answer == b"rejected 1"
    intake.refuse(lambda body: InvalidError("no") if b"EVN" in body else None)
    assert take(intake, ADT + b"EVN|\r").verdict.status == "rejected"
    assert take(intake).verdict.status == "accepted"


def test_what_fails_is_not_stored(intake):
    """failed for an error of the hub, an exception for a defect, once each."""
    intake.fail(UnavailableError("away"), RuntimeError("defect"))
    assert take(intake).answer == b"failed 0"
    with pytest.raises(RuntimeError):
        take(intake)
    assert intake.received == []
    assert take(intake).answer == b"accepted 1"


def test_nothing_is_done_while_it_is_held(intake):
    """done is called on another thread, after release."""
    told = []
    intake.hold()
    intake.receive(ADT, peer="p", answer=word, done=lambda r: told.append((r.answer, threading.current_thread())))
    assert told == []
    intake.release()
    intake.wait_for(1)
    intake.close()
    assert [answer for answer, _ in told] == [b"accepted 1"]
    assert told[0][1] is not threading.current_thread()


def test_what_is_broken_is_kept_with_its_reason(intake):
    """broken."""
    receipt = intake.broken(b"x", InvalidError("no"), peer="p", answer=word)
    assert receipt.answer == b"rejected 1"
    assert intake.received[0].error.what == "no"


def test_waiting_for_what_does_not_come_says_what_came(intake):
    """A failure that can be read."""
    take(intake)
    with pytest.raises(AssertionError, match="1 of 2 bodies"):
        intake.wait_for(2, within=0.01)


def test_an_outlet_records_what_is_fed_and_fails_when_told():
    """For the channel connector."""
    outlet, item = MemoryOutlet(), outgoing(b"x", attempt=3)
    outlet.fail(UnavailableError("away"))
    with pytest.raises(UnavailableError):
        outlet.feed("other", item)
    outlet.feed("other", item)
    assert outlet.fed == [("other", item)]
    assert item.attempt == 3
