"""hub queue: what waits at each destination, and what people do about it."""

from __future__ import annotations

import re

import pytest

from hub import clock
from hub.engine.texts import error_json
from hub.errors import NoAnswerError
from hub.store import deliveries
from hub.store.tables import Sending, State
from tests.rows import add_delivery, add_message, sendings, states

from .conftest import Site

_SILENT = error_json(NoAnswerError("no answer within 10 s", where="adt: deliver.pacs"), "send")


def _cells(line: str) -> list[str]:
    return re.split(" {2,}", line)


def test_queues_are_listed_with_their_head_and_the_next_try(any_site: Site) -> None:
    """Head, age, attempts, last error and next try, of each destination; the words `hub queue` alone do."""
    store, now = any_site.store, clock.now()
    one = add_message(store)
    head = add_delivery(store, one, attempts=2, made_at=now - 180_000_000)
    add_delivery(store, add_message(store))
    until = now + 5_400_000_000
    store.write(lambda tx: deliveries.steer(tx, "adt", "archive", failures=2, open_until=until, last_error=_SILENT))
    add_delivery(store, one, destination="lab", state=Sending.HELD)
    add_delivery(store, one, destination="pacs")
    store.write(lambda tx: deliveries.steer(tx, "adt", "pacs", paused=True))
    ran = any_site("queue")
    assert [_cells(line) for line in ran.lines[1:2]] == [
        ["adt/archive", "away", "2", "0", clock.show_id(head), "3 min", "2", "in 1 h",
         "adt: deliver.pacs: no answer within 10 s"],
    ]  # fmt: skip
    assert [_cells(line)[:4] for line in ran.lines[2:]] == [
        ["adt/lab", "held", "0", "1"], ["adt/pacs", "paused", "1", "0"],
    ]  # fmt: skip
    assert any_site("queue", "list").lines == ran.lines


def test_programs_get_the_same(site: Site) -> None:
    """--json, before or after the word `list`."""
    until = clock.now() + 3_600_000_000
    head = add_delivery(site.store, add_message(site.store), attempts=2, made_at=1_700_000_000_000_000)
    site.store.write(lambda tx: deliveries.steer(tx, "adt", "archive", failures=2, open_until=until))
    expected = [{
        "channel": "adt", "destination": "archive", "status": "away", "due": 1, "held": 0,
        "head": clock.show_id(head), "head_made": "2023-11-14T22:13:20.000Z", "attempts": 2,
        "next_try": clock.iso(until), "paused": False, "failures": 2, "last_error": None,
    }]  # fmt: skip
    assert site("queue", "--json").json == expected
    assert site("queue", "list", "--json").json == expected


def test_nothing_to_tell_is_told(site: Site) -> None:
    """Idle destinations are no queue."""
    add_delivery(site.store, add_message(site.store), state=Sending.SENT)
    ran = site("queue")
    assert (ran.out, ran.err, ran.status) == ("", "nothing waits, and no destination is paused or away\n", 0)
    assert site("queue", "list", "adt/archive").err == "nothing waits there\n"


def test_the_deliveries_of_one_queue(site: Site) -> None:
    """The oldest first, with their attempts and why they wait; cut where the list is long."""
    one, now = add_message(site.store), clock.now()
    first = add_delivery(site.store, one, state=Sending.HELD, attempts=1, error=_SILENT)
    second = add_delivery(site.store, add_message(site.store), due=now + 9_000_000_000)
    third = add_delivery(site.store, add_message(site.store), due=now - 1)
    lines = site("queue", "list", "adt/archive").lines
    assert [line.split()[0] for line in lines[1:]] == [clock.show_id(i) for i in (first, second, third)]
    assert [(_cells(line)[2], _cells(line)[5]) for line in lines[2:]] == [("due", "in 2 h"), ("due", "now")]
    assert lines[1].endswith("-         adt: deliver.pacs: no answer within 10 s")
    ran = site("queue", "list", "adt/archive", "--limit", "2", "--json")
    assert [one["id"] for one in ran.json] == [clock.show_id(first), clock.show_id(second)]
    assert ran.err == "the oldest 2 are shown; say --limit\n"


