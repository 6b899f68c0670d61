"""A CDA-R2 document against the rules of its model: what is wrong, on which line, and what is expected there.

HL7 CDA R2 (order of elements); ANS CI-SIS, structuration minimale and volets; the rules, each with its source, are
tables of the room ``conformance`` (``rules/*.csv``, see its charter).  A rule is an XPath 1.0 test on every node that
another XPath finds; libxml2 runs both, so that a document of 160 KB with some hundred rules takes milliseconds.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import chain, islice
from typing import Any, Final, NamedTuple, cast

from lxml import etree

from hub.paths import room
from hub.source.cda import V3, Document, local_name, path_of
from hub.source.identity import ins_key_holds

MAX_ELEMENTS: Final = 100_000  # the published examples have up to 6 000
MAX_FINDINGS: Final = 500
_SOURCE = "HL7 CDA R2"
_OWN = "urn:oncohub:rules"
_NAMESPACES = {
    "c": "urn:hl7-org:v3", "ps3-20": "urn:dicom-org:ps3-20", "xsi": "http://www.w3.org/2001/XMLSchema-instance",
    "re": "http://exslt.org/regular-expressions", "f": _OWN,
}  # fmt: skip
# What a rule writes in braces; the names are those that the CI-SIS is read with (S~27: a section).
_ROOTS = {
    "D~": "1.2.250.1.213.1.1.1.", "S~": "1.2.250.1.213.1.1.2.", "E~": "1.2.250.1.213.1.1.3.",
    "IHE~": "1.3.6.1.4.1.19376.1.5.3.1.", "IHE*": "1.3.6.1.4.1.19376.", "CCD~": "2.16.840.1.113883.10.20.",
    "DCM": "1.2.840.10008.",
}  # fmt: skip
_MACRO = re.compile(r"\{([A-Za-z][^{}]*)\}")  # a brace that a digit follows is one of a regular expression
_anchors = etree.XPath("//@ID")
_references = etree.XPath(".//*[self::c:text or self::c:originalText]/c:reference[@value]", namespaces=_NAMESPACES)
_elements = etree.XPath("count(.//*)")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    :ivar at: finds the nodes it is about, from ClinicalDocument.
    :ivar test: is true of each of them.
    :ivar expected: what to write.
    :ivar source: the paragraph it comes from.
    """

    id: str
    severity: str
    at: str
    test: etree.XPath
    expected: str
    source: str


class Finding(NamedTuple):
    """What is wrong; read like :class:`hub.fhir.draft.Issue`, and with the line and the source of the rule."""

    severity: str
    where: str
    what: str
    code: str
    line: int
    source: str


def validate(body: bytes) -> list[Finding]:
    """All that breaks a rule, in the order of the document.

    :raises ParseError: when it is no CDA document.
    """
    return check(Document(body))


def check(document: Document) -> list[Finding]:
    """The same of a document that has been read."""
    root = document.element
    count = int(_elements(root))  # type: ignore[arg-type]
    if count > MAX_ELEMENTS:
        what = f"{count} elements are too many to be checked: at most {MAX_ELEMENTS}"
        return [_finding("CDA-SIZE", root, what, _SOURCE)]
    found = islice(chain(_structure(root), _ruled(root)), MAX_FINDINGS)  # the path of each costs a look at its siblings
    return sorted(found, key=lambda f: (f.line, f.code))


def _finding(code: str, at: etree._Element, what: str, source: str, severity: str = "error") -> Finding:
    return Finding(severity, path_of(at), what, code, cast(int, at.sourceline), source)


def _ruled(root: etree._Element) -> Iterator[Finding]:
    known: dict[str, list[etree._Element]] = {}
    for rule in rules_of(templates(root)):
        if rule.at not in known:
            known[rule.at] = cast("list[etree._Element]", _compiled(rule.at)(root))
        for node in known[rule.at]:
            if not rule.test(node):
                yield _finding(rule.id, node, rule.expected, rule.source, rule.severity)


def templates(root: etree._Element) -> frozenset[str]:
    """The templateIds of a document."""
    return frozenset(t.get("root", "").strip() for t in root.iterchildren(f"{V3}templateId"))


