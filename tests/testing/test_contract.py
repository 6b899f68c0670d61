"""The contract suite itself: it finds connectors that break the contract."""

import logging
import threading
from contextlib import contextmanager

import pytest
from hub.adapters.channel import ChannelSource, ChannelSourceOptions

from hub.engine.connector import Answer
from hub.errors import HubError, NoAnswerError, ParseError, RefusedError, TooLargeError, UnavailableError
from hub.testing.context import MemoryIntake, MemoryOutlet
from hub.testing.contract import DESTINATION_CHECKS, MARK, SOURCE_CHECKS

ALL_TRAITS = frozenset({"answers", "exclusive", "broken", "bounded"})
PLACES = set()


class Source:
    """A source spoken to by calls; each fault breaks one rule."""

    def __init__(self, intake, fault=""):
        self.intake, self.fault, self.running, self.place = intake, fault, False, object()
        self.address = "call:here"

    def start(self):
        if self.place in PLACES and self.fault != "shares its place":
            raise UnavailableError("taken", where="place", cure="" if self.fault == "no cure" else "another")
        PLACES.add(self.place)
        self.running = True
        if self.fault == "leaves a thread":
            threading.Thread(target=threading.Event().wait, args=(0.5,)).start()

    def stop(self, within=5.0):
        PLACES.discard(self.place)
        self.running = self.fault == "never stops"

    def status(self):
        return {"listening": self.running}

    def take(self, body):
        if self.fault == "logs":
            logging.getLogger("x").info("got %s", body.decode("latin-1"))
        if self.fault == "answers early":
            threading.Thread(target=self.pass_on, args=(body,)).start()
            return b"yes"
        return self.pass_on(body[:-1] if self.fault == "loses an octet" else body)

    def pass_on(self, body):
        if self.fault == "always yes":
            self.tell(body)
            return b"yes"
        return self.tell(body)

    def tell(self, body):
        error = None
        if body == b"broken":
            error = ParseError("broken")
        elif len(body) > 100_000:
            error, body = TooLargeError("large"), body[: 1 if self.fault == "keeps little" else 65536]
        word = self.word
        try:
            if error and self.fault != "drops what is broken":
                return self.intake.broken(body, error, peer="p", answer=word).answer
            if error:
                return b"no"
            return self.intake.receive_now(body, peer="p", answer=word).answer
        except RuntimeError:
            if self.fault == "lets a defect out":
                raise
            return b"no"

    @staticmethod
    def word(verdict):
        return b"yes" if verdict.status == "accepted" else b"no"


class SourceHarness:
    traits, body = ALL_TRAITS, b"hello " + MARK

    def __init__(self, fault=""):
        self.fault = fault

    def intake(self):
        return MemoryIntake()

    def make(self, intake, *, like=None):
        made = Source(intake, self.fault)
        made.place = like.place if like else made.place
        return made

    def deliver(self, source, intake, body):
        return source.take(body)

    def positive(self, answer):
        return answer == b"yes"

    def deliver_broken(self, source, intake):
        return source.take(b"broken")

    def deliver_too_large(self, source, intake):
        return source.take(b"x" * 200_000)


def broken_by(checks, harness):
    """Names of the checks that a connector fails."""
    failed = set()
    for check in checks:
        try:
            check.run(harness)
        except (AssertionError, RuntimeError, HubError):
            failed.add(check.name)
    return failed


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("", set()),
        ("loses an octet", {"hands_over_octets_as_received"}),
        ("always yes", {"answers_with_what_was_given_back", "tells_the_peer_to_send_again_when_not_stored"}),
        ("answers early", {"answers_nothing_before_the_commit"}),
        ("lets a defect out", {"tells_the_peer_to_send_again_when_not_stored"}),
        ("drops what is broken", {"keeps_what_is_no_message"}),
        ("keeps little", {"keeps_a_piece_of_what_is_too_large"}),
        ("shares its place", {"says_which_setting_to_change_when_its_place_is_taken"}),
        ("no cure", {"says_which_setting_to_change_when_its_place_is_taken"}),
        ("never stops", {"stops_in_time_and_leaves_nothing_behind"}),
        ("logs", {"logs_nothing_of_a_body"}),
    ],
)
def test_a_source_that_breaks_a_rule_is_found(fault, expected, monkeypatch):
    """One fault, the checks that must see it; without a fault, none."""
    monkeypatch.setattr("hub.testing.context.LIMIT", 0.3)
    found = broken_by(SOURCE_CHECKS, SourceHarness(fault))
    assert expected <= found
    assert fault or not found