def test_a_destination_is_paused_and_resumed(site: Site) -> None:
    """By its name in a channel file, though nothing ever went there."""
    ran = site("queue", "pause", "adt/archive")
    assert (ran.out, ran.status) == ("adt/archive is paused\n", 0)
    assert site("queue", "--json").json[0]["status"] == "paused"
    assert site("queue", "resume", "adt/archive").out == "adt/archive goes on\n"
    assert site("queue", "--json").json == []


def test_a_queue_that_lost_its_file_can_still_be_steered(site: Site) -> None:
    """What waits for a destination that was renamed must not be out of reach."""
    add_delivery(site.store, add_message(site.store), destination="former")
    assert site("queue", "pause", "adt/former").status == 0
    site.file.unlink()
    assert site("queue", "resume", "adt/former").status == 0


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("adt/archiv", "no queue is called 'adt/archiv' (did you mean 'adt/archive'?)"),
        ("archive", "archive: a queue is written CHANNEL/DESTINATION (see hub queue list)"),
        ("adt/", "adt/: a queue is written CHANNEL/DESTINATION (see hub queue list)"),
    ],
)
def test_a_slip_of_the_pen_pauses_nothing(site: Site, name: str, says: str) -> None:
    """A name that nobody has is refused, with the nearest one."""
    ran = site("queue", "pause", name)
    assert (ran.status, ran.err) == (2, f"hub: {says}\n")
    assert site("queue", "--json").json == []


def test_held_deliveries_are_sent_again_by_id_or_all_of_a_queue(site: Site) -> None:
    """What is due already stays as it is."""
    ids = [add_delivery(site.store, add_message(site.store), state=Sending.HELD) for _ in range(3)]
    due = add_delivery(site.store, add_message(site.store), due=9)
    ran = site("queue", "resend", clock.show_id(ids[0]), "--yes")
    assert (ran.out, ran.status) == ("1 delivery tried again\n", 0)
    assert site("queue", "resend", "adt/archive", "--yes").out == "2 deliveries tried again\n"
    assert sendings(site.store) == dict.fromkeys([*ids, due], Sending.DUE)


def test_deliveries_are_given_up_by_id_or_all_of_a_queue(site: Site) -> None:
    """Held or due; their messages are done when nothing else waits."""
    one = add_message(site.store, state=State.MAPPED)
    held, due = add_delivery(site.store, one, state=Sending.HELD), add_delivery(site.store, one, run=2)
    sent = add_delivery(site.store, one, run=3, state=Sending.SENT)
    assert site("queue", "cancel", "adt/archive", "--yes").out == "2 deliveries given up\n"
    assert sendings(site.store) == {held: Sending.CANCELLED, due: Sending.CANCELLED, sent: Sending.SENT}
    assert states(site.store) == {one: State.DONE}


def test_somebody_is_asked_before(site: Site, somebody: None) -> None:
    """And may say no."""
    held = add_delivery(site.store, add_message(site.store), state=Sending.HELD)
    ran = site("queue", "cancel", "adt/archive", input="n\n")
    assert ran.status == 1
    assert "1 delivery will be given up. Go on? [y/N]: n\n" in ran.err
    assert sendings(site.store) == {held: Sending.HELD}


def test_what_is_no_such_delivery_is_said_and_the_others_are_done(site: Site) -> None:
    """Exit status 1 only when nothing was done."""
    held = add_delivery(site.store, add_message(site.store), state=Sending.HELD)
    other = clock.show_id(held + 256)
    ran = site("queue", "resend", other, clock.show_id(held), "--yes")
    assert (ran.out, ran.err) == (
        "1 delivery tried again\n",
        f"{other}: no delivery with that id is held\n".replace("\n", "\n"),
    )
    assert ran.status == 0
    assert site("queue", "resend", other, "--yes").status == 1


def test_an_empty_queue_has_nothing_to_give_up(site: Site) -> None:
    """Said, asked of nobody, and no success."""
    ran = site("queue", "cancel", "adt/archive")
    assert (ran.out, ran.status) == ("0 deliveries given up\n", 1)
