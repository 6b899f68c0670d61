"""schemathesis (https://schemathesis.readthedocs.io) makes requests up out of /fhir/openapi.json.

Whatever it sends, the API answers with what its own description says: never a 5xx, never another media
type, never a body that is no resource, never without a token.
"""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from .conftest import Live


def no_fault(context: Any, response: Any, case: Any) -> None:
    """No 5xx, but for the 503 that says that this caller has too much under way."""
    if not (response.status_code == 503 and '"throttled"' in response.text):
        not_a_server_error(context, response, case)


CHECKED = [
    no_fault, content_type_conformance, response_schema_conformance, status_code_conformance,
    unsupported_method, ignored_auth,
]  # fmt: skip


@pytest.fixture(scope="module")
def operations(live: Live) -> list[Any]:
    """All operations that the API says to have."""
    schema = schemathesis.openapi.from_url(f"{live.base}/openapi.json")
    return [one.ok() for one in schema.get_all_operations()]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_api_is_as_described(operations: list[Any], live: Live) -> None:
    """OpenAPI 3.0.3: each operation, with good requests and bad ones."""
    headers = {"Authorization": f"Bearer {live.token}"}
    found = []
    for operation in operations:

        @settings(max_examples=20, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy())
        def ask(case: Any) -> None:
            case.call_and_validate(headers=headers, checks=CHECKED)

        try:
            ask()
        except (Exception, BaseExceptionGroup) as failure:  # all of them in one run
            found.append(f"{operation.label}: {failure}")
    assert not found, "\n\n".join(found)


def test_nothing_is_described_twice(operations: list[Any]) -> None:
    """OpenAPI 3.0.3 §4.7.10.1: operationId is unique."""
    names = [one.definition.raw["operationId"] for one in operations]
    assert len(names) == len(set(names)) > 30
