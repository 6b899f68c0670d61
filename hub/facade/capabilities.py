"""capabilities: R4 §3.1.0.14 (http://hl7.org/fhir/R4/http.html#capabilities), §CapabilityStatement.

Made out of what is mounted and of the table of search parameters, so it cannot promise what is not there.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import orjson
from flask import Flask, Response, request

from hub import __version__
from hub.facade.context import FORMATS, Facade, json, served
from hub.fhir.search import Param, params

CHANGED = "2026-11-20"  # when what the statement says changed last
_INTERACTIONS = ("read", "vread", "history-instance", "search-type")
_OWN = (("_id", "token"), ("_lastUpdated", "date"))


def mount(app: Flask, facade: Facade) -> None:
    """Serve ``GET [base]/metadata`` to everybody."""
    made: list[tuple[bytes, str]] = []

    @app.get("/fhir/metadata", endpoint="capabilities")
    def capabilities() -> Response:
        if not made:
            body = orjson.dumps(statement(app, facade))
            made.append((body, sha256(body).hexdigest()[:16]))
        body, tag = made[0]
        response = json(body)
        response.headers["ETag"] = f'W/"{tag}"'
        response.headers["Cache-Control"] = "public, max-age=60"
        response.make_conditional(request)
        return response


def statement(app: Flask, facade: Facade) -> dict[str, Any]:
    """The CapabilityStatement of this server."""
    mounted = {rule.endpoint for rule in app.url_map.iter_rules()}
    codes = [{"code": code} for code in _INTERACTIONS if code in mounted]
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": CHANGED,
        "publisher": facade.settings.name,
        "kind": "instance",
        "software": {"name": "OncoHub", "version": __version__},
        "implementation": {"description": "FHIR R4 API of OncoHub", "url": facade.base},
        "fhirVersion": "4.0.1",
        "format": ["json", *FORMATS],
        "rest": [
            {
                "mode": "server",
                "security": {
                    "cors": False,
                    "description": "Bearer token (RFC 6750) with the scope system/*.read",
                },
                "resource": [_resource(kind, codes) for kind in served()],
            }
        ],
    }


def _resource(kind: str, codes: list[dict[str, str]]) -> dict[str, Any]:
    own = [{"name": name, "type": sort} for name, sort in _OWN]
    return {
        "type": kind,
        "interaction": codes,
        "versioning": "versioned",
        "readHistory": True,
        "updateCreate": False,
        "searchParam": own + [_param(p) for p in params(kind).values()],
    }


def _param(param: Param) -> dict[str, str]:
    return {"name": param.name, "definition": param.definition, "type": param.kind}
