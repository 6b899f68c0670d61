"""patch: JSON Patch and FHIRPath Patch, with versions and by condition."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.errors import HubError
from hub.fhir import jsontext
from hub.services.resources import fhirpatch, jsonpatch
from hub.store import tokens

from .conftest import Api

ANNE = {
    "resourceType": "Patient",
    "id": "anne",
    "active": True,
    "name": [{"use": "official", "family": "Lefèvre", "given": ["Anne", "Marie"]}, {"use": "usual", "family": "Roy"}],
    "birthDate": "1954-04-12",
    "_birthDate": {"extension": [{"url": "urn:t", "valueTime": "10:00:00"}]},
    "deceasedBoolean": False,
    "contact": [{"name": {"text": "Bea"}}],
    "extension": [{"url": "urn:d", "valueDecimal": 5.0}],
}
JSON_PATCH = "application/json-patch+json"


def op(kind: str, path: str, **parts: Any) -> dict[str, Any]:
    """An operation of a FHIRPath Patch; ``value_Type`` gives a typed value, ``parts`` one in parts."""
    made: list[dict[str, Any]] = [{"name": "type", "valueCode": kind}, {"name": "path", "valueString": path}]
    for name, value in parts.items():
        if name.startswith("value_"):
            made.append({"name": "value", f"value{name[6:]}": value})
        elif name == "parts":
            made.append({"name": "value", "part": value})
        elif isinstance(value, int):
            made.append({"name": name, "valueInteger": value})
        else:
            made.append({"name": name, "valueString": value})
    return {"name": "operation", "part": made}


def parameters(*operations: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Parameters", "parameter": list(operations)}


def fhir(*operations: dict[str, Any], **resource: Any) -> dict[str, Any]:
    """Anne after a FHIRPath Patch."""
    made: dict[str, Any] = orjson.loads(fhirpatch.apply(orjson.dumps(ANNE | resource), parameters(*operations)))
    return made


def test_a_json_patch(each_api: Api) -> None:
    """R4 §3.1.0.6, RFC 6902: a new version of what the patch leaves; decimals that it does not touch stay."""
    each_api.send("PUT", "/fhir/Patient/anne", orjson.dumps(ANNE).replace(b"5.0", b"5.000"))
    patch = [
        {"op": "test", "path": "/active", "value": True},
        {"op": "replace", "path": "/active", "value": False},
        {"op": "add", "path": "/name/0/given/-", "value": "Zoé"},
        {"op": "remove", "path": "/contact"},
    ]
    answer = each_api.send("PATCH", "/fhir/Patient/anne", patch, JSON_PATCH)
    made = orjson.loads(answer.data)
    assert (answer.status_code, answer.headers["ETag"], made["active"]) == (200, 'W/"2"', False)
    assert (made["name"][0]["given"], "contact" in made) == (["Anne", "Marie", "Zoé"], False)
    assert b'"valueDecimal":5.000' in answer.data
    assert answer.data == each_api.ask("/fhir/Patient/anne").data


@pytest.mark.parametrize(
    ("patch", "status", "said"),
    [
        ([{"op": "test", "path": "/active", "value": False}], 422, "test failed"),
        ([{"op": "remove", "path": "/nothing"}], 422, "patch[0]"),
        ([{"op": "replace", "path": "/name/9/family", "value": "x"}], 422, "patch[0]"),
        ([{"op": "replace", "path": "", "value": []}], 422, "nothing is left"),
        ([{"op": "replace", "path": "/id", "value": "bea"}], 400, "Patient.id"),
        ([{"op": "replace", "path": "/resourceType", "value": "Group"}], 400, "resourceType"),
        (
            [{"op": "replace", "path": "/gender", "value": "x"}, {"op": "add", "path": "/gender", "value": "x"}],
            422,
            "patch[0]",
        ),
        ([{"op": "add", "path": "/gender", "value": "x"}], 400, "Patient.gender"),
        ([{"op": "jump", "path": "/gender"}], 400, "patch[0]"),
        ([{"op": "add", "path": "gender", "value": 1}], 400, "JSON Pointer"),
        ([{"op": "add", "path": "/gender"}], 400, "no value"),
        ([{"op": "move", "path": "/gender"}], 400, "from"),
        ([{"op": "copy", "from": "/name", "path": "/name/-"}] * 21, 413, "copies"),
        ({"op": "add"}, 400, "list of operations"),
        ([], 400, "list of operations"),
        ([1], 400, "patch[0]"),
    ],
)
def test_a_json_patch_that_does_not_fit(api: Api, patch: Any, status: int, said: str) -> None:
    """422 for one that does not fit, 400 for what is none or leaves no valid resource; nothing changes."""
    api.send("PUT", "/fhir/Patient/anne", ANNE)
    found = api.refused(status, "PATCH", "/fhir/Patient/anne", patch, JSON_PATCH)
    assert said in str(found)
    assert api.json("/fhir/Patient/anne")["meta"]["versionId"] == "1"


@pytest.mark.parametrize(
    ("media", "body", "status", "said"),
    [
        ("application/xml-patch+xml", b"<diff/>", 400, "diff with operations"),
        ("text/plain", b"x", 415, "fhir+json"),
        ("application/fhir+json", ANNE, 400, "no patch"),
        ("application/fhir+json", {"resourceType": "Parameters"}, 400, "no operation"),
        (JSON_PATCH, b"{", 400, "JSON"),
    ],
)
def test_what_is_no_patch_says_what_would_be(api: Api, media: str, body: Any, status: int, said: str) -> None:
    """R4 §3.1.0.6: 415 for a form that the hub does not do, and which it does."""
    api.send("PUT", "/fhir/Patient/anne", ANNE)
    assert said in str(api.refused(status, "PATCH", "/fhir/Patient/anne", body, media))


def test_a_patch_of_what_is_not_there(api: Api) -> None:
    """404; 410 for what was deleted."""
    patch = [{"op": "add", "path": "/active", "value": True}]
    assert api.refused(404, "PATCH", "/fhir/Patient/nobody", patch, JSON_PATCH)
    api.send("PUT", "/fhir/Patient/anne", ANNE)
    api.send("DELETE", "/fhir/Patient/anne")
    assert api.refused(410, "PATCH", "/fhir/Patient/anne", patch, JSON_PATCH)


def test_a_patch_with_a_version_and_by_condition(each_api: Api) -> None:
    """R4 §3.1.0.5 and §3.1.0.6: If-Match; the one that fits, none 404, several 412."""
    each_api.send("PUT", "/fhir/Patient/anne", ANNE)
    patch = [{"op": "add", "path": "/gender", "value": "female"}]
    assert each_api.refused(412, "PATCH", "/fhir/Patient/anne", patch, JSON_PATCH, If_Match='W/"3"')
    assert each_api.send("PATCH", "/fhir/Patient?family=roy", patch, JSON_PATCH, If_Match='W/"1"').status_code == 200
    assert each_api.refused(404, "PATCH", "/fhir/Patient?family=nobody", patch, JSON_PATCH)
    each_api.send("POST", "/fhir/Patient", ANNE)
    assert each_api.refused(412, "PATCH", "/fhir/Patient?family=roy", patch, JSON_PATCH)["code"] == "multiple-matches"


def test_who_may_not_read_is_not_shown_what_a_patch_left(api: Api) -> None:
    """A token for updates alone learns nothing of the resource."""
    api.send("PUT", "/fhir/Patient/anne", ANNE)
    secret = tokens.issue(api.store, "updater", ["system/Patient.u"])
    body = orjson.dumps([{"op": "add", "path": "/gender", "value": "female"}])
    headers = {"Prefer": "return=representation"}
    answer = api.ask("/fhir/Patient/anne", "PATCH", token=secret, data=body, content_type=JSON_PATCH, headers=headers)
    assert (answer.status_code, answer.data) == (200, b"")


def test_patches_that_meet_both_count(each_api: Api) -> None:
    """None is lost: the one that came second is worked out again on what the first left."""
    each_api.send("PUT", "/fhir/Patient/anne", ANNE)
    barrier = threading.Barrier(4)

    def patch(number: int) -> None:
        barrier.wait(20)
        body = [{"op": "add", "path": "/name/0/given/-", "value": f"n{number}"}]
        assert each_api.send("PATCH", "/fhir/Patient/anne", body, JSON_PATCH).status_code == 200

    threads = [threading.Thread(target=patch, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {"n0", "n1", "n2", "n3"} < set(each_api.json("/fhir/Patient/anne")["name"][0]["given"])


def test_fhirpath_add() -> None:
    """R4 §2.35: to what is not there; behind what repeats; of a choice under the name of its type; in parts."""
    made = fhir(
        op("add", "Patient", name="gender", value_Code="female"),
        op("add", "Patient", name="name", value_HumanName={"text": "x"}),
        op("add", "Patient.name[0]", name="given", value_String="Zoé"),
        op("add", "Patient", name="multipleBirth", value_Integer=2),
        op("add", "Patient", name="contact", parts=[{"name": "name", "valueHumanName": {"text": "Carl"}}]),
    )
    assert (made["gender"], made["name"][2], made["multipleBirthInteger"]) == ("female", {"text": "x"}, 2)
    assert made["name"][0]["given"] == ["Anne", "Marie", "Zoé"]
    assert made["contact"][1] == {"name": {"text": "Carl"}}


def test_fhirpath_replace_delete_insert_move() -> None:
    """R4 §2.35: at the place that the path names; what is deleted twice is no error; what is emptied goes."""
    made = fhir(
        op("replace", "Patient.name.where(use = 'usual').family", value_String="Roi"),
        op("replace", "Patient.deceased", value_DateTime="2026-01-01"),
        op("delete", "Patient.birthDate"),
        op("delete", "Patient.birthDate"),
        op("delete", "Patient.contact[0].name"),
        op("insert", "Patient.name[0].given", index=1, value_String="Eve"),
        op("move", "Patient.name", source=1, destination=0),
    )
    assert [n["family"] for n in made["name"]] == ["Roi", "Lefèvre"]
    assert made["name"][1]["given"] == ["Anne", "Eve", "Marie"]
    assert made["deceasedDateTime"] == "2026-01-01"
    assert {"birthDate", "_birthDate", "contact", "deceasedBoolean"}.isdisjoint(made)


@pytest.mark.parametrize(
    ("operation", "said"),
    [
        (op("add", "Patient", name="birthDate", value_Date="2000"), "there already"),
        (op("add", "Patient", name="deceased", value_DateTime="2000"), "there already"),
        (op("add", "Patient", name="nonsense", value_String="x"), "no element"),
        (op("add", "Patient.name", name="text", value_String="x"), "several"),
        (op("replace", "Patient.gender", value_Code="male"), "nothing"),
        (op("replace", "Patient.name.where(use = 'old').family", value_String="x"), "nothing"),
        (op("delete", "Patient.name"), "several"),
        (op("delete", "Patient"), "whole resource"),
        (op("insert", "Patient.name", index=9, value_HumanName={}), "beyond"),
        (op("insert", "Patient.birthDate", index=0, value_Date="2000"), "no list"),
        (op("move", "Patient.name", source=0, destination=5), "beyond"),
        (op("move", "Patient.name[0]", source=0, destination=1), "no list"),
        (op("delete", "Patient.name.count()"), "name places"),
        (op("delete", "Patient.name.where(use.matches('(a+)+$'))"), "name places"),
        (op("delete", "Patient.name.where(use ~ 'x')"), "compare with a value"),
        (op("delete", "Patient." + "name." * 400 + "x"), "name places"),
        (op("jump", "Patient"), "no such type"),
        (op("add", "Patient", name="gender"), "value"),
        ({"name": "operation"}, "no operation"),
        ({"name": "other", "part": []}, "no operation"),
    ],
)
def test_a_fhirpath_patch_that_does_not_fit(operation: dict[str, Any], said: str) -> None:
    """An error that names the operation, never a fault."""
    with pytest.raises(HubError) as caught:
        fhir(operation)
    assert said in str(caught.value)
    assert "Parameters.parameter[0]" in caught.value.where


def test_a_fhirpath_patch_over_the_wire(each_api: Api) -> None:
    """R4 §3.1.0.6: Parameters as FHIR JSON; the outcome is stored, indexed and answered."""
    each_api.send("PUT", "/fhir/Patient/anne", ANNE)
    patch = parameters(op("add", "Patient", name="gender", value_Code="female"))
    answer = each_api.send("PATCH", "/fhir/Patient/anne", patch)
    assert (answer.status_code, orjson.loads(answer.data)["gender"]) == (200, "female")
    assert each_api.ids("/fhir/Patient?gender=female") == ["anne"]
    broken = parameters(op("replace", "Patient.gender", value_Code="x"))
    assert each_api.refused(400, "PATCH", "/fhir/Patient/anne", broken)["expression"] == ["Patient.gender"]


STEPS = [
    "Patient",
    "name",
    "[0]",
    "given",
    "first()",
    "where(use='usual')",
    "deceased",
    "ofType(Period)",
    "extension",
    "value",
    "x",
    "(",
    "'",
    "last()",
    "contact",
    "as(string)",
]
PATHS = st.lists(st.sampled_from(STEPS), max_size=5).map(".".join)
IN_PARTS: list[dict[str, Any]] = [{"parts": []}, {"parts": [{"name": "given", "valueString": "x"}]},
                                  {"parts": [{"name": "x", "part": 3}]}, {"parts": [{}]}]  # fmt: skip
VALUES = st.sampled_from(
    [{"value_String": "x"}, {"value_HumanName": {"given": ["x"]}}, {"value_Integer": 1}, *IN_PARTS]
)
KINDS = st.sampled_from(["add", "insert", "delete", "replace", "move"])


@given(KINDS, PATHS, VALUES, st.integers(-2, 3), st.text(max_size=5))
def test_no_patch_makes_a_fault(kind: str, path: str, value: dict[str, Any], number: int, name: str) -> None:
    """Whatever is sent: a resource, or an error that can be told."""
    parts = {"index": number, "source": number, "destination": 0, "name": name or "given"}
    with suppress(HubError):
        fhir(op(kind, path, **parts, **value))


WORDS = st.sampled_from(["add", "move", "copy", "test", "remove", "/name", "/name/0", "/", ""])
NAMES = st.sampled_from(["op", "path", "from", "value"])
JSONS = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


@given(JSONS)
def test_no_json_patch_makes_a_fault(patch: Any) -> None:
    """Whatever is sent: a resource, or an error that can be told."""
    with suppress(HubError):
        jsontext.read(jsonpatch.apply(orjson.dumps(ANNE), orjson.dumps(patch)))
