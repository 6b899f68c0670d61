"""The contract of connectors (:mod:`hub.engine.connector`), as checks that every connector passes.

A connector's test says, in a :class:`SourceHarness` and a :class:`DestinationHarness`, how one of its own
is made and how a peer speaks to it; the checks are plain functions over a harness.  A check that a
protocol gives no occasion for says so by :meth:`Check.applies`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from hub.engine.connector import Destination, Source
from hub.errors import ConfigError, HubError, NoAnswerError, RefusedError, UnavailableError
from hub.testing.context import MemoryIntake, MemoryOutlet, outgoing

MARK = b"ZZMARTINZZ"  # stands for what identifies a person: no log line and no error may hold it
STOP = 5.0
KEPT = 64 * 1024


class SourceHarness(Protocol):
    """How to try one connector as a source.

    :ivar traits: of ``answers`` (a peer waits), ``exclusive`` (two cannot have one place), ``broken``
        (something can come that is no message), ``bounded`` (a message can be too large).
    :ivar body: a message of its format that holds :data:`MARK`.
    """

    traits: frozenset[str]
    body: bytes

    def intake(self) -> MemoryIntake: ...

    def make(self, intake: MemoryIntake, *, like: Source | None = None) -> Source:
        """A source; ``like`` asks for the same place as another one has."""

    def deliver(self, source: Source, intake: MemoryIntake, body: bytes) -> bytes:
        """Hand a body over as a peer does; return the answer as it came, b'' where none is known."""

    def positive(self, answer: bytes) -> bool: ...

    def deliver_broken(self, source: Source, intake: MemoryIntake) -> bytes:
        """Hand over what is no message."""

    def deliver_too_large(self, source: Source, intake: MemoryIntake) -> bytes:
        """Hand over more than ``make`` allows: more than 64 KiB of the letter ``x``."""


class DestinationHarness(Protocol):
    """How to try one connector as a destination; its time limit must be well below 2 s.

    :ivar behaviours: of ``takes``, ``refuses``, ``silent``, ``drops``, ``away``: what its peer can do.
    """

    behaviours: frozenset[str]
    body: bytes
    content_type: str

    def peer(self, behaviour: str) -> AbstractContextManager[Peer]: ...


class Peer(Protocol):
    """The other side of a destination."""

    outlet: MemoryOutlet

    def destination(self) -> Destination: ...

    def taken(self) -> list[bytes]:
        """The bodies that arrived, as they arrived."""

    def recover(self) -> None:
        """From now on take everything."""


@dataclass(frozen=True, slots=True)
class Check:
    """One rule of the contract."""

    name: str
    rule: str
    run: Callable[[Any], None]
    needs: str = ""

    def applies(self, harness: SourceHarness | DestinationHarness) -> bool:
        has: frozenset[str] = getattr(harness, "traits", frozenset()) | getattr(harness, "behaviours", frozenset())
        return not self.needs or self.needs in has


SOURCE_CHECKS: list[Check] = []
DESTINATION_CHECKS: list[Check] = []


def _check(checks: list[Check], needs: str = "") -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
    def note(run: Callable[[Any], None]) -> Callable[[Any], None]:
        checks.append(Check(run.__name__, (run.__doc__ or "").strip(), run, needs))
        return run

    return note


@contextmanager
def started(harness: SourceHarness, *, hold: bool = False) -> Iterator[tuple[Source, MemoryIntake]]:
    """A source that runs."""
    intake = harness.intake()
    if hold:
        intake.hold()
    source = harness.make(intake)
    source.start()
    try:
        yield source, intake
    finally:
        intake.release()
        source.stop(STOP)
        intake.close()


@contextmanager
def logged() -> Iterator[list[str]]:
    """Everything that is logged meanwhile, facts and all, at every level."""
    lines: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(f"{record.getMessage()} {record.args!r} {getattr(record, 'facts', '')!r} {record.exc_info!r}")

    handler, root = Keep(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield lines
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


def _raised(act: Callable[[], object], *kinds: type[HubError]) -> HubError | None:
    try:
        act()
    except kinds as error:
        return error
    return None


def _within(seconds: float, true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, what
        threading.Event().wait(0.01)


@_check(SOURCE_CHECKS)
def hands_over_octets_as_received(harness: SourceHarness) -> None:
    """A source hands over bytes exactly as received."""
    with started(harness) as (source, intake):
        assert source.status()["listening"] is True
        assert ":" in source.address
        harness.deliver(source, intake, harness.body)
        assert harness.body == intake.wait_for(1)[0].body


@_check(SOURCE_CHECKS, "answers")
def answers_with_what_was_given_back(harness: SourceHarness) -> None:
    """A source answers only with what ``receive`` gave back: yes when stored, no when refused."""
    with started(harness) as (source, intake):
        assert harness.positive(harness.deliver(source, intake, harness.body))
        intake.refuse(lambda _body: ConfigError("no", where="PID-3", cure="none"))
        assert not harness.positive(harness.deliver(source, intake, harness.body + b" "))


@_check(SOURCE_CHECKS, "answers")
def answers_nothing_before_the_commit(harness: SourceHarness) -> None:
    """Nothing is answered as accepted before it is committed (house, step 1)."""
    with started(harness, hold=True) as (source, intake):
        answers: list[bytes] = []
        thread = threading.Thread(target=lambda: answers.append(harness.deliver(source, intake, harness.body)))
        thread.start()
        thread.join(0.2)
        assert answers == []
        intake.release()
        thread.join(STOP)
        assert harness.positive(answers[0])


@_check(SOURCE_CHECKS, "answers")
def tells_the_peer_to_send_again_when_not_stored(harness: SourceHarness) -> None:
    """``failed`` means NOT stored: the peer must send again, and then it is taken; a defect is no exception."""
    with started(harness) as (source, intake):
        intake.fail(UnavailableError("the store is away"), RuntimeError("a defect"))
        assert not harness.positive(harness.deliver(source, intake, harness.body))
        assert not harness.positive(harness.deliver(source, intake, harness.body))
        assert harness.positive(harness.deliver(source, intake, harness.body))
        assert [harness.body] == [r.body for r in intake.received]


@_check(SOURCE_CHECKS, "broken")
def keeps_what_is_no_message(harness: SourceHarness) -> None:
    """What is no message is handed over too, its answer says no, and the source stays alive."""
    with started(harness) as (source, intake):
        assert not harness.positive(harness.deliver_broken(source, intake))
        assert intake.wait_for(1)[0].error is not None
        assert harness.positive(harness.deliver(source, intake, harness.body))


@_check(SOURCE_CHECKS, "bounded")
def keeps_a_piece_of_what_is_too_large(harness: SourceHarness) -> None:
    """Bounded in the size of a message: 64 KiB are kept in hold, with the reason."""
    with started(harness) as (source, intake):
        assert not harness.positive(harness.deliver_too_large(source, intake))
        kept = intake.wait_for(1)[0]
        assert kept.error is not None
        assert kept.error.category == "too-large"
        assert kept.body == b"x" * KEPT
        harness.deliver(source, intake, harness.body)
        assert harness.body == intake.wait_for(2)[1].body


@_check(SOURCE_CHECKS, "exclusive")
def says_which_setting_to_change_when_its_place_is_taken(harness: SourceHarness) -> None:
    """``start`` raises UnavailableError or ConfigError, with the setting to change, when it cannot bind."""
    with started(harness) as (source, intake):
        other = harness.make(intake, like=source)
        error = _raised(other.start, UnavailableError, ConfigError)
        other.stop(STOP)
        assert error is not None, "two sources have one place"
        assert error.where, error
        assert error.cure, error


@_check(SOURCE_CHECKS)
def stops_in_time_and_leaves_nothing_behind(harness: SourceHarness) -> None:
    """``stop`` ends all threads and sockets in time; stopping twice is harmless; it can start again."""
    intake = harness.intake()
    before = set(threading.enumerate())
    source = harness.make(intake)
    try:
        for round_ in (1, 2):
            source.start()
            harness.deliver(source, intake, harness.body + b" " * round_)
            intake.wait_for(round_)
            at = time.monotonic()
            source.stop(STOP)
            assert time.monotonic() - at < STOP + 1
            source.stop(STOP)
            assert source.status()["listening"] is False
            _within(STOP, lambda: set(threading.enumerate()) <= before, "threads are left")
    finally:
        source.stop(STOP)
        intake.close()


@_check(SOURCE_CHECKS)
def logs_nothing_of_a_body(harness: SourceHarness) -> None:
    """Nothing of a body is logged, whatever becomes of it."""
    with logged() as lines, started(harness) as (source, intake):
        intake.fail(RuntimeError(harness.body.decode("latin-1")))
        harness.deliver(source, intake, harness.body)
        harness.deliver(source, intake, harness.body)
        if "broken" in harness.traits:
            harness.deliver_broken(source, intake)
    assert [line for line in lines if MARK.decode() in line] == []


def _send(destination: Destination, harness: DestinationHarness, **facts: Any) -> Any:
    return destination.send(outgoing(harness.body, harness.content_type, type="ADT^A01", **facts))


def _fails(destination: Destination, harness: DestinationHarness, *kinds: type[HubError]) -> HubError:
    at = time.monotonic()
    error = _raised(lambda: _send(destination, harness), *kinds)
    assert time.monotonic() - at < STOP, "the time limit was not kept"
    assert error is not None, "nothing was raised"
    assert error.where, "the error says no place"
    assert MARK.decode() not in f"{error} {error.where} {error.cure} {error.code}"
    return error


@_check(DESTINATION_CHECKS, "takes")
def sends_octets_as_they_are(harness: DestinationHarness) -> None:
    """``send`` returns only when the peer has taken the message, octet for octet; the connection is kept."""
    with harness.peer("takes") as peer:
        destination = peer.destination()
        for number in (1, 2, 3):
            answer = _send(destination, harness, idempotency_key=f"key-{number}")
            assert len(answer.body) <= KEPT
            assert answer.summary
        assert [harness.body] * 3 == peer.taken()
        destination.close()


@_check(DESTINATION_CHECKS, "takes")
def probes_without_sending(harness: DestinationHarness) -> None:
    """``probe`` sees whether the peer is there and sends nothing of a patient."""
    with harness.peer("takes") as peer:
        destination = peer.destination()
        assert destination.probe()
        assert peer.taken() == []
        destination.close()
        destination.close()


@_check(DESTINATION_CHECKS, "refuses")
def tells_a_refusal_from_an_absence(harness: DestinationHarness) -> None:
    """RefusedError when the peer says that it will never take this; the next message may be taken."""
    with harness.peer("refuses") as peer:
        destination = peer.destination()
        assert _fails(destination, harness, RefusedError).retry == "never"
        peer.recover()
        _send(destination, harness)
        destination.close()


@_check(DESTINATION_CHECKS, "silent")
def has_a_time_limit(harness: DestinationHarness) -> None:
    """``send`` has a time limit: NoAnswerError, and the next attempt is a clean one."""
    _comes_back(harness, "silent", NoAnswerError)


@_check(DESTINATION_CHECKS, "drops")
def survives_a_broken_connection(harness: DestinationHarness) -> None:
    """A connection that breaks before the answer: tried again, on a new one."""
    _comes_back(harness, "drops", NoAnswerError, UnavailableError)


@_check(DESTINATION_CHECKS, "away")
def waits_for_a_peer_that_is_away(harness: DestinationHarness) -> None:
    """UnavailableError while the peer is away; the same destination sends once it is back."""
    _comes_back(harness, "away", UnavailableError)


def _comes_back(harness: DestinationHarness, behaviour: str, *kinds: type[HubError]) -> None:
    with logged() as lines, harness.peer(behaviour) as peer:
        destination = peer.destination()
        assert _fails(destination, harness, *kinds).retry == "later"
        peer.recover()
        _send(destination, harness)
        assert harness.body == peer.taken()[-1]
        destination.close()
    assert [line for line in lines if MARK.decode() in line] == []
