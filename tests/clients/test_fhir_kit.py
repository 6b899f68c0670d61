"""fhir-kit-client of npm (https://github.com/Vermonster/fhir-kit-client): the client of web and mobile apps."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Live

PACKAGE = "fhir-kit-client@2.0.3"


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the client in its node_modules."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("node and npm are not here")
    if int(subprocess.check_output([node, "--version"], text=True).lstrip("v").partition(".")[0]) < 20:
        pytest.skip("fhir-kit-client needs node 20")
    folder = tmp_path_factory.mktemp("npm")
    got = subprocess.run([npm, "install", "--no-audit", "--no-fund", "--prefix", str(folder), PACKAGE],
                         capture_output=True, text=True, timeout=90, check=False)  # fmt: skip
    if got.returncode:
        pytest.skip(f"npm does not have {PACKAGE}: {got.stderr[-200:]}")
    return folder


def test_all_it_does(live: Live, modules: Path, ward: Callable[[int], str]) -> None:
    """R4 §3.1.0, §3.1.1, §3.2: each thing its users do, and what they see of it."""
    script = Path(__file__).with_name("kit.mjs")
    ran = subprocess.run(["node", str(script), str(modules), live.base, live.token, ward(7)],
                         capture_output=True, text=True, timeout=60, check=False)  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == {
        "can": [True, True, True],
        "updated": "2",
        "stale": [412, "OperationOutcome"],
        "patched": "male",
        "first": "female",
        "now": "male",
        "history": [["PUT", "PUT", "POST"], True, True],
        "same": True,
        "pages": [3, 3, 1],
        "posted": ["match", "include"],
        "compartment": 1,
        "resolved": [True, True],
        "everywhere": 1,
        "batch": ["200", "404"],
        "transaction": ["201", "204"],
        "gone": [410, "OperationOutcome"],
        "validated": True,
        "deleted": 200,
        "stranger": [401, "OperationOutcome"],
    }
