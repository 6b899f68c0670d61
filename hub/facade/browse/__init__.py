"""The API for a person with a browser: ``/fhir`` and all below it as pages, when HTML is what is wanted.

R4 §3.1.0.1.8 (``_format=html``, Accept), CSP 3, WCAG 2.2 and RGAA 4.1.  A page is one more form of the same
answer, made at the end like XML is, with the same rights: nothing can be seen here that a client could
not read.  What a person types into a search goes in a POST, and so into no address, log or list of visits.
"""

from __future__ import annotations

from typing import Any

from flask import Flask, Request, Response, g, redirect, request
from werkzeug.datastructures import MultiDict

from hub.errors import UnauthenticatedError
from hub.facade.browse import session
from hub.facade.browse.session import identify
from hub.facade.browse.words import COMMON, HERE, LANGUAGES, fields, say
from hub.facade.context import Facade, served
from hub.facade.shape import FHIR_JSON, JSON_TYPES, XML_TYPES
from hub.security.bearer import authenticate

LETTERS = {"browse-search": "s"}
PUBLIC = {"browse-sign-in", "browse-sign-out", "browse-style"}
_POLICY = (
    "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)  # fmt: skip
_HTML = ("html", "text/html")

__all__ = ["LETTERS", "PUBLIC", "home", "identify", "mount", "page", "wanted"]


def mount(app: Flask, facade: Facade) -> None:
    """Serve what only the pages need."""

    @app.post("/fhir/_browse/<fhirtype:kind>", endpoint="browse-search")
    def search(kind: str) -> Response:
        filled = [(n, v.strip()) for n, v in request.form.items(multi=True) if v.strip()]
        request.args = MultiDict(filled)  # as if it had been asked by GET
        answer: Any = app.view_functions["search-type"](kind=kind)
        return answer  # type: ignore[no-any-return]

    @app.post("/fhir/_browse", endpoint="browse-sign-in")
    def sign_in() -> Response:
        secret, place = request.form.get("token", "").strip(), session.inside(request.form.get("next", ""))
        if not session.ours(request):
            return _page("sign_in.html", 403, next=place, wrong="token_cross")
        try:
            authenticate(facade.store, {"HTTP_AUTHORIZATION": f"Bearer {secret}"})
        except UnauthenticatedError:
            return _page("sign_in.html", 401, next=place, wrong="token_bad")
        response: Any = redirect(place, 303)
        session.begin(response, facade, secret)
        return response  # type: ignore[no-any-return]

    @app.post("/fhir/_browse/out", endpoint="browse-sign-out")
    def sign_out() -> Response:
        response: Any = redirect("/fhir", 303)
        if session.ours(request):
            session.end(response, facade)
        return response  # type: ignore[no-any-return]

    @app.get("/fhir/_browse/style.css", endpoint="browse-style")
    def style() -> Response:
        response = Response((HERE / "style.css").read_bytes(), content_type="text/css; charset=utf-8")
        response.headers["Cache-Control"] = "public, max-age=300"
        return response


def wanted(asked: Request) -> bool:
    """Whether a request wants a page: it reads, and HTML is what it takes best or names."""
    endpoint = asked.endpoint or ""
    if endpoint in ("browse-sign-in", "browse-sign-out", "browse-style"):
        return False
    if asked.method not in ("GET", "HEAD") and endpoint != "browse-search":
        return False
    form = asked.args.get("_format") if asked.query_string else None
    if form is not None:
        return form in _HTML
    if "text/html" not in asked.environ.get("HTTP_ACCEPT", ""):
        return False
    taken = asked.accept_mimetypes
    return bool(taken["text/html"] > max(taken[form] for form in (*JSON_TYPES, *XML_TYPES)))


def home(asked: Request) -> Response | None:
    """The first page, which is no search; None for any other."""
    if asked.endpoint != "search-system" or set(asked.args) - {"_format"}:
        return None
    others = [kind for kind in served() if kind not in COMMON]
    return _page("home.html", 200, common=COMMON, others=others, first=fields("Patient")[0])


def page(response: Response, facade: Facade) -> None:
    """Make a page of an answer; a document stays what it is."""
    if response.content_type != FHIR_JSON or response.status_code == 304:
        return
    from hub.facade.browse import view  # not before somebody looks

    g.page = False  # should this fail, the error is told as JSON
    if response.status_code == 401:
        made = _page("sign_in.html", 401, next=request.full_path.rstrip("?"), wrong="")
    else:
        kind = (request.view_args or {}).get("kind", "")
        name, known = view.of(response.get_data(), request.path, facade.base, _language())
        asked = {} if request.query_string and "token" in (request.view_args or {}) else request.args
        opened, more = fields(kind) if name == "results.html" and kind else ([], [])
        made = _page(name, response.status_code, kind=kind, asked=asked, opened=opened, more=more, **known)
    response.set_data(made.get_data())
    response.content_type = made.content_type
    response.headers.remove("ETag")
    response.headers.remove("Last-Modified")
    response.headers.extend((n, v) for n, v in made.headers if n not in ("Content-Type", "Content-Length"))
    response.headers["Cache-Control"] = "no-store"  # it shows a person, on a screen that others use too


def _language() -> str:
    return request.accept_languages.best_match(LANGUAGES) or LANGUAGES[0]


def _page(name: str, status: int, **known: Any) -> Response:
    from hub.facade.browse.templates import environment

    language = _language()
    text = environment().get_template(name).render(
        lang=language, say=lambda word: say(str(word), language), path=request.path, status=status,
        signed=session.COOKIE in request.cookies and status != 401, **known,
    )  # fmt: skip
    response = Response(text, status, content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = _POLICY
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["Content-Language"] = language
    response.headers["Vary"] = "Accept, Accept-Language, Cookie"
    response.headers["Cache-Control"] = "no-store"
    return response
