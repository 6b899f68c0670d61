"""``hub map document``: a FHIR Bundle to CDA, checked by ``hub conformance cda``."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from hub.commands.conformance import command as conformance
from hub.commands.map import command as mapping
from hub.errors import ConfigError, MappingError
from hub.paths import room
from hub.registry import writers

BOARD = room("channels") / "cda-documents" / "tests" / "messages" / "tumour-board.xml"


def test_a_bundle_becomes_a_document_that_is_sound(tmp_path: Path) -> None:
    """hub map bundle, hub map document, hub conformance cda: one way round."""
    made = CliRunner().invoke(mapping, ["bundle", str(BOARD)], standalone_mode=False)
    (tmp_path / "board.json").write_text(made.stdout, encoding="utf-8")
    written = CliRunner().invoke(mapping, ["document", str(tmp_path / "board.json"), "--model", "frcp"])
    (tmp_path / "board.xml").write_bytes(written.stdout_bytes)
    judged = CliRunner().invoke(conformance, ["cda", str(tmp_path / "board.xml")], standalone_mode=False)
    assert (judged.return_value, b"CANCER" in written.stdout_bytes or b"34794-8" in written.stdout_bytes) == (0, True)


@pytest.mark.parametrize(
    ("body", "model", "kind", "words"),
    [
        ("{", "frcp", ConfigError, "no JSON"),
        ("{}", "pps", ConfigError, "'pps'"),
        ("{}", "frcp", MappingError, "no document"),
        ("[]", "n1", MappingError, "cannot be written"),
    ],
)
def test_what_cannot_be_written(tmp_path: Path, body: str, model: str, kind: type[Exception], words: str) -> None:
    """Each says what to send."""
    (tmp_path / "b.json").write_text(body, encoding="utf-8")
    done = CliRunner().invoke(mapping, ["document", str(tmp_path / "b.json"), "--model", model], standalone_mode=False)
    assert isinstance(done.exception, kind)
    assert words in str(done.exception)


def test_the_models_that_can_be_written() -> None:
    """One module of mappings/cda/out each."""
    assert writers() == ["fidd", "frcp", "n1"]
