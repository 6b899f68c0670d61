"""The Flask application of the FHIR API: who may, what is mounted, and one outcome for every error.

R4 §3.1.0.1 (status codes and OperationOutcome).  Everything needs a token unless it stands in
``PUBLIC``; each interaction says in ``LETTERS`` what the token must be good for
(:mod:`hub.security.scopes`).  A line of the log holds the route, the status and the caller, never a query.
"""

from __future__ import annotations

import logging
import time

from flask import Flask, Response, g, request
from werkzeug.routing import BaseConverter

from hub.facade import (
    asynchronous,
    batch,
    binary,
    browse,
    bulk,
    capabilities,
    create,
    delete,
    failures,
    history,
    openapi,
    operations,
    patch,
    read,
    search,
    shape,
    update,
    vread,
)
from hub.facade.context import Facade, base_url, served
from hub.facade.pages import Pages
from hub.facade.shape import PLAIN
from hub.logs import event
from hub.security.bearer import authenticate
from hub.security.scopes import demand
from hub.settings import Settings
from hub.store.handle import Store

PUBLIC = {"capabilities", "openapi", *browse.PUBLIC}
INTERACTIONS = (
    capabilities, read, vread, create, update, patch, delete, history, search, binary, batch, operations, openapi,
    asynchronous, browse, bulk,
)  # fmt: skip
_FORM_LIMIT = 256 * 1024
_NO_RESOURCES = {*binary.LETTERS, *bulk.FILES}
_SEARCH = "s"  # what an endpoint needs that does not say so: the right to see everything

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
    letters: dict[str | None, str] = {None: ""}
    for interaction in INTERACTIONS:
        interaction.mount(app, facade)
        letters |= getattr(interaction, "LETTERS", {})

    @app.before_request
    def admit() -> Response | None:
        g.started = time.perf_counter_ns()
        endpoint = request.endpoint
        # What the hub asks itself (an entry of a batch) was asked by somebody who is known, and is put into a Bundle.
        caller = request.environ.get("hub.caller")
        form = request.form.get("_format") if endpoint == "search-type-post" else None
        g.page = caller is None and browse.wanted(request)
        g.shape = PLAIN if caller is not None or g.page else shape.asked(request, form)
        if caller is None:
            browse.identify(request, endpoint or "")
        if endpoint not in PUBLIC:
            g.caller = caller = caller or authenticate(store, request.environ)
            for letter in letters.get(endpoint, _SEARCH) if request.method != "OPTIONS" else "":
                demand(caller.scopes, (request.view_args or {}).get("kind", "*"), letter)
        own = endpoint in _NO_RESOURCES and "_format" not in request.args
        if g.shape is not PLAIN and not own and endpoint != "operation-instance-html":
            shape.refuse(g.shape)  # but a document comes in its own media type, whatever was hoped for (R4 §2.43)
        if "HTTP_PREFER" in request.environ and asynchronous.wanted(request):
            return asynchronous.start(app, facade)
        return browse.home(request) if g.page else None

    @app.after_request
    def finish(response: Response) -> Response:
        wanted = g.get("shape", PLAIN)
        if wanted is not PLAIN:
            shape.render(response, wanted)
        if g.get("page"):
            browse.page(response, facade)
        if "HTTP_ACCEPT_ENCODING" in request.environ:
            shape.pack(response, request.environ["HTTP_ACCEPT_ENCODING"])
        response.headers.setdefault("Cache-Control", "private, no-cache")
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        level = logging.DEBUG if response.status_code < 400 else logging.INFO
        if log.isEnabledFor(level):
            _tell(level, response)
        return response

    failures.mount(app)
    return app


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
