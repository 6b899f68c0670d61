"""The wheel holds the rooms and nothing else, and the command works from it.

PEP 427 (wheel), PEP 660 is the business of the editable install that .ci/run makes.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("adapters", "mappings", "channels", "profiles", "conformance")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def run(*words: str | Path, cwd: Path) -> str:
    done = subprocess.run(
        [str(word) for word in words], cwd=cwd, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT, cwd=folder)
    (made,) = folder.glob("oncohub-*.whl")
    return made


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh virtual environment with the wheel; its libraries are those of the running one."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    run(sys.executable, "-m", "venv", folder, cwd=folder.parent)
    python = folder / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel, cwd=folder)
    purelib = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip())
    # A line without `import` adds its folder, but reads no .pth there: the checkout stays out.
    (purelib / "libraries.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    return folder


def shipped(folder: str, inside: str) -> set[str]:
    """The files of one room, as the wheel must name them; what git ignores is not shipped."""
    return {
        f"{inside}/{path.relative_to(ROOT / folder).as_posix()}"
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and path.suffix != ".pyc" and "local" not in path.relative_to(ROOT / folder).parts
    }


def test_the_wheel_holds_the_rooms(wheel: Path) -> None:
    """All of hub and of the rooms beside it, under ``hub``; no test, no Dockerfile, no byte code."""
    expected = shipped("hub", "hub").union(*(shipped(room, f"hub/{room}") for room in ROOMS))
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}

    assert expected == names


def test_the_command_runs_from_the_wheel(installed: Path) -> None:
    """``hub`` works away from the checkout, and its rooms are those of the wheel."""
    hub = installed / "bin" / "hub"
    where = run(installed / "bin" / "python", "-c", "import hub; print(hub.__file__)", cwd=installed).strip()

    assert Path(where).is_relative_to(installed)
    assert run(hub, "--version", cwd=installed).startswith("hub, version ")
    assert "hospital-hl7v2" in run(hub, "init", installed / "site", cwd=installed)
    assert "hospital-hl7v2" in run(hub, "list", "--home", installed / "site", cwd=installed)
    assert "mllp" in run(hub, "list", "connectors", cwd=installed)
    assert "hl7v2.messages.adt" in run(hub, "list", "mappings", cwd=installed)


def test_the_shipped_channels_pass_from_the_wheel(installed: Path) -> None:
    """The data of the rooms came along: channels, their tests and goldens, code tables, samples."""
    said = run(installed / "bin" / "hub", "test", "--home", installed / "empty", cwd=installed)

    assert "pass hospital-hl7v2: " in said
