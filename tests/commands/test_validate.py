"""``hub validate``: files of resources, one or many a file; exit status and words for people and programs."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace

import orjson
import pytest
from click.testing import CliRunner

from hub.cli import COMMANDS
from hub.commands.validate import command
from hub.errors import ConfigError, NotFoundError
from hub.fhir.validation.artefacts import BASE

PATIENT = b'{"resourceType": "Patient", "id": "p1", "gender": "%s"}'
GOOD, BAD = PATIENT % b"female", PATIENT % b"F"


def run(*args: object) -> tuple[int, list[str]]:
    """Exit status and the lines of the output."""
    made = CliRunner().invoke(command, [str(a) for a in args], standalone_mode=False)
    if made.exception:
        raise made.exception
    return int(made.return_value), made.stdout.splitlines()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "p.json").write_bytes(BAD)
    return tmp_path / "p.json"


def test_findings_are_told_with_file_place_and_cure(file: Path) -> None:
    """One line each; 1 says that there are errors."""
    status, lines = run(file)
    assert status == 1
    assert lines == [
        f"{file} Patient.gender error is no code of the required value set administrative-gender: "
        "one of female, male, other, unknown"
    ]


def test_what_is_sound_prints_nothing(file: Path) -> None:
    """0, and the count goes to stderr."""
    file.write_bytes(GOOD)
    made = CliRunner().invoke(command, [str(file)], standalone_mode=False)
    assert (made.return_value, made.stdout, made.stderr) == (0, "", "1 resource: no errors\n")


def test_each_line_of_ndjson_is_a_resource(tmp_path: Path) -> None:
    """Told by its number; blank lines are none; one that is no JSON stops nothing."""
    file = tmp_path / "all.ndjson"
    file.write_bytes(GOOD + b"\n\n{\n" + BAD)
    status, lines = run(file)
    assert status == 1
    assert [line.split(" ")[0] for line in lines] == [f"{file}:3", f"{file}:4"]


def test_json_is_an_outcome_a_resource(tmp_path: Path) -> None:
    """R4 §OperationOutcome, with the id of the resource."""
    file = tmp_path / "all.jsonl"
    file.write_bytes(GOOD + b"\n" + BAD + b"\n")
    status, lines = run(file, "--format", "json")
    first, second = (orjson.loads(line) for line in lines)
    assert status == 1
    assert (first["id"], first["issue"][0]["severity"]) == ("p1", "information")
    assert second["issue"][0]["expression"] == ["Patient.gender"]


def test_a_profile_is_asked_for_or_named(file: Path) -> None:
    """--profile, or meta.profile; --base leaves it out; an unknown one is a wrong use."""
    url = f"{BASE}/StructureDefinition/hub-patient"
    file.write_bytes(b'{"resourceType": "Patient", "meta": {"profile": ["%s"]}}' % url.encode())
    assert run(file)[0] == 1
    assert run(file, "--base") == (0, [])
    file.write_bytes(GOOD)
    assert run(file) == (0, [])
    status, (line,) = run(file, "--profile", url)
    assert (status, "required by HubPatient" in line) == (1, True)
    with pytest.raises(NotFoundError) as told:
        run(file, "--profile", url + "s")
    assert url in told.value.cure


def test_entries_of_a_bundle_are_judged_by_the_profile_of_their_type(file: Path) -> None:
    """A profile of Patient is asked of the patients of a Bundle."""
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [
        {"resource": orjson.loads(GOOD)}, {"resource": {"resourceType": "Basic", "code": {"text": "x"}}}, {"link": []},
    ]}  # fmt: skip
    bundle["entry"].pop()  # type: ignore[attr-defined] # a list
    file.write_bytes(orjson.dumps(bundle))
    assert run(file) == (0, [])
    status, (line,) = run(file, "--profile", f"{BASE}/StructureDefinition/hub-patient")
    assert (status, line.split(" ")[1]) == (1, "Bundle.entry[0].resource.identifier")


def test_the_input_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """`-`."""
    monkeypatch.setattr("hub.commands.validate.sys.stdin", SimpleNamespace(buffer=io.BytesIO(BAD)))
    made = command.main(["-"], standalone_mode=False)
    assert made == 1


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """Where, why, and what to do."""
    with pytest.raises(ConfigError, match="cannot be read"):
        run(tmp_path / "none.json")


def test_the_command_is_in_the_table() -> None:
    assert COMMANDS["validate"][0] == "validate"
