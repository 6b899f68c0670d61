"""A hub in processes of its own, which a test may kill at any instant."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

CHANNEL = """\
channel: storm
summary: Admissions become resources; each message is also delivered to a folder.
source: {mllp: {port: MLLP_PORT}}
accept: [ADT^A01]
steps:
  - map: {ADT: hl7v2.messages.adt}
deliver:
  - fhir: {to: store}
  - name: folder
    file: {directory: OUT, name: "{id}.er7"}
order: patient
"""


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@dataclass
class Hub:
    """A home, and the processes that run it."""

    home: Path
    mllp_port: int
    env: dict[str, str]
    workers: int = 0
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def out(self) -> Path:
        return self.home / "out"

    def start(self, role: str) -> None:
        words = {"run": ["run"], "worker": ["worker", "--processes", "2"]}[role]
        log = (self.home / f"{role}.log").open("ab")
        self.processes[role] = subprocess.Popen(
            [sys.executable, "-m", "hub", *words, "--home", str(self.home)],
            env=self.env, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        log.close()

    def listening(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.mllp_port), 0.2):
            return True
        return False

    def wait_listening(self, within: float = 30.0) -> None:
        deadline = time.monotonic() + within
        while not self.listening():
            assert self.processes["run"].poll() is None, (self.home / "run.log").read_text()[-3000:]
            assert time.monotonic() < deadline, (self.home / "run.log").read_text()[-3000:]
            time.sleep(0.01)

    def kill(self, role: str) -> None:
        """SIGKILL to the process; a worker's children lie in its group and go too."""
        process = self.processes[role]
        if role == "worker":
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        process.wait()

    def stop(self) -> None:
        for process in self.processes.values():
            if process.poll() is None:
                process.terminate()
        for process in self.processes.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def command(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "hub", *words, "--home", str(self.home)],
            env=self.env, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout


@pytest.fixture
def make_hub(tmp_path: Path, database_url: str) -> Iterator[Callable[..., Hub]]:
    """Make a hub on the database of the test."""
    made: list[Hub] = []

    def make(**settings: str) -> Hub:
        port = free_port()
        home = tmp_path / "home"
        folder = home / "channels" / "storm"
        folder.mkdir(parents=True)
        text = CHANNEL.replace("MLLP_PORT", str(port)).replace("OUT", str(home / "out"))
        (folder / "channel.yaml").write_text(text, encoding="utf-8")
        (home / "out").mkdir()
        lines = {"http_port": "0", "log_level": "warning", **settings}
        if database_url:
            lines["database_url"] = f'"{database_url}"'
        (home / "hub.yaml").write_text("".join(f"{k}: {v}\n" for k, v in lines.items()), encoding="utf-8")
        env = {k: v for k, v in os.environ.items() if not k.startswith(("HUB_", "COV"))}
        made.append(Hub(home, port, env))
        return made[-1]

    yield make
    for hub in made:
        hub.stop()


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    """A Redis server of the test's own, which it may flush."""
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.skip("redis-server is not on the path")
    port = free_port()
    process = subprocess.Popen(
        [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)],
        stdout=subprocess.DEVNULL,
    )
    import redis

    client = redis.Redis(port=port)
    deadline = time.monotonic() + 10
    while True:
        try:
            client.ping()
            break
        except redis.ConnectionError:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    client.close()
    yield f"redis://127.0.0.1:{port}/0"
    process.terminate()
    process.wait()
