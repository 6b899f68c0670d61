"""What a terminology is made of: concepts, code systems, value sets, concept maps.

R4 §4.8 (CodeSystem), §4.9 (ValueSet), §4.10 (ConceptMap), reduced to what questions are answered from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class Concept(NamedTuple):
    """A code and how it is called.

    :ivar fr: display in French, or "".
    :ivar en: display in English (of a code system in another language: in that), or "".
    :ivar also: other displays that are in use and accepted.
    :ivar definition: what it means, or "".
    """

    code: str
    fr: str = ""
    en: str = ""
    also: tuple[str, ...] = ()
    definition: str = ""

    def display(self, language: str = "fr") -> str:
        """The display in a language (``fr``, ``en-GB``), or in the other when there is none."""
        return (self.en or self.fr) if language.lower().startswith("en") else (self.fr or self.en)

    def named(self, text: str) -> bool:
        """Whether ``text`` is one of its displays; case and spaces aside, as R4 §4.8.13 leaves to a server."""
        asked = fold(text)
        return any(asked == fold(known) for known in (self.fr, self.en, *self.also) if known)


def fold(text: str) -> str:
    """Text as displays are compared: one space between words, no difference of case."""
    return " ".join(text.casefold().split())


@dataclass(frozen=True, slots=True)
class CodeSystem:
    """A code system, or the part of it that the hub knows.

    :ivar complete: False for a fragment: a code that is not in ``concepts`` may exist nevertheless.
    :ivar parents: code -> code it stands under, for hierarchies that are written down.
    :ivar lengths: lengths a code is cut to, to give its ancestors, for hierarchies that the codes spell out.
    """

    url: str
    name: str
    concepts: Mapping[str, Concept]
    complete: bool = False
    version: str = ""
    title: str = ""
    oid: str = ""
    parents: Mapping[str, str] = field(default_factory=dict)
    lengths: tuple[int, ...] = ()

    @property
    def hierarchical(self) -> bool:
        """Whether one code can stand under another."""
        return bool(self.parents or self.lengths)

    def ancestors(self, code: str) -> Iterator[str]:
        """The codes above ``code``, nearest first."""
        seen = {code}
        above = self.parents.get(code)
        while above is not None and above not in seen:
            yield above
            seen.add(above)
            above = self.parents.get(above)
        for length in reversed(self.lengths):
            if length < len(code):
                yield code[:length]

    def subsumes(self, above: str, below: str) -> bool:
        """Whether ``below`` is ``above`` or stands under it."""
        return above == below or above in self.ancestors(below)


class Coding(NamedTuple):
    """A code in its system, with the display a value set gives it ("" for that of the system)."""

    system: str
    code: str
    display: str = ""


@dataclass(frozen=True, slots=True)
class ValueSet:
    """A value set and all it holds.

    :ivar codings: (system, code) -> Coding, in the order of the value set.
    :ivar open: systems of which it takes any code, though the hub knows only some: what is not in
        ``codings`` may be a member nevertheless.
    """

    url: str
    name: str
    codings: Mapping[tuple[str, str], Coding]
    open: frozenset[str] = frozenset()
    version: str = ""
    title: str = ""
    oid: str = ""


class Target(NamedTuple):
    """What a code becomes: ConceptMap.group.element.target."""

    system: str
    code: str
    display: str
    equivalence: str


@dataclass(frozen=True, slots=True)
class ConceptMap:
    """A map between two code systems.

    :ivar targets: (source system, source code) -> what it becomes.
    :ivar unmapped: source system -> what a code without an entry becomes (fixed), if anything.
    """

    url: str
    name: str
    targets: Mapping[tuple[str, str], tuple[Target, ...]]
    unmapped: Mapping[str, Target] = field(default_factory=dict)
    version: str = ""
    title: str = ""
    source: str = ""
    target: str = ""
