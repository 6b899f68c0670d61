"""Deliveries: at least once, in order of each key, each destination by itself."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub import clock
from hub.engine import deliver, steer
from hub.engine.connector import Answer, Outgoing
from hub.engine.counters import Counters
from hub.engine.deliver import ANSWER_KEPT, DestinationThread, Sender, pause_after
from hub.engine.model import DestinationSpec, Retry
from hub.errors import HubError, NoAnswerError, NotFoundError, RefusedError, UnavailableError
from hub.store import Store
from hub.store.tables import Sending, State, delivery, destination, message
from tests.waiting import until

from .bench import Bench, body
from .rows import reason, receive, rows
from .test_work import work_on

AWAY = UnavailableError("the peer is away", where="deliver.peer", cure="start it")
REFUSED = RefusedError("AE", where="MSA-1", code="207")


@pytest.fixture
def counters() -> Counters:
    return Counters()


@pytest.fixture
def sender(store: Store, bench: Bench, counters: Counters) -> Callable[..., Sender]:
    """Make a sender of a destination, ``peer`` of the channel ``adt`` unless said otherwise."""

    def make(spec: DestinationSpec | None = None) -> Sender:
        return Sender(store, "adt", spec or bench.to(), counters, lambda channel, item: None)

    return make


def queue(store: Store, bench: Bench, *bodies: bytes, **values: Any) -> list[int]:
    """Take in and map messages for the destination ``peer``; return the ids of their deliveries."""
    spec = bench.spec("adt", bench.to(), **values)
    receive(store, spec, *bodies)
    work_on(store, spec)
    return [r.id for r in rows(store, delivery)]


def step(sender: Sender) -> float | None:
    return sender.step(lambda: False)


def controls(bench: Bench) -> list[str]:
    return [item.control_id for item in bench.sent]


def raising(*errors: BaseException | None) -> Callable[[Outgoing], Any]:
    """A peer that fails so, one error a delivery, None for a success; then all is well."""
    left = list(errors)

    def send(item: Outgoing) -> Any:
        error = left.pop(0) if left else None
        if error is not None:
            raise error
        return Answer(b"AA")

    return send


@given(st.integers(1, 1000), st.floats(0.01, 60), st.floats(60, 600), st.floats(0, 1))
def test_pauses_double_up_to_a_bound(failures: int, first: float, up_to: float, chance: float) -> None:
    """Half of a pause is chance, so that many hubs do not knock at one recovering peer together."""
    whole = min(up_to, first * 2 ** min(failures - 1, 30))
    pause = pause_after(Retry(0, first, up_to), failures, lambda: chance)
    assert whole / 2 <= pause <= whole
    assert whole / 2 == pause_after(Retry(0, first, up_to), failures, lambda: 0)
    assert pause <= pause_after(Retry(0, first, up_to), failures + 1, lambda: chance)


def test_what_is_due_is_sent_in_order(store: Store, bench: Bench, counters: Counters, sender: Any) -> None:
    """Octet for octet, with all that a connector may tell its peer; then the message is done."""
    ids = queue(store, bench, body("C1"), body("C2", "P2"))
    it = sender()
    assert step(it) == 0
    assert step(it) is None
    assert controls(bench) == ["C1", "C2"]
    first = bench.sent[0]
    row = rows(store, message)[0]
    shown = clock.show_id(row.id)
    assert (ids[0], row.id, f"{shown}-peer-1", body("C1"), "text/x-test", "ADT^A01", "C1", 1, shown) == (
        first.delivery_id, first.message_id, first.idempotency_key, first.body, first.content_type, first.type,
        first.control_id, first.attempt, first.trace,
    )  # fmt: skip
    for sent in rows(store, delivery):
        assert (sent.state, sent.attempts, sent.answer, sent.error) == (Sending.SENT, 1, b"AA", None)
        assert sent.sent_at >= sent.made_at
    assert {State.DONE} == {r.state for r in rows(store, message)}
    assert ("sent", "adt/peer", 2) in counters.take()


def test_an_answer_is_kept_up_to_a_bound(store: Store, bench: Bench, sender: Any) -> None:
    """A peer that answers with a gigabyte does not fill the store."""
    queue(store, bench, body())
    bench.on_send = lambda item: Answer(b"x" * (ANSWER_KEPT + 1))
    step(sender())
    assert len(rows(store, delivery)[0].answer) == ANSWER_KEPT


def test_a_peer_that_is_away_opens_the_circuit(
    store: Store, bench: Bench, counters: Counters, sender: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """One attempt, not one a delivery; all processes see it, and why."""
    queue(store, bench, body("C1"), body("C2", "P2"), body("C3", "P3"))
    bench.on_send = raising(AWAY, AWAY, AWAY)
    it = sender(bench.to(retry=Retry(first=60, up_to=60)))
    before = clock.now()
    assert 29 < (step(it) or 0) <= 60
    first, second, third = rows(store, delivery)
    assert [(r.state, r.attempts) for r in (first, second, third)] == [(0, 1), (0, 0), (0, 0)]
    expected = {
        "category": "unavailable", "stage": "send", "where": "deliver.peer", "what": "the peer is away",
        "cure": "start it",
    }  # fmt: skip
    assert expected == reason(first)
    (state,) = rows(store, destination)
    assert (1, expected) == (state.failures, orjson.loads(state.last_error))
    assert before + 30_000_000 <= state.open_until <= clock.now() + 60_000_000
    assert ("send_failed", "adt/peer", 1) in counters.take()
    assert [r.message for r in caplog.records] == ["destination is away"]
    assert 0 < (step(it) or 0) <= 1.0, "another look at its row within a second"
    other = sender()
    assert 0 < (step(other) or 0) <= 1.0, "another process keeps the pause as well"
    assert controls(bench) == []


def test_after_the_pause_one_delivery_tries_the_way(
    store: Store, bench: Bench, sender: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Half-open: the oldest; when it fails the pause doubles, when it succeeds all follow."""
    queue(store, bench, body("C1"), body("C2", "P2"))
    tries: list[str] = []

    def send(item: Outgoing) -> Answer:
        tries.append(item.control_id)
        if len(tries) < 3:
            raise NoAnswerError("no answer in time")
        return Answer(b"AA")

    bench.on_send = send
    it = sender(bench.to(retry=Retry(first=0.001, up_to=0.002)))
    with caplog.at_level(logging.INFO):
        until(lambda: step(it) is None)
    assert tries == ["C1", "C1", "C1", "C2"]
    assert [r.attempts for r in rows(store, delivery)] == [3, 1]
    assert [item.attempt for item in bench.sent] == [3, 1]
    (state,) = rows(store, destination)
    assert (state.failures, state.open_until, state.last_error) == (0, 0, None)
    assert state.last_sent is not None
    assert [r.message for r in caplog.records] == ["destination is away", "destination is back"]


