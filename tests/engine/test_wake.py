"""Nudges between the processes of one hub."""

from __future__ import annotations

import queue
import socket
import tempfile
import threading
from pathlib import Path

from hub.engine import wake
from hub.engine.wake import Nudger, Waker


def test_a_nudge_names_a_channel(tmp_path: Path) -> None:
    """A Unix datagram, however deep the home lies (unix(7): 107 bytes of path)."""
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    heard: queue.SimpleQueue[str] = queue.SimpleQueue()
    waker, nudger = Waker(deep, heard.put), Nudger(deep)
    nudger.nudge("adt")
    nudger.nudge("oru")
    assert [heard.get(timeout=10), heard.get(timeout=10)] == ["adt", "oru"]
    nudger.close()
    waker.close()
    assert not wake._path(deep).exists()


def test_only_the_owner_may_nudge(tmp_path: Path) -> None:
    """The socket lies in a folder that all accounts of the host share."""
    waker = Waker(tmp_path, lambda channel: None)
    assert wake._path(tmp_path).stat().st_mode & 0o777 == 0o600
    waker.close()


def test_nobody_listens(tmp_path: Path) -> None:
    """A lost nudge loses nothing: the main process looks by itself every second."""
    nudger = Nudger(tmp_path)
    nudger.nudge("adt")
    nudger.close()


def test_a_full_queue_never_blocks(tmp_path: Path) -> None:
    """The main process is busy: it was nudged already."""
    started, go_on = threading.Event(), threading.Event()

    def slowly(channel: str) -> None:
        started.set()
        assert go_on.wait(10)

    waker, nudger = Waker(tmp_path, slowly), Nudger(tmp_path)
    for _ in range(5000):
        nudger.nudge("adt")
    assert started.wait(10)
    go_on.set()
    nudger.close()
    waker.close()


def test_what_a_killed_hub_left_is_replaced(tmp_path: Path) -> None:
    """Its socket lies there still."""
    left = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    left.bind(str(wake._path(tmp_path)))
    left.close()
    heard: queue.SimpleQueue[str] = queue.SimpleQueue()
    waker, nudger = Waker(tmp_path, heard.put), Nudger(tmp_path)
    nudger.nudge("adt")
    assert heard.get(timeout=10) == "adt"
    nudger.close()
    waker.close()


def test_the_socket_lies_where_only_the_owner_gets() -> None:
    """In the data folder of the hub (mode 0700), but where its path would be too long for a socket."""
    assert wake._path(Path("/srv/hub/data")) == Path("/srv/hub/data/wake.sock")
    assert wake._path(Path("/srv") / ("d" * 100)).parent == Path(tempfile.gettempdir())
