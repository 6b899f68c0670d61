"""Messages: taken in once, finished once, whoever works on them and however often they are sent."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from hub.store import Store, deliveries, messages, open_store
from hub.store.deliveries import Attempt
from hub.store.messages import REJECTED, Finished, Taken
from hub.store.tables import CONTROL_REUSED, Sending, State, body, delivery, message, message_key
from tests.waiting import until

from .rows import backend, count, delivery_row, new, rows, take, waits


def finish(store: Store, *items: Finished) -> set[int]:
    """What the work of one worker does to messages: only those that still wait for it are written."""

    def write(tx: Any) -> set[int]:
        ours = messages.unfinished(tx, items)
        messages.finish(tx, [f for f in items if f.id in ours])
        return ours

    return store.write(write)


def test_a_message_is_stored_as_it_came(store: Store) -> None:
    """Every column says what the source and the reader knew; the body is octet for octet."""
    item = new(store, b"MSH|\xe9", keys=(("patient", "1"), ("visit", "2"), ("patient", "1")), parent=3, trace=2)
    assert [Taken(item.id, False, b"AA")] == take(store, item)
    (found,) = rows(store, message)
    assert (item.id, "adt", "r1", 0, 0, "", "ADT^A01", item.control_id, "GAM|CHU", "127.0.0.1") == (
        found.id, found.channel, found.revision, found.state, found.lane, found.step, found.type, found.control_id,
        found.sender, found.peer,
    )  # fmt: skip
    assert (
        found.size, found.trace, found.parent, found.runs, found.flags, bytes(found.answer), found.error, found.stages,
    ) == (5, 2, 3, 0, 0, b"AA", None, None)  # fmt: skip
    assert store.bodies.read(bytes(found.body)) == b"MSH|\xe9"
    assert [("patient", "1", item.id), ("visit", "2", item.id)] == [tuple(r) for r in rows(store, message_key)]


def test_a_message_that_comes_again_gets_the_first_answer(store: Store) -> None:
    """HL7 v2.5 §2.9.2 (enhanced mode): a peer that lost the answer sends again; there is no second message."""
    first = new(store, control_id="C1", answer=b"first")
    again = new(store, control_id="C1", answer=b"second")
    take(store, first)
    assert [Taken(first.id, True, b"first")] == take(store, again)
    assert count(store, message) == 1


def test_a_message_that_comes_twice_in_one_batch(store: Store) -> None:
    """Two connections of one peer at the same moment."""
    first, again = new(store, control_id="C1"), new(store, control_id="C1")
    assert [Taken(first.id, False, b"AA"), Taken(first.id, True, b"AA")] == take(store, first, again)
    assert count(store, message) == 1


def test_a_control_id_used_again_is_another_message(store: Store) -> None:
    """Some senders count from 1 each night: another body is another message, flagged for people to see."""
    take(store, new(store, b"one", control_id="C1"))
    second = new(store, b"two", control_id="C1")
    third = new(store, b"three", control_id="C1")
    assert [Taken(second.id, False, b"AA", True), Taken(third.id, False, b"AA", True)] == take(store, second, third)
    assert [r.flags for r in rows(store, message)] == [0, CONTROL_REUSED, CONTROL_REUSED]
    assert [Taken(second.id, True, b"AA")] == take(store, new(store, b"two", control_id="C1"))


def test_the_same_control_id_in_another_channel(store: Store) -> None:
    """Channels do not know each other's messages."""
    take(store, new(store, control_id="C1"))
    other = new(store, control_id="C1", channel="oru")
    assert [Taken(other.id, False, b"AA")] == take(store, other)


def test_without_control_id_nothing_is_a_duplicate(store: Store) -> None:
    """MSH-10 empty: nothing tells a repetition from a second message, so both are kept; the body lies there once."""
    take(store, new(store, control_id=""), new(store, control_id=""))
    take(store, new(store, control_id=""))
    assert (count(store, message), count(store, body)) == (3, 1)


