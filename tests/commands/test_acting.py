"""hub replay, hold, release and cancel: count, ask, do."""

from __future__ import annotations

import pytest

from hub import clock
from hub.store.tables import BROKEN, Sending, State
from tests.rows import add_delivery, add_message, sendings, states

from .conftest import Site


@pytest.mark.parametrize("verb", ["replay", "hold", "release", "cancel"])
def test_an_empty_query_never_means_everything(site: Site, verb: str) -> None:
    """Nor does --yes make it so."""
    one = add_message(site.store, state=State.HELD)
    ran = site(verb, "--yes")
    assert ran.status == 2
    assert ran.err.startswith("hub: a query is needed: everything is never meant (write ids,")
    assert states(site.store) == {one: State.HELD}


@pytest.mark.parametrize(
    ("verb", "before", "after", "said"),
    [
        ("replay", State.DONE, State.WAITING, "2 messages worked on again\n"),
        ("hold", State.WAITING, State.HELD, "2 messages held\n"),
        ("release", State.HELD, State.WAITING, "2 messages released\n"),
        ("cancel", State.HELD, State.CANCELLED, "2 messages cancelled for good\n"),
    ],
)
def test_what_was_asked_for_is_done_and_counted(
    any_site: Site, verb: str, before: State, after: State, said: str
) -> None:
    """Only to what the query finds."""
    ids = [add_message(any_site.store, state=before) for _ in range(2)]
    other = add_message(any_site.store, state=before, channel="lab")
    ran = any_site(verb, "channel:adt", "--yes")
    assert (ran.out, ran.err, ran.status) == (said, "", 0)
    assert states(any_site.store) == {ids[0]: after, ids[1]: after, other: before}


def test_somebody_is_asked_first(site: Site, somebody: None) -> None:
    """With the number in the question; no is the default, and then nothing changes."""
    one = add_message(site.store, state=State.HELD)
    ran = site("release", "status:held", input="\n")
    assert (ran.status, ran.out) == (1, "")
    assert "1 message will be released. Go on? [y/N]: " in ran.err
    assert "nothing was changed\n" in ran.err
    assert states(site.store) == {one: State.HELD}
    assert site("release", "status:held", input="y\n").status == 0
    assert states(site.store) == {one: State.WAITING}


def test_where_nobody_can_be_asked_yes_must_be_said(site: Site) -> None:
    """In a script: refused rather than done, or rather than waiting for an answer."""
    one = add_message(site.store, state=State.HELD)
    ran = site("cancel", "status:held", input="y\n")
    assert ran.status == 2
    assert ran.err == "hub: 1 message will be cancelled for good. Go on? Nobody can be asked here (say --yes)\n"
    assert states(site.store) == {one: State.HELD}


def test_what_does_not_fit_is_told_and_left_alone(site: Site) -> None:
    """Of three found, one can be released."""
    add_message(site.store, state=State.DONE)
    add_message(site.store, state=State.HELD, flags=BROKEN)
    held = add_message(site.store, state=State.HELD)
    ran = site("release", "channel:adt", "--yes")
    assert ran.out == "1 message released\n"
    assert ran.err == "3 found, 1 of them fit: only held ones whose body is whole can be released\n"
    assert sorted(states(site.store).values()) == [State.WAITING, State.DONE, State.HELD]
    assert states(site.store)[held] is State.WAITING


def test_doing_nothing_is_no_success(site: Site) -> None:
    """Exit status 1, so that a script notices: nothing found, or nothing that fits."""
    add_message(site.store, state=State.DONE)
    ran = site("hold", "channel:lab", "--yes")
    assert (ran.out, ran.status) == ("no message fits\n", 1)
    ran = site("hold", "channel:adt", "--yes", "--json")
    assert (ran.json, ran.status) == ({"found": 1, "fit": 0, "done": 0, "dry_run": False}, 1)


def test_a_dry_run_asks_nobody_and_changes_nothing(site: Site) -> None:
    """It says what the replay would do."""
    ids = [add_message(site.store) for _ in range(2)]
    ran = site("replay", "channel:adt", "--dry-run")
    assert (ran.out, ran.status) == ("2 messages would be worked on again\n", 0)
    assert site("replay", "type:X", "--dry-run", "--json").json == {
        "found": 0, "fit": 0, "done": 0, "dry_run": True,
    }  # fmt: skip
    assert states(site.store) == dict.fromkeys(ids, State.DONE)


@pytest.mark.parametrize("step", ["map", "store", "deliver"])
def test_a_replay_may_begin_at_a_step(site: Site, step: str) -> None:
    """The step is kept with the message for whoever works on it."""
    add_message(site.store)
    site("replay", "channel:adt", "--from", step, "--yes")
    (row,) = site("find", "--json").json
    assert (row["status"], row["step"]) == ("waiting", "" if step == "map" else step)


def test_an_unknown_step_is_wrong_use(site: Site) -> None:
    """With the steps there are."""
    ran = site("replay", "channel:adt", "--from", "send")
    assert ran.status == 2
    assert "'map', 'store', 'deliver'" in ran.err


def test_ids_are_a_query(site: Site) -> None:
    """One message, by what lists show of it; its unsent deliveries end with it."""
    one, two = (add_message(site.store, state=State.MAPPED) for _ in range(2))
    due, other = add_delivery(site.store, one), add_delivery(site.store, two)
    assert site("cancel", clock.show_id(one), "--yes").status == 0
    assert states(site.store) == {one: State.CANCELLED, two: State.MAPPED}
    assert sendings(site.store) == {due: Sending.CANCELLED, other: Sending.DUE}
