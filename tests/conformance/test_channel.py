"""``validate: cda`` in a channel: an unfit document is held, refused or tagged."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.channel.model import inspect, load_channel
from hub.engine.model import ChannelSpec, CheckRule
from hub.engine.pipeline import Result, run
from hub.paths import room
from hub.settings import Settings
from hub.store.messages import State

BOARD = (room("channels") / "cda-documents" / "tests" / "messages" / "tumour-board.xml").read_bytes()
UNFIT = BOARD.replace(b'code="MED-268"', b'code="MED-999"')  # FRCP-63: no such phase
CHANNEL = """\
channel: boards
source: {http: {path: /in/boards}}
format: cda
accept: "*"
steps:
  - map: cda.documents.any
  - validate: %s
    otherwise: %s
deliver:
  - fhir: {to: store}
"""


def channel(folder: Path, otherwise: str, what: str = "cda") -> ChannelSpec:
    path = folder / "boards" / "channel.yaml"
    path.parent.mkdir()
    path.write_text(CHANNEL % (what, otherwise), encoding="utf-8")
    return load_channel(path, Settings.load(str(folder)))


def tagged(result: Result) -> set[str]:
    assert result.draft is not None
    return {e.type for e in result.draft.entries.values() if e.resource.get("meta", {}).get("tag")}


@pytest.mark.parametrize(("otherwise", "state"), [("hold", State.HELD), ("reject", State.CANCELLED)])
def test_an_unfit_document_does_not_go_on(tmp_path: Path, otherwise: str, state: State) -> None:
    """The error names the place and what is expected there."""
    spec = channel(tmp_path, otherwise)
    assert spec.validate == (CheckRule("cda", {}, otherwise),)
    assert run(spec, BOARD).state == State.DONE
    result = run(spec, UNFIT)
    assert (result.state, result.error is not None and result.error.code) == (state, "FRCP-63")
    assert result.error is not None
    assert result.error.where.endswith("section/entry[1]/observation")
    assert "MED-268" in result.error.what


def test_an_unfit_document_may_go_on_with_a_tag(tmp_path: Path) -> None:
    """`otherwise: tag`: on what speaks of the document; warnings alone tag nothing."""
    spec = channel(tmp_path, "tag")
    result = run(spec, UNFIT)
    assert (result.state, tagged(result)) == (State.DONE, {"DocumentReference", "Composition"})
    assert tagged(run(spec, BOARD)) == set()


def test_with_the_check_of_what_it_became(tmp_path: Path) -> None:
    """`[cda, base]`: the body first."""
    spec = channel(tmp_path, "hold", "[cda, base]")
    assert [rule.what for rule in spec.validate] == ["cda", "fhir"]


def test_one_body_is_of_one_kind(tmp_path: Path) -> None:
    """`[cda, hl7v2]` is a finding of lint."""
    path = tmp_path / "boards" / "channel.yaml"
    path.parent.mkdir()
    path.write_text(CHANNEL % ("[cda, hl7v2]", "hold"), encoding="utf-8")
    found = inspect(path, Settings.load(str(tmp_path))).findings
    assert any(f.code == "C103" and "hl7v2 or cda" in f.message for f in found)