def rules_of(found: frozenset[str]) -> tuple[Rule, ...]:
    """The rules that a document with these templateIds is judged by."""
    return _rules(tuple(name for root, name in table("models") if not root or root in found))


@cache
def _rules(names: tuple[str, ...]) -> tuple[Rule, ...]:
    return tuple(
        Rule(code, severity, expanded(at), _compiled(test), expected, source)
        for name in names
        for code, severity, at, test, expected, source in table(name)
    )


@cache
def _compiled(path: str) -> etree.XPath:
    return etree.XPath(expanded(path), namespaces=_NAMESPACES, extensions=_FUNCTIONS)


def expanded(path: str) -> str:
    """An XPath of the tables with what stands in braces written out."""
    return _MACRO.sub(_macro, path)


def _macro(found: re.Match[str]) -> str:
    word = found[1]
    if word.startswith("o:"):  # the observation of this code
        return f"c:observation[c:code/@code='{word[2:]}']"
    if word in _words():
        return _words()[word]
    prefix = next(p for p in _ROOTS if word.startswith(p))
    return f"c:templateId/@root='{_ROOTS[prefix]}{word[len(prefix) :]}'"


@cache
def _words() -> dict[str, str]:
    return dict(table("words"))


@cache
def table(name: str) -> list[list[str]]:
    """The rows of a table of rules, but its head."""
    with (room("conformance") / "rules" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))[1:]


@cache
def _sets() -> dict[str, frozenset[tuple[str, str]]]:
    found: dict[str, set[tuple[str, str]]] = {}
    for name, system, codes in table("value-sets"):
        oid = _words()[system].strip("'") if system in _words() else system
        found.setdefault(name, set()).update((oid, code) for code in codes.split())
    return {name: frozenset(codes) for name, codes in found.items()}


def _in(_: Any, name: str, nodes: list[etree._Element]) -> bool:
    """``f:in('acr', c:value)``: each of the nodes has a code of the set, or says by nullFlavor why it has none."""
    known = _sets()[name]
    return all(n.get("nullFlavor") or (n.get("codeSystem"), n.get("code")) in known for n in nodes)


def _ins(_: Any, values: list[str]) -> bool:
    """``f:ins(@extension)``: matricules whose key fits."""
    return all(ins_key_holds(str(v).strip()) for v in values)


_FUNCTIONS = {(_OWN, "in"): _in, (_OWN, "ins"): _ins}


def _structure(root: etree._Element) -> Iterator[Finding]:
    """What a schema of CDA R2 would say of order and names, and whether references have their anchor."""
    known = _order()
    for element in root.iter(f"{V3}*"):
        order = known.get(element.tag)
        if order is not None:
            yield from _ordered(element, order)
    anchors = cast("list[str]", _anchors(root))
    there = set(anchors)
    for reference in cast("list[etree._Element]", _references(root)):
        name = reference.get("value", "").strip()
        if name.startswith("#") and name[1:] not in there:
            what = "the text that this refers to: an element of the narrative with this ID"
            yield _finding("CDA-ANCHOR", reference, what, "HL7 CDA R2 §4.3.5.1", "warning")
    if len(there) < len(anchors):
        what = "IDs that are there once only: several elements have the same"
        yield _finding("CDA-ID", root, what, "W3C XML 1.0 §3.3.1")


def _ordered(element: etree._Element, order: dict[str, int]) -> Iterable[Finding]:
    last = 0
    for child in element.iterchildren(f"{V3}*"):
        place = order.get(child.tag)
        if place is None:
            yield _finding("CDA-NAME", child, f"no element of this name in {local_name(element.tag)}", _SOURCE)
        elif place < last:
            what = f"this element before those that follow it in {local_name(element.tag)}"
            yield _finding("CDA-ORDER", child, what, _SOURCE)
        else:
            last = place


@cache
def _order() -> dict[str, dict[str, int]]:
    """Tag -> tags of its children with their place; ``entry`` and the like have one place for all."""
    made: dict[str, dict[str, int]] = {}
    for names, children in table("order"):
        places = [place.split("|") for place in ("realmCode", "typeId", "templateId", *children.split())]
        for name in names.split():
            made[V3 + name] = {V3 + child: i for i, place in enumerate(places) for child in place}
    return made
