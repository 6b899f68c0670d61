"""Who looks at the pages: a bearer token in a cookie of the browser's session.

RFC 6265bis (HttpOnly, SameSite=Strict, Secure over TLS), Fetch Metadata (https://www.w3.org/TR/fetch-metadata/).
The cookie stands in for the Authorization header of requests that read, and of no others, so no other site
can write through it.  It is checked like any token at each request, and dies with it.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Request, Response

from hub.facade.context import Facade

COOKIE = "hub_browse"
_LONGEST = 512
_SAFE = ("GET", "HEAD")


def identify(request: Request, endpoint: str) -> None:
    """Let the cookie speak for a request that only reads."""
    environ = request.environ
    if "HTTP_COOKIE" not in environ or "HTTP_AUTHORIZATION" in environ:
        return
    if request.method in _SAFE or endpoint == "browse-search":
        secret = request.cookies.get(COOKIE, "")
        if secret and len(secret) <= _LONGEST and secret.isascii() and secret.isprintable() and ours(request):
            environ["HTTP_AUTHORIZATION"] = f"Bearer {secret}"


def ours(request: Request) -> bool:
    """Whether a request comes from these pages, or from the address bar."""
    site = request.headers.get("Sec-Fetch-Site", "")
    if site:
        return site in ("same-origin", "none")
    origin = request.headers.get("Origin", "")
    return not origin or urlsplit(origin).netloc == request.host


def begin(response: Response, facade: Facade, secret: str) -> None:
    """Keep a token until the browser is closed."""
    _set(response, facade, secret)


def end(response: Response, facade: Facade) -> None:
    """Forget it."""
    _set(response, facade, "", max_age=0)


def _set(response: Response, facade: Facade, value: str, max_age: int | None = None) -> None:
    response.set_cookie(
        COOKIE, value, max_age=max_age, path="/fhir", httponly=True, samesite="Strict",
        secure=facade.base.startswith("https:"),
    )  # fmt: skip


def inside(place: str) -> str:
    """Where to go after the sign-in: a path of these pages, whatever was asked."""
    good = place.startswith("/fhir") and place.isprintable() and "\\" not in place and place[5:6] in ("", "/", "?")
    return place if good else "/fhir"
