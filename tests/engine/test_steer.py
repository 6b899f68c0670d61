"""What people do to messages and queues is a state of rows, and only of those it is meant for."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from sqlalchemy import select

from hub import clock
from hub.engine import steer
from hub.errors import ConfigError, NotFoundError
from hub.store import Store, deliveries
from hub.store.find import parse
from hub.store.messages import REJECTED
from hub.store.tables import BROKEN, EXCERPT, Sending, State, message
from tests.rows import add_delivery, add_message, sendings, states

_ERROR = '{"where":"PID-3","what":"required and empty"}'


def _one_of_each(store: Store) -> dict[State, int]:
    return {state: add_message(store, state=state, error=_ERROR, step="") for state in State}


def _row(store: Store, id_: int) -> tuple[State, str, str | None]:
    with store.reading() as conn:
        row = conn.execute(select(message).where(message.c.id == id_)).one()
    return State(row.state), row.step, row.error


@pytest.mark.parametrize(
    ("step", "kept"), [("map", ""), ("store", "store"), ("deliver", "deliver")]
)  # fmt: skip
def test_a_replay_starts_all_but_what_waits(store: Store, step: str, kept: str) -> None:
    """The step to begin with is written with the message; the former error is gone."""
    ids = _one_of_each(store)
    assert steer.replay(store, parse([]), step) == steer.Replayed(6, 5)
    assert _row(store, ids[State.WAITING]) == (State.WAITING, "", _ERROR)
    assert {_row(store, id_) for state, id_ in ids.items() if state is not State.WAITING} == {
        (State.WAITING, kept, None)
    }


def test_a_dry_run_counts_and_changes_nothing(store: Store) -> None:
    """What it says is what the replay then does."""
    _one_of_each(store)
    before = states(store)
    assert steer.replay(store, parse([]), dry_run=True) == steer.Replayed(6, 5)
    assert states(store) == before


def test_a_replay_knows_its_steps(sqlite_store: Store) -> None:
    """Another word is refused, with those there are."""
    with pytest.raises(ConfigError, match="no step is called 'send'"):
        steer.replay(sqlite_store, parse([]), "send")


@pytest.mark.parametrize("flag", [BROKEN, EXCERPT])
def test_what_is_no_whole_message_is_never_worked_on_but_may_be_cancelled(store: Store, flag: int) -> None:
    """Replay and release would only fail again; a person must still be able to end it."""
    one = add_message(store, state=State.HELD, flags=flag | REJECTED)
    assert steer.replay(store, parse([])) == steer.Replayed(1, 0)
    assert steer.release(store, parse([])) == 0
    assert states(store) == {one: State.HELD}
    assert steer.count(store, parse([]), "cancel") == steer.Replayed(1, 1)
    assert steer.cancel(store, parse([])) == 1
    assert states(store) == {one: State.CANCELLED}


def test_only_the_held_are_released(store: Store) -> None:
    """They are read and mapped again, from the beginning."""
    ids = _one_of_each(store)
    assert steer.release(store, parse([])) == 1
    assert _row(store, ids[State.HELD]) == (State.WAITING, "", None)
    assert [s for s, id_ in ids.items() if states(store)[id_] != s] == [State.HELD]


def test_only_those_that_wait_are_held_and_the_reason_says_by_whom(store: Store) -> None:
    """Where, what and what to do stand with the message."""
    ids = _one_of_each(store)
    assert steer.hold(store, parse([])) == 1
    state, _, error = _row(store, ids[State.WAITING])
    assert state is State.HELD
    assert orjson.loads(error or "")["what"] == "held by hand"
    assert orjson.loads(error or "")["stage"] == "hold"


def test_a_cancelled_message_takes_what_was_not_sent_with_it(store: Store) -> None:
    """What was sent was sent; what is done stays done."""
    one, done = add_message(store, state=State.MAPPED), add_message(store, state=State.DONE)
    due, held, sent = (
        add_delivery(store, one, destination=s.name, state=s) for s in (Sending.DUE, Sending.HELD, Sending.SENT)
    )
    other = add_delivery(store, done)
    assert steer.cancel(store, parse([])) == 1
    assert states(store) == {one: State.CANCELLED, done: State.DONE}
    assert sendings(store) == {
        due: Sending.CANCELLED, held: Sending.CANCELLED, sent: Sending.SENT, other: Sending.DUE,
    }  # fmt: skip


def test_a_query_narrows_what_an_action_is_done_to(store: Store) -> None:
    """Of three that are held, the one of the channel asked for."""
    for channel in ("adt", "lab", "adt"):
        add_message(store, state=State.HELD, channel=channel)
    assert steer.count(store, parse(["channel:lab"]), "release") == steer.Replayed(1, 1)
    assert steer.release(store, parse(["channel:lab"])) == 1


def test_many_are_done_bite_by_bite(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each transaction is short, and none is forgotten."""
    monkeypatch.setattr(steer, "BITE", 2)
    for _ in range(5):
        add_message(sqlite_store, state=State.HELD)
    assert steer.release(sqlite_store, parse(["status:held"])) == 5
    assert set(states(sqlite_store).values()) == {State.WAITING}


