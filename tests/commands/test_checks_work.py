"""What hub doctor says of the work: processes, channels, messages, queues."""

from __future__ import annotations

import pytest

from hub import clock
from hub.commands.checks import work
from hub.engine.texts import error_json
from hub.errors import NoAnswerError
from hub.store import deliveries
from hub.store.tables import Sending, State, node
from tests.rows import add_delivery, add_message

from .conftest import MIN, Site, join, look_at


def test_processes_are_counted_and_one_that_went_silent_is_named(site: Site) -> None:
    """A hub says every ten seconds that it is there; one of another host may have died."""
    join(site.store)
    (check,) = work.processes(look_at(site))
    assert (check.level, check.what) == ("ok", "1 hub")
    row = (9, "elsewhere", 77, "1", "hub", clock.now() - 5 * MIN)
    site.store.write(lambda tx: tx.insert(node, [row]))
    (check,) = work.processes(look_at(site))
    assert (check.level, check.what) == ("warn", "process 77 on elsewhere was last heard of 5 min ago")


def test_channels_that_should_run_and_do_not(site: Site) -> None:
    """Failed, not running, by another revision than the file's; as long as a hub runs."""
    assert list(work.running(look_at(site))) == []
    join(site.store)
    (check,) = work.running(look_at(site))
    assert (check.level, check.what) == ("warn", "adt does not run")
    site.ran("channel: adt\n", state="failed", detail="port 2575 is taken")
    (check,) = work.running(look_at(site))
    assert (check.level, check.what) == ("fail", "adt: port 2575 is taken")
    old = site.ran("channel: adt\n")
    (check,) = work.running(look_at(site))
    assert (check.level, check.cure) == ("warn", f"see hub channel diff adt {old}")
    site.ran(site.file.read_text())
    (check,) = work.running(look_at(site))
    assert (check.level, check.what) == ("ok", "1 channel running")


@pytest.mark.parametrize(
    ("age", "hub", "level"),
    [(1, True, "ok"), (2 * MIN, True, "warn"), (20 * MIN, True, "fail"), (20 * MIN, False, "warn")],
)
def test_messages_that_wait_for_long_are_told(site: Site, age: int, hub: bool, level: str) -> None:
    """A minute is long; ten minutes, while a hub runs, are a failure."""
    if hub:
        join(site.store)
    add_message(site.store, at=clock.now() - age, state=State.WAITING)
    (check,) = work.waiting(look_at(site))
    assert (check.level, check.what.startswith("1 message waiting for the mapping")) == (level, True)


def test_held_messages_are_told(site: Site) -> None:
    """They wait for a person."""
    for _ in range(2):
        add_message(site.store, state=State.HELD)
    (check,) = work.held(look_at(site))
    assert (check.level, check.what) == ("warn", "2 messages held")


def test_each_queue_that_needs_somebody_has_its_line(site: Site) -> None:
    """Away, paused, stuck, holding; one that only has something on its way has none."""
    store, now = site.store, clock.now()
    silent = error_json(NoAnswerError("no answer", where="MLLP"), "send")
    one = add_message(store)
    add_delivery(store, one, destination="away", made_at=now - 5 * MIN)
    store.write(lambda tx: deliveries.steer(tx, "adt", "away", failures=2, last_error=silent))
    add_delivery(store, one, destination="fine")
    add_delivery(store, one, destination="held", state=Sending.HELD)
    store.write(lambda tx: deliveries.steer(tx, "adt", "paused", paused=True))
    add_delivery(store, one, destination="stuck", made_at=now - 20 * MIN)
    found = list(work.queues(look_at(site)))
    assert [(c.level, c.what) for c in found] == [
        ("warn", "adt/away is away: 1 wait, the oldest for 5 min; MLLP: no answer"),
        ("warn", "adt/held holds 1 delivery"),
        ("warn", "adt/paused is paused: 0 wait"),
        ("warn", "adt/stuck: 1 wait, the oldest for 20 min"),
    ]
