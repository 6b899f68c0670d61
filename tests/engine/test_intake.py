"""Intake: committed before it is answered, and every body answered once."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from hub.clock import show_id
from hub.engine import intake as intake_module
from hub.engine.connector import Receipt, Verdict
from hub.engine.counters import Counters
from hub.engine.intake import EXCERPT_SIZE, HOPS, Intake
from hub.engine.outcomes import Outcomes
from hub.errors import MappingError, ParseError, RefusedError, TooLargeError, UnavailableError
from hub.store import Store
from hub.store.tables import BROKEN, EXCERPT, State, message, message_key
from hub.store.tables import body as body_table

from .bench import Bench, body, word
from .rows import Nobody, reason, receive, rows, states


@pytest.fixture
def counters() -> Counters:
    return Counters()


@pytest.fixture
def runner() -> Nobody:
    return Nobody()


@pytest.fixture
def intake(store: Store, bench: Bench, runner: Nobody, counters: Counters) -> Intake:
    return Intake(store, bench.spec(accept=("ADT",)), runner, counters, "127.0.0.1", {})


def now(intake: Intake, octets: bytes, *, wait: bool = False) -> Receipt:
    return intake.receive_now(octets, peer="10.0.0.1:4711", answer=word, wait=wait)


def test_what_is_accepted_is_stored_and_handed_on(
    store: Store, intake: Intake, runner: Nobody, counters: Counters
) -> None:
    """House, steps 1 and 2: the row says all that the head of the body told; the runner is told."""
    receipt = now(intake, body())
    assert (receipt.verdict.status, receipt.answer, receipt.duplicate) == ("accepted", b"accepted:", False)
    (row,) = rows(store, message)
    assert (receipt.verdict.message_id, "adt", "r1", State.WAITING, "ADT^A01", "C1", "GAM|CHU", "P1") == (
        row.id, row.channel, row.revision, row.state, row.type, row.control_id, row.sender, row.order_key,
    )  # fmt: skip
    assert ("10.0.0.1:4711", len(body()), "text/x-test", 0, row.id, None, b"accepted:") == (
        row.peer, row.size, row.content_type, row.flags, row.trace, row.parent, bytes(row.answer),
    )  # fmt: skip
    assert [(k.kind, k.value) for k in rows(store, message_key)] == [("patient", "P1"), ("visit", "VP1")]
    assert runner.came_in == [("adt", row.lane)]
    assert {("accepted", "adt", 1), ("received_bytes", "adt", len(body()))} == set(counters.take())


def test_it_is_committed_before_it_is_answered(store: Store, intake: Intake) -> None:
    """House, step 1: whoever hears the answer finds the message in the store."""
    seen: list[list[int]] = []
    ended = threading.Event()

    def done(receipt: Receipt) -> None:
        seen.append(states(store))  # through a connection of its own
        ended.set()

    intake.receive(body(), peer="", answer=word, done=done)
    assert ended.wait(10)
    assert seen == [[State.WAITING]]


def test_what_is_refused_is_kept_in_hold(store: Store, intake: Intake, runner: Nobody, counters: Counters) -> None:
    """People see it, with its reason; sent again it is judged anew."""
    first, second = now(intake, body(kind="ORU^R01")), now(intake, body(kind="ORU^R01"))
    assert (second.verdict.status, second.answer, second.duplicate) == ("rejected", b"rejected:200", False)
    assert first.verdict.message_id != second.verdict.message_id
    assert states(store) == [State.HELD, State.HELD]
    assert (reason(rows(store, message)[0])["stage"], reason(rows(store, message)[0])["code"]) == ("receive", "200")
    assert runner.came_in == []
    assert ("rejected", "adt", 2) in counters.take()


def test_what_is_filtered_is_kept_and_not_mapped(store: Store, bench: Bench, runner: Nobody) -> None:
    """``otherwise: filter``."""
    (receipt,) = receive(store, bench.spec(accept=("ORU",), otherwise="filter"), body(), runner=runner)
    assert (receipt.verdict.status, states(store), runner.came_in) == ("filtered", [State.FILTERED], [])


def test_a_duplicate_gets_the_first_answer(store: Store, intake: Intake, runner: Nobody, counters: Counters) -> None:
    """It is not worked on again."""
    first, again = now(intake, body()), now(intake, body())
    assert (True, first.answer, first.verdict.message_id) == (
        again.duplicate, again.answer, again.verdict.message_id,
    )  # fmt: skip
    assert (len(rows(store, message)), len(runner.came_in)) == (1, 1)
    assert {("accepted", 1), ("duplicate", 1)} <= {(name, n) for name, _, n in counters.take()}


def test_without_a_store_nothing_is_accepted(
    store: Store, intake: Intake, runner: Nobody, counters: Counters, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    """The peer is told to send again, nothing is stored; one line in the log, not one a message."""

    def away(tx: Any, items: Any) -> Any:
        raise UnavailableError("the store cannot write now (DiskFull)")

    with monkeypatch.context() as patch:
        patch.setattr(intake_module, "take_in", away)
        receipts = [now(intake, body("C1")), now(intake, body("C2"))]
    assert [r.verdict.status for r in receipts] == ["failed", "failed"]
    assert receipts[0].answer == b"failed:"
    assert isinstance(receipts[0].verdict.error, UnavailableError)
    assert (rows(store, message), runner.came_in) == ([], [])
    assert ("failed", "adt", 2) in counters.take()
    assert [r.message for r in caplog.records] == ["not stored"]
    assert now(intake, body("C1")).verdict.status == "accepted"


def test_a_failure_of_the_driver_is_worded_without_its_text(
    store: Store, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exception of a library may quote values."""

    def fails(tx: Any, items: Any) -> Any:
        raise ValueError("MARTIN")

    monkeypatch.setattr(intake_module, "take_in", fails)
    error = now(intake, body()).verdict.error
    assert str(error) == "the hub could not store the message (ValueError) (send again)"


