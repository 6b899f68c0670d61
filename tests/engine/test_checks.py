"""What was found sound is not judged again; what changed is."""

from __future__ import annotations

from typing import Any

import pytest

from hub.engine import checks
from hub.engine.model import CheckRule
from hub.fhir.draft import Draft, Issue


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The resources that were judged; those called "bad" are not sound."""
    seen: list[dict[str, Any]] = []

    class Check:
        @staticmethod
        def validate(resource: dict[str, Any]) -> list[Issue]:
            seen.append(resource)
            return [Issue("error", "Patient.name", "wrong", "")] if resource.get("language") == "bad" else []

    monkeypatch.setattr(checks, "_sound", {})
    monkeypatch.setattr(checks, "import_module", lambda name: Check)
    return seen


def draft(**values: Any) -> Draft:
    made = Draft()
    made.add({"resourceType": "Patient", **values}, ("urn:x", "1"))
    return made


RULE = (CheckRule("fhir"),)


def test_the_same_content_is_judged_once(asked: list[Any]) -> None:
    """A doctor comes with every message; another content is another judgement, and so is another level."""
    for values in ({}, {}, {"active": True}, {}):
        assert checks.validate(RULE, b"", draft(**values)) == []
    assert len(asked) == 2
    checks.validate((CheckRule("fhir", {"*": "off"}),), b"", draft())
    assert len(asked) == 2


def test_what_is_wrong_is_found_each_time(asked: list[Any]) -> None:
    """Only soundness is remembered."""
    for _ in range(2):
        assert [i.what for i in checks.validate(RULE, b"", draft(language="bad"))] == ["wrong"]
    assert len(asked) == 2


def test_what_is_remembered_is_bounded(asked: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Contents of patients are as many as patients."""
    monkeypatch.setattr(checks, "_KEPT", 2)
    for number in range(5):
        checks.validate(RULE, b"", draft(id=str(number), language=str(number)))
    assert len(checks._sound) <= 2


def test_a_tag_is_part_of_what_is_stored(asked: list[Any]) -> None:
    """The content that was judged is not the one that is stored then."""
    made = draft(language="bad")
    before = next(iter(made.entries.values())).written()
    assert checks.enforce((CheckRule("fhir", {}, "tag"),), b"", made) == "1 tagged"
    after = next(iter(made.entries.values())).written()
    assert before != after
    assert b"urn:oncohub:quality" in after[1]


def test_what_is_no_json_is_judged_each_time(asked: list[Any]) -> None:
    """The check says where; nothing can be remembered of it."""
    for _ in range(2):
        checks.validate(RULE, b"", draft(language={1, 2}))
    assert len(asked) == 2
