"""``hub demo``, as a newcomer starts it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import ClassVar

import pytest
from click.testing import CliRunner

from hub.commands import demo


def test_the_tour_goes_as_promised_and_again(tmp_path: Path) -> None:
    """MLLP, HTTP and a file come in, a broken message is refused with its place, all is read back; twice alike."""
    home = tmp_path / "home"

    for _ in range(2):
        result = CliRunner().invoke(demo.command, ["--once", "--home", str(home)])

        assert (result.exit_code, result.stderr) == (0, "")
        assert "All as promised." in result.stdout
        assert result.stdout.count("answered AA") == 5
        assert "answered AE" in result.stdout
        assert "ERR: OBX^1^5^1^5 102^Data type error^HL70357" in result.stdout
        assert "held for a person: OBX[1]-5.5" in result.stdout
        assert result.stdout.count("octet for octet") == 2
    assert "answered 200" in result.stdout  # the second time: the first answer again


def test_a_real_hub_is_left_alone(tmp_path: Path) -> None:
    """The folder of a hub that is no demonstration is refused, and nothing is written there."""
    (tmp_path / "hub.yaml").write_text("name: real\n", encoding="utf-8")

    result = CliRunner().invoke(demo.command, ["--once", "--home", str(tmp_path)])

    assert "a hub lives here already" in str(result.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["hub.yaml"]


def test_it_stays_up_until_it_is_told_to_end(tmp_path: Path) -> None:
    """After the tour the printed curl line works with the printed token; Ctrl-C ends it and its folder goes."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
    running = subprocess.Popen(
        [sys.executable, "-m", "hub", "demo"], cwd=tmp_path, env=environment | {"TMPDIR": str(tmp_path)},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        lines: list[str] = []
        assert running.stdout is not None
        for line in running.stdout:
            lines.append(line)
            if line.startswith("Ctrl-C"):
                break
        (asked,) = re.findall(r'curl -H "(Authorization): (Bearer [^"]+)" "([^"]+)"', "".join(lines))
        request = urllib.request.Request(asked[2], headers={asked[0]: asked[1]})
        with urllib.request.urlopen(request, timeout=10) as answer:
            found = json.load(answer)
    finally:
        os.killpg(running.pid, signal.SIGINT)
        status = running.wait(30)
        if running.stdout is not None:
            running.stdout.close()

    assert (found["resourceType"], found["total"], status) == ("Bundle", 1, 0)
    assert list(tmp_path.glob("hub-demo-*")) == []


class Child:
    """A hub that ends by itself, or when somebody presses Ctrl-C."""

    addresses: ClassVar = {"http": "http://127.0.0.1:1", "hospital-hl7v2": "mllp://127.0.0.1:2"}

    def __init__(self, status: int | None) -> None:
        self.status = status

    def wait(self) -> int:
        if self.status is None:
            raise KeyboardInterrupt
        return self.status


@pytest.mark.parametrize(("status", "ended"), [(None, 0), (0, 0), (1, 1)])
def test_it_ends_with_its_hub(
    status: int | None, ended: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C is fine; a hub that died is not. Before, every address and the token are told."""
    result = demo._stay(Child(status), tmp_path, "hub_token")

    told = capsys.readouterr().out
    assert result == ended
    assert all(address in told for address in Child.addresses.values())
    assert "http://127.0.0.1:1/fhir" in told
    assert "hub_token" in told
