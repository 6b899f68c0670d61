"""Questions about the content of a resource that no index answers: ``_text``, ``_content``, ``_source``.

R4 §3.1.1.4.15 (``_text``, ``_content``), §2.27.2 (meta.source).  They are asked of each candidate of the other
criteria; :mod:`hub.store.search` bounds how many.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from typing import Any

import orjson
from sqlalchemy import Connection, select

from hub import clock
from hub.fhir.search import fold
from hub.store.query import Criterion, Look, Query, When
from hub.store.tables import message

_TAG = re.compile(r"<[^>]*>")
_OURS = re.compile(r"urn:oncohub:[^:]+:([0-9A-Za-z]+)", re.ASCII)
_MARGIN = 60_000_000  # microseconds; clocks of two hosts may differ that much
_MAX_DEPTH = 200


def fits(look: Look, content: bytes) -> bool:
    """Whether a resource is what a look wants."""
    resource = orjson.loads(content)
    if look.at == "source":
        return _comes_from(look, str(resource.get("meta", {}).get("source", "")))
    texts = [_narrative(resource)] if look.at == "text" else list(_texts(resource, 0))
    words = set(" ".join(_long(t) for t in texts).split())
    return all(w in words for w in look.words)


def _comes_from(look: Look, source: str) -> bool:
    if look.how == "below":
        return any(source.startswith(w) for w in look.words)
    if look.how == "above":
        return bool(source) and any(w == source or w.startswith(source.rstrip("/") + "/") for w in look.words)
    return source in look.words


def _narrative(resource: dict[str, Any]) -> str:
    text = resource.get("text")
    div = text.get("div") if isinstance(text, dict) else None
    return _plain(div) if isinstance(div, str) else ""


def _plain(div: str) -> str:
    return unescape(_TAG.sub(" ", div))


def _texts(value: Any, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        yield _plain(value) if value.startswith("<div") else value
    elif isinstance(value, dict) and depth < _MAX_DEPTH:
        for inner in value.values():
            yield from _texts(inner, depth + 1)
    elif isinstance(value, list) and depth < _MAX_DEPTH:
        for inner in value:
            yield from _texts(inner, depth + 1)


def _long(text: str) -> str:
    """The folded words of a text of any length, without the marks around them."""
    return " ".join(fold(word.strip(".,;:!?()[]\"'«»")) for word in text.split())


def narrowed(conn: Connection, query: Query) -> Query:
    """The query with the time in which the message of a ``_source`` was worked on."""
    for look in query.looks:
        if look.at != "source" or look.how or len(look.words) != 1:
            continue
        match = _OURS.fullmatch(look.words[0])
        try:
            number = clock.read_id(match[1]) if match else None
        except ValueError:
            number = None
        if number is None or number >> 63:
            continue
        mapped = conn.execute(select(message.c.mapped_at).where(message.c.id == number)).scalar()
        if mapped is not None:
            span = When((), "in", clock.id_time(number) - _MARGIN, int(mapped) + _MARGIN)
            return replace(query, criteria=(*query.criteria, Criterion((replace(span, prefix="eq"),))))
    return query
