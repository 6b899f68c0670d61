"""Application answers: each is told once, in time or not at all, whichever process maps the message."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from hub.engine import outcomes as outcomes_module
from hub.engine.outcomes import Outcomes
from hub.engine.polling import PolledOutcomes
from hub.engine.texts import error_json
from hub.errors import MappingError, UnavailableError
from hub.store import Store
from hub.store.tables import State
from tests.waiting import until

from .bench import Bench, body
from .rows import receive

MAPPED = (State.MAPPED, None)


def test_an_outcome_is_told_once() -> None:
    """Nobody waits for it a second time."""
    it, told = Outcomes(), []
    it.wait(7, told.append, 60)
    assert it.pending() == [7]
    it.tell({6: MAPPED, 7: MAPPED})
    it.tell({7: (State.HELD, None)})
    assert (told, it.pending()) == ([MAPPED], [])


def test_not_in_time_is_told_as_nothing() -> None:
    """The source then answers that it was stored."""
    it, told, ready = Outcomes(), [], threading.Event()
    it.wait(7, lambda outcome: (told.append(outcome), ready.set()), 0.01)
    assert ready.wait(10)
    it.tell({7: MAPPED})
    assert told == [None]


def test_an_outcome_that_came_first_is_told_at_once() -> None:
    """The mapping may be faster than the thread that took the message in."""
    it, told = Outcomes(), []
    it.tell({7: MAPPED})
    it.wait(7, told.append, 60)
    assert (told, it.pending()) == ([MAPPED], [])


def test_outcomes_nobody_asks_for_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Almost all messages are of that kind: the newest few are remembered."""
    monkeypatch.setattr(outcomes_module, "_KEPT", 3)
    it, told = Outcomes(), []
    it.tell(dict.fromkeys(range(10), MAPPED))
    it.wait(6, told.append, 60)
    assert it.pending() == [6]
    it.wait(7, told.append, 60)
    assert told == [MAPPED]
    it.tell({6: MAPPED})


@pytest.fixture
def polled(store: Store) -> Any:
    it = PolledOutcomes(store)
    yield it
    it.close()


def _set(store: Store, id_: int, state: State, error: str | None = None) -> None:
    change = "UPDATE message SET state = ?, error = ? WHERE id = ?"
    store.write(lambda tx: tx.many(change, [(int(state), error, id_)]))


def test_the_outcome_of_another_process_is_found(store: Store, bench: Bench, polled: PolledOutcomes) -> None:
    """Looked for in the store, only while somebody waits."""
    one, two = (r.verdict.message_id for r in receive(store, bench.spec(), body("C1"), body("C2")))
    told: dict[int, Any] = {}
    polled.wait(one, lambda outcome: told.update({one: outcome}), 60)
    polled.wait(two, lambda outcome: told.update({two: outcome}), 60)
    _set(store, one, State.DONE)
    until(lambda: one in told)
    assert {one: (State.DONE, None)} == told
    _set(store, two, State.HELD, error_json(MappingError("no identifier", where="PID-3", code="101"), "map"))
    until(lambda: two in told)
    state, error = told[two]
    assert (state, error.where, error.code) == (State.HELD, "PID-3", "101")


def test_looking_goes_on_when_the_store_was_away(
    store: Store, bench: Bench, polled: PolledOutcomes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A waiting peer gets its answer when the store is back."""
    (receipt,) = receive(store, bench.spec(), body())
    id_ = receipt.verdict.message_id
    tries, told = threading.Event(), []

    def away() -> Any:
        tries.set()
        raise UnavailableError("away")

    with monkeypatch.context() as patch:
        patch.setattr(store, "reading", away)
        polled.wait(id_, told.append, 60)
        assert tries.wait(10)
    _set(store, id_, State.DONE)
    until(lambda: told)
    assert told == [(State.DONE, None)]
