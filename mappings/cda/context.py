"""What all mappings of one document share: the document, its draft, and what carried it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hub.errors import MappingError
from hub.fhir.draft import Draft, Rank, Resource, Site, resource_id
from hub.source.cda import Document, Node
from hub.source.origin import joined

from ..patients import Identities
from ..shape import Element, keep, keep_all
from ..times import FRANCE
from .datatypes import ii_identity
from .narrative import ANCHOR, Words, words_of

if TYPE_CHECKING:
    from .frame import Model

NARRATIVE_LINK = "http://hl7.org/fhir/StructureDefinition/narrativeLink"
PART = "urn:oncohub:part"  # things a document speaks of that have no identifier of their own
MAX_WORDS = 1 << 20  # characters of narrative that the entries of one document may repeat
MAX_ENTRIES = 10_000  # clinical statements of one document
MAX_PEOPLE = 2_000  # entities of header and entries
MAX_SAID = 50  # items of one list of what several places say of one thing, and issues of one kind

# The order of elements in R4, for resources that several places of one document describe.
_ORDER = (
    "resourceType", "identifier", "active", "practitioner", "organization", "code", "type", "name", "telecom",
    "address", "partOf", "contact", "deviceName", "modelNumber", "version",
)  # fmt: skip


@dataclass(slots=True)
class Carrier:
    """What the message around a document adds to it (HL7 v2: PID, TXA, the MetaDMPMSS observations).

    :ivar status: of the DocumentReference.
    :ivar replaces: (system, value) of the document this one replaces.
    :ivar labels: more security labels.
    :ivar patient: identifiers of the patient the message knows.
    :ivar extension: extensions of the Patient (the status of the identity, which CDA cannot say).
    :ivar visits: identifiers of the stay.
    """

    status: str = "current"
    replaces: tuple[str, str] | None = None
    labels: list[Element] = field(default_factory=list)
    patient: Identities | None = None
    extension: list[Element] = field(default_factory=list)
    visits: list[Element] = field(default_factory=list)


@dataclass(slots=True)
class Context:
    """The way of one document; ``identity`` is (system, value) of ClinicalDocument/id.

    :ivar patient: reference to the patient.
    :ivar told: what header and body say of DocumentReference and Composition; rules may add to it.
    :ivar model: the model of the document, when the hub knows it entry by entry.
    :ivar section: the section whose entries are being mapped.
    :ivar facts: what rules of a model tell each other.
    :ivar anchors: where the narrative of the sections read so far has its IDs.
    :ivar roles: what the entities that were read already became, by their node.
    :ivar also: more references for the section, when an entry becomes more than one resource.
    :ivar made: references to what rules made, by a word of theirs (``treatment``), for those that tie them.
    """

    document: Document
    draft: Draft
    identity: tuple[str, str]
    zone: str = FRANCE
    carrier: Carrier = field(default_factory=Carrier)
    patient: Element = field(default_factory=dict)
    patient_ids: frozenset[tuple[str, str]] = frozenset()
    told: Element = field(default_factory=dict)
    model: Model | None = None
    section: Node | None = None
    made: dict[str, list[Element]] = field(default_factory=dict)
    facts: Element = field(default_factory=dict)
    also: list[Element] = field(default_factory=list)
    anchors: dict[str, Words] = field(default_factory=dict)
    roles: dict[int, Element | None] = field(default_factory=dict)
    entries_left: int = MAX_ENTRIES
    _issues: dict[str, int] = field(default_factory=dict)
    _words_left: int = MAX_WORDS
    _parts: dict[str, int] = field(default_factory=dict)
    _composition: str = ""

    @classmethod
    def of(cls, document: Document, draft: Draft, site: Site, carrier: Carrier | None = None) -> Context:
        """:raises MappingError: when the document has no identifier to know it by."""
        identity = ii_identity(document.one("id"))
        if identity is None:
            raise MappingError(
                "the document has no identifier", where="ClinicalDocument/id/@root", cure="send one", code="101"
            )
        return cls(document, draft, identity, site.get("zone") or FRANCE, carrier or Carrier())

    def describe(self, resource: Resource, identity: tuple[str, str], rank: Rank) -> Element:
        """Add what one place of the document says of a resource to what others said before.

        Of lists nothing is lost: what a later place says anew is put behind.
        """
        kind = resource["resourceType"]
        known = self.draft.entries.get(f"{kind}/{resource_id(kind, *identity)}")
        if known is None:
            return self.draft.add(resource, identity, rank=rank)
        if known.resource != resource or self.document.traced:
            resource = self._merged(known.resource, resource)
        return self.draft.add(resource, identity, rank=max(rank, known.rank))

    def _merged(self, known: Resource, said: Resource) -> Resource:
        merged = dict(known)
        for name, value in said.items():
            old = known.get(name)
            if isinstance(value, list) and isinstance(old, list):
                if self.document.traced:
                    old = [joined(x, next((y for y in value if y == x), None)) for x in old]
                more = [x for x in value if x not in old] if len(old) < MAX_SAID else []
                merged[name] = _united(old, more) if more else old
            else:
                merged[name] = joined(value, old) if self.document.traced else value
        return {k: merged[k] for k in _ORDER if k in merged} | merged

    def issue(self, node: Node, what: str, code: str) -> None:
        """Warn of what stands at a node; of one kind not without end, for a document may have it everywhere."""
        count = self._issues[code] = self._issues.get(code, 0) + 1
        if count <= MAX_SAID:
            self.draft.warn(node.path, what if count < MAX_SAID else f"{what}; more of this is not told", code)

    def part(self, name: str) -> tuple[str, str]:
        """The identity of a part of this document: its name, and its number where there are several.

        Entries of documents often share their UUIDs, within one document and over all a template made, so these
        are no identities.  A later version of the document says its parts anew: what was signed stays as it was.
        """
        number = self._parts.get(name, 0) + 1
        self._parts[name] = number
        again = f"|{number}" if number > 1 else ""
        return PART, f"{self.identity[0]}|{self.identity[1]}#{name}{again}"

    def add(self, resource: Resource, name: str, word: str = "") -> Element:
        """Add a part of this document (see :meth:`part`); return the reference to it.

        :param word: notes the reference in :attr:`made`.
        """
        reference = self.draft.add(resource, self.part(f"{resource['resourceType']}|{name}"), rank=Rank.DOCUMENT)
        if word:
            self.made.setdefault(word, []).append(reference)
        return reference

    def reference(self, kind: str) -> str:
        """The reference to the DocumentReference or the Composition of this document."""
        return f"{kind}/{resource_id(kind, *self.identity)}"

    def resource(self, reference: Element) -> Resource:
        """What a reference of this draft refers to, to be added to."""
        return self.draft.entries[reference["reference"]].resource

    def words(self, node: Node) -> str | None:
        """What an ED says: the words its reference points at in the narrative, else its own.

        The words of one document that entries repeat are bounded: references may all point at one long table.
        """
        reference = node.one("reference")
        if reference is None:
            return node.text()
        value = reference.attr("value")
        text = self._at(value.removeprefix("#")) if value and value != "#" else None
        if text is None or value is None:
            reference.leave("*dangling")
            return None
        if len(text) > self._words_left:
            if self._words_left:
                self.issue(node, "the entries repeat too much of the narrative: the rest is not repeated", "words")
                self._words_left = 0
            return None
        self._words_left -= len(text)
        return keep_all(text, (text, value))

    def _at(self, anchor: str) -> str | None:
        """The words at an anchor: of the sections read so far, which is quick, else of the whole document."""
        near = self.anchors.get(anchor)
        if near is not None and not self.document.traced:
            return words_of(near)
        found = self.document.anchors.get(anchor)
        return found.text() if found is not None else None

    def link(self, node: Node) -> list[Element]:
        """The extension that says where the narrative has what an entry says (text/reference)."""
        text = node.one("text", "reference")
        value = text.attr("value") if text is not None else None
        anchor = value.removeprefix("#") if value else ""
        if (
            value is None
            or not ANCHOR.fullmatch(anchor)
            or (anchor not in self.anchors and anchor not in self.document.anchors)
        ):
            if text is not None:
                text.leave("*dangling")
            return []
        if not self._composition:
            self._composition = self.reference("Composition") + "#"
        return [{"url": NARRATIVE_LINK, "valueUrl": keep(self._composition + anchor, value)}]


def _united(known: list[Any], more: list[Any]) -> list[Any]:
    """Two lists as one; of two items of which one says all that the other says, the fuller."""
    made = list(known)
    for one in more:
        place = next((i for i, other in enumerate(made) if _within(other, one) or _within(one, other)), None)
        if place is None:
            made.append(one)
        elif _within(made[place], one):
            made[place] = joined(one, made[place])
        else:
            made[place] = joined(made[place], one)
    return made


def _within(one: Any, other: Any) -> bool:
    """Whether ``other`` says everything that ``one`` says."""
    return isinstance(one, dict) and isinstance(other, dict) and all(other.get(k) == v for k, v in one.items())
