"""The plainest read, answered before Flask: R4 §3.1.0.2 without conditions, form or preference.

It is what most requests are.  Who may is asked as everywhere; whatever is not plain, or not good, is left to
the interaction itself (:mod:`hub.facade.read`), which words it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from werkzeug.http import http_date

from hub.errors import HubError
from hub.facade.context import served
from hub.facade.shape import FHIR_JSON, accepted
from hub.security.bearer import authenticate
from hub.security.scopes import permits
from hub.store.handle import Store

_CURRENT = "SELECT version, updated, deleted, content FROM resource WHERE ref = ?"
# What makes a read another thing than the octets that are stored.
_SPECIAL = ("HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE", "HTTP_PREFER", "HTTP_IF_MATCH", "HTTP_RANGE")
_SMALL = 1024  # octets up to which no answer is packed

log = logging.getLogger("hub.facade")

Answer = tuple[list[tuple[str, str]], bytes]


def make(store: Store) -> Callable[[dict[str, Any]], Answer | None]:
    """The reader of a store: request -> headers and body of a 200, or None where it is not its business."""
    kinds = frozenset(served()) - {"Binary"}

    def read(environ: dict[str, Any]) -> Answer | None:
        if environ["REQUEST_METHOD"] != "GET" or environ["QUERY_STRING"]:
            return None
        ref = environ["PATH_INFO"][6:]
        kind, slash, fid = ref.partition("/")
        if not slash or kind not in kinds or not fid or "/" in fid or len(fid) > 64:
            return None
        if any(name in environ for name in _SPECIAL) or accepted(environ.get("HTTP_ACCEPT", "")) != "json":
            return None
        try:
            caller = authenticate(store, environ)
            if not permits(caller.scopes, kind, "r") or log.isEnabledFor(logging.DEBUG):
                return None
            rows = store.glances.rows(_CURRENT, (ref,))
        except HubError:
            return None
        except Exception:  # of the driver; the interaction finds out what it is
            return None
        if not rows or not rows[0][0] or rows[0][2]:
            return None
        version, updated, _, content = rows[0]
        if len(content) > _SMALL and "gzip" in environ.get("HTTP_ACCEPT_ENCODING", ""):
            return None
        return [
            ("Content-Type", FHIR_JSON),
            ("Content-Length", str(len(content))),
            ("ETag", f'W/"{version}"'),
            ("Last-Modified", http_date(updated // 1_000_000)),
            ("Cache-Control", "private, no-cache"),
            ("X-Content-Type-Options", "nosniff"),
        ], bytes(content)

    return read
