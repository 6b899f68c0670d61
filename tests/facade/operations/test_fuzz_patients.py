"""Whatever the operations on patients are asked, they answer with an outcome or a result: never a fault."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.facade.conftest import Api

from .test_match import A, patient

RELAXED = settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def words(text: str) -> st.SearchStrategy[str]:
    """One of the words of a text."""
    return st.sampled_from(text.split())


PATHS = st.sampled_from(
    ["Patient/$match", "Patient/$merge", "Patient/$unmerge", "Patient/$ihe-pix", "Patient/p1/$everything",
     "Observation/$lastn", "$export", "Patient/$export", "Group/g1/$export", "Patient/$validate",
     "Patient/p1/$validate", "_export/x", "_export/0123456789abcdef0123456789abcdef/job.json"]
)  # fmt: skip
NAMES = words(
    """resource onlyCertainMatches count source-patient target-patient source-patient-identifier preview
    sourceIdentifier targetSystem start end _since _type _typeFilter _count _page patient subject max code
    mode profile _outputFormat"""
)
MEMBERS = words("reference system value resourceType name identifier birthDate extension link use family")
TEXTS = st.sampled_from(
    ["", "\0", "Patient/p1", "Patient/\0", "Patient/p2", "a|b", "|", "urn:x|1", "1", "-1", "1e9", "true", "2026",
     "9999", "0000-00-00", "9999-12-31T23:59:60Z", "Observation", "Observation?code=\0",
     "Observation?status=final", "x" * 5000]
) | st.text(max_size=8)  # fmt: skip
JSONS: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(MEMBERS, inner, max_size=4),
    max_leaves=10,
)
PARAMETERS = st.lists(
    st.fixed_dictionaries(
        {"name": NAMES},
        optional={"valueString": TEXTS, "valueReference": JSONS, "resource": JSONS | st.just(patient(ins=A))},
    ),
    max_size=4,
)


@pytest.fixture
def there(each_api: Api) -> Api:
    each_api.put(
        patient("p1", A), patient("p2"), {"resourceType": "Group", "id": "g1", "type": "person", "actual": True}
    )
    return each_api


def sane(api: Api, method: str, path: str, **more: Any) -> None:
    answer = api.ask(path, method, **more)
    assert answer.status_code < 500 or answer.status_code == 503, answer.data
    if answer.status_code >= 400:
        assert orjson.loads(answer.data)["resourceType"] == "OperationOutcome"


@RELAXED
@given(st.sampled_from(["GET", "POST"]), PATHS, st.lists(st.tuples(NAMES, TEXTS), max_size=4))
def test_by_url(there: Api, method: str, path: str, query: list[tuple[str, str]]) -> None:
    sane(there, method, f"/fhir/{path}?{urlencode(query, errors='replace')}")


@RELAXED
@given(PATHS, PARAMETERS)
def test_by_parameters(there: Api, path: str, parameters: list[Any]) -> None:
    body = orjson.dumps({"resourceType": "Parameters", "parameter": parameters})
    sane(there, "POST", f"/fhir/{path}", data=body, content_type="application/fhir+json")
