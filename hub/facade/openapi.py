"""The API as OpenAPI 3.0 (https://spec.openapis.org/oas/v3.0.3), made of the same as the CapabilityStatement.

A list of paths for people and tools that know no FHIR; the CapabilityStatement is what binds.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Any

import orjson
from flask import Flask, Response, request
from werkzeug.routing import Rule

from hub import __version__
from hub.facade.context import Facade, served
from hub.facade.operations import operations
from hub.facade.shape import JSON_TYPES, XML_TYPES

_WORDS = {
    "capabilities": "what this server can do", "read": "read a resource", "vread": "read a version",
    "create": "create a resource", "update": "update a resource", "update-conditional": "update what fits",
    "patch": "patch a resource", "patch-conditional": "patch what fits", "delete": "delete a resource",
    "delete-conditional": "delete what fits", "history-instance": "versions of a resource",
    "history-type": "versions of a type", "history-system": "versions of all", "search-type": "search a type",
    "search-type-post": "search a type, out of sight of logs", "search-system": "search all types",
    "search-system-post": "search all types, out of sight of logs", "search-compartment": "search what is of one",
    "search-compartment-all": "all that is of one", "search-compartment-post": "search what is of one, out of sight",
    "async-status": "what became of a request", "async-cancel": "give a request up",
    "read-binary": "a document", "vread-binary": "a version of a document", "batch": "batch or transaction",
    "page": "a further page", "openapi": "this description",
}  # fmt: skip
_STEP = re.compile(r"<(?:(\w+)(?:\([^)]*\))?:)?(\w+)>")
_BODIES = {"POST", "PUT", "PATCH"}
_TEXT: dict[str, Any] = {"type": "string"}
_TAG: dict[str, Any] = {"type": "string", "pattern": '^W/"[0-9]{1,9}"$'}
_COUNT: dict[str, Any] = {"type": "integer", "minimum": 0, "maximum": 500}
# What a request may carry beside its path: (where, name, schema), by the endpoints that read it.
_SHAPED = (("query", "_format", {"type": "string", "enum": ["json", *(["xml"] if XML_TYPES else [])]}),
           ("query", "_pretty", {"type": "boolean"}))  # fmt: skip
_PARTS = (("query", "_summary", {"type": "string", "enum": ["true", "text", "data", "false"]}),)
_PAST = (("query", "_since", {"type": "string", "format": "date-time"}), ("query", "_count", _COUNT))
_CONTROLS = (
    ("query", "_id", _TEXT), ("query", "_lastUpdated", _TEXT), ("query", "_count", _COUNT), ("query", "_sort", _TEXT),
    ("query", "_total", {"type": "string", "enum": ["none", "estimate", "accurate"]}),
    ("query", "_include", _TEXT), ("query", "_revinclude", _TEXT), ("query", "_elements", _TEXT), *_PARTS,
)  # fmt: skip
_IF_MATCH = ("header", "If-Match", _TAG)
_GIVEN: dict[str, tuple[tuple[str, str, dict[str, Any]], ...]] = {
    "read": (*_PARTS, ("header", "If-None-Match", _TAG)), "vread": _PARTS,
    "create": (("header", "If-None-Exist", _TEXT),), "update": (_IF_MATCH,), "patch": (_IF_MATCH,),
    "delete": (_IF_MATCH,), "search-type": _CONTROLS, "search-system": (("query", "_type", _TEXT), *_CONTROLS),
    "search-compartment": _CONTROLS, "search-compartment-all": _CONTROLS,
    "history-instance": _PAST, "history-type": _PAST, "history-system": _PAST,
    "capabilities": (("query", "mode", {"type": "string", "enum": ["full", "normative", "terminology"]}),),
}  # fmt: skip
# Answers without a body, and those that are no resource.
_EMPTY = {"read": {"304": "you have it"}, "vread": {"304": "you have it"}, "delete": {"204": "it is deleted"},
          "delete-conditional": {"204": "what fits is deleted"}}  # fmt: skip
_OTHER = {"read-binary": "*/*", "vread-binary": "*/*", "openapi": "application/json"}


def mount(app: Flask, facade: Facade) -> None:
    """Serve ``GET [base]/openapi.json`` to everybody."""
    made: list[tuple[bytes, str]] = []

    @app.get("/fhir/openapi.json", endpoint="openapi")
    def openapi() -> Response:
        if not made:
            body = orjson.dumps(description(app, facade))
            made.append((body, sha256(body).hexdigest()[:16]))
        response = Response(made[0][0], content_type="application/json")
        response.headers["ETag"] = f'W/"{made[0][1]}"'
        response.headers["Cache-Control"] = "public, max-age=60"
        response.make_conditional(request)
        return response


def description(app: Flask, facade: Facade) -> dict[str, Any]:
    """The OpenAPI document."""
    paths: dict[str, dict[str, Any]] = {}
    for rule in sorted(app.url_map.iter_rules(), key=lambda r: r.rule):
        if rule.endpoint.startswith("browse-"):  # of the pages for people, no part of the API
            continue
        path = _STEP.sub(r"{\2}", rule.rule.removeprefix("/fhir")) or "/"
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            paths.setdefault(path, {})[method.lower()] = _operation(rule, method)
    return {
        "openapi": "3.0.3",
        "info": {"title": "FHIR R4 API of OncoHub", "version": __version__,
                 "description": "See metadata for the CapabilityStatement."},
        "servers": [{"url": facade.base}],
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Resource": {
                "type": "object", "required": ["resourceType"], "additionalProperties": True,
                "properties": {"resourceType": {"type": "string"}, "id": {"type": "string"},
                               "meta": {"type": "object"}},
            }},
        },
    }  # fmt: skip


def _operation(rule: Rule, method: str) -> dict[str, Any]:
    name = rule.endpoint
    answers = {"default": {"description": "a resource, or an OperationOutcome", "content": _content()}}
    answers |= {code: {"description": text} for code, text in _EMPTY.get(name, {}).items()}
    if name.startswith("operation-"):
        answers["202"] = {"description": "it is under way; see Content-Location"}
    if name in _OTHER:
        answers["200"] = {"description": _WORDS[name], "content": {_OTHER[name]: {}}}
    made: dict[str, Any] = {
        "operationId": f"{name}-{method.lower()}",
        "summary": _WORDS.get(name, f"operation {name.removeprefix('operation-')}"),
        "parameters": [*(_step(kind, step) for kind, step in _STEP.findall(rule.rule)), *_beside(name, method)],
        "responses": answers,
    }
    if name in ("capabilities", "openapi"):
        made["security"] = []
    if name.endswith("-post"):
        made["requestBody"] = {"content": {"application/x-www-form-urlencoded": {"schema": {"type": "object"}}}}
    elif method in _BODIES:
        made["requestBody"] = {"required": True, "content": _content()}
    return made


def _beside(name: str, method: str) -> list[dict[str, Any]]:
    """Parameters of query and header."""
    found = [*_GIVEN.get(name, ()), *(() if name == "openapi" else _SHAPED)]
    if name.startswith("operation-") and method == "GET":
        operation = next(o for o in operations() if name.endswith(f"-{o.name}"))
        taken = {n for _, n, _ in found}
        found += [("query", p.name, _TEXT) for p in operation.parameters if p.use == "in" and p.name not in taken]
    return [{"name": n, "in": where, "schema": schema} for where, n, schema in found]


def _step(kind: str, name: str) -> dict[str, Any]:
    shape: dict[str, Any] = {"type": "integer" if kind == "int" else "string"}
    if kind == "fhirtype":
        shape["enum"] = list(served())
    elif kind == "fhirid":
        shape["pattern"] = "^[A-Za-z0-9.-]{1,64}$"
    return {"name": name, "in": "path", "required": True, "schema": shape}


def _content() -> dict[str, Any]:
    schema = {"schema": {"$ref": "#/components/schemas/Resource"}}
    return dict.fromkeys((JSON_TYPES[0], *XML_TYPES[:1]), schema)
