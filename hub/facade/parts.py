"""``_summary`` and ``_elements`` of one resource: R4 §3.1.1.5.8, §3.1.1.5.9, which reads take too (§3.1.0.2)."""

from __future__ import annotations

from flask import Request

from hub.errors import InvalidError

_MODES = ("true", "text", "data")


def part(body: bytes, request: Request) -> bytes:
    """The part of a resource that ``_summary`` or ``_elements`` asks for, marked as such (SUBSETTED).

    :raises InvalidError: for a summary that R4 does not have, or both at once.
    """
    mode, names = request.args.get("_summary"), request.args.get("_elements")
    if mode in (None, "false") and names is None:
        return body
    if mode not in (None, "false") and names is not None:
        raise InvalidError("_summary and _elements go not together", where="http._elements", cure="take one of them")
    from hub.fhir import elements

    if names is not None:
        made: bytes = elements.only(body, [n.strip() for n in names.split(",") if n.strip()])
        return made
    if mode not in _MODES:
        cure = "take true, text, data or false"
        raise InvalidError("a read has no such summary", where="http._summary", cure=cure, code="value")
    made = elements.summary(body, mode)
    return made
