"""What the headers of a request ask for: preconditions and preferences.

R4 §3.1.0.5 (If-Match), §3.1.0.8.1 (If-None-Exist), §3.1.0.1.6 (Prefer: return, handling, respond-async);
RFC 9110 §13.1, RFC 7240.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from werkzeug.datastructures import Headers

from hub.errors import InvalidError
from hub.facade.context import Facade

_TAG = re.compile(r'(?:W/)?"(\d{1,9})"')
RETURNS = ("minimal", "representation", "OperationOutcome")


@dataclass(frozen=True, slots=True)
class Prefer:
    """``returns`` is '' when nothing is preferred."""

    returns: str = ""
    lenient: bool = False
    asynchronous: bool = False


def prefer(header: str) -> Prefer:
    """The preferences that the hub knows; others are ignored, as RFC 7240 §2 says."""
    if not header:
        return Prefer()
    found: dict[str, str] = {}
    for one in re.split(r"[,;]", header):
        name, _, value = one.partition("=")
        found.setdefault(name.strip().lower(), value.strip().strip('"'))
    returns = next((r for r in RETURNS if r.lower() == found.get("return", "").lower()), "")
    return Prefer(returns, found.get("handling", "").lower() == "lenient", "respond-async" in found)


def versions(header: str, where: str = "http.If-Match") -> frozenset[int] | None:
    """The versions that If-Match names; None when there is no such header, or it is ``*``.

    :raises InvalidError: for what is no list of entity tags.
    """
    if not header or header.strip() == "*":
        return None
    tags = [_TAG.fullmatch(one.strip()) for one in header.split(",")]
    if None in tags:
        raise InvalidError("is no version of a resource", where=where, cure='write W/"3", as ETag says', code="value")
    return frozenset(int(tag[1]) for tag in tags if tag is not None)


def must_be_absent(header: str, where: str = "http.If-None-Match") -> bool:
    """Whether If-None-Match of a write asks that there be no such resource.

    :raises InvalidError: for anything but ``*``, which a write has no use for.
    """
    if header and header.strip() != "*":
        raise InvalidError("a write takes only *", where=where, cure="use If-Match for versions", code="value")
    return bool(header)


def guards(facade: Facade, headers: Headers, ref: str = "") -> tuple[frozenset[int] | None, bool, bool]:
    """(versions, absent, present) of the headers of an update, patch or deletion.

    :param ref: what it is about, when that is known already.
    :raises InvalidError: for headers that cannot be read, or a missing If-Match where the hub asks for one.
    """
    match = headers.get("If-Match", "").strip()
    absent = must_be_absent(headers.get("If-None-Match", ""))
    if not match and not absent and facade.settings.require_if_match and (not ref or facade.known(ref) is not None):
        cure = "send the ETag of the version that you read"
        raise InvalidError("this hub asks for the version", where="http.If-Match", cure=cure, code="required")
    return versions(match), absent, match == "*"
