"""Findings are told in the forms that terminals, forges and editors read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hub.channel.findings import FORMATS, Finding, failing, shown

ONE = Finding("/srv/channels/a/channel.yaml", 3, 7, "S302", "open, 100 %", "write `tls`")
NOTE = Finding("/srv/channels/a/channel.yaml", 1, 1, "T401", "no tests", severity="note")


def test_text_is_what_compilers_write() -> None:
    """`file:line:column CODE what; what to write`: editors jump to it."""
    assert FORMATS["text"]([ONE]) == "/srv/channels/a/channel.yaml:3:7 S302 open, 100 %; write `tls`"


def test_paths_are_shown_from_where_one_stands(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nobody reads absolute paths."""
    monkeypatch.chdir(tmp_path)
    assert shown(str(tmp_path / "a" / "channel.yaml")) == "a/channel.yaml"
    assert shown("/elsewhere/x") == "/elsewhere/x"


def test_json_is_a_list_of_findings() -> None:
    """Every fact of a finding under its name."""
    assert json.loads(FORMATS["json"]([ONE])) == [
        {
            "file": "/srv/channels/a/channel.yaml", "line": 3, "column": 7, "code": "S302", "what": "open, 100 %",
            "cure": "write `tls`", "severity": "error",
        }
    ]  # fmt: skip


def test_github_shows_a_finding_beside_its_line() -> None:
    """Workflow commands: %, CR, LF, colon and comma are escaped."""
    said = FORMATS["github"]([ONE, NOTE])
    assert said == (
        "::error file=/srv/channels/a/channel.yaml,line=3,col=7,title=S302::open, 100 %25; write `tls`\n"
        "::notice file=/srv/channels/a/channel.yaml,line=1,col=1,title=T401::no tests"
    )


def test_sarif_names_rules_and_places() -> None:
    """SARIF 2.1.0 §3.27.5 (ruleId), §3.27.10 (level), §3.30.5 (region)."""
    log = json.loads(FORMATS["sarif"]([ONE, NOTE]))
    run = log["runs"][0]
    assert (log["version"], run["tool"]["driver"]["name"]) == ("2.1.0", "hub lint")
    assert [r["id"] for r in run["tool"]["driver"]["rules"]] == ["S302", "T401"]
    first, second = run["results"]
    assert (first["ruleId"], first["ruleIndex"], first["level"]) == ("S302", 0, "error")
    assert first["locations"][0]["physicalLocation"]["region"] == {"startLine": 3, "startColumn": 7}
    assert (second["ruleId"], second["ruleIndex"], second["level"]) == ("T401", 1, "note")


def test_notes_do_not_fail() -> None:
    """They advise."""
    assert failing([ONE, NOTE]) == [ONE]
