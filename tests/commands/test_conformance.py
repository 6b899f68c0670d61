"""``hub conformance cda``: what it prints and how it ends (0 fine, 1 errors, 2 unreadable)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hub.commands.conformance import command
from hub.errors import ConfigError
from hub.paths import room

BOARD = room("channels") / "cda-documents" / "tests" / "messages" / "tumour-board.xml"


def run(*args: str, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(command, ["cda", *args], input=stdin, standalone_mode=False)


def without_ins(tmp_path: Path) -> Path:
    file = tmp_path / "no-ins.xml"
    file.write_bytes(BOARD.read_bytes().replace(b'"1.2.250.1.213.1.4.10"', b'"1.2.250.1.213.1.4.2"'))
    return file


def test_a_sound_document() -> None:
    """Warnings alone: status 0."""
    done = run(str(BOARD))
    assert done.return_value == 0
    assert "1 document: no errors" in done.stderr
    assert all(" warning " in line for line in done.stdout.splitlines())


def test_a_fault_is_told_with_its_line(tmp_path: Path) -> None:
    """file:line severity rule: expected (source) at: path; status 1."""
    file = without_ins(tmp_path)
    done = run(str(file), str(BOARD))
    assert done.return_value == 1
    [line] = [x for x in done.stdout.splitlines() if "HDR-17" in x]
    at = BOARD.read_bytes().partition(b"<patientRole>")[0].count(b"\n") + 1
    assert line.startswith(f"{file}:{at} error HDR-17: the INS of the patient")
    assert line.endswith("at: recordTarget/patientRole")
    assert "2 documents: 1 with errors" in done.stderr


def test_findings_for_programs(tmp_path: Path) -> None:
    """--format json: one object a file."""
    done = run("--format", "json", str(without_ins(tmp_path)), str(BOARD))
    first, second = (json.loads(line) for line in done.stdout.splitlines())
    assert second["file"] == str(BOARD)
    [told] = [x for x in first["findings"] if x["rule"] == "HDR-17"]
    assert (told["severity"], told["path"], told["source"][:3]) == ("error", "recordTarget/patientRole", "own")


def test_from_the_input() -> None:
    """`-` reads it; what is no CDA is an error of the document, not of the command."""
    done = run("-", stdin=b"<a/>")
    assert done.return_value == 1
    assert done.stdout.startswith("-:1 error CDA-READ: this is no CDA document")


def test_no_such_file() -> None:
    """An error of use (status 2)."""
    done = run("nothing.xml")
    assert isinstance(done.exception, ConfigError)
    with pytest.raises(ConfigError, match="cannot be read"):
        raise done.exception
