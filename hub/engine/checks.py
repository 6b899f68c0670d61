"""The ``validate`` steps of a channel: what a message is checked against, and what follows when it is unfit.

A body is checked against HL7 v2 (by hl7apy, tens of milliseconds), what it became against FHIR R4 or a
profile of it (R4 §5.1; some twenty microseconds a resource).  An unfit message is held for a person, refused
for good, or goes on with a tag on each unfit resource (``meta.tag``, R4 §2.27.4).
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from hub.engine.model import CheckRule
from hub.errors import HubError, InvalidError
from hub.fhir.draft import Draft, Entry, Issue

# what -> where its function is; it takes the body, or a resource and (of profiles) what it is asked to be.
BODY_CHECK = "hub.source.hl7v2_validate"
RESOURCE_CHECK = "hub.fhir.validate"
PROFILE_CHECK = "hub.fhir.validation.profiles"
TAG = {"system": "urn:oncohub:quality", "code": "invalid", "display": "Breaks a rule of its channel"}


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
            for entry in draft.entries.values():
                if _errors(_of_entry(rule, entry)):
                    _tag(entry)
                    tagged += 1
        elif errors := _errors(_found(rule, body, draft)):
            raise first(errors, RejectedError if rule.otherwise == "reject" else InvalidError)
    return f"{tagged} tagged" if tagged else "ok"


def first(errors: Sequence[Issue], kind: type[HubError]) -> HubError:
    """The error that says the first of several, and how many more there are."""
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return kind(errors[0].what + more, where=errors[0].where, code=errors[0].code)


def _errors(issues: Sequence[Issue]) -> list[Issue]:
    return [i for i in issues if i.severity == "error"]


def _found(rule: CheckRule, body: bytes, draft: Draft | None) -> list[Issue]:
    if rule.what == "hl7v2":
        return list(import_module(BODY_CHECK).validate(body))
    return [i for entry in draft.entries.values() for i in _of_entry(rule, entry)] if draft is not None else []


def _of_entry(rule: CheckRule, entry: Entry) -> list[Issue]:
    level = rule.levels.get(entry.type) or rule.levels.get("*", "base")
    if level == "off":
        return []
    resource: dict[str, Any] = {**entry.resource, "id": entry.id}
    if level == "base":
        return list(import_module(RESOURCE_CHECK).validate(resource))
    asked = () if level == "profile" else (level,)
    return list(import_module(PROFILE_CHECK).validate(resource, asked, rule.base))


def _tag(entry: Entry) -> None:
    meta = entry.resource.get("meta", {})
    entry.resource = {**entry.resource, "meta": {**meta, "tag": [*meta.get("tag", ()), TAG]}}
