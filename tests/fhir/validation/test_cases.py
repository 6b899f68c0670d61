"""Single rules of R4, one case each: a resource that obeys or one that breaks exactly one rule.

``cases.json`` holds them: the source of the rule, the type, what is laid over a sound resource of it, and
the place of the first finding ('' when there is none).  ``\\u0000del`` takes an element away.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from hub.fhir.outcome import ISSUE_TYPES
from hub.fhir.validation import validate, validate_bytes

TABLE = orjson.loads((Path(__file__).parent / "cases.json").read_bytes())
CASES = [pytest.param(*case[1:], id=case[0]) for case in TABLE["cases"]]


def made(kind: str, change: dict[str, Any]) -> dict[str, Any]:
    """The sound resource of a type, changed."""
    whole = {"resourceType": kind, **TABLE["bases"].get(kind, {}), **change}
    return {name: value for name, value in whole.items() if value != "\0del"}


@pytest.mark.parametrize(("kind", "change", "where"), CASES)
def test_each_rule_is_judged(kind: str, change: dict[str, Any], where: str) -> None:
    """Valid or not, and the finding is at the element; the octets are judged like the parsed value."""
    resource = made(kind, change)
    found = validate(resource)
    errors = [i for i in found if i.severity == "error"]
    assert [where] == [i.where for i in errors[:1]] if where else errors == []
    assert {i.code for i in found} <= ISSUE_TYPES
    assert found == validate_bytes(orjson.dumps(resource))


def test_there_are_enough_cases() -> None:
    """Each names its source, once."""
    names = [case[0] for case in TABLE["cases"]]
    assert len(names) == len(set(names)) >= 120
    assert all(name.startswith(("R4 ", "RFC ", "ISO ")) for name in names)


@pytest.mark.parametrize("kind", TABLE["bases"])
def test_the_sound_resources_are_sound(kind: str) -> None:
    """Else the cases would fail for another reason than theirs."""
    resource = {"resourceType": kind, **TABLE["bases"][kind]}
    assert [i for i in validate(resource) if i.severity == "error"] == []
