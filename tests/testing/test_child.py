"""A hub in a child process: it is up when told so, where it says, and it goes with whoever started it."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest

from hub.channel.site import make_site
from hub.errors import UnavailableError
from hub.testing.child import ChildHub, alone


def test_a_child_listens_where_it_says_and_ends_when_told(tmp_path: Path) -> None:
    """Free ports are told; a stopped hub has let them go and ended well."""
    make_site(tmp_path, force=True)
    child = ChildHub(tmp_path)
    child.start()
    try:
        addresses = [child.address("http"), child.address("hospital-hl7v2")]
        for address in addresses:
            socket.create_connection(address, 5).close()
        assert child.pid > 0
        assert 0 < child.ready_in < 60
    finally:
        status = child.stop()

    assert (status, child.wait(1)) == (0, 0)
    for address in addresses:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address, 5)


def test_a_child_that_cannot_start_is_told_of(tmp_path: Path) -> None:
    """The error names the log; nothing is left running."""
    (tmp_path / "hub.yaml").write_text("no_such_setting: 1\n", encoding="utf-8")
    child = ChildHub(tmp_path)

    with pytest.raises(UnavailableError) as caught:
        child.start()

    assert caught.value.where == str(tmp_path / "data" / "run.log")
    assert "no_such_setting" in child.log.read_text(encoding="utf-8")
    assert child.wait(1) == 2


def test_a_child_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    """The time given is a bound; the process does not stay."""
    make_site(tmp_path, force=True)
    child = ChildHub(tmp_path)

    with pytest.raises(UnavailableError):
        child.start(within=0.0)

    assert not Path(f"/proc/{child.pid}/exe").exists()


def test_a_child_that_never_was_can_be_stopped(tmp_path: Path) -> None:
    """Stopping is for clean-up and never fails."""
    child = ChildHub(tmp_path)

    assert (child.stop(), child.wait(), child.pid) == (0, 0, 0)


def test_no_variable_of_this_process_reaches_a_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """HUB_DATABASE_URL of a real hub must not be that of a demonstration."""
    monkeypatch.setenv("HUB_DATABASE_URL", "postgresql+psycopg://nobody@127.0.0.1:1/none")
    monkeypatch.setenv("OTHER", "kept")

    child = ChildHub(tmp_path, {"HUB_MLLP_PORT": "2575"})

    given = {name: value for name, value in child.environment.items() if name.startswith("HUB_")}
    assert given == {"HUB_HTTP_PORT": "0", "HUB_MLLP_PORT": "2575", "HUB_DICOM_PORT": "0"}
    assert child.environment["OTHER"] == "kept"


def test_alone_hides_the_variables_and_unwinds_on_sigterm(monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGTERM becomes SystemExit, so that `finally` runs; afterwards all is as it was."""
    monkeypatch.setenv("HUB_NAME", "real")
    former = signal.getsignal(signal.SIGTERM)

    seen: list[bool] = []

    def work() -> None:
        with alone():
            seen.append("HUB_NAME" in os.environ)
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(SystemExit) as caught:
        work()

    assert (caught.value.code, seen) == (128 + signal.SIGTERM, [False])
    assert (os.environ["HUB_NAME"], signal.getsignal(signal.SIGTERM)) == ("real", former)
