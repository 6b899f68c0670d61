"""A hub in a child process, on its real ports, for demonstrations, measurements and tests from outside."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from hub.errors import UnavailableError
from hub.settings import PREFIX

FREE_PORTS = {f"{PREFIX}{name}_PORT": "0" for name in ("HTTP", "MLLP", "DICOM")}


@contextmanager
def alone() -> Iterator[None]:
    """Within it this process has no ``HUB_*`` variable, and SIGTERM unwinds it, so that no child stays behind.

    What the variables say is for a real hub: nobody fictitious must get into its database.
    """
    kept = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith(PREFIX)}
    former = signal.signal(signal.SIGTERM, _unwind)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)
        os.environ.update(kept)


def _unwind(*_: object) -> NoReturn:
    raise SystemExit(128 + signal.SIGTERM)


class ChildHub:
    """``hub run`` in a folder.  No ``HUB_*`` variable of this process reaches it, only those given.

    :param variables: its ``HUB_*`` variables; free ports unless said otherwise.
    """

    def __init__(self, home: Path, variables: Mapping[str, str] | None = None) -> None:
        self.home = home
        self.log = home / "data" / "run.log"
        self.addresses: dict[str, str] = {}
        self.ready_in = 0.0
        kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        self.environment = kept | FREE_PORTS | dict(variables or {})
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def start(self, within: float = 60.0) -> None:
        """Start it and wait until it says that it is ready.

        :raises UnavailableError: when it ends before, or takes longer than ``within`` seconds.
        """
        began = time.perf_counter()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter, words of our own
                [sys.executable, "-m", "hub", "run", "--home", str(self.home)],
                env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True,
            )  # fmt: skip
        self._reader = threading.Thread(target=self._read, name="child-hub", daemon=True)
        self._reader.start()
        while True:
            try:
                line = self._lines.get(timeout=max(0.0, began + within - time.perf_counter()))
            except queue.Empty:
                line = None
            if line is None:
                self.stop()
                raise UnavailableError("the hub did not start", where=str(self.log), cure="its last lines say why")
            if line.startswith("ready"):
                break
            name, _, address = line.partition(" ")
            self.addresses[name] = address.strip()
        self.ready_in = time.perf_counter() - began

    def _read(self) -> None:
        process = self._process
        if process is not None and process.stdout is not None:
            with process.stdout as lines:
                for line in lines:
                    self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    @property
    def pid(self) -> int:
        return self._process.pid if self._process is not None else 0

    def address(self, name: str) -> tuple[str, int]:
        """Host and port of what is called ``name``: a channel, or ``http``."""
        host, _, port = self.addresses[name].partition("://")[2].rpartition(":")
        return host, int(port)

    def wait(self, within: float | None = None) -> int:
        """Wait until it ends by itself; return its exit status."""
        return self._process.wait(within) if self._process is not None else 0

    def stop(self, within: float = 20.0) -> int:
        """Ask it to end; return its exit status."""
        process = self._process
        if process is None:
            return 0
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(within)
        except subprocess.TimeoutExpired:
            process.kill()
        if self._reader is not None:
            self._reader.join(within)
        return process.wait()
