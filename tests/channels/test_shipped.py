"""The channels that come with the hub are clean and pass their own tests, as a site would run them."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.channel.cases import read_cases
from hub.channel.lint import lint
from hub.channel.model import load_channel, load_channels
from hub.channel.site import make_site
from hub.channel.testing import run_case
from hub.paths import room
from hub.settings import Settings

CHANNELS = sorted(p.parent for p in room("channels").glob("*/channel.yaml"))
CASES = [
    pytest.param(folder, case.name, id=f"{folder.name}: {case.name}")
    for folder in CHANNELS
    for case in read_cases(folder / "tests")[0]
]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.load(tmp_path)


def test_every_shipped_channel_is_clean(settings: Settings) -> None:
    """Not even a note."""
    assert lint([room("channels")], settings) == []


def test_a_new_site_runs_every_shipped_channel_even_in_production(tmp_path: Path) -> None:
    """What is shipped is safe by default."""
    make_site(tmp_path)
    specs, findings = load_channels(tmp_path / "channels", Settings.load(tmp_path, profile="production"))
    assert ([p.name for p in CHANNELS], []) == ([s.name for s in specs], findings)


@pytest.mark.parametrize("folder", CHANNELS, ids=lambda p: p.name)
def test_every_shipped_channel_is_documented_and_tested(folder: Path) -> None:
    """README, cases without fault, and no message or golden file that no case names."""
    assert len((folder / "README.md").read_text(encoding="utf-8").splitlines()) > 5
    cases, findings = read_cases(folder / "tests")
    assert findings == []
    named = {case.message for case in cases} | {case.golden for case in cases if case.golden}
    there = {p for kind in ("messages", "golden") for p in (folder / "tests" / kind).glob("*")}
    assert named == there


@pytest.mark.parametrize(("folder", "name"), CASES)
def test_a_shipped_case_passes(settings: Settings, folder: Path, name: str) -> None:
    """What `hub test` runs."""
    spec = load_channel(folder, settings)
    case = next(c for c in read_cases(folder / "tests")[0] if c.name == name)
    assert run_case(spec, case).problems == []
