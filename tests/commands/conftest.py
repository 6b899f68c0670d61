"""A site with a channel, its store, and the command as a person calls it."""

from __future__ import annotations

import hashlib
import json
import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from hub import clock
from hub.channel.model import load_channel
from hub.cli import main
from hub.commands.checks import Look
from hub.engine.connector import Receipt, Verdict
from hub.engine.counters import Counters
from hub.engine.intake import Intake
from hub.engine.model import ChannelSpec
from hub.engine.work import Worker
from hub.settings import Settings
from hub.store import Store, channels, messages, nodes

CHANNEL = """\
# admissions of the clinic
channel: adt
summary: Admissions become resources and are kept in a folder.
source: {mllp: {port: 0}}
accept: [ADT^A01]
steps:
  - map: hl7v2.messages.adt
deliver:
  - fhir: {to: store}
  - name: archive
    file: {directory: OUT}
"""
MIN = 60_000_000
ADMISSION = (
    b"MSH|^~\\&|GAP|010000024|HUB|010000024|20260216093000||ADT^A01^ADT_A01|ADT-1|T|2.5|||||FRA|UNICODE UTF-8\r"
    b"EVN||20260216093000\r"
    b"PID|1||IPP-1^^^CH&1.2.250.1.999.1&ISO^PI||ESSAI^ODILE^^^^^L||19580714|F\r"
    b"PV1|1|I|ONCO||||||||||||||||VIS-1^^^CH&1.2.250.1.999.2&ISO^VN\r"
)


@dataclass
class Ran:
    """How a command ended."""

    out: str
    err: str
    status: int

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


@dataclass
class Site:
    """A hub that does not run; the test does its work."""

    home: Path
    store: Store

    @property
    def file(self) -> Path:
        return self.home / "channels" / "adt" / "channel.yaml"

    @property
    def spec(self) -> ChannelSpec:
        return load_channel(self.file, self.store.settings)

    def write(self, text: str) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(text.replace("OUT", str(self.home / "out")), encoding="utf-8")

    def take(self, body: bytes = ADMISSION, control: str = "") -> int:
        """Take a message in as a source does; return its id."""
        octets = body.replace(b"ADT-1", control.encode()) if control else body
        intake = Intake(self.store, self.spec, self, Counters(), "127.0.0.1")
        receipt: Receipt = intake.receive_now(octets, peer="127.0.0.1:4242", answer=_answer)
        return receipt.verdict.message_id

    def work(self) -> None:
        """Map what was taken in."""
        with self.store.looking() as tx:
            rows, _ = messages.waiting(tx, self.spec.name, 100, 1 << 30)
        Worker(self.store, self.spec, Counters()).work(rows)

    def came(self, channel: str, lane: int) -> None:
        """It is read from the store when there is work to do."""

    def when_mapped(self, message_id: int, told: Callable[..., None], within: float) -> None:
        """Nobody waits for an application answer here."""

    def ran(self, text: str, at: int = 0, state: str = "running", detail: str = "") -> str:
        """Note that a revision of the channel ran; return its name."""
        revision = hashlib.sha256(text.encode()).hexdigest()[:12]
        row = ("adt", revision, state, detail, "mllp://127.0.0.1:2575", text, at or clock.now())
        self.store.write(lambda tx: channels.note(tx, *row))
        return revision

    def __call__(self, *words: str, **more: Any) -> Ran:
        """Run ``hub`` with these words, as ``main`` would end it."""

        @click.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
        @click.argument("rest", nargs=-1, type=click.UNPROCESSED)
        def whole(rest: tuple[str, ...]) -> None:
            main(list(rest))

        done = CliRunner().invoke(whole, words, **more)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Ran(done.stdout, done.stderr, done.exit_code)


def _answer(verdict: Verdict) -> bytes:
    return b"AA" if verdict.status == "accepted" else b"AE"


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in os.environ if n.startswith("HUB_") and n != "HUB_TEST_POSTGRES"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "120")


def _site(store: Store, monkeypatch: pytest.MonkeyPatch) -> Site:
    made = Site(store.settings.home, store)
    made.write(CHANNEL)
    (made.home / "out").mkdir()
    (made.home / "hub.yaml").write_text("name: test\n", encoding="utf-8")
    monkeypatch.setenv("HUB_HOME", str(made.home))
    return made


@pytest.fixture
def site(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A site on SQLite."""
    return _site(sqlite_store, monkeypatch)


@pytest.fixture
def any_site(store: Store, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A site on each database."""
    if store.settings.database_url:
        monkeypatch.setenv("HUB_DATABASE_URL", store.settings.database_url)
    return _site(store, monkeypatch)


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """A folder in which no hub ever was."""
    monkeypatch.setenv("HUB_HOME", str(tmp_path))
    yield Settings.load(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody sits at the terminal and can be asked."""
    monkeypatch.setattr("hub.commands.asking.interactive", lambda: True)


def join(store: Store, role: str = "hub") -> None:
    """Pretend that this process is one of the hub."""
    store.write(lambda tx: nodes.join(tx, socket.gethostname(), os.getpid(), role))


def look_at(site: Site, **settings: Any) -> Look:
    """What the checks of hub doctor look at, with other settings."""
    return Look(site.store.settings.model_copy(update=settings), site.store)


def free_port() -> int:
    """A port at which nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