def test_a_body_that_cannot_be_prepared_fails(store: Store, intake: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk before the database is even asked."""

    def full(octets: bytes) -> Any:
        raise UnavailableError("a large body cannot be written (ENOSPC)")

    monkeypatch.setattr(store.bodies, "prepare", full)
    receipt = now(intake, body())
    assert (receipt.verdict.status, receipt.answer) == ("failed", b"failed:")


def test_an_answer_that_cannot_be_worded(store: Store, bench: Bench, runner: Nobody) -> None:
    """The source hears that it is over all the same, and nothing is stored that nobody was told of."""
    intake = Intake(store, bench.spec(), runner, Counters(), "")

    def speechless(verdict: Verdict) -> bytes:
        raise KeyError("MSH-9")

    receipt = intake.receive_now(body(), peer="", answer=speechless)
    assert (receipt.verdict.status, receipt.answer) == ("failed", b"")
    assert rows(store, message) == []


def test_text_that_no_database_takes_is_cleaned(store: Store, intake: Intake) -> None:
    """NUL and over-long fields of a hostile sender cost nobody their message."""
    receipt = now(intake, body("C\x00" + "9" * 300, "P" * 500, kind="ADT^" + "A" * 100))
    assert receipt.verdict.status == "accepted"
    (row,) = rows(store, message)
    assert (len(row.control_id), len(row.order_key), len(row.type)) == (199, 199, 64)


def test_what_is_no_message_is_kept(store: Store, intake: Intake, runner: Nobody) -> None:
    """Bad framing: the octets and the reason are in hold."""
    octets = b"\x0bGET / HTTP/1.1" + b"x" * EXCERPT_SIZE
    receipt = intake.broken(octets, ParseError("no end block", code="100"), peer="10.0.0.1", answer=word)
    assert (receipt.verdict.status, receipt.answer) == ("rejected", b"rejected:100")
    (row,) = rows(store, message)
    assert (row.state, row.flags & (BROKEN | EXCERPT)) == (State.HELD, BROKEN)
    assert octets == store.bodies.read(bytes(row.body))
    assert runner.came_in == []


def test_of_what_is_too_large_a_piece_is_kept(store: Store, intake: Intake) -> None:
    """Enough for people to see what it was; flagged, for it can never be replayed."""
    intake.broken(b"y" * (EXCERPT_SIZE + 1), TooLargeError("beyond 64 MiB"), peer="", answer=word)
    intake.broken(b"y", TooLargeError("beyond 64 MiB"), peer="", answer=word)
    assert [(r.size, r.flags & (BROKEN | EXCERPT)) for r in rows(store, message)] == [
        (EXCERPT_SIZE, BROKEN | EXCERPT),
        (1, BROKEN | EXCERPT),
    ]


def test_a_new_revision_counts_from_the_next_message(store: Store, bench: Bench, intake: Intake) -> None:
    """A reload: the row says which revision took it in."""
    now(intake, body("C1"))
    intake.use(bench.spec(revision="r2", accept=("ORU",)))
    assert now(intake, body("C2")).verdict.status == "rejected"
    assert [r.revision for r in rows(store, message)] == ["r1", "r2"]


def test_mounting(store: Store, bench: Bench, runner: Nobody) -> None:
    """A hosted source offers its application; where there is no HTTP server nothing is mounted."""
    mounts: dict[str, Any] = {}
    Intake(store, bench.spec(), runner, Counters(), "", mounts).mount("/in", print)
    assert {"/in": print} == mounts
    Intake(store, bench.spec(), runner, Counters(), "").mount("/in", print)


class Judge(Nobody):
    """A runner that tells an outcome at once, or before anybody waits for it."""

    def __init__(self, outcome: Any, early: bool) -> None:
        super().__init__()
        self._outcome, self._early = outcome, early
        self.outcomes = Outcomes()

    def when_mapped(self, message_id: int, told: Any, within: float) -> None:
        if self._early:
            self.outcomes.tell({message_id: self._outcome})
        self.outcomes.wait(message_id, told, within if self._outcome else 0.01)

        if not self._early and self._outcome:
            self.outcomes.tell({message_id: self._outcome})


HELD = (State.HELD, MappingError("no identifier", code="101"))


@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize("state", [State.HELD, State.CANCELLED])
def test_an_application_answer_waits_for_the_mapping(store: Store, bench: Bench, state: State, early: bool) -> None:
    """HL7 v2.5 §2.9.2, ``answer: application``: AE for what was held or refused, also when it was mapped very soon."""
    runner = Judge((state, HELD[1]), early)
    intake = Intake(store, bench.spec(), runner, Counters(), "")
    receipt = now(intake, body(), wait=True)
    assert (receipt.verdict.status, receipt.answer) == ("rejected", b"rejected:101")
    assert bytes(rows(store, message)[0].answer) == b"rejected:101"


def test_what_was_held_after_its_mapping_is_judged_anew(store: Store, bench: Bench) -> None:
    """Sent again it is never answered as accepted for having been stored."""
    intake = Intake(store, bench.spec(), Judge(HELD, False), Counters(), "")
    now(intake, body(), wait=True)
    again = now(intake, body(), wait=True)
    assert (again.verdict.status, again.answer, again.duplicate) == ("rejected", b"rejected:101", False)
    assert len(rows(store, message)) == 2


def test_a_refusal_is_told_also_when_it_cannot_be_noted(
    store: Store, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store went away between the mapping and its answer."""

    def away(tx: Any, items: Any) -> Any:
        raise UnavailableError("away")

    monkeypatch.setattr(intake_module, "refuse", away)
    intake = Intake(store, bench.spec(), Judge(HELD, False), Counters(), "")
    assert now(intake, body(), wait=True).answer == b"rejected:101"


@pytest.mark.parametrize("outcome", [(State.MAPPED, None), None], ids=["mapped", "not in time"])
def test_otherwise_the_commit_is_answered(store: Store, bench: Bench, outcome: Any) -> None:
    """What was mapped, or could not be mapped in time, is accepted: it is stored."""
    intake = Intake(store, bench.spec(), Judge(outcome, False), Counters(), "")
    receipt = now(intake, body(), wait=True)
    assert (receipt.verdict.status, receipt.answer) == ("accepted", b"accepted:")
    again = now(intake, body(), wait=True)
    assert again.duplicate


def test_what_is_refused_at_once_waits_for_nothing(store: Store, bench: Bench, runner: Nobody) -> None:
    """There will be no mapping."""
    intake = Intake(store, bench.spec(accept=("ORU",)), runner, Counters(), "")
    assert now(intake, body(), wait=True).answer == b"rejected:200"


def test_a_message_fed_by_another_channel(store: Store, bench: Bench, intake: Intake, runner: Nobody) -> None:
    """It keeps the trace and names its parent, so that its way is found from either end."""
    parent = now(intake, body()).verdict.message_id
    second = Intake(store, bench.spec("next"), runner, Counters(), "")
    second.feed(body(), parent, parent)
    (row,) = rows(store, message, message.c.channel == "next")
    assert (parent, parent, f"channel:{show_id(parent)}", State.WAITING) == (
        row.trace, row.parent, row.peer, row.state,
    )  # fmt: skip
    second.feed(body(), parent, parent)  # delivered at least once: the second time is a duplicate
    assert len(rows(store, message)) == 2


def test_a_feed_without_control_id_is_known_by_its_parent(
    store: Store, bench: Bench, intake: Intake, runner: Nobody
) -> None:
    """The same delivery twice is one message; the same body of two messages is two."""
    one, two = (now(intake, body("")).verdict.message_id for _ in range(2))
    second = Intake(store, bench.spec("next"), runner, Counters(), "")
    for parent in (one, one, two):
        second.feed(body(""), parent, parent)
    assert [one, two] == [r.parent for r in rows(store, message, message.c.channel == "next")]


def test_a_feed_that_is_refused_is_in_hold(store: Store, bench: Bench, intake: Intake, runner: Nobody) -> None:
    """The first channel has done its part: people see it in the hold of the second."""
    parent = now(intake, body()).verdict.message_id
    Intake(store, bench.spec("next", accept=("ORU",)), runner, Counters(), "").feed(body(), parent, parent)
    assert states(store) == [State.WAITING, State.HELD]


def test_a_feed_that_cannot_be_stored_is_tried_again(
    store: Store, bench: Bench, intake: Intake, runner: Nobody, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The delivery stays due."""

    def away(tx: Any, items: Any) -> Any:
        raise UnavailableError("away")

    parent = now(intake, body()).verdict.message_id
    monkeypatch.setattr(intake_module, "take_in", away)
    with pytest.raises(UnavailableError, match="away"):
        Intake(store, bench.spec("next"), runner, Counters(), "").feed(body(), parent, parent)


def test_channels_that_feed_each_other_in_a_circle(store: Store, bench: Bench, runner: Nobody) -> None:
    """A chain of more than eight channels is refused, which holds the delivery; eight are well."""
    trace = 0
    for number in range(HOPS):
        intake = Intake(store, bench.spec(f"c{number}"), runner, Counters(), "")
        if number == 0:
            trace = parent = now(intake, body()).verdict.message_id
        else:
            intake.feed(body(), trace, parent)
            parent = rows(store, message, message.c.channel == f"c{number}")[0].id
    last = Intake(store, bench.spec("c8"), runner, Counters(), "")
    with pytest.raises(RefusedError, match=r"c8: the message went through 8 channels already.*break the circle"):
        last.feed(body(), trace, parent)
    assert len(rows(store, message)) == HOPS
    assert {trace} == {r.trace for r in rows(store, message)}


def test_many_at_once_share_their_body(store: Store, intake: Intake) -> None:
    """Twenty connections send the same document under control ids of their own."""
    threads = [threading.Thread(target=now, args=(intake, body(""))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(rows(store, message)), len(rows(store, body_table))) == (20, 1)
