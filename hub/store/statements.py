"""Statements about some elements of a resource, and what the resource looks like under them.

A statement (:class:`hub.fhir.draft.Patch`) lies over the description of a resource, as a correction slip
lies over a page: whichever comes first, and however often the page is printed anew, what is seen is the
same.  The table ``statement`` keeps the slips of a resource and, under the topic '', the page itself; only
resources that have any slip are there, and their rows say so (``patched``), so that all others cost nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from hub.fhir import jsontext
from hub.fhir.draft import Patch, Rank
from hub.store.writer import Tx

PAGE = ""  # the topic under which the description itself is kept

Content = tuple[bytes, bytes]  # (own meta, rest), as hub.fhir.canonical splits them


@dataclass(frozen=True, slots=True)
class Statement:
    """One slip: ``sets`` and ``adds`` by element, as JSON; ``order`` is (rank, at, message)."""

    order: tuple[int, int, int]
    sets: dict[str, bytes]
    adds: dict[str, list[bytes]]


@dataclass(slots=True)
class Said:
    """All that is said of one resource: its description, and the slips by topic."""

    page: Content | None = None
    topics: dict[str, Statement] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)

    def take(self, topic: str, statement: Statement) -> bool:
        """Keep a statement unless a better or later one of its topic is there; whether anything is new."""
        known = self.topics.get(topic)
        if known is not None and (known == statement or known.order > statement.order):
            return False
        self.topics[topic] = statement
        self.changed.add(topic)
        return True

    def describe(self, page: Content) -> None:
        """Put the newest description under the slips."""
        self.page = page
        self.changed.add(PAGE)

    def seen(self, rank: int, clock: int) -> Content | None:
        """The content as it shows, of a description of ``rank`` and ``clock``; None when there is none.

        What a person wrote has the slips of its time in it already; only later ones lie over it.
        """
        if self.page is None:
            return None
        own, rest = self.page
        valid = {
            topic: s
            for topic, s in self.topics.items()
            if (rank < Rank.PERSON or s.order[2] > clock) and (s.sets or s.adds)
        }
        return (own, _under(rest, valid)) if valid else self.page


def read(patch: Patch, message: int) -> Statement:
    """The statement of a message."""
    return Statement(
        (int(patch.rank), patch.at or message >> 8, message),
        {name: jsontext.write(value) for name, value in patch.sets.items()},
        {name: [jsontext.write(item) for item in values] for name, values in patch.adds.items()},
    )


def _under(rest: bytes, topics: dict[str, Statement]) -> bytes:
    parts = jsontext.members(b"{" + rest)
    for _, statement in sorted(topics.items(), key=lambda one: (one[1].order, one[0])):
        parts |= statement.sets
    for _, statement in sorted(topics.items()):
        for name, values in statement.adds.items():
            there = jsontext.items(parts[name]) if name in parts else []
            parts[name] = b"[" + b",".join(dict.fromkeys([*there, *values])) + b"]"
    return jsontext.join(parts) + b"}"


_LOAD = "SELECT ref, topic, rank, at, message, content FROM statement WHERE ref IN (*)"


def load(tx: Tx, refs: Iterable[str]) -> dict[str, Said]:
    """What is kept of these resources."""
    found: dict[str, Said] = {ref: Said() for ref in refs}
    for ref, topic, rank, at, message, content in tx.rows_in(_LOAD, sorted(found)):
        if topic == PAGE:
            own, _, rest = bytes(content).partition(b"\0")
            found[ref].page = (own, rest)
        else:
            kept = jsontext.members(bytes(content))
            sets = jsontext.members(kept["sets"])
            adds = {name: jsontext.items(text) for name, text in jsontext.members(kept["adds"]).items()}
            found[ref].topics[topic] = Statement((rank, at, message), sets, adds)
    return found


_SAVE = (
    "INSERT INTO statement (ref, topic, rank, at, message, content) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (ref, topic)"
    " DO UPDATE SET rank = excluded.rank, at = excluded.at, message = excluded.message, content = excluded.content"
)


def save(tx: Tx, said: dict[str, Said]) -> None:
    """Write what is new."""
    tx.many(_SAVE, [_row(ref, topic, one) for ref, one in said.items() for topic in sorted(one.changed)])


def _row(ref: str, topic: str, said: Said) -> Sequence[object]:
    if topic == PAGE:
        own, rest = said.page or (b"", b"}")
        return ref, topic, 0, 0, 0, own + b"\0" + rest
    statement = said.topics[topic]
    adds = {name: b"[" + b",".join(values) + b"]" for name, values in statement.adds.items()}
    content = b'{"sets":{%b},"adds":{%b}}' % (jsontext.join(statement.sets), jsontext.join(adds))
    return ref, topic, *statement.order, content
