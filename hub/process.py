"""Processes of one hub: how the main one starts, watches and ends the others, and how they end with it.

A process ends when the one that started it does, however that ends: the starter holds the other end of
its standard input, which the system closes, and those that are forked carry PR_SET_PDEATHSIG (prctl(2)).
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the parent of the workers of the HTTP server stays small without them
    from hub.settings import Settings


class Child:
    """Another process of this hub, a Python module of ours, started again as often as asked.

    It says that it is ready by a line on its standard output, where its module does so.
    """

    def __init__(self, settings: Settings, module: str) -> None:
        self._settings, self._module = settings, module
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, arguments: Sequence[str] = (), *, says_ready: bool = False) -> None:
        """Start it, or start it anew."""
        self.stop()
        command = [
            sys.executable, "-m", self._module,
            "--home", str(self._settings.home), "--parent", str(os.getpid()), *arguments,
        ]  # fmt: skip
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE if says_ready else subprocess.DEVNULL,
            env=environment(self._settings),
        )  # fmt: skip

    def wait_ready(self, within: float) -> bool:
        """Wait for its first line; False when it ended, or said nothing in time."""
        process = self._process
        if process is None or process.stdout is None:
            return False
        readable, _, _ = select.select([process.stdout], [], [], within)
        return bool(readable) and bool(os.read(process.stdout.fileno(), 64))

    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Its number; 0 when it does not run."""
        return self._process.pid if self._process is not None and self.alive() else 0

    def stop(self, within: float = 5.0) -> None:
        """End it; what it has in hand has ``within`` seconds."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(within)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


def environment(settings: Settings) -> dict[str, str]:
    """The environment in which a child reads the same settings, also those that were given by hand."""
    from pydantic import SecretStr

    from hub.settings import PREFIX, Settings

    told = {}
    for name, field in Settings.model_fields.items():
        value = getattr(settings, name)
        if name != "home" and value != field.default:
            text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
            told[f"{PREFIX}{name.upper()}"] = text
    return dict(os.environ) | told


def die_with_parent() -> None:
    """Have the system kill this process when the one that made it dies (Linux)."""
    parent = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL, 0, 0, 0)  # 1 is PR_SET_PDEATHSIG
    if os.getppid() != parent:  # it died before the system was told
        os._exit(1)


def end_with(parent: int, within: float = 5.0) -> None:
    """End this process, in order, when the one of that number does; 0 for none."""
    if parent:
        threading.Thread(target=watch, args=(parent, 0, within), daemon=True, name="parent-watch").start()


def watch(parent: int, pipe: int = 0, within: float = 5.0) -> None:
    """End this process when its parent is gone: the pipe closes, or somebody else became the parent.

    :param within: seconds that what it has in hand has.
    """
    gone = False
    while not gone:
        readable, _, _ = select.select([pipe], [], [], 2.0)
        gone = (bool(readable) and not os.read(pipe, 1)) or os.getppid() != parent
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(within)
    os._exit(1)
