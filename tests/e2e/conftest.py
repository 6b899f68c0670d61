"""A whole site, as ``hub init`` makes it, run by ``hub run`` in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest


def hub(*words: str, home: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run the command as a stranger would."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("HUB_")}
    done = subprocess.run(
        [sys.executable, "-m", "hub", *words, "--home", str(home)],
        env=env, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert not check or done.returncode == 0, done.stderr + done.stdout
    return done


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@dataclass
class Site:
    """A running hub and the ways to it."""

    home: Path
    http_port: int
    mllp_port: int
    process: subprocess.Popen[bytes]
    tokens: dict[str, str] = field(default_factory=dict)

    def mllp(self, octets: bytes, within: float = 20.0) -> bytes:
        """Write octets as they are to the MLLP port; everything that comes back until it falls silent."""
        with socket.create_connection(("127.0.0.1", self.mllp_port), within) as sock:
            sock.settimeout(within)
            with contextlib.suppress(ConnectionError):
                sock.sendall(octets)
            return read_answer(sock)

    def send(self, message: bytes) -> bytes:
        """One message in its frame; the answer without its frame."""
        return self.mllp(b"\x0b" + message + b"\x1c\r").strip(b"\x0b\x1c\r")

    def http(
        self, method: str, path: str, body: bytes | None = None, *, scope: str = "", **headers: str
    ) -> tuple[int, bytes, dict[str, str]]:
        request = urllib.request.Request(f"http://127.0.0.1:{self.http_port}{path}", body, method=method)
        for name, value in headers.items():
            request.add_header(name.replace("_", "-"), value)
        if scope:
            request.add_header("Authorization", f"Bearer {self.token(scope)}")
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, answer.read(), dict(answer.headers)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read(), dict(error.headers)

    def fhir(self, path: str) -> Any:
        status, body, _ = self.http("GET", f"/fhir/{path}", scope="system/*.read")
        assert status == 200, body
        return json.loads(body)

    def token(self, scope: str) -> str:
        if scope not in self.tokens:
            out = hub("token", "issue", f"t{len(self.tokens)}", "--scope", scope, home=self.home).stdout
            self.tokens[scope] = next(word for word in out.split() if word.startswith("hub_"))
        return self.tokens[scope]

    def found(self, *query: str) -> list[dict[str, Any]]:
        """Messages that ``hub find`` finds."""
        return list(json.loads(hub("find", *query, "--limit", "10000", "--json", home=self.home).stdout))

    def memory(self) -> int:
        """Peak memory of the main process, in bytes."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("VmHWM:")) * 1024


def read_answer(sock: socket.socket) -> bytes:
    """What comes until the end of a frame, or the end of the connection."""
    out = b""
    with contextlib.suppress(ConnectionError):
        while not out.endswith(b"\x1c\r"):
            piece = sock.recv(65536)
            if not piece:
                break
            out += piece
    return out


def until(condition: Any, within: float = 20.0) -> Any:
    """Wait for a condition; its value."""
    deadline = time.monotonic() + within
    while not (value := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
    return value


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The shipped channels on free ports, with a short patience for slow senders."""
    home = tmp_path_factory.mktemp("site") / "home"
    subprocess.run([sys.executable, "-m", "hub", "init", str(home)], check=True, capture_output=True)
    http, mllp = free_port(), free_port()
    with (home / "hub.yaml").open("a", encoding="utf-8") as file:
        file.write(f"\nhttp_port: {http}\nmllp_port: {mllp}\n")
    channel = home / "channels" / "hospital-hl7v2" / "channel.yaml"
    text = channel.read_text(encoding="utf-8")
    port = '    port: "${HUB_MLLP_PORT}"\n'
    assert port in text
    channel.write_text(text.replace(port, port + "    frame_timeout: 3\n    max_size: 4194304\n"), encoding="utf-8")
    env = {k: v for k, v in os.environ.items() if not k.startswith("HUB_")}
    log = (home / "run.log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "hub", "run", "--home", str(home)], env=env, stdout=log, stderr=log
    )
    log.close()
    made = Site(home, http, mllp, process)

    def ready() -> bool:
        said = (home / "run.log").read_text(encoding="utf-8")
        assert process.poll() is None, said[-3000:]
        return "\nready in " in said

    until(ready, 30)
    yield made
    process.terminate()
    process.wait(20)
