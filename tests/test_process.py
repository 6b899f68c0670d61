"""Processes of one hub end together, and read the same settings."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub import process
from hub.process import Child, die_with_parent
from hub.settings import Settings
from tests.waiting import until


@pytest.fixture
def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Child]:
    """A module of its own, told by a file what to do."""
    (tmp_path / "a_child.py").write_text(
        "import os, signal, sys, time\n"
        "mode = sys.argv[-1]\n"
        "if mode == 'deaf': signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "if mode == 'ends': sys.exit(3)\n"
        "print('ready', os.environ.get('HUB_MLLP_PORT'), flush=True)\n"
        "time.sleep(60)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    made = Child(Settings.load(tmp_path, mllp_port=4711), "a_child")
    yield made
    made.stop()


def test_a_child_says_when_it_is_ready_and_is_ended(child: Child) -> None:
    """SIGTERM, and it is gone; stopping it again is nothing."""
    assert (child.alive(), child.pid, child.wait_ready(0)) == (False, 0, False)
    child.start(["well"], says_ready=True)
    assert child.wait_ready(20)
    pid = child.pid
    assert pid > 0
    child.stop()
    child.stop()
    assert (child.alive(), child.pid) == (False, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_child_that_does_not_end_is_killed(child: Child) -> None:
    """After the time it had."""
    child.start(["deaf"], says_ready=True)
    assert child.wait_ready(20)
    pid = child.pid
    child.stop(within=0.1)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_child_that_ends_is_not_ready(child: Child) -> None:
    """The end of its output is no line."""
    child.start(["ends"], says_ready=True)
    assert not child.wait_ready(20)
    until(lambda: not child.alive())


def test_a_child_is_started_anew(child: Child) -> None:
    """The one before is ended first."""
    child.start(["well"], says_ready=True)
    before = child.pid
    child.start(["well"], says_ready=True)
    assert child.wait_ready(20)
    assert child.pid not in (0, before)


def test_a_process_whose_parent_died_before_it_asked_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """prctl(2): a signal is sent for deaths after the call only, so the parent is compared again."""
    parents = iter([4, 1])
    monkeypatch.setattr(process.os, "getppid", lambda: next(parents))
    monkeypatch.setattr(process.ctypes, "CDLL", lambda *a, **k: type("libc", (), {"prctl": staticmethod(lambda *a: 0)}))

    def leave(status: int) -> None:
        raise SystemExit(status)

    monkeypatch.setattr(process.os, "_exit", leave)
    with pytest.raises(SystemExit):
        die_with_parent()


def test_the_child_has_the_settings_of_its_parent(tmp_path: Path) -> None:
    """What `hub run --profile` or a program changed holds for the server too, secrets included."""
    settings = Settings.load(
        tmp_path, profile="production", secret="s" * 32, http_workers=2, behind_proxy=True, database_url="sqlite://"
    )
    made = process.environment(settings)
    assert {k: v for k, v in made.items() if k.startswith("HUB_")} == {
        "HUB_PROFILE": "production",
        "HUB_SECRET": "s" * 32,
        "HUB_HTTP_WORKERS": "2",
        "HUB_BEHIND_PROXY": "True",
        "HUB_DATABASE_URL": "sqlite://",
    }
    assert "PATH" in made


@pytest.mark.parametrize("how", ["pipe", "adopted"])
def test_a_process_without_a_parent_ends(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """The end of the pipe, or another parent: SIGTERM first, then the hard end."""
    done: list[object] = []
    monkeypatch.setattr(process.os, "kill", lambda pid, number: done.append(number))
    monkeypatch.setattr(process.os, "_exit", done.append)
    reading, writing = os.pipe()
    os.write(writing, b"x")  # anything but the end is nothing
    if how == "pipe":
        os.close(writing)
        process.watch(os.getppid(), reading, within=0)
    else:
        process.watch(os.getppid() + 1, reading, within=0)
        os.close(writing)
    os.close(reading)
    assert done == [signal.SIGTERM, 1]


def test_a_process_without_a_number_of_a_parent_lives_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Started by hand, nobody is watched."""
    watched: list[int] = []
    seen = threading.Event()
    monkeypatch.setattr(process, "watch", lambda parent, pipe, within: watched.append(parent) or seen.set())
    process.end_with(0)
    process.end_with(42)
    assert seen.wait(5)
    assert watched == [42]