class Peer:
    def __init__(self, fault, behaviour):
        self.fault, self.behaviour, self.outlet, self.bodies = fault, behaviour, MemoryOutlet(), []

    def destination(self):
        return Destination(self)

    def recover(self):
        self.behaviour = "takes"

    def taken(self):
        return self.bodies


class Destination:
    def __init__(self, peer):
        self.peer, self.stuck = peer, False

    def send(self, item):
        fault = self.peer.fault
        if fault == "logs":
            logging.getLogger("x").debug("sending", extra={"facts": {"body": item.body.decode()}})
        errors = {
            "refuses": RefusedError, "silent": NoAnswerError, "drops": NoAnswerError, "away": UnavailableError,
        }  # fmt: skip
        kind = errors.get(self.peer.behaviour)
        if (kind is not None and fault != "takes no for an answer") or self.stuck:
            self.stuck = fault == "never comes back"
            kind = RefusedError if fault == "cannot wait" else kind or UnavailableError
            raise kind(item.body.decode() if fault == "tells" else "no", where="" if fault == "no place" else "x")
        self.peer.bodies.append(item.body + (b"!" if fault == "changes" else b""))
        return Answer(b"x" * (70_000 if fault == "keeps much" else 1), "ok")

    def probe(self):
        if self.peer.fault == "probes with a patient":
            self.peer.bodies.append(b"x")
        return "there"

    def close(self):
        pass


class DestinationHarness:
    behaviours = frozenset({"takes", "refuses", "silent", "drops", "away"})
    body, content_type = b"hello " + MARK, "text/plain"

    def __init__(self, fault=""):
        self.fault = fault

    @contextmanager
    def peer(self, behaviour):
        yield Peer(self.fault, behaviour)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("", set()),
        ("changes", {"sends_octets_as_they_are"}),
        ("keeps much", {"sends_octets_as_they_are"}),
        ("probes with a patient", {"probes_without_sending"}),
        ("takes no for an answer", {"tells_a_refusal_from_an_absence", "has_a_time_limit"}),
        ("never comes back", {"waits_for_a_peer_that_is_away", "survives_a_broken_connection"}),
        ("tells", {"tells_a_refusal_from_an_absence", "waits_for_a_peer_that_is_away"}),
        ("no place", {"tells_a_refusal_from_an_absence"}),
        ("logs", {"waits_for_a_peer_that_is_away"}),
    ],
)
def test_a_destination_that_breaks_a_rule_is_found(fault, expected):
    """One fault, the checks that must see it; without a fault, none."""
    found = broken_by(DESTINATION_CHECKS, DestinationHarness(fault))
    assert expected <= found
    assert fault or not found


def test_a_check_applies_where_its_protocol_gives_occasion():
    """Capabilities, not product names, decide."""
    bounded = [c for c in SOURCE_CHECKS if c.needs == "bounded"]
    assert all(c.applies(SourceHarness()) for c in SOURCE_CHECKS)
    assert not any(c.applies(DestinationHarness()) for c in bounded)
    assert all(c.rule for c in SOURCE_CHECKS + DESTINATION_CHECKS)


def test_a_thread_that_is_left_is_found(monkeypatch):
    """``stop`` ends all its threads."""
    monkeypatch.setattr("hub.testing.contract.STOP", 0.1)
    check = next(c for c in SOURCE_CHECKS if c.name == "stops_in_time_and_leaves_nothing_behind")
    with pytest.raises(AssertionError, match="threads are left"):
        check.run(SourceHarness("leaves a thread"))


def test_a_source_without_answers_needs_no_peer():
    """The channel connector: traits may be empty."""
    source = ChannelSource(ChannelSourceOptions(), MemoryIntake())
    assert source.address == "channel:test"
    source._context.close()
