"""The topics of the programme: what a Subscription may name instead of writing a search.

Subscriptions R5 Backport IG 1.1 (SubscriptionTopic: resourceTrigger, canFilterBy).  A topic is a row of
``topics.csv``; its canonical URL is that of the hub's own definitions.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import orjson

from hub.errors import InvalidError, UnprocessableError
from hub.fhir.validation.artefacts import BASE
from hub.settings import Settings


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic.

    :ivar on: ``create``: a resource that is there for the first time; ``change``: any version of it.
    :ivar criteria: search that a resource has to fit.
    :ivar differs: elements of which at least one must differ from what was there before; none: any change counts.
    :ivar filters: search parameters that a Subscription may narrow it by.
    """

    url: str
    title: str
    on: str
    type: str
    criteria: str
    differs: tuple[str, ...]
    filters: frozenset[str]

    @property
    def search(self) -> str:
        return f"{self.type}?{self.criteria}"

    def changed(self, content: bytes, before: bytes | None) -> bool:
        """Whether a version is news beside the one before it."""
        if not self.differs or before is None:
            return True
        now, then = orjson.loads(content), orjson.loads(before)
        return any(now.get(name) != then.get(name) for name in self.differs)


def topic(url: str, settings: Settings) -> Topic:
    """The topic with a canonical URL, with or without its version.

    :raises UnprocessableError: naming those there are.
    """
    known = _topics(settings.canonical_base or BASE)
    found = known.get(url.partition("|")[0])
    if found is None:
        raise UnprocessableError(
            "there is no such topic", where="Subscription.criteria", cure=f"known: {', '.join(known)}",
            code="not-supported",
        )  # fmt: skip
    return found


def filtered(one: Topic, filters: Sequence[str]) -> list[str]:
    """The searches that a Subscription narrows a topic by: ``DocumentReference?patient=Patient/1``, or without type.

    :raises InvalidError: when the topic cannot be narrowed so.
    """
    made = []
    for number, text in enumerate(filters):
        kind, mark, rest = text.rpartition("?")
        where = f"Subscription.criteria.extension[{number}]"
        if mark and kind != one.type:
            raise InvalidError("is of another type of resource", where=where, cure=f"take {one.type}", code="value")
        names = {pair.partition("=")[0].partition(":")[0].partition(".")[0] for pair in rest.split("&")}
        if not names <= one.filters:
            cure = f"take {', '.join(sorted(one.filters))}"
            raise InvalidError("the topic is not filtered by that", where=where, cure=cure, code="not-supported")
        made.append(f"{one.type}?{rest}")
    return made


@cache
def _topics(base: str) -> dict[str, Topic]:
    with (Path(__file__).parent / "topics.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    made = [
        Topic(
            f"{base}/SubscriptionTopic/{r['name']}", r["title"], r["on"], r["type"], r["criteria"].format(base=base),
            tuple(r["differs"].split()), frozenset(r["filters"].split()),
        )
        for r in rows
    ]  # fmt: skip
    return {one.url: one for one in made}