def test_what_is_refused_is_held_and_the_rest_goes_on(
    store: Store, bench: Bench, counters: Counters, sender: Any
) -> None:
    """A peer that says no to one message is there for the others, also of the same key."""
    queue(store, bench, body("C1"), body("C2"))
    bench.on_send = raising(REFUSED)
    it = sender()
    until(lambda: step(it) is None)
    assert controls(bench) == ["C2"]
    held, sent = rows(store, delivery)
    assert (held.state, sent.state) == (Sending.HELD, Sending.SENT)
    assert (reason(held)["category"], reason(held)["stage"], reason(held)["code"]) == ("conflict", "send", "207")
    assert [r.state for r in rows(store, message)] == [State.MAPPED, State.DONE]
    assert rows(store, destination) == []
    assert {("delivery_held", 1), ("send_failed", 1), ("sent", 1)} <= {(n, c) for n, _, c in counters.take()}


def test_a_refusal_says_that_the_peer_is_back(store: Store, bench: Bench, sender: Any) -> None:
    """It was away, now it answers, if only to say no: the circuit closes."""
    queue(store, bench, body("C1"))
    bench.on_send = raising(AWAY, REFUSED)
    it = sender(bench.to(retry=Retry(first=0.001, up_to=0.001)))
    until(lambda: step(it) is None)
    assert rows(store, delivery)[0].state == Sending.HELD
    assert (rows(store, destination)[0].failures, rows(store, destination)[0].open_until) == (0, 0)


