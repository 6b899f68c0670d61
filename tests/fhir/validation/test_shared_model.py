"""The 39 example resources of the model, which the official R4 validator accepts: sound, and of their profiles.

Left out where the folder of examples is not at hand; ``model.json`` says which profile each follows.
"""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from hub.fhir.validation import validate_bytes
from hub.fhir.validation.artefacts import BASE
from hub.fhir.validation.profiles import validate

MODEL = Path(__file__).parents[4] / "shared" / "proofs" / "fhir-model"
FILES = sorted(MODEL.glob("*.json"))
PROFILES = orjson.loads((Path(__file__).parent / "model.json").read_bytes())

pytestmark = pytest.mark.skipif(not FILES, reason="the examples of the model are not here")


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_an_example_is_sound(file: Path) -> None:
    """By R4, without a single finding."""
    assert validate_bytes(file.read_bytes()) == []


@pytest.mark.parametrize("name", PROFILES)
def test_an_example_follows_its_profile(name: str) -> None:
    """That of the thing it is."""
    resource = orjson.loads((MODEL / f"{name}.json").read_bytes())
    assert validate(resource, (f"{BASE}/StructureDefinition/{PROFILES[name]}",)) == []
