"""What a client is told when something is wrong."""

from __future__ import annotations

import orjson
import pytest

from hub.errors import HubError, InvalidError, NotFoundError, UnauthenticatedError
from hub.fhir.outcome import of_error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (NotFoundError("gone astray"), {"code": "not-found", "diagnostics": "gone astray"}),
        (
            InvalidError("is no date", where="http.date", cure="write one", code="value"),
            {"code": "value", "diagnostics": "is no date; write one", "location": ["http.date"]},
        ),
        (
            InvalidError("is missing", where="Patient.name", code="pat-1"),
            {"code": "invalid", "diagnostics": "is missing", "expression": ["Patient.name"]},
        ),
        (UnauthenticatedError("who?", code="invalid_token"), {"code": "login", "diagnostics": "who?"}),
    ],
)
def test_an_error_says_what_where_and_the_cure(error: HubError, expected: dict[str, object]) -> None:
    """R4 OperationOutcome: code of the value set issue-type, expression or http location, diagnostics."""
    assert {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "error", **expected}],
    } == orjson.loads(of_error(error))
