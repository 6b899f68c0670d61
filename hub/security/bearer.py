"""Bearer tokens of requests: who calls, and whether they may.

RFC 6750 §2.1 (the Authorization header; never a query parameter), §3 (WWW-Authenticate and its codes).
What the store said of a token is believed for two seconds, so a revoked one dies at once for people and
a busy client costs no query.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from hub import clock
from hub.errors import ForbiddenError, HubError, UnauthenticatedError
from hub.store.handle import Store
from hub.store.tokens import Token, digest, find

BELIEVED = 2.0  # seconds
_KEPT = 1024
REALM = "OncoHub"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the name of the token, its number and its scopes."""

    name: str
    number: str
    scopes: frozenset[str]


class _Known:
    """What this process believes of the tokens of one store."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: dict[bytes, tuple[Token, float]] = {}

    def get(self, sha: bytes) -> Token | None:
        found = self._found.get(sha)
        return found[0] if found is not None and time.monotonic() < found[1] else None

    def put(self, sha: bytes, token: Token) -> None:
        with self._lock:
            if len(self._found) >= _KEPT:
                self._found.clear()
            self._found[sha] = (token, time.monotonic() + BELIEVED)

    def forget(self) -> None:
        with self._lock:
            self._found.clear()


_known: WeakKeyDictionary[Store, _Known] = WeakKeyDictionary()


def authorize(store: Store, environ: Mapping[str, Any], scope: str) -> Caller:
    """The caller of a request that needs ``scope``.

    :param environ: of WSGI.
    :raises UnauthenticatedError: when there is no token or no good one.
    :raises ForbiddenError: when the token is good but not for this.
    """
    found = authenticate(store, environ)
    if scope not in found.scopes:
        raise ForbiddenError(f"the token has not the scope {scope}", code="insufficient_scope")
    return found


def authenticate(store: Store, environ: Mapping[str, Any]) -> Caller:
    """The caller of a request, whatever it may do.

    :raises UnauthenticatedError: when there is no token or no good one.
    """
    header = environ.get("HTTP_AUTHORIZATION", "")
    kind, _, secret = header.partition(" ")
    if kind.lower() != "bearer" or not secret.strip():
        raise UnauthenticatedError("no bearer token was given", cure="send Authorization: Bearer; see hub token issue")
    secret = secret.strip()
    sha = digest(secret)
    known = _known.setdefault(store, _Known())
    token = known.get(sha)
    if token is None:
        with store.reading() as conn:
            token = find(conn, secret)
        if token is not None:
            known.put(sha, token)
    if token is None or not token.good(clock.now()):
        # One text for all reasons: a stranger learns nothing of tokens that were.
        raise UnauthenticatedError(
            "the token is unknown, expired or revoked", cure="issue another: hub token issue", code="invalid_token"
        )
    return Caller(token.name, token.number, token.scopes)


def forget(store: Store) -> None:
    """Ask the store anew for every token."""
    _known.pop(store, None)


def challenge(error: HubError, scope: str = "") -> str:
    """The WWW-Authenticate value that goes with a 401 or 403 (RFC 6750 §3); no code without a token."""
    parts = [f'realm="{REALM}"']
    if error.code in ("invalid_token", "insufficient_scope"):
        parts.append(f'error="{error.code}"')
        parts.append(f'error_description="{error.what}"')
    if error.code == "insufficient_scope" and scope:
        parts.append(f'scope="{scope}"')
    return "Bearer " + ", ".join(parts)
