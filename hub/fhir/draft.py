"""What a mapping makes: a draft of resources, with ids that do not depend on when or how often it runs.

Ids are UUIDv5 (RFC 4122 §4.3) of ``type|system|value`` of a business identifier, so that the order of
arrival does not matter and a replay changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping as MappingABC
from dataclasses import dataclass, field
from enum import IntEnum
from functools import lru_cache
from typing import Any
from uuid import UUID, uuid5

from hub.fhir.canonical import split

Resource = dict[str, Any]
NAMESPACE = UUID("6f6e636f-6875-5b00-8000-68756266722e")


class Rank(IntEnum):
    """How much the source of a resource knows of it.

    Of two states of one resource the store keeps the one of higher rank, and of equal rank the one
    of the later message: so a document that merely names a patient never undoes what the identity
    feed of the hospital said, and neither order of arrival nor replay changes the outcome.
    """

    MENTION = 5  # named in passing (an organisation in a header)
    DOCUMENT = 10  # described by a document (the patient of a CDA)
    FEED = 20  # told by the system that is in charge of it (ADT)
    PERSON = 30  # said by somebody through the API


@lru_cache(maxsize=8192)
def resource_id(kind: str, system: str, value: str) -> str:
    """The id of the resource of type ``kind`` that is known as ``value`` in ``system``."""
    return str(uuid5(NAMESPACE, f"{kind}|{system}|{value}"))


@dataclass(slots=True)
class Entry:
    """One resource to be written.

    :ivar resource: with ``resourceType``; without ``id``; ``meta`` only with profile, tag, security.
    :ivar only_if_exists: write only over a resource that is already there (a patient view superseded).
    :ivar octets: for a Binary, the document octet for octet; ``resource`` then has no ``data``.
    """

    type: str
    id: str
    resource: Resource
    rank: int = Rank.DOCUMENT
    only_if_exists: bool = False
    octets: bytes | None = None
    _written: tuple[bytes, bytes, bytes] | None = field(default=None, compare=False, repr=False)

    @property
    def ref(self) -> str:
        return f"{self.type}/{self.id}"

    def written(self) -> tuple[bytes, bytes, bytes]:
        """The JSON of the resource by :func:`hub.fhir.canonical.split`, made once: what is checked is what is stored.

        Asked for when the mapping is over; :meth:`change` is the only way to another content from then on.
        """
        if self._written is None:
            self._written = split(self.resource)
        return self._written

    def change(self, resource: Resource) -> None:
        """Give it another content."""
        self.resource, self._written = resource, None


@dataclass(frozen=True, slots=True)
class Patch:
    """A statement about some elements of a resource that others describe; see :meth:`Draft.patch`.

    :ivar sets: elements that take the place of those of the resource.
    :ivar adds: elements that repeat: items put behind those that are there already.
    :ivar at: when it was said, microseconds since the epoch; 0 for the time of arrival of the message.
    """

    type: str
    id: str
    topic: str
    sets: Resource
    adds: MappingABC[str, list[Any]]
    rank: int = Rank.FEED
    at: int = 0

    @property
    def ref(self) -> str:
        return f"{self.type}/{self.id}"


@dataclass(frozen=True, slots=True)
class Issue:
    """Something a mapping noticed: it warns; only ``error`` holds the message."""

    severity: str  # "error" | "warning" | "information"
    where: str
    what: str
    code: str = ""


@dataclass(frozen=True, slots=True)
class Site:
    """What a channel's ``with:`` tells a mapping."""

    options: MappingABC[str, Any] = field(default_factory=dict)

    def get(self, name: str, default: str = "") -> str:
        value = self.options.get(name, default)
        return default if value is None else str(value)


class Draft:
    """Collects what one message becomes.

    :ivar entries: resources by reference.
    :ivar patches: statements about some elements of a resource, by (reference, topic).
    """

    __slots__ = ("entries", "issues", "keys", "patches")

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.patches: dict[tuple[str, str], Patch] = {}
        self.issues: list[Issue] = []
        self.keys: list[tuple[str, str]] = []

    def add(
        self,
        resource: Resource,
        identity: tuple[str, str],
        *,
        rank: int = Rank.DOCUMENT,
        only_if_exists: bool = False,
        octets: bytes | None = None,
    ) -> dict[str, str]:
        """Add ``resource``, known by ``identity`` (system, value); return a Reference to it.

        The same identity added twice keeps the higher rank, then the later.
        """
        kind = resource["resourceType"]
        made = Entry(kind, resource_id(kind, *identity), resource, rank, only_if_exists, octets)
        known = self.entries.get(made.ref)
        if known is None or known.rank <= rank:
            self.entries[made.ref] = made
        return {"reference": made.ref}

    def patch(
        self,
        kind: str,
        identity: tuple[str, str],
        topic: str,
        *,
        sets: Resource | None = None,
        adds: MappingABC[str, list[Any]] | None = None,
        rank: int = Rank.FEED,
        at: int = 0,
    ) -> dict[str, str]:
        """State some top-level elements of a resource that another message describes; return a Reference to it.

        The statement lies over the resource whether that is stored already or comes later, and however
        often it is described again: nothing else of the resource is touched.  So the outcome is the same in
        whatever order the messages come.  A resource is never made by a statement alone.

        ``topic`` names what is stated (``merge``, ``merge:Patient/…``, ``superseded``).  Of two statements of
        one topic about one resource the one of higher (rank, at, message) stays, whole; give ``at`` (the time
        of the event as its sender tells it) where messages may overtake each other.  A statement without
        elements takes the topic back (unmerge) and the resource shows its own elements again.  Topics live
        side by side: what they ``adds`` is put together, of what they ``sets`` the one of higher (rank, at,
        message) is seen.

        What a person wrote through the API after the statement came stays as that person wrote it.

        Merge of B into A (A40), and back::

            draft.patch("Patient", b, "merge", sets={"active": False}, at=event,
                        adds={"link": [{"other": ref_a, "type": "replaced-by"}]})
            draft.patch("Patient", a, f"merge:{ref_b['reference']}", at=event,
                        adds={"link": [{"other": ref_b, "type": "replaces"}]})
            draft.patch("Patient", b, "merge", at=later)
            draft.patch("Patient", a, f"merge:{ref_b['reference']}", at=later)

        :raises ValueError: for ``resourceType``, ``id`` and ``meta``, which the store makes.
        """
        for name in ("resourceType", "id", "meta"):
            if name in (sets or {}) or name in (adds or {}):
                raise ValueError(f"{name} is not stated: the store makes it")
        made = Patch(kind, resource_id(kind, *identity), topic, sets or {}, adds or {}, rank, at)
        self.patches[made.ref, topic] = made
        return {"reference": made.ref}

    def key(self, kind: str, value: str) -> None:
        """Add a business key by which people will look for the message."""
        self.keys.append((kind, value))

    def warn(self, where: str, what: str, code: str = "") -> None:
        self.issues.append(Issue("warning", where, what, code))

    def error(self, where: str, what: str, code: str = "") -> None:
        """Note what makes the result unfit: the message will be held with this reason."""
        self.issues.append(Issue("error", where, what, code))


@dataclass(frozen=True, slots=True)
class Mapping:
    """A mapping a channel can name.

    :ivar source: the format it reads (``hl7v2``, ``cda``).
    :ivar run: a pure function (parsed source, draft, site); raises MappingError with the place.
    :ivar summary: one line for ``hub list``.
    """

    source: str
    run: Callable[[Any, Draft, Site], None]
    summary: str