def test_order_is_kept_within_a_key(store: Store, bench: Bench, sender: Any) -> None:
    """House, step 3: what follows a delivery that must wait waits too; other keys go on."""
    ids = queue(store, bench, body("C1"), body("C2"), body("C3", "P2"), body("C4", ""), body("C5", ""))
    later = clock.now() + 5_000_000
    store.write(lambda tx: tx.many("UPDATE delivery SET due = ? WHERE id = ?", [(later, ids[0]), (later, ids[3])]))
    it = sender()
    assert step(it) == 0
    assert controls(bench) == ["C3", "C5"], "C5 has no key, so nothing keeps it back"
    assert 0 < (step(it) or 0) <= 5
    store.write(lambda tx: tx.many("UPDATE delivery SET due = ? WHERE due = ?", [(0, later)]))
    until(lambda: step(it) is None)
    assert controls(bench) == ["C3", "C5", "C1", "C2", "C4"]


def test_a_pause_of_nothing_keeps_the_order_too(store: Store, bench: Bench, sender: Any) -> None:
    """``retry: {first: 0}``: what failed is tried again before what follows it."""
    queue(store, bench, body("C1"), body("C2"))
    bench.on_send = raising(AWAY)
    it = sender(bench.to(retry=Retry(first=0, up_to=0)))
    until(lambda: step(it) is None)
    assert controls(bench) == ["C1", "C2"]


def test_attempts_are_bounded_when_asked(store: Store, bench: Bench, counters: Counters, sender: Any) -> None:
    """``retry: {times: 2}``: held after the second; the next one waits for the pause, it is not thrown after it."""
    queue(store, bench, body("C1"), body("C2"))
    tries: list[str] = []

    def send(item: Outgoing) -> Answer:
        tries.append(item.control_id)
        raise AWAY

    bench.on_send = send
    it = sender(bench.to(retry=Retry(times=2, first=60, up_to=60)))
    step(it)
    forget_the_pause(store)
    assert (step(it) or 0) > 25
    assert tries == ["C1", "C1"]
    assert [(r.state, r.attempts) for r in rows(store, delivery)] == [(Sending.HELD, 2), (Sending.DUE, 0)]
    assert ("delivery_held", "adt/peer", 1) in counters.take()


def forget_the_pause(store: Store) -> None:
    store.write(lambda tx: tx.many("UPDATE destination SET open_until = ?", [(0,)]))


def test_pause_and_resume(store: Store, bench: Bench, sender: Any) -> None:
    """People stop a destination; resumed it goes on, at once even when the peer was away before."""
    queue(store, bench, body("C1"))
    bench.on_send = raising(AWAY)
    it = sender(bench.to(retry=Retry(first=3600, up_to=3600)))
    step(it)
    steer.pause(store, "adt", "peer", paused=True)
    assert step(it) == 1.0
    steer.pause(store, "adt", "peer", paused=False)
    assert step(it) == 0
    assert controls(bench) == ["C1"]


