"""The README is true: its commands run, its channel is valid, its settings are those of the code."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from hub.channel.model import load_channel
from hub.cli import COMMANDS, hub
from hub.settings import Settings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def settings_table() -> str:
    """The table as the README must have it."""
    lines = ["| setting | default | |", "|---|---|---|"]
    for name, info in Settings.model_fields.items():
        default = info.get_default()
        shown = "" if default is None or str(default) in ("", ".", "**********") else f"`{default}`".lower()
        choices = re.findall(r"'(\w+)'", str(info.annotation)) if "Literal" in str(info.annotation) else []
        what = info.description or " or ".join(choices)
        lines.append(f"| `{name}` | {shown} | {what} |")
    return "\n".join(lines)


def test_the_settings_table_is_that_of_the_code() -> None:
    """Every setting stands in the README with its default and its description."""
    written = README.partition("<!-- settings -->\n")[2].partition("\n<!-- /settings -->")[0]

    assert settings_table() == written


def test_the_two_commands_are_those_that_ci_runs() -> None:
    """.ci/run types what the README tells a newcomer to type."""
    install, test = blocks("sh")[0].strip().splitlines()
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")

    assert (install, test) == ('pip install -e ".[dev]" && hub demo', "pytest")
    assert 'pip install --quiet -e ".[dev]" && hub demo --once\n' in script
    assert script.count("\npytest") == 2


def test_every_verb_it_names_exists() -> None:
    """A command in the README is one of `hub --help`."""
    named = set(re.findall(r"(?:`|^|&& |\(|: )hub ([a-z]+)", README, re.MULTILINE))
    known = set(hub.list_commands(None))

    assert {"demo", "run", "lint", "bench", "doctor", "token"} <= named
    assert set() == named - known - {"itself"}
    assert set() == known - set(COMMANDS)


def test_the_channel_it_shows_can_run(tmp_path: Path) -> None:
    """The YAML in the README is a channel without a finding."""
    (text,) = blocks("yaml")
    folder = tmp_path / "channels" / "admissions"
    folder.mkdir(parents=True)
    (folder / "channel.yaml").write_text(text, encoding="utf-8")

    spec = load_channel(folder, Settings.load(tmp_path))

    assert (spec.name, [d.name for d in spec.destinations], spec.store) == ("admissions", ["record"], True)


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\(([^)#:]+)\)", README))))
def test_what_it_links_to_is_there(target: str) -> None:
    """A relative link leads to a file of the checkout."""
    assert (ROOT / target).is_file()


def test_the_picture_is_svg_with_a_title() -> None:
    """The picture can be read by who does not see it: WCAG 2.1 §1.1.1."""
    names = [element.tag.rpartition("}")[2] for element in ET.parse(ROOT / "docs" / "way-of-a-message.svg").getroot()]

    assert {"title", "desc"} <= set(names)


def test_the_changelog_has_what_is_not_released() -> None:
    """Keep a Changelog: changes since the last release stand under Unreleased."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")

    assert re.search(r"^## \[Unreleased\]$", text, re.MULTILINE)
