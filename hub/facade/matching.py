"""Criteria of conditional interactions: which resources they mean, asked within a transaction.

R4 §3.1.0.4.3, §3.1.0.7.1, §3.1.0.8.1: the criteria are those of a search.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qsl

from sqlalchemy import Connection

from hub.errors import InvalidError, PreconditionError
from hub.facade import query
from hub.facade.context import Facade
from hub.store.search import search

_SHAPES = {"_format", "_pretty", "_summary", "_elements", "_count", "_sort", "_total"}

Matcher = Callable[[Connection, int], list[str]]


def matcher(facade: Facade, kind: str, criteria: str, where: str) -> Matcher:
    """A function that finds at most so many references of what fits ``name=value&…``.

    :raises InvalidError: when there are no criteria, or they cannot be read.
    """
    pairs = [(n, v) for n, v in parse_qsl(criteria, keep_blank_values=True) if n not in _SHAPES]
    if not pairs:
        raise InvalidError("there are no criteria", where=where, cure="write them as a search", code="required")
    asked = query.read(kind, pairs, base=facade.base)

    def find(conn: Connection, limit: int) -> list[str]:
        return [row.ref for row in search(conn, asked.query, limit)]

    return find


def only(found: list[str], where: str) -> str:
    """The one reference that was found, or ''.

    :raises PreconditionError: 412 when there are several.
    """
    if len(found) > 1:
        raise PreconditionError(
            "several resources fit", where=where, cure="ask for one, by its identifier", code="multiple-matches"
        )
    return found[0] if found else ""