def test_a_connector_that_fails_is_made_anew(
    store: Store, bench: Bench, sender: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """An exception of its own: tried again with a fresh one; nothing of its text is logged or kept."""
    queue(store, bench, body("C1"))
    bench.on_send = raising(KeyError("MARTIN"), SystemExit("MARTIN"))
    it = sender()
    until(lambda: step(it) is None)
    assert [d.closed for d in bench.destinations] == [True, True, False]
    assert (rows(store, delivery)[0].state, rows(store, delivery)[0].attempts) == (Sending.SENT, 3)
    assert "MARTIN" not in caplog.text
    bench.on_send = raising(KeyError("MARTIN"))
    queue(store, bench, body("C2"))
    step(it)
    assert reason(rows(store, delivery)[1])["what"] == "the connector failed (KeyError)"


def test_a_connector_that_returns_nonsense_has_not_sent(store: Store, bench: Bench, sender: Any) -> None:
    """Neither an answer nor an error: it counts as failed."""
    queue(store, bench, body("C1"))
    bench.on_send = lambda item: None
    step(sender())
    assert (rows(store, delivery)[0].state, rows(store, delivery)[0].attempts) == (Sending.DUE, 1)


def test_a_body_that_was_pruned_is_held(store: Store, bench: Bench, sender: Any) -> None:
    """It will never be there again; the peer is not to blame."""
    queue(store, bench, body("C1"))
    store.write(lambda tx: tx.many("DELETE FROM body WHERE size > ?", [(0,)]))
    step(sender())
    assert rows(store, delivery)[0].state == Sending.HELD
    assert rows(store, destination) == []


def test_a_kill_between_sending_and_noting_sends_again(
    store: Store, bench: Bench, sender: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """House, step 5: at least once, with the same idempotency key, so that the peer can tell."""
    queue(store, bench, body("C1"))

    class Killed(BaseException):
        """Ends the process here."""

    def killed(self: Sender, noted: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Sender, "_note", killed)
        with pytest.raises(Killed):
            step(sender())
    assert rows(store, delivery)[0].state == Sending.DUE
    step(sender())
    assert rows(store, delivery)[0].state == Sending.SENT
    one, two = bench.sent
    assert one.idempotency_key == two.idempotency_key
    assert (one.delivery_id, one.body) == (two.delivery_id, two.body)


def test_many_are_noted_in_small_groups(
    store: Store, bench: Bench, sender: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a kill repeats few."""
    monkeypatch.setattr(deliver, "FLUSH", 2)
    queue(store, bench, *[body(f"C{n}", f"P{n}") for n in range(5)])
    noted: list[int] = []
    note = Sender._note

    def counted(self: Sender, attempts: Any) -> None:
        noted.append(len(attempts))
        note(self, attempts)

    monkeypatch.setattr(Sender, "_note", counted)
    step(sender())
    assert noted == [2, 2, 1]
    assert {Sending.SENT} == {r.state for r in rows(store, delivery)}


def test_what_was_sent_is_noted_though_the_circuit_cannot_be(
    store: Store, bench: Bench, sender: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row of the destination is a help to people; what was sent is the truth."""
    queue(store, bench, body("C1"))
    bench.on_send = raising(AWAY)
    it = sender(bench.to(retry=Retry(first=0.001, up_to=0.001)))
    step(it)

    def away(*_: Any, **__: Any) -> None:
        raise UnavailableError("away")

    monkeypatch.setattr(deliver.deliveries, "steer", away)
    until(lambda: step(it) == 0 and bench.sent)
    assert rows(store, delivery)[0].state == Sending.SENT


def test_asked_to_stop_it_sends_no_more(store: Store, bench: Bench, sender: Any) -> None:
    """What was not attempted waits in the store."""
    queue(store, bench, body("C1"), body("C2", "P2"))
    asked: list[int] = []

    def stopping() -> bool:
        asked.append(1)
        return len(asked) > 1

    sender().step(stopping)
    assert controls(bench) == ["C1"]
    assert [r.state for r in rows(store, delivery)] == [Sending.SENT, Sending.DUE]


def test_closing_a_connector_that_fails(store: Store, bench: Bench, sender: Any, monkeypatch: Any) -> None:
    """It was on its way out."""
    queue(store, bench, body("C1"))
    it = sender()
    step(it)

    def fails() -> None:
        raise ValueError("broken")

    monkeypatch.setattr(bench.destinations[0], "close", fails)
    it.close()
    it.close()


def test_feeding_another_channel(store: Store, bench: Bench, counters: Counters) -> None:
    """The ``channel`` connector hands over through the engine; a refusal of that is one of the delivery."""
    fed: list[tuple[str, str]] = []

    def feed(channel: str, item: Outgoing) -> None:
        if fed:
            raise RefusedError("a circle")
        fed.append((channel, item.control_id))

    queue(store, bench, body("C1", kind="ADT^feed"), body("C2", kind="ADT^feed"))
    step(Sender(store, "adt", bench.to(), counters, feed))
    assert fed == [("next", "C1")]
    assert [r.state for r in rows(store, delivery)] == [Sending.SENT, Sending.HELD]


# The thread.


@pytest.fixture
def thread(store: Store, sender: Any) -> Iterator[Callable[..., DestinationThread]]:
    made: list[DestinationThread] = []

    def make(make_sender: Callable[[], Sender] | None = None) -> DestinationThread:
        made.append(DestinationThread(store, make_sender or sender, "deliver:adt:peer"))
        return made[-1]

    yield make
    for one in made:
        if one._thread.ident is not None:
            one.stop(10)


def test_a_thread_sends_what_comes(store: Store, bench: Bench, thread: Any) -> None:
    """Told that there is something; ended in time, with its connector closed."""
    it = thread()
    it.start()
    queue(store, bench, body("C1"))
    it.look()
    until(lambda: bench.sent)
    queue(store, bench, body("C2"))
    until(lambda: len(bench.sent) == 2)
    assert it.stop(10)
    assert [d.closed for d in bench.destinations] == [True]
    assert rows(store, delivery)[1].state == Sending.SENT


def test_a_second_thread_stands_by(store: Store, bench: Bench, thread: Any) -> None:
    """Another process has the destination: this one takes over when that one ends."""
    lock = store.locks.take("deliver:adt:peer")
    assert lock is not None
    it = thread()
    it.start()
    queue(store, bench, body("C1"))
    it.look()
    other = threading.Event()
    assert not other.wait(0.05)
    assert bench.sent == []
    lock.release()
    until(lambda: bench.sent)


def test_a_thread_that_never_had_the_lock_ends(store: Store, bench: Bench, thread: Any) -> None:
    """Stopped while it stood by."""
    lock = store.locks.take("deliver:adt:peer")
    it = thread()
    it.start()
    assert it.stop(10)
    assert bench.destinations == []
    assert lock is not None


def test_a_defect_stops_no_thread(
    store: Store, bench: Bench, thread: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever is raised where nothing should: it is logged without its text, and another try is made."""
    queue(store, bench, body("C1"))
    tries: list[int] = []
    whole = Sender.step

    def odd(self: Sender, stopping: Any) -> Any:
        tries.append(1)
        if len(tries) == 1:
            raise KeyError("MARTIN")
        return whole(self, stopping)

    monkeypatch.setattr(Sender, "step", odd)
    it = thread()
    it.start()
    until(lambda: bench.sent)
    assert "sending failed" in [r.message for r in caplog.records]
    assert "MARTIN" not in caplog.text


def test_a_thread_waits_for_the_store(store: Store, bench: Bench, thread: Any, sender: Any) -> None:
    """The database is away when it begins: it begins later."""
    queue(store, bench, body("C1"))
    tries: list[int] = []

    def make() -> Sender:
        tries.append(1)
        if len(tries) < 3:
            raise UnavailableError("away")
        made: Sender = sender()
        return made

    it = thread(make)
    it.start()
    until(lambda: bench.sent)


def test_stopped_while_the_store_is_away(store: Store, bench: Bench, thread: Any) -> None:
    """It ends without ever having begun."""
    tries = threading.Event()

    def make() -> Sender:
        tries.set()
        raise UnavailableError("away")

    it = thread(make)
    it.start()
    assert tries.wait(10)
    assert it.stop(10)


@pytest.mark.postgres
def test_a_thread_that_lost_its_lock_sends_no_more(postgres_url: str, tmp_path: Any, bench: Bench) -> None:
    """PostgreSQL was restarted and another process took over: two must not send the same queue."""
    from sqlalchemy import text

    from hub.settings import Settings
    from hub.store import open_store

    store, other = (open_store(Settings.load(tmp_path, database_url=postgres_url)) for _ in range(2))
    store.upgrade()
    it = DestinationThread(
        store, lambda: Sender(store, "adt", bench.to(), Counters(), lambda c, i: None), "deliver:adt:peer"
    )
    it.start()
    locks: Any = store.locks
    until(lambda: locks._held)
    pid = locks._conn.connection.driver_connection.info.backend_pid
    with other.reading() as conn:
        conn.execute(text(f"SELECT pg_terminate_backend({pid}, 5000)"))
    taken = until(lambda: other.locks.take("deliver:adt:peer"))
    store.locks.check()
    it.look()
    queue(store, bench, body("C1"))
    it.look()
    until(lambda: not locks._held)
    assert bench.sent == []
    taken.release()
    until(lambda: bench.sent)
    assert it.stop(10)
    store.close()
    other.close()


def test_errors_that_hold_and_errors_that_wait() -> None:
    """:mod:`hub.errors`: the class decides; nothing else is asked."""
    kinds: list[type[HubError]] = [RefusedError, NotFoundError, UnavailableError, NoAnswerError]
    assert [k.retry for k in kinds] == ["never", "never", "later", "later"]
