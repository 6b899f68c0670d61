"""The criteria of a Subscription as a search that can be asked of what was written.

R4 §2.46.2 (Subscription.criteria): "the rules are search criteria without the [base] part"; Backport IG 1.1: the
criteria are the canonical URL of a topic, which extensions narrow.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import parse_qsl

from hub.errors import HubError, InvalidError
from hub.fhir.search import types
from hub.services.subscriptions import topics
from hub.services.subscriptions.model import Subscription
from hub.services.subscriptions.topics import Topic
from hub.settings import Settings
from hub.store.criteria import Reader
from hub.store.query import Query

# What shapes an answer says nothing about a resource.
_SHAPES = frozenset({
    "_sort", "_count", "_include", "_revinclude", "_total", "_summary", "_elements", "_contained", "_type", "_format",
    "_pretty",
})  # fmt: skip
_WHERE = "Subscription.criteria"
MAX_CRITERIA = 4000  # characters


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a Subscription wants to be told of: what fits the search, and with a topic is news of it."""

    query: Query
    topic: Topic | None = None


def read(asked: Subscription, settings: Settings) -> Wanted:
    """The search that the criteria are, or that their topic and its filters are.

    :raises InvalidError: naming the parameter, never its value; UnprocessableError: what is not to be subscribed to.
    """
    base = settings.fhir_base
    if not asked.topic:
        return Wanted(search(asked.criteria, base))
    topic = topics.topic(asked.topic, settings)
    query = search(topic.search, base)
    for number, text in enumerate(topics.filtered(topic, asked.filters)):
        more = search(text, base, f"Subscription.criteria.extension[{number}]")
        query = replace(query, criteria=(*query.criteria, *more.criteria))
    return Wanted(query, topic)


def search(criteria: str, base: str, where: str = _WHERE) -> Query:
    """``Observation?code=…`` as a search."""
    kind, _, text = criteria.removeprefix(base).lstrip("/").partition("?")
    if len(criteria) > MAX_CRITERIA:
        raise InvalidError("too long", where=where, cure="ask for less", code="too-long")
    if kind not in types() or kind == "Subscription":
        raise InvalidError("names no type of resource", where=where, cure="write Observation?code=…", code="value")
    pairs = parse_qsl(text, keep_blank_values=True)
    if shaped := next((name for name, _ in pairs if name.partition(":")[0] in _SHAPES), ""):
        raise InvalidError(f"{shaped[:32]} is about an answer", where=where, cure="leave it out", code="not-supported")
    try:
        query = Reader(base).query((kind,), pairs)
    except HubError as error:
        place = error.where.removeprefix("http.")
        what = f"{place}: {error.what}" if place else error.what
        raise InvalidError(what, where=where, cure=error.cure, code=error.code) from None
    if query.looks:
        what = "a search through texts cannot be subscribed to"
        raise InvalidError(what, where=where, cure="ask for codes", code="not-supported")
    return query