def test_queues_tell_of_what_waits_is_held_paused_or_away(store: Store) -> None:
    """Head, age, attempts, next try and last error, of each destination by itself; idle ones are left out."""
    at = clock.now()
    one, two = add_message(store), add_message(store)
    head = add_delivery(store, one, destination="pacs", attempts=3, due=at + 9, made_at=at - 60)
    add_delivery(store, two, destination="pacs")
    add_delivery(store, one, destination="lab", state=Sending.HELD)
    add_delivery(store, one, destination="idle", state=Sending.SENT)
    until = at + 5_000_000
    store.write(lambda tx: deliveries.steer(tx, "adt", "pacs", failures=3, open_until=until, last_error=_ERROR))
    store.write(lambda tx: deliveries.steer(tx, "adt", "quiet", paused=True))
    store.write(lambda tx: deliveries.steer(tx, "adt", "idle", failures=0))
    assert steer.queues(store) == [
        steer.Queue("adt", "lab", 0, 1, 0, 0, 0, 0, False, 0, ""),
        steer.Queue("adt", "pacs", 2, 0, head, at - 60, 3, until, False, 3, _ERROR),
        steer.Queue("adt", "quiet", 0, 0, 0, 0, 0, 0, True, 0, ""),
    ]


def test_a_destination_is_paused_and_goes_on_at_once(store: Store) -> None:
    """Resuming closes the circuit of a peer that was away, so that it is tried now."""
    store.write(lambda tx: deliveries.steer(tx, "adt", "pacs", failures=3, open_until=clock.now() + 10**9))
    steer.pause(store, "adt", "pacs", paused=True)
    assert [(q.paused, q.next_try > 0) for q in steer.queues(store)] == [(True, True)]
    steer.pause(store, "adt", "pacs", paused=False)
    assert [(q.paused, q.next_try, q.failures) for q in steer.queues(store)] == [(False, 0, 3)]


def test_a_held_delivery_is_tried_again(store: Store) -> None:
    """It is due now; a message that was thought done is on its way again, one that waits stays so."""
    done, waiting = add_message(store, state=State.DONE), add_message(store, state=State.WAITING)
    first = add_delivery(store, done, state=Sending.HELD, due=clock.now() + 10**9)
    second = add_delivery(store, waiting, state=Sending.HELD)
    before = clock.now()
    steer.resend(store, first)
    steer.resend(store, second)
    assert states(store) == {done: State.MAPPED, waiting: State.WAITING}
    assert sendings(store) == {first: Sending.DUE, second: Sending.DUE}
    assert before <= steer.waiting_deliveries(store, "adt", "archive")[0].due <= clock.now()


@pytest.mark.parametrize("state", [Sending.SENT, Sending.DUE, Sending.CANCELLED])
def test_what_is_not_held_is_not_sent_again(store: Store, state: Sending) -> None:
    """Refused, and neither the delivery nor its message changes."""
    one = add_message(store, state=State.DONE)
    sent = add_delivery(store, one, state=state)
    with pytest.raises(NotFoundError, match="no delivery with that id is held"):
        steer.resend(store, sent)
    assert (states(store), sendings(store)) == ({one: State.DONE}, {sent: state})


def test_a_delivery_given_up_ends_its_message_when_it_was_the_last(store: Store) -> None:
    """Two deliveries wait: after the first the message goes on, after the second it is done."""
    one = add_message(store, state=State.MAPPED)
    due, held = (add_delivery(store, one, destination=s.name, state=s) for s in (Sending.DUE, Sending.HELD))
    steer.cancel_delivery(store, due)
    assert states(store) == {one: State.MAPPED}
    steer.cancel_delivery(store, held)
    assert states(store) == {one: State.DONE}
    with pytest.raises(NotFoundError):
        steer.cancel_delivery(store, due)
    with pytest.raises(NotFoundError):
        steer.cancel_delivery(store, 1)


def test_waiting_deliveries_of_a_destination_the_oldest_first(store: Store) -> None:
    """Both kinds, or one of them, or so many."""
    one, two = add_message(store), add_message(store)
    held, due = add_delivery(store, one, state=Sending.HELD), add_delivery(store, two)
    add_delivery(store, one, destination="pacs")
    add_delivery(store, one, channel="lab", run=2)

    def ids(**more: Any) -> list[int]:
        return [row.id for row in steer.waiting_deliveries(store, "adt", "archive", **more)]

    assert (ids(), ids(held=True), ids(held=False), ids(limit=1)) == ([held, due], [held], [due], [held])
