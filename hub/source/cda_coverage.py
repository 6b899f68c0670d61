"""What of a CDA document became something, what decided something, what is left out on purpose, and what is lost.

A place is an attribute, the text of an element, or the narrative of a section as a whole.  It is *mapped* when a value
of the resources remembers it (:mod:`hub.source.origin`); it *decides* when a table says so and the mapping did read
it; it is *left out* when the table says why; everything else is *lost*.  Nothing is assumed: the mapping is run over
a document whose nodes note what was asked of them.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from lxml import etree

from hub.paths import room
from hub.source.cda import V3, TracedDocument, local_name, path_of
from hub.source.origin import lineage

STATES = ("mapped", "decides", "left out", "lost")
_INDEX = re.compile(r"\[\d+\]")
_LONGEST = 4  # steps of the longest path of the table that is worth a look


class Place(NamedTuple):
    """One place of the document.

    :ivar state: of STATES.
    :ivar why: what it became (FHIR paths), what it decides, or why it is left out; '' when it is lost.
    :ivar coded: whether it stands in an entry.
    """

    path: str
    state: str
    why: str
    coded: bool


@dataclass(frozen=True, slots=True)
class Coverage:
    """All places of a document, in its order."""

    places: tuple[Place, ...]

    def count(self, state: str, *, coded: bool = False) -> int:
        return sum(p.state == state and (p.coded or not coded) for p in self.places)

    def share(self, *, coded: bool = False) -> float:
        """What is mapped or decides, of all that is not left out on purpose; 1.0 of nothing."""
        kept = self.count("mapped", coded=coded) + self.count("decides", coded=coded)
        lost = self.count("lost", coded=coded)
        return kept / (kept + lost) if kept + lost else 1.0


@cache
def rules() -> Mapping[str, tuple[str, str]]:
    """End of a path -> (what it decides or '', the words of the table)."""
    path = room("mappings") / "tables" / "cda-coverage.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(line for line in file if not line.startswith("#"))
        return {row["source"]: (row["target"], row["display"]) for row in rows}


def origins(resources: Iterable[tuple[str, Any]]) -> dict[str, list[str]]:
    """Place of the source -> FHIR paths made of it.

    :param resources: (name, resource), made of a document that remembers.
    """
    found: dict[str, list[str]] = {}
    for name, resource in resources:
        for path, origin in lineage(resource, name):
            for place in origin.split("+"):
                found.setdefault(place, []).append(path)
    return found


def cover(document: TracedDocument, resources: Iterable[tuple[str, Any]]) -> Coverage:
    """What became of every place of ``document``, which was mapped to ``resources``."""
    made = origins(resources)
    return Coverage(tuple(_judge(path, coded, made, document) for path, coded in places(document)))


def _judge(path: str, coded: bool, made: Mapping[str, list[str]], document: TracedDocument) -> Place:
    if path in made:
        return Place(path, "mapped", ", ".join(made[path][:3]), coded)
    left = _left(path, document.left)
    found = rules().get(left) if left else _rule(path)
    if found is None:
        return Place(path, "lost", "", coded)
    decides, words = found
    if not decides:
        return Place(path, "left out", words, coded)
    return (
        Place(path, "decides", f"{decides}: {words}", coded)
        if path in document.reads
        else Place(path, "lost", "", coded)
    )


def _left(path: str, left: Mapping[str, str]) -> str:
    """Why the mapping left out the element of a path, or one around it; '' when it did not say."""
    while path:
        if path in left:
            return left[path]
        path = path.rpartition("/")[0]
    return ""


def _rule(path: str) -> tuple[str, str] | None:
    """The rule of the longest end of a path."""
    known = rules()
    steps = _INDEX.sub("", path).split("/")
    for length in range(min(_LONGEST, len(steps)), 0, -1):
        found = known.get("/".join(steps[-length:]))
        if found is not None:
            return found
    return None


def places(document: TracedDocument) -> Iterator[tuple[str, bool]]:
    """(path, whether in an entry) of everything that says something, in the order of the document."""
    yield from _places(document.element, "", False)


def _places(element: etree._Element, path: str, coded: bool) -> Iterator[tuple[str, bool]]:
    for name, value in element.attrib.items():
        if str(value).strip():
            yield f"{path or 'ClinicalDocument'}/@{local_name(str(name))}", coded
    if element.tag == f"{V3}text" and _of_section(element):
        if "".join(element.itertext()).strip():  # type: ignore[arg-type]
            yield path, coded
        return
    if (element.text or "").strip():
        yield path or "ClinicalDocument", coded
    for child in element:
        yield from _places(child, path_of(child), coded or child.tag == f"{V3}entry")


def _of_section(element: etree._Element) -> bool:
    parent = element.getparent()
    return parent is not None and parent.tag == f"{V3}section"
