"""The verbs beside a hub that runs, in processes of their own, as a stranger would use them."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys

import pytest

from hub import clock
from hub.store.tables import Sending, State
from hub.testing.child import ChildHub
from tests.rows import add_message, sendings, states
from tests.waiting import until

from .conftest import Site


def _hub(*words: str, **more: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "hub", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more
    )  # type: ignore[call-overload]  # options of any kind


@pytest.mark.slow
def test_a_running_hub_does_what_the_verbs_ask(site: Site) -> None:
    """Doctor, tail, replay, queue and pause beside `hub run`: rows are all that the processes share."""
    id_ = site.take()
    (site.home / "out").rmdir()  # the peer is away
    child = ChildHub(site.home)
    child.start()
    try:
        until(lambda: site("queue", "--json").json)
        (queue,) = site("queue", "--json").json
        assert (queue["destination"], queue["status"], queue["due"]) == ("archive", "away", 1)
        assert [c["level"] for c in site("doctor", "--json").json if c["name"] in ("processes", "running")] == [
            "ok"
        ] * 2
        assert site("channel", "list").err == ""

        (site.home / "out").mkdir()
        site("queue", "resume", "adt/archive")
        until(lambda: states(site.store)[id_] is State.DONE)
        assert list(sendings(site.store).values()) == [Sending.SENT]

        with _hub("tail", "--last", "1") as tail:
            assert tail.stdout is not None
            assert [tail.stdout.readline().split()[0] for _ in range(2)] == ["ID", clock.show_id(id_)]
            site("replay", clock.show_id(id_), "--yes")
            until(lambda: sorted(sendings(site.store).values()) == [Sending.SENT] * 2)
            assert site("show", clock.show_id(id_), "--json").json["runs"] == 2
            new = site.take(control="ADT-2")
            assert tail.stdout.readline().split()[0] == clock.show_id(new)
            tail.send_signal(signal.SIGINT)
            assert tail.wait(20) == 0

        site("channel", "pause", "adt")
        until(lambda: site("channel", "list", "--json").json[0]["state"] == "stopped")
    finally:
        child.stop()


def test_somebody_at_a_terminal_is_asked(site: Site) -> None:
    """On a terminal of its own (openpty(3)): the question is asked, the answer heeded."""
    one = add_message(site.store, state=State.HELD)
    ours, theirs = pty.openpty()
    words = [sys.executable, "-m", "hub", "release", "status:held"]
    with subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.write(ours, b"y\n")
        assert process.wait(60) == 0
    said = os.read(ours, 4096).decode()
    os.close(ours)
    os.close(theirs)
    assert "1 message will be released. Go on? [y/N]: " in said
    assert "1 message released" in said
    assert states(site.store) == {one: State.WAITING}


def test_colours_are_for_terminals(site: Site) -> None:
    """A pipe gets text alone."""
    add_message(site.store, state=State.HELD)
    out, _ = _hub("find").communicate(timeout=60)
    assert "\x1b" not in out
    ours, theirs = pty.openpty()
    with subprocess.Popen([sys.executable, "-m", "hub", "find"], stdout=theirs) as process:
        process.wait(60)
    said = os.read(ours, 4096).decode()
    os.close(ours)
    os.close(theirs)
    assert "\x1b[31mheld" in said


def test_a_reader_that_has_seen_enough_is_no_error(site: Site) -> None:
    """`hub find | head -1`: no traceback."""
    for _ in range(3):
        add_message(site.store)
    with _hub("find") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
    assert "Traceback" not in said
