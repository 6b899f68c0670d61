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
    "read-binary": "a document", "vread-binary": "a version of a document", "batch": "batch or transaction",
    "page": "a further page", "openapi": "this description",
}  # fmt: skip
_STEP = re.compile(r"<(?:(\w+)(?:\([^)]*\))?:)?(\w+)>")
_BODIES = {"POST", "PUT", "PATCH"}


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
            "schemas": {"Resource": {"type": "object", "required": ["resourceType"], "additionalProperties": True,
                                     "properties": {"resourceType": {"type": "string"}}}},
        },
    }  # fmt: skip


def _operation(rule: Rule, method: str) -> dict[str, Any]:
    name = rule.endpoint
    made: dict[str, Any] = {
        "operationId": f"{name}-{method.lower()}",
        "summary": _WORDS.get(name, f"operation {name.removeprefix('operation-')}"),
        "parameters": [_step(kind, step) for kind, step in _STEP.findall(rule.rule)],
        "responses": {"default": {"description": "a resource, or an OperationOutcome", "content": _content()}},
    }
    if name in ("capabilities", "openapi"):
        made["security"] = []
    if name.endswith("-post"):
        made["requestBody"] = {"content": {"application/x-www-form-urlencoded": {"schema": {"type": "object"}}}}
    elif method in _BODIES:
        made["requestBody"] = {"required": True, "content": _content()}
    made["parameters"] += [_query(p.name) for o in operations() if name.endswith(f"-{o.name}") and method == "GET"
                           for p in o.parameters if p.use == "in"]  # fmt: skip
    return made


def _step(kind: str, name: str) -> dict[str, Any]:
    shape: dict[str, Any] = {"type": "integer" if kind == "int" else "string"}
    if kind == "fhirtype":
        shape["enum"] = list(served())
    elif kind == "fhirid":
        shape["pattern"] = "^[A-Za-z0-9.-]{1,64}$"
    return {"name": name, "in": "path", "required": True, "schema": shape}


def _query(name: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": {"type": "string"}}


def _content() -> dict[str, Any]:
    schema = {"schema": {"$ref": "#/components/schemas/Resource"}}
    return dict.fromkeys((JSON_TYPES[0], *XML_TYPES[:1]), schema)
