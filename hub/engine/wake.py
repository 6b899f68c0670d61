"""A nudge between the processes of one hub: "something was taken in for this channel".

A Unix datagram to the main process, which looks into the store.  A lost nudge loses nothing: the main
process also looks by itself every second.
"""

from __future__ import annotations

import contextlib
import os
import socket
import tempfile
import threading
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

_LONGEST = 100  # octets of a socket's path that every Unix takes


def _path(data: Path) -> Path:
    own = data.resolve() / "wake.sock"  # only the owner of the hub gets into its data folder
    if len(os.fsencode(own)) <= _LONGEST:
        return own
    name = sha256(os.fsencode(own)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"oncohub-{os.getuid()}-{name}.sock"


class Waker:
    """Receives nudges on a thread of its own."""

    def __init__(self, data: Path, heard: Callable[[str], None]) -> None:
        self._heard = heard
        self._path = _path(data)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self._path))
        self._path.chmod(0o600)
        self._thread = threading.Thread(target=self._loop, name="wake", daemon=True)
        self._thread.start()

    def _loop(self) -> None:
        while True:
            try:
                said = self._socket.recv(256).decode("utf-8", "replace")
            except OSError:
                return
            if not said:
                return
            self._heard(said)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(1)
        self._path.unlink(missing_ok=True)


class Nudger:
    """Sends nudges; never waits."""

    def __init__(self, data: Path) -> None:
        self._path = str(_path(data))
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def nudge(self, channel: str) -> None:
        with contextlib.suppress(OSError):  # nobody listens, or the queue is full of nudges already
            self._socket.sendto(channel.encode(), self._path)

    def close(self) -> None:
        self._socket.close()
