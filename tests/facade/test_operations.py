"""The registry of operations: one file each, mounted as it says, told in the CapabilityStatement and OpenAPI."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from flask import Response

from hub.errors import InvalidError
from hub.facade import operations
from hub.facade.context import Facade
from hub.facade.operations import Call, Operation, Parameter
from hub.facade.server import Application
from hub.store import tokens

from .conftest import Api

CALLS: list[Call] = []


def echo(facade: Facade, call: Call) -> Any:
    """Tells how it was called."""
    CALLS.append(call)
    how = call.first("how", "dict")
    if how == "error":
        raise InvalidError("not so", where="Parameters.how", cure="otherwise")
    made = {"resourceType": "Parameters", "parameter": [{"name": "base", "valueString": facade.base}]}
    return {"dict": made, "bytes": orjson.dumps(made), "response": Response("ready", 202)}[how]


ECHO = Operation("echo", "http://x/echo", echo, ("system", "type", "instance"), ("Patient", "Group"),
                 parameters=(Parameter("how", "code"), Parameter("return", "Parameters", "out", 1)))  # fmt: skip
TOUCH = Operation("touch", "http://x/touch", echo, ("instance",), ("*",), letters="u", affects=True)


@pytest.fixture
def op(api: Api, monkeypatch: pytest.MonkeyPatch) -> Api:
    """An API with two operations more."""
    CALLS.clear()
    there = operations.operations()
    monkeypatch.setattr(operations, "operations", lambda: (*there, ECHO, TOUCH))
    monkeypatch.setattr("hub.facade.openapi.operations", lambda: (*there, ECHO, TOUCH))
    return Api(api.store, api.settings, Application(api.store, api.settings, {}), api.token)


@pytest.mark.parametrize(
    ("path", "kind", "fid"),
    [("/fhir/$echo", "", ""), ("/fhir/Patient/$echo", "Patient", ""), ("/fhir/Group/1/$echo", "Group", "1")],
)
def test_three_levels_by_get_and_post(op: Api, path: str, kind: str, fid: str) -> None:
    """R4 §3.2.0.1: system, type, instance; parameters of the URL, a form, or Parameters (§3.2.0.4)."""
    assert op.json(f"{path}?a=1&a=2&_format=json")["resourceType"] == "Parameters"
    assert op.ask(path, "POST", data={"a": ["1", "2"]}).status_code == 200
    parts = [
        {"name": "a", "valueString": "1"},
        {"name": "a", "valueInteger": 2},
        {"name": "r", "resource": {"id": "x"}},
        {"name": "p", "part": [{"name": "q"}]},
        {"name": "none"},
    ]
    assert op.send("POST", path, {"resourceType": "Parameters", "parameter": parts}).status_code == 200
    assert [(c.kind, c.fid) for c in CALLS] == [(kind, fid)] * 3
    assert [c.all("a") for c in CALLS] == [["1", "2"], ["1", "2"], ["1", 2]]
    assert (CALLS[2].first("r"), CALLS[2].first("p"), CALLS[2].first("none")) == ({"id": "x"}, [{"name": "q"}], None)
    patient = {"resourceType": "Patient", "id": "1"}
    assert op.send("POST", path, patient).status_code == 200
    assert (CALLS[3].resource.value if CALLS[3].resource else None) == patient


def test_what_it_returns_and_raises(op: Api) -> None:
    """A dict, octets, a Response, or an error with its place."""
    assert op.ask("/fhir/$echo?how=bytes").data == op.ask("/fhir/$echo").data
    assert op.ask("/fhir/$echo?how=response").status_code == 202
    assert op.issue("/fhir/$echo?how=error", 400)["expression"] == ["Parameters.how"]
    for wrong in (3, [3], [{"valueString": "x"}]):
        body = {"resourceType": "Parameters", "parameter": wrong}
        assert op.refused(400, "POST", "/fhir/$echo", body)["expression"] == ["Parameters.parameter"]


def test_only_where_it_is_for(op: Api) -> None:
    """404 for what nobody has, 405 for another type; what changes something is no GET; scopes count."""
    assert op.issue("/fhir/Observation/$echo", 405)["code"] == "not-supported"
    assert op.issue("/fhir/$nothing", 404)
    assert op.ask("/fhir/Patient/1/$touch").status_code == 405
    assert op.ask("/fhir/Patient/1/$touch", "POST").status_code == 200
    reader = tokens.issue(op.store, "reader", [tokens.READ])
    assert op.ask("/fhir/Patient/1/$touch", "POST", token=reader).status_code == 403
    assert op.ask("/fhir/$echo", token=reader).status_code == 200


def test_they_are_told(op: Api) -> None:
    """CapabilityStatement.rest.operation and .resource.operation; the paths of the OpenAPI description."""
    (rest,) = op.json("/fhir/metadata")["rest"]
    assert {"name": "echo", "definition": "http://x/echo"} in rest["operation"]
    of = {r["type"]: {o["name"] for o in r.get("operation", ())} for r in rest["resource"]}
    assert {"echo", "touch"} <= of["Patient"]
    assert "echo" not in of["Observation"]
    paths = orjson.loads(op.ask("/fhir/openapi.json").data)["paths"]
    assert [p["name"] for p in paths["/$echo"]["get"]["parameters"]] == ["_format", "_pretty", "how"]
    assert set(paths["/{kind}/{fid}/$touch"]) == {"post"}


def test_those_that_are_shipped_are_found() -> None:
    """By listing the folder; each file has one, called like the file."""
    names = [one.name for one in operations.operations()]
    assert names == sorted(names)
    assert len(set(names)) == len(names)


def test_the_openapi_description(api: Api) -> None:
    """OpenAPI 3.0: every path that is mounted, with its parameters; public; 304 for who has it."""
    answer = api.ask("/fhir/openapi.json", token="")
    found = orjson.loads(answer.data)
    assert (answer.status_code, found["openapi"], found["servers"]) == (
        200,
        "3.0.3",
        [{"url": "http://127.0.0.1:8080/fhir"}],
    )
    assert {"/metadata", "/", "/{kind}", "/{kind}/{fid}", "/{kind}/_search", "/_history"} <= set(found["paths"])
    assert set(found["paths"]["/{kind}/{fid}"]) == {"get", "put", "patch", "delete"}
    kind, fid, *more = found["paths"]["/{kind}/{fid}"]["get"]["parameters"]
    assert [p["name"] for p in more] == ["_summary", "If-None-Match", "_format", "_pretty"]
    assert ("Patient" in kind["schema"]["enum"], fid["schema"]["pattern"]) == (True, "^[A-Za-z0-9.-]{1,64}$")
    used = [o["operationId"] for path in found["paths"].values() for o in path.values()]
    assert len(used) == len(set(used))
    tag = answer.headers["ETag"]
    assert api.ask("/fhir/openapi.json", headers={"If-None-Match": tag}).status_code == 304
