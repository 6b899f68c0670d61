"""batch and transaction: R4 §3.1.0.11 (http://hl7.org/fhir/R4/http.html#transaction).

The entries of a batch are requests of their own, each with its outcome.  A transaction is one change of
the store, all of it or nothing (:mod:`hub.facade.transaction`); what it reads, it reads afterwards.
"""

from __future__ import annotations

from http import HTTPStatus
from io import BytesIO
from typing import Any
from urllib.parse import unquote_to_bytes

import orjson
from flask import Flask, Response, request

from hub import clock
from hub.facade import body, documents
from hub.facade.asked import prefer
from hub.facade.context import Facade, caller, json
from hub.facade.shape import FHIR_JSON
from hub.facade.transaction import carry_out
from hub.services.documents import provided
from hub.services.resources import bundles, patching
from hub.services.resources.bundles import Part
from hub.services.resources.patching import JSON_PATCH

LETTERS = {"batch": ""}  # each entry needs its own


def mount(app: Flask, facade: Facade) -> None:
    """Serve ``POST [base]``."""

    @app.post("/fhir", endpoint="batch")
    def batch() -> Response:
        sent = body.resource(request)
        kind, parts = bundles.read(sent, facade.base)
        exchanged = provided.asked(sent.value)
        if kind == "batch" and not exchanged:
            entries = [ask(app, part) for part in parts]
        else:
            made = documents.provide(facade, sent, parts) if exchanged else carry_out(facade, parts)
            entries = [made.get(p.number) or ask(app, p) for p in parts]
        head = {"resourceType": "Bundle", "type": f"{kind}-response", "meta": {"lastUpdated": clock.iso(clock.now())}}
        tail = b',"entry":[' + b",".join(entries) + b"]}" if entries else b"}"
        return json(orjson.dumps(head)[:-1] + tail)


def ask(app: Flask, part: Part) -> bytes:
    """Carry out an entry as a request of its own, of the same caller; the entry that answers it."""
    path, _, query = part.url.partition("?")
    environ = {
        k: v for k, v in request.environ.items() if not k.startswith(("HTTP_", "CONTENT_", "werkzeug.", "flask."))
    }
    octets = part.json.text if part.json is not None else b""
    media = FHIR_JSON
    if part.method == "PATCH" and part.json is not None and part.json.value.get("resourceType") == "Binary":
        octets, media = patching.of_binary(part.json.value), JSON_PATCH
    environ |= {
        "REQUEST_METHOD": part.method, "PATH_INFO": _wsgi(f"/fhir/{path}"), "QUERY_STRING": query,
        "CONTENT_TYPE": media if octets else "", "CONTENT_LENGTH": str(len(octets)), "wsgi.input": BytesIO(octets),
        "hub.caller": caller(), "HTTP_ACCEPT": "application/fhir+json",
    }  # fmt: skip
    headers = {"IF_MATCH": part.if_match, "IF_NONE_MATCH": part.if_none_match, "IF_NONE_EXIST": part.if_none_exist,
               "IF_MODIFIED_SINCE": part.if_modified_since, "PREFER": _preference()}  # fmt: skip
    environ |= {f"HTTP_{name}": value for name, value in headers.items() if value}
    with app.app_context(), app.request_context(environ):  # with a g of its own
        response = app.full_dispatch_request()
        return entry(response)


def _wsgi(path: str) -> str:
    """A path as PEP 3333 has it: without escapes, octets as characters."""
    return unquote_to_bytes(path).decode("latin-1")


def _preference() -> str:
    return f"return={returns}" if (returns := prefer(request.headers.get("Prefer", "")).returns) else "return=minimal"


def entry(response: Response) -> bytes:
    """The entry of a response Bundle that stands for an answer."""
    status = f"{response.status_code} {HTTPStatus(response.status_code).phrase}"
    said: dict[str, Any] = {"status": status}
    if "Location" in response.headers:
        said["location"] = response.headers["Location"]
    if "ETag" in response.headers:
        said["etag"] = response.headers["ETag"]
    if response.last_modified is not None:
        said["lastModified"] = response.last_modified.strftime("%Y-%m-%dT%H:%M:%SZ")
    content = response.get_data() if response.content_type == FHIR_JSON else b""
    if content and response.status_code >= 400:
        said["outcome"] = orjson.Fragment(content)
        content = b""
    made = {"resource": orjson.Fragment(content), "response": said} if content else {"response": said}
    return orjson.dumps(made)
