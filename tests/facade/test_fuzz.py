"""Whatever is sent, the API answers with an outcome that one can act on: never a fault, never silence."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .conftest import Api


def words(text: str) -> st.SearchStrategy[str]:
    """One of the words of a text."""
    return st.sampled_from(text.split())


RELAXED = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
METHODS = words("GET POST PUT PATCH DELETE OPTIONS HEAD")
STEPS = words("Patient Binary Observation anne _history 1 _search $x .. é %00 metadata _async a_b * Nope 9999999999")
MEDIA = words("""application/fhir+json application/json-patch+json application/fhir+xml application/pdf x;y=z 
    text/json;charset=utf-16     application/x-www-form-urlencoded""")
NAMES = words(
    "If-Match If-None-Match If-None-Exist Prefer Accept Content-Encoding If-Modified-Since X-Security-Context"
)
VALUES = words('W/"1" * identifier=1 return=minimal gzip x ? respond-async,,= a=b&a=c|d')
HEADERS = st.dictionaries(NAMES, VALUES, max_size=3)
WORDS = words("Patient Bundle transaction batch POST PUT Patient/anne Patient?identifier=1 urn:uuid:1")
MEMBERS = words("""resourceType id meta type entry request method url resource fullUrl name identifier value parameter
    part source data extension""")
JSONS: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(MEMBERS, inner, max_size=5),
    max_leaves=15,
)
URLS = words("""Patient Patient/anne Patient?identifier=1 Patient/a_b ? // Patient? $x Patient/anne/_history/1 ../x http://[x
    Patient?_id=1&_format=xml Patient/%FF Patient/anne#x""")
REQUESTS = st.fixed_dictionaries(
    {"method": METHODS, "url": URLS},
    optional={"ifMatch": st.sampled_from(['W/"1"', "x"]), "ifNoneExist": st.sampled_from(["identifier=1", "", "?x"])},
)
ENTRIES = st.fixed_dictionaries(
    {"request": REQUESTS},
    optional={"resource": JSONS | st.just({"resourceType": "Patient", "id": "anne"}), "fullUrl": st.just("urn:uuid:1")},
)


def _sane(api: Api, method: str, path: str, **more: Any) -> None:
    answer = api.ask(path, method, **more)
    assert answer.status_code < 500, answer.data
    if answer.status_code >= 400 and answer.data:
        assert b"OperationOutcome" in answer.data


@RELAXED
@given(METHODS, st.lists(STEPS, max_size=4), MEDIA, HEADERS, st.binary(max_size=60) | JSONS.map(orjson.dumps))
def test_no_request_makes_a_fault(
    api: Api, method: str, steps: list[str], media: str, headers: dict[str, str], body: bytes
) -> None:
    """Any method, URL, header and body."""
    _sane(api, method, "/fhir/" + "/".join(steps), data=body, content_type=media, headers=headers)


@RELAXED
@given(st.sampled_from(["batch", "transaction"]), st.lists(JSONS, max_size=3), st.lists(ENTRIES, max_size=3))
def test_no_bundle_makes_a_fault(api: Api, kind: str, junk: list[Any], entries: list[Any]) -> None:
    """Entries of any shape."""
    bundle = {"resourceType": "Bundle", "type": kind, "entry": [*entries, *junk]}
    _sane(api, "POST", "/fhir", data=orjson.dumps(bundle), content_type="application/fhir+json")
