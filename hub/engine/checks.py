"""The ``validate`` steps of a channel: what a message is checked against, and what follows when it is unfit.

A body is checked against HL7 v2 (by hl7apy, tens of milliseconds) or the content rules of its CDA model (some
milliseconds), what it became against FHIR R4 or a profile of it (R4 §5.1; some twenty microseconds a resource).
An unfit message is held for a person, refused for good, or goes on with a tag on each unfit resource (``meta.tag``,
R4 §2.27.4); of an unfit CDA document those are DocumentReference and Composition.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from hub.engine.model import CheckRule
from hub.errors import HubError, InvalidError
from hub.fhir.draft import Draft, Entry, Issue

# what -> where its function is; it takes the body, or a resource and (of profiles) what it is asked to be.
BODY_CHECKS = {"hl7v2": "hub.source.hl7v2_validate", "cda": "hub.source.cda_validate"}
RESOURCE_CHECK = "hub.fhir.validate"
PROFILE_CHECK = "hub.fhir.validation.profiles"
_DOCUMENTS = ("DocumentReference", "Composition")  # what speaks of the body itself
TAG = {"system": "urn:oncohub:quality", "code": "invalid", "display": "Breaks a rule of its channel"}
# Hashes of contents nothing was found in: doctors, units and places come with every message, and are judged once.
_sound: dict[tuple[str, str, str, bytes], None] = {}
_KEPT = 8192


class RejectedError(InvalidError):
    """What the channel refuses for good: nobody is asked, nothing is stored or sent."""


def validate(rules: Sequence[CheckRule], body: bytes, draft: Draft | None) -> list[Issue]:
    """All that the steps find."""
    return [issue for rule in rules for issue in _found(rule, body, draft)]


def enforce(rules: Sequence[CheckRule], body: bytes, draft: Draft | None) -> str:
    """Check a message; return what to say of the stage.

    :raises InvalidError: when it is to be held; its place is that of the first error.
    :raises RejectedError: when it is to be refused.
    """
    tagged = 0
    for rule in rules:
        if rule.otherwise == "tag" and draft is not None:
            unfit = _unfit(rule, body, draft)
            for entry in unfit:
                _tag(entry)
            tagged += len(unfit)
        elif errors := _errors(_found(rule, body, draft)):
            raise first(errors, RejectedError if rule.otherwise == "reject" else InvalidError)
    return f"{tagged} tagged" if tagged else "ok"


def first(errors: Sequence[Issue], kind: type[HubError]) -> HubError:
    """The error that says the first of several, and how many more there are."""
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return kind(errors[0].what + more, where=errors[0].where, code=errors[0].code)


def _errors(issues: Sequence[Issue]) -> list[Issue]:
    return [i for i in issues if i.severity == "error"]


def _unfit(rule: CheckRule, body: bytes, draft: Draft) -> list[Entry]:
    """The entries to be tagged."""
    if rule.what in BODY_CHECKS:
        wrong = _errors(_found(rule, body, draft))
        return [e for e in draft.entries.values() if e.type in _DOCUMENTS] if wrong else []
    return [e for e in draft.entries.values() if _errors(_of_entry(rule, e))]


def _found(rule: CheckRule, body: bytes, draft: Draft | None) -> list[Issue]:
    if rule.what in BODY_CHECKS:
        return list(import_module(BODY_CHECKS[rule.what]).validate(body))
    return [i for entry in draft.entries.values() for i in _of_entry(rule, entry)] if draft is not None else []


def _of_entry(rule: CheckRule, entry: Entry) -> list[Issue]:
    level = rule.levels.get(entry.type) or rule.levels.get("*", "base")
    if level == "off":
        return []
    try:
        seen = (level, rule.base, entry.type, entry.written()[2])
    except TypeError:  # it is no JSON: the check says where
        return _checked(level, rule.base, entry)
    if seen in _sound:
        return []
    found = _checked(level, rule.base, entry)
    if not found:
        if len(_sound) >= _KEPT:
            _sound.clear()
        _sound[seen] = None
    return found


def _checked(level: str, base: str, entry: Entry) -> list[Issue]:
    resource: dict[str, Any] = {**entry.resource, "id": entry.id}
    if level == "base":
        return list(import_module(RESOURCE_CHECK).validate(resource))
    asked = () if level == "profile" else (level,)
    return list(import_module(PROFILE_CHECK).validate(resource, asked, base))


def _tag(entry: Entry) -> None:
    meta = entry.resource.get("meta", {})
    entry.change({**entry.resource, "meta": {**meta, "tag": [*meta.get("tag", ()), TAG]}})
