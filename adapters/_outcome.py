"""OperationOutcomes: writing those of the hub, reading those of a peer without their texts.

FHIR R4 §2.35 OperationOutcome; value set issue-type.
"""

from __future__ import annotations

from typing import Any

import orjson

from hub.errors import FHIR_ISSUE, HubError

KEPT = 64 * 1024
_ISSUES = 5  # of a peer, told in one line


def outcome(error: HubError) -> bytes:
    """The OperationOutcome of an error; its place stands in ``expression``, its cure in ``diagnostics``."""
    issue: dict[str, Any] = {
        "severity": "error",
        "code": FHIR_ISSUE[error.category],
        "details": {"text": error.what},
    }
    if error.code:
        issue["details"]["coding"] = [{"code": error.code}]
    if error.cure:
        issue["diagnostics"] = error.cure
    if error.where:
        issue["expression"] = [error.where]
    return orjson.dumps({"resourceType": "OperationOutcome", "issue": [issue]})


def told(body: bytes) -> str:
    """What a peer's OperationOutcome says in codes and places: its texts may name a person."""
    try:
        found = orjson.loads(body)
        issues = found["issue"] if found["resourceType"] == "OperationOutcome" else []
        said = [_issue(issue) for issue in issues[:_ISSUES]]
    except (orjson.JSONDecodeError, LookupError, TypeError, AttributeError):
        return ""
    more = f", and {len(issues) - _ISSUES} more" if len(issues) > _ISSUES else ""
    return "; ".join(said) + more


def _issue(issue: dict[str, Any]) -> str:
    code = _word(issue.get("code"))
    details = (issue.get("details") or {}).get("coding") or [{}]
    detail = _word(details[0].get("code"))
    places = [p for p in issue.get("expression") or [] if isinstance(p, str)]
    place = places[0] if places and _is_path(places[0]) else ""
    return " ".join(filter(None, (_word(issue.get("severity")), code, detail, f"at {place}" if place else "")))


def _word(value: object) -> str:
    """A code, or nothing when it looks like anything else."""
    if isinstance(value, str) and len(value) <= 40 and value.replace("-", "").replace("_", "").isalnum():
        return value
    return ""


def _is_path(text: str) -> bool:
    """A FHIRPath of element names and indexes: ``Bundle.entry[0].resource.birthDate``."""
    return len(text) <= 120 and all(part.rstrip("]0123456789").rstrip("[").isidentifier() for part in text.split("."))
