"""What is answered when something is wrong: a status and an OperationOutcome, for every error there is.

R4 §3.1.0.1.5 (http://hl7.org/fhir/R4/http.html#Status-Codes).  An unforeseen error tells a number by which
its line in the log is found, and nothing of its text, which may quote a person.
"""

from __future__ import annotations

import logging
import secrets
import traceback

import orjson
from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from hub.errors import HTTP_STATUS, HubError, InvalidError, UnauthenticatedError, UnavailableError
from hub.facade.context import served
from hub.facade.shape import FHIR_JSON
from hub.fhir.outcome import issue, of_error, outcome
from hub.logs import event
from hub.security.bearer import challenge
from hub.security.scopes import ScopeError
from hub.services.resources.rules import FindingsError, good_id

_ISSUE = {400: "invalid", 404: "not-found", 405: "not-supported", 413: "too-long", 415: "not-supported"}
_CURES = {
    404: "see the CapabilityStatement at /fhir/metadata for what there is",
    405: "see Allow for the methods of this URL",
    413: "send less",
}

log = logging.getLogger("hub.facade")


def mount(app: Flask) -> None:
    """Answer the errors of an application."""

    @app.errorhandler(HubError)
    def known(error: HubError) -> Response:
        text = of_error(error)
        if isinstance(error, FindingsError):
            found = (issue(f.severity, f.code or "invalid", f.what, f.where) for f in error.findings)
            text = orjson.dumps(outcome(*found))
        response = Response(text, HTTP_STATUS[error.category], content_type=FHIR_JSON)
        if response.status_code == 405:  # RFC 9110 §15.5.6
            allowed = app.create_url_adapter(request)
            response.headers["Allow"] = ", ".join(sorted(allowed.allowed_methods())) if allowed is not None else ""
        if isinstance(error, UnauthenticatedError | ScopeError):
            response.headers["WWW-Authenticate"] = challenge(error, getattr(error, "scope", ""))
        return response

    @app.errorhandler(HTTPException)
    def of_http(error: HTTPException) -> Response:
        code = error.code or 500
        if code == 404 and request.method != "GET" and (bad := _bad_id(request.path)):
            return known(bad)
        text = "; ".join(filter(None, (error.name.lower(), _CURES.get(code))))
        body = orjson.dumps(outcome(issue("error", _ISSUE.get(code, "processing"), text)))
        response = Response(body, code, content_type=FHIR_JSON)
        for name, value in error.get_headers(request.environ):
            if name.lower() not in ("content-type", "content-length"):
                response.headers[name] = value
        return response

    @app.errorhandler(Exception)
    def unforeseen(error: Exception) -> Response:
        if any(kind.__name__ == "OperationalError" for kind in type(error).__mro__):  # PEP 249, of any driver
            event(log, logging.WARNING, "the database does not answer", error=type(error).__name__)
            return known(UnavailableError("the store does not answer", cure="ask again in a moment"))
        number = secrets.token_hex(4)
        event(log, logging.ERROR, "fault", number=number, error=type(error).__name__, where=_place(error))
        text = f"the hub has a fault; tell its people the number {number}"
        return Response(orjson.dumps(outcome(issue("fatal", "exception", text))), 500, content_type=FHIR_JSON)


def _bad_id(path: str) -> InvalidError | None:
    """Why a write to ``/fhir/[type]/[id]`` found no such URL: the id is none (R4 §2.24.0.1)."""
    _, _, kind, *rest = [*path.split("/"), "", ""]
    if kind not in served() or not rest[0] or good_id(rest[0]) or rest[0].startswith(("$", "_")):
        return None
    cure = "1 to 64 letters, digits, - and ."
    return InvalidError("is no id", where=f"{kind}.id", cure=cure, code="value")


def _place(error: Exception) -> str:
    """File and line where it happened; the text of an unforeseen error may quote a person."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if "hub" in f.filename and "site-packages" not in f.filename] or frames
    return f"{ours[-1].filename.rpartition('/hub/')[2]}:{ours[-1].lineno}" if ours else "?"
