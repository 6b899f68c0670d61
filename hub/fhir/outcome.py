"""OperationOutcome: what a client is told when something is wrong (R4 §3.1.0.1.5, §OperationOutcome).

``diagnostics`` says what, where and what to do; ``expression`` names the element or ``http.parameter``.
"""

from __future__ import annotations

from typing import Any

import orjson

from hub.errors import FHIR_ISSUE, HubError

# R4 value set issue-type: an error whose code is one of these says so itself.
ISSUE_TYPES = frozenset(
    """invalid structure required value invariant security login unknown expired forbidden suppressed
    processing not-supported duplicate multiple-matches not-found deleted too-long code-invalid extension
    too-costly business-rule conflict transient lock-error no-store exception timeout incomplete throttled
    informational""".split()  # noqa: SIM905 - one long line of quotes says it no better
)


def issue(severity: str, code: str, what: str, where: str = "") -> dict[str, Any]:
    """One issue; ``code`` is of the IssueType value set."""
    if where.startswith("line "):  # a place in the text is no FHIRPath
        what, where = f"{where}: {what}", ""
    made: dict[str, Any] = {"severity": severity, "code": code, "diagnostics": what}
    if where:
        # A place in a request (http.name) is told by location, one in a resource by expression.
        made["location" if where.startswith("http.") else "expression"] = [where]
    return made


def outcome(*issues: dict[str, Any]) -> dict[str, Any]:
    """The resource."""
    return {"resourceType": "OperationOutcome", "issue": list(issues)}


def of_error(error: HubError) -> bytes:
    """The JSON that tells a client of an error."""
    text = f"{error.what}; {error.cure}" if error.cure else error.what
    code = error.code if error.code in ISSUE_TYPES else FHIR_ISSUE[error.category]
    return orjson.dumps(outcome(issue("error", code, text, error.where)))