def test_what_was_refused_is_judged_anew(store: Store) -> None:
    """Somebody corrected the channel: the peer sends again and is not answered with the old refusal."""
    take(store, new(store, control_id="C1", state=State.HELD, flags=REJECTED, answer=b"AE"))
    again = new(store, control_id="C1", answer=b"AA")
    assert [Taken(again.id, False, b"AA")] == take(store, again)
    assert count(store, message) == 2
    assert take(store, new(store, control_id="C1"))[0].duplicate


def test_what_was_refused_after_its_mapping_is_judged_anew(store: Store) -> None:
    """The application answer was AE: sent again it is never answered AA for having been stored."""
    first = new(store, control_id="C1", answer=b"AA")
    take(store, first)
    assert store.writer("work").call(messages.refuse, (first.id, b"AE")) is None
    assert (rows(store, message)[0].flags, bytes(rows(store, message)[0].answer)) == (REJECTED, b"AE")
    assert not take(store, new(store, control_id="C1"))[0].duplicate


def test_a_commit_whose_answer_was_lost_is_no_duplicate(store: Store) -> None:
    """The connection broke between COMMIT and its answer: the batch is written again and finds itself."""
    item = new(store, control_id="C1")
    take(store, item)
    assert [Taken(item.id, False, b"AA")] == take(store, item)
    assert count(store, message) == 1


@pytest.mark.postgres
def test_two_processes_take_in_the_same_message(postgres_store: Store) -> None:
    """A peer sends again to another process of the HTTP server before the first has committed."""
    store, other = postgres_store, open_store(postgres_store.settings, "other")
    stored, go_on = threading.Event(), threading.Event()
    first, again = new(store, control_id="C1"), new(other, control_id="C1")
    found: list[Taken] = []
    pid = backend(other)

    def slowly(tx: Any) -> None:
        found.extend(messages.take_in(tx, [first]))
        stored.set()
        assert go_on.wait(10)

    threads = [threading.Thread(target=lambda: store.write(slowly))]
    threads[0].start()
    assert stored.wait(10)
    threads.append(threading.Thread(target=lambda: found.extend(take(other, again))))
    threads[1].start()
    until(lambda: waits(store, pid))
    go_on.set()
    for thread in threads:
        thread.join()
    assert [Taken(first.id, False, b"AA"), Taken(first.id, True, b"AA")] == found
    other.close()


def test_waiting_messages_come_in_order_of_arrival(store: Store) -> None:
    """House, step 3; of one channel, of one lane, up to a number."""
    items = [new(store, b"%d" % n, lane=n % 2) for n in range(5)]
    take(store, *items, new(store, channel="oru"), new(store, state=State.FILTERED))
    with store.looking() as tx:
        every, more = messages.waiting(tx, "adt", 10, 1000)
        assert ([i.id for i in items], False) == ([w.id for w in every], more)
        some, more = messages.waiting(tx, "adt", 3, 1000)
        assert ([i.id for i in items[:3]], True) == ([w.id for w in some], more)
        odd, _ = messages.waiting(tx, "adt", 10, 1000, 1)
        assert [items[1].id, items[3].id] == [w.id for w in odd]
    first = every[0]
    assert ("adt", "", "ADT^A01", items[0].control_id, 0, items[0].body[0], 1) == (
        first.channel, first.step, first.type, first.control_id, first.runs, first.body, first.size,
    )  # fmt: skip


def test_waiting_messages_are_bounded_in_octets(store: Store) -> None:
    """A batch of large documents does not fill the memory; one that is larger than the bound comes alone."""
    take(store, *[new(store, b"%d" % n * size) for n, size in enumerate((900, 200, 50, 60))])
    with store.looking() as tx:
        sizes = [[w.size for w in messages.waiting(tx, "adt", 10, bound)[0]] for bound in (10, 1100, 1150, 9999)]
    assert sizes == [[900], [900, 200], [900, 200, 50], [900, 200, 50, 60]]


def _finished(item: Any, run: int = 1, **values: Any) -> Finished:
    return Finished(item.id, **({"state": State.MAPPED, "revision": "r2", "at": 7, "run": run} | values))


