"""capabilities: R4 §3.1.0.14 (http://hl7.org/fhir/R4/http.html#capabilities), §CapabilityStatement.

Made out of what is mounted, of the table of search parameters and of the operations, so it cannot promise
what is not there.  ``mode=terminology`` gives the TerminologyCapabilities, ``full`` and ``normative`` this.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import orjson
from flask import Flask, Response, request

from hub import __version__
from hub.errors import InvalidError
from hub.facade.context import Facade, json, served
from hub.facade.operations import Operation, mounted
from hub.facade.parts import part
from hub.facade.shape import JSON_TYPES, XML_TYPES
from hub.fhir.search import Param, params
from hub.services.resources.patching import FORMATS

CHANGED = "2026-11-20"  # when what the statement says changed last
# Endpoints are called like the codes of the value sets type-restful-interaction and system-restful-interaction.
_OF_TYPES = (
    "read", "vread", "update", "patch", "delete", "history-instance", "history-type", "create", "search-type",
)  # fmt: skip
_OF_SYSTEM = {"batch": ("batch", "transaction"), "search-system": ("search-system",),
              "history-system": ("history-system",)}  # fmt: skip
_OWN = (("_id", "token"), ("_lastUpdated", "date"))
_MODES = ("full", "normative", "terminology")


def mount(app: Flask, facade: Facade) -> None:
    """Serve ``GET [base]/metadata`` to everybody."""
    made: dict[str, tuple[bytes, str]] = {}

    @app.get("/fhir/metadata", endpoint="capabilities")
    def capabilities() -> Response:
        mode = request.args.get("mode", "full")
        if mode not in _MODES:
            cure = f"take one of {', '.join(_MODES)}"
            raise InvalidError("there is no such mode", where="http.mode", cure=cure, code="value")
        if mode not in made:
            body = orjson.dumps(_terminology(facade) if mode == "terminology" else statement(app, facade))
            made[mode] = (body, sha256(body).hexdigest()[:16])
        body, tag = made[mode]
        response = json(part(body, request))
        response.headers["ETag"] = f'W/"{tag}"'
        response.headers["Cache-Control"] = "public, max-age=60"
        response.make_conditional(request)
        return response


def endpoints(app: Flask) -> set[str]:
    """What is mounted."""
    return {rule.endpoint for rule in app.url_map.iter_rules()}


def statement(app: Flask, facade: Facade) -> dict[str, Any]:
    """The CapabilityStatement of this server."""
    there = endpoints(app)
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": CHANGED,
        "publisher": facade.settings.name,
        "kind": "instance",
        "software": {"name": "OncoHub", "version": __version__},
        "implementation": {"description": "FHIR R4 API of OncoHub", "url": facade.base},
        "fhirVersion": "4.0.1",
        "format": ["json", *JSON_TYPES, *(("xml", *XML_TYPES) if XML_TYPES else ())],
        "patchFormat": [f for f in FORMATS if XML_TYPES or not f.endswith("xml")] if "patch" in there else [],
        "rest": [
            {
                "mode": "server",
                "security": {
                    "cors": False,
                    "description": "Bearer token (RFC 6750) with scopes of SMART backend services: system/*.read, "
                    "system/*.write, or by type and letter such as system/Patient.cud",
                },
                "resource": [_resource(kind, there, facade) for kind in served()],
                "interaction": [{"code": c} for e, codes in _OF_SYSTEM.items() if e in there for c in codes],
                **_operations(mounted("")),
            }
        ],
    }


def _resource(kind: str, there: set[str], facade: Facade) -> dict[str, Any]:
    own = [{"name": name, "type": sort} for name, sort in _OWN]
    return {
        "type": kind,
        "interaction": [{"code": code} for code in _OF_TYPES if code in there],
        "versioning": "versioned-update" if "update" in there else "versioned",
        "readHistory": True,
        "updateCreate": "update" in there and facade.settings.update_create,
        "conditionalCreate": "create" in there,
        "conditionalRead": "full-support",
        "conditionalUpdate": "update-conditional" in there,
        "conditionalDelete": _deletion(there, facade),
        "referencePolicy": ["literal", "logical"],
        "searchParam": own + [_param(p) for p in params(kind).values()],
        **_operations(mounted(kind)),
    }


def _deletion(there: set[str], facade: Facade) -> str:
    if "delete-conditional" not in there:
        return "not-supported"
    return "multiple" if facade.settings.delete_many > 1 else "single"


def _param(param: Param) -> dict[str, str]:
    return {"name": param.name, "definition": param.definition, "type": param.kind}


def _operations(found: list[Operation]) -> dict[str, Any]:
    return {"operation": [{"name": o.name, "definition": o.definition} for o in found]} if found else {}


def _terminology(facade: Facade) -> dict[str, Any]:
    from hub.services.terminology import capabilities  # not before somebody asks for it

    made: dict[str, Any] = capabilities(date=CHANGED, publisher=facade.settings.name, url=facade.base)
    return made
