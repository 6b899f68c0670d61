"""What lies in the checkout: no trace of the machine it was written on, every room with its charter."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import hub
from hub.paths import room

ROOT = Path(__file__).parents[2]
ROOMS = ("adapters", "mappings", "channels", "profiles", "conformance")
PARTS = ("bench", "channel", "commands", "console", "demo", "engine", "facade", "fhir", "portal", "security",
         "services", "source", "store", "testing")  # fmt: skip
# Written in pieces, for this file is looked through as well.
REGISTRIES = re.compile("|".join((r"pypi\." + "org", "python" + "hosted", "index-" + "url", "npmjs" + r"\.com")))
SECRET = re.compile(r"\bhub_" + r"[A-Za-z0-9_-]{43}\b|-----BEGIN [A-Z ]*PRIVATE KEY")


@pytest.fixture(scope="module")
def tracked() -> list[Path]:
    """The files that git keeps, or would keep."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("this is no git checkout")
    listed = subprocess.run(
        [git, "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        capture_output=True, check=True,
    )  # fmt: skip
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


def texts(files: list[Path]) -> list[tuple[Path, str]]:
    return [(path.relative_to(ROOT), path.read_text(encoding="utf-8", errors="replace")) for path in files]


def test_no_file_names_this_machine(tracked: list[Path]) -> None:
    """Neither the folder of the checkout nor a home folder stands in a file."""
    homes = "|".join(rf"(?<![\w.])/{name}/" for name in (r"home/\w+", "root", r"Users/\w+"))
    home = re.compile(rf"{re.escape(str(ROOT))}\b|{homes}")

    assert [str(path) for path, text in texts(tracked) if home.search(text)] == []


def test_no_file_names_a_package_registry(tracked: list[Path]) -> None:
    """Where packages come from is the business of who installs them."""
    assert [str(path) for path, text in texts(tracked) if REGISTRIES.search(text)] == []


def test_no_file_holds_a_secret(tracked: list[Path]) -> None:
    """No token and no private key is in git."""
    assert [str(path) for path, text in texts(tracked) if SECRET.search(text)] == []


def test_no_source_file_is_too_long(tracked: list[Path]) -> None:
    """A file can be held in the head: none above 600 lines."""
    lengths = {path: text.count("\n") for path, text in texts(tracked) if path.suffix == ".py"}

    assert {str(path): length for path, length in lengths.items() if length > 600} == {}


@pytest.mark.parametrize("name", [*ROOMS, *(f"hub/{part}" for part in PARTS)])
def test_every_room_says_what_it_is_for(name: str) -> None:
    """The charter of a room is the docstring of its ``__init__.py``."""
    charter = ast.get_docstring(ast.parse((ROOT / name / "__init__.py").read_text(encoding="utf-8")))

    assert charter
    assert charter.splitlines()[0].endswith((".", ":"))


def test_every_module_says_what_it_is_for(tracked: list[Path]) -> None:
    """The first line of a module is a docstring."""
    bare = [
        str(path)
        for path, text in texts(tracked)
        if path.suffix == ".py" and text.strip() and not ast.get_docstring(ast.parse(text))
    ]

    assert bare == []


@pytest.mark.parametrize("name", ROOMS)
def test_a_room_is_found_by_its_name(name: str) -> None:
    """``hub.adapters`` is the folder ``adapters`` of the checkout."""
    assert ROOT / name == room(name).resolve()
    assert str(ROOT) in hub.__path__