def test_a_finished_message(store: Store) -> None:
    """What the work came to, in one write: state, revision, reason, keys, deliveries and their bodies."""
    item = new(store)
    take(store, item)
    made = store.bodies.prepare(b"bundle")
    finish(
        store,
        _finished(
            item, error='{"what":"x"}', stages="[]", keys=(("patient", "1"), ("patient", "1")),
            deliveries=[delivery_row(store, item.id, body=made[0])], bodies=[made],
        ),
    )  # fmt: skip
    (found,) = rows(store, message)
    assert (
        found.state, found.revision, found.mapped_at, found.runs, found.error, found.stages, found.step,
    ) == (State.MAPPED, "r2", 7, 1, '{"what":"x"}', "[]", "")  # fmt: skip
    assert [("patient", "1", item.id)] == [tuple(r) for r in rows(store, message_key)]
    assert store.bodies.read(bytes(rows(store, delivery)[0].body)) == b"bundle"


def test_a_second_worker_changes_nothing(store: Store) -> None:
    """House, step 3: two processes worked on one message; the first one's word stays, nothing is sent twice."""
    item = new(store)
    take(store, item)
    assert {item.id} == finish(store, _finished(item, deliveries=[delivery_row(store, item.id)]))
    before = (rows(store, message), rows(store, delivery))
    late = _finished(item, state=State.HELD, error="{}", deliveries=[delivery_row(store, item.id)])
    assert set() == finish(store, late)
    assert before == (rows(store, message), rows(store, delivery))


@pytest.mark.parametrize("state", [State.HELD, State.CANCELLED])
def test_work_on_what_people_took_away_is_dropped(store: Store, state: State) -> None:
    """Held or cancelled while it was being mapped: nothing of it is delivered."""
    item = new(store)
    take(store, item)
    store.write(lambda tx: tx.many("UPDATE message SET state = ? WHERE id = ?", [(int(state), item.id)]))
    assert set() == finish(store, _finished(item, deliveries=[delivery_row(store, item.id)]))
    assert (state, 0) == (rows(store, message)[0].state, count(store, delivery))


def test_work_from_before_a_replay_is_dropped(store: Store) -> None:
    """The message waits again, for its second run: what a slow worker made of the first must not end that."""
    item = new(store)
    take(store, item)
    finish(store, _finished(item))
    store.write(lambda tx: tx.many("UPDATE message SET state = 0 WHERE id = ?", [(item.id,)]))
    assert set() == finish(store, _finished(item, run=1))
    assert {item.id} == finish(store, _finished(item, run=2))
    assert rows(store, message)[0].runs == 2


def attempt(row: tuple[Any, ...], state: Sending = Sending.SENT, **values: Any) -> Attempt:
    return Attempt(**({"id": row[0], "message": row[1], "state": state, "attempts": 1, "due": 5, "at": 9} | values))


def _mapped(store: Store, *destinations: str) -> list[tuple[Any, ...]]:
    item = new(store)
    take(store, item)
    made = [delivery_row(store, item.id, name) for name in destinations]
    finish(store, _finished(item, deliveries=made))
    return made


def test_a_message_is_done_when_all_its_deliveries_ended(store: Store) -> None:
    """Sent or cancelled; one that is due or held keeps it open."""
    one, two = _mapped(store, "one", "two")
    store.write(lambda tx: deliveries.ended(tx, [attempt(one, answer=b"MSA|AA")]))
    assert rows(store, message)[0].state == State.MAPPED
    assert [(r.sent_at, r.answer, r.attempts) for r in rows(store, delivery)] == [(9, b"MSA|AA", 1), (None, None, 0)]
    store.write(lambda tx: deliveries.ended(tx, [attempt(two, Sending.HELD, error="{}")]))
    assert rows(store, message)[0].state == State.MAPPED
    store.write(lambda tx: tx.many("UPDATE delivery SET state = 0 WHERE id = ?", [(two[0],)]))
    store.write(lambda tx: deliveries.ended(tx, [attempt(two)]))
    assert rows(store, message)[0].state == State.DONE


