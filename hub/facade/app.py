"""The Flask application of the FHIR API: who may, what is mounted, and one outcome for every error.

R4 §3.1.0.1 (status codes and OperationOutcome).  Everything needs a token unless it stands in
``PUBLIC``.  A line of the log holds the route, the status and the caller, never a query.
"""

from __future__ import annotations

import logging
import secrets
import time
import traceback

import orjson
from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException
from werkzeug.routing import BaseConverter

from hub.errors import HTTP_STATUS, ForbiddenError, HubError, UnauthenticatedError, UnavailableError
from hub.facade import binary, capabilities, history, read, search, vread
from hub.facade.context import FHIR_JSON, Facade, acceptable, base_url, format_known, served
from hub.facade.pages import Pages
from hub.fhir.outcome import issue, of_error, outcome
from hub.logs import event
from hub.security.bearer import authorize, challenge
from hub.settings import Settings
from hub.store.handle import Store
from hub.store.tokens import READ

SCOPE = READ
PUBLIC = {"capabilities"}
_FORM_LIMIT = 256 * 1024
_ISSUE = {400: "invalid", 404: "not-found", 405: "not-supported", 413: "too-long", 415: "not-supported"}
_CURES = {
    404: "see the CapabilityStatement at /fhir/metadata for what there is",
    405: "see Allow for the methods of this URL",
    413: "send less",
}

log = logging.getLogger("hub.facade")


class _Type(BaseConverter):
    regex = "|".join(served())


class _Id(BaseConverter):
    regex = r"[A-Za-z0-9\-.]{1,64}"


def create_app(store: Store, settings: Settings) -> Flask:
    """The API of a store, under ``/fhir``."""
    app = Flask("hub.facade", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = _FORM_LIMIT
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    app.url_map.converters.update(fhirtype=_Type, fhirid=_Id)
    facade = Facade(store, settings, Pages(store, settings), base_url(settings))
    for interaction in (capabilities, read, vread, history, search, binary):
        interaction.mount(app, facade)

    @app.before_request
    def admit() -> None:
        g.started = time.perf_counter_ns()
        if request.endpoint not in PUBLIC:
            g.caller = authorize(store, request.environ, SCOPE)
        _negotiate()

    @app.after_request
    def finish(response: Response) -> Response:
        response.headers.setdefault("Cache-Control", "private, no-cache")
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        level = logging.DEBUG if response.status_code < 400 else logging.INFO
        if log.isEnabledFor(level):
            _tell(level, response)
        return response

    @app.errorhandler(HubError)
    def known(error: HubError) -> Response:
        response = Response(of_error(error), HTTP_STATUS[error.category], content_type=FHIR_JSON)
        if isinstance(error, UnauthenticatedError | ForbiddenError):
            response.headers["WWW-Authenticate"] = challenge(error, SCOPE)
        return response

    @app.errorhandler(HTTPException)
    def of_http(error: HTTPException) -> Response:
        code = error.code or 500
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

    return app


def _negotiate() -> None:
    """Refuse what asks for another form than JSON (R4 §3.1.0.1.8).

    :raises NotAcceptable: 406.
    """
    asked = request.args.get("_format")
    if asked is None and request.method == "POST" and request.endpoint == "search-type-post":
        asked = request.form.get("_format")
    if asked is not None:
        good = format_known(asked)
    elif request.endpoint in ("read-binary", "vread-binary"):
        good = True  # a document comes in its own media type, whatever was hoped for (R4 §2.43)
    else:
        good = acceptable(request.headers.get("Accept", ""))
    if not good:
        raise _NotJson


class _NotJson(HTTPException):
    code = 406
    description = "this server speaks application/fhir+json"


def _place(error: Exception) -> str:
    """File and line where it happened; the text of an unforeseen error may quote a person."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if "hub" in f.filename and "site-packages" not in f.filename] or frames
    return f"{ours[-1].filename.rpartition('/hub/')[2]}:{ours[-1].lineno}" if ours else "?"


def _tell(level: int, response: Response) -> None:
    """One line a request: its route, never its query."""
    event(
        log,
        level,
        "request",
        method=request.method,
        route=request.url_rule.rule if request.url_rule is not None else "",
        status=response.status_code,
        ms=(time.perf_counter_ns() - g.started) // 1000 / 1000,
        number=g.caller.number if "caller" in g else "",
    )