def test_an_attempt_that_failed_stays_due(store: Store) -> None:
    """With its reason and its number of attempts."""
    (one,) = _mapped(store, "one")
    store.write(lambda tx: deliveries.ended(tx, [attempt(one, Sending.DUE, attempts=3, error='{"what":"away"}')]))
    (found,) = rows(store, delivery)
    assert (
        found.state, found.attempts, found.due, found.sent_at, found.error,
    ) == (0, 3, 5, None, '{"what":"away"}')  # fmt: skip
    assert rows(store, message)[0].state == State.MAPPED


def test_a_delivery_that_ended_stays_as_it_is(store: Store) -> None:
    """A second process that sent the same delivery, or one that was cancelled meanwhile, changes nothing."""
    one, two = _mapped(store, "one", "two")
    store.write(lambda tx: deliveries.ended(tx, [attempt(one)]))
    cancel = f"UPDATE delivery SET state = {int(Sending.CANCELLED)} WHERE id = ?"
    store.write(lambda tx: tx.many(cancel, [(two[0],)]))
    before = rows(store, delivery)
    store.write(lambda tx: deliveries.ended(tx, [attempt(one, Sending.HELD, at=99), attempt(two, at=99)]))
    assert before == rows(store, delivery)


@pytest.mark.postgres
def test_the_last_two_deliveries_end_at_the_same_moment(postgres_store: Store) -> None:
    """Two processes, neither sees that the other's delivery ended: the message must be done all the same."""
    store, other = postgres_store, open_store(postgres_store.settings, "other")
    one, two = _mapped(store, "one", "two")
    pid = backend(other)
    noted, go_on = threading.Event(), threading.Event()

    def slowly(tx: Any) -> None:
        deliveries.ended(tx, [attempt(one)])
        noted.set()
        assert go_on.wait(10)

    threads = [
        threading.Thread(target=lambda: store.write(slowly)),
        threading.Thread(target=lambda: other.write(lambda tx: deliveries.ended(tx, [attempt(two)]))),
    ]
    threads[0].start()
    assert noted.wait(10)
    threads[1].start()
    until(lambda: waits(store, pid) or not threads[1].is_alive())
    go_on.set()
    for thread in threads:
        thread.join()
    assert rows(store, message)[0].state == State.DONE
    other.close()


def test_due_deliveries_come_in_order(store: Store) -> None:
    """Of one destination, oldest first, also those whose time has not come: they keep the others of their key back."""
    made = _mapped(store, "one", "two") + _mapped(store, "one")
    store.write(lambda tx: tx.many("UPDATE delivery SET due = ? WHERE id = ?", [(99, made[0][0])]))
    with store.looking() as tx:
        found = deliveries.due(tx, "adt", "one", 10)
        assert [made[0][0], made[2][0]] == [d.id for d in found]
        assert [made[0][0]] == [d.id for d in deliveries.due(tx, "adt", "one", 1)]
        assert deliveries.due(tx, "oru", "one", 10) == []
    assert (made[0][1], 1, "", b"\0" * 32, "text/plain", "ADT^A01", "C1", made[0][1], 0, 99) == (
        found[0].message, found[0].run, found[0].order_key, found[0].body, found[0].content_type, found[0].type,
        found[0].control_id, found[0].trace, found[0].attempts, found[0].due,
    )  # fmt: skip


def test_a_destination_is_steered_column_by_column(store: Store) -> None:
    """Each process sets what it knows; the rest stays, and the first one makes the row."""
    from hub.store.tables import destination

    store.write(lambda tx: deliveries.steer(tx, "adt", "pacs", failures=2, open_until=7, last_error="{}"))
    store.write(lambda tx: deliveries.steer(tx, "adt", "pacs", paused=True))
    assert [tuple(r) for r in rows(store, destination)] == [("adt", "pacs", True, 7, 2, "{}", None)]
