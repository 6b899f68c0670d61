"""Models of documents: which rule maps which entry, and the walk over the sections.

HL7 CDA R2 (clinical statements); ANS CI-SIS, modèles de contenu: a document is told by the templateId of its
model, never by its LOINC code, and so are sections and entries.

A :class:`Model` is data: for the code of an entry, else for its templateId, else for its kind, the rule that
maps it.  A :data:`Rule` is a function that adds resources to the draft and returns the reference that the
section shall have, or None.  The charter in :mod:`hub.mappings.cda` says how to add one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Final

from hub.source.cda import V3, Document, Node

from ..shape import Element, clean
from .context import Context
from .datatypes import cd_concept
from .extensions import NOTE
from .narrative import section_narrative
from .participations import authors

Rule = Callable[[Node, Context], Element | None]
# What a section becomes beyond its entries: gets the section, the references of its entries and its element of the
# Composition, to which it may add; returns the references that the section shall have.
SectionRule = Callable[[Node, list[Element], Element, Context], list[Element]]
_NOTHING: Final[Mapping[str, Rule]] = {}

_KINDS = (
    "observation", "procedure", "act", "organizer", "encounter", "substanceAdministration", "supply",
    "observationMedia", "regionOfInterest",
)  # fmt: skip
_STATEMENTS = {V3 + kind: kind for kind in _KINDS}


@dataclass(frozen=True, slots=True)
class Model:
    """One model of document.

    :ivar name: as the CI-SIS has it (``CANCER-FRCP``).
    :ivar template: its templateId.
    :ivar codes: code of an entry -> rule; looked up first.
    :ivar templates: templateId of an entry -> rule; of several the last one that is known.
    :ivar kinds: ``observation``, ``procedure``... -> rule, for entries of no known template.
    :ivar sections: templateId of a section -> what it becomes beyond its entries.
    :ivar intent: of what the document asks for (R4 request-intent), whatever the mood; '' leaves it to the mood.
    :ivar begin: runs after the header, before the sections.
    :ivar finish: runs after the sections; ties what they made.
    :ivar silent: entries without a rule are no issue.
    """

    name: str
    template: str
    codes: Mapping[str, Rule] = field(default_factory=lambda: _NOTHING)
    templates: Mapping[str, Rule] = field(default_factory=lambda: _NOTHING)
    kinds: Mapping[str, Rule] = field(default_factory=lambda: _NOTHING)
    sections: Mapping[str, SectionRule] = field(default_factory=dict)
    intent: str = ""
    begin: Callable[[Context], None] | None = None
    finish: Callable[[Context], None] | None = None
    silent: bool = False


@cache
def models() -> dict[str, Model]:
    """The models by their templateId: every module of ``documents`` that has a MODEL."""
    from . import documents

    found = (import_module(f"{documents.__name__}.{m.name}") for m in iter_modules(documents.__path__))
    return {made.template: made for module in found if (made := getattr(module, "MODEL", None)) is not None}


def model_of(document: Document) -> Model | None:
    """The model of a document; None for one the hub does not know entry by entry."""
    known = models()
    roots = (t.attr("root") for t in document.all("templateId"))
    return next((known[root] for root in roots if root in known), None)


def statement(parent: Node) -> tuple[str, Node] | None:
    """The clinical statement in an entry, entryRelationship or component, with its kind."""
    for tag, found in parent.kids.items():
        kind = _STATEMENTS.get(tag)
        if kind is not None:
            return kind, found[0]
    return None


def statements(node: Node) -> list[tuple[str, Node]]:
    """The clinical statements inside one, in the order of the document."""
    related = (*node.all("entryRelationship"), *node.all("component"))
    return [found for one in related if (found := statement(one)) is not None]


def rule_of(kind: str, node: Node, model: Model) -> Rule | None:
    """The rule of an entry: by its code, else by its most particular templateId, else by its kind."""
    code = node.one("code")
    if code is not None and model.codes:
        rule = model.codes.get(code.attr("code") or "")
        if rule is not None:
            return rule
    for template in reversed(node.all("templateId")):
        rule = model.templates.get(template.attr("root") or "")
        if rule is not None:
            return rule
    return model.kinds.get(kind)


def map_entry(parent: Node, c: Context) -> Element | None:
    """Map the clinical statement in ``parent``; the reference to what it became."""
    found = statement(parent)
    return map_statement(*found, c) if found is not None else None


def map_statement(kind: str, node: Node, c: Context) -> Element | None:
    """Map one clinical statement by the rule of the model; one without a rule is told, and stays in the narrative."""
    if c.model is None:
        return None
    c.entries_left -= 1
    if c.entries_left < 0:
        if c.entries_left == -1:
            c.issue(node, "too many entries: the rest is kept in the document only", "too-many-entries")
        return None
    rule = rule_of(kind, node, c.model)
    if rule is None:
        if not c.model.silent:
            c.issue(node, f"no rule for this {kind}: it is kept in the document only", "no-rule")
        return None
    return rule(node, c)


def sections(c: Context) -> list[Element]:
    """structuredBody to the sections of a Composition, their entries mapped by the model."""
    body = c.document.one("component", "structuredBody")
    return _sections(body, c) if body is not None else []


def _sections(parent: Node, c: Context) -> list[Element]:
    made = []
    for component in parent.all("component"):
        section = component.one("section")
        if section is not None and (told := _section(section, c)):
            made.append(told)
    return made


def _entries(section: Node, c: Context) -> list[Element]:
    made = []
    for entry in section.all("entry"):
        if found := map_entry(entry, c):
            made.append(found)
        made += c.also
        c.also = []
    return made


def _section(section: Node, c: Context) -> Element | None:
    title = section.one("title")
    heading = title.text() if title is not None else None
    narrative = section_narrative(section.one("text"), None, c.anchors)  # first: the entries refer to it
    outer = c.section
    c.section = section
    entries = _entries(section, c) if c.model is not None else []
    below = _sections(section, c)
    c.section = section
    if narrative is None and not (below or entries):
        narrative = section_narrative(None, heading)
    made = clean({
        "title": heading, "code": cd_concept(section.one("code")), "author": authors(section, c), "text": narrative,
    })  # fmt: skip
    for template in section.all("templateId") if c.model is not None else ():
        rule = c.model.sections.get(template.attr("root") or "") if c.model is not None else None
        if rule is not None:
            entries = rule(section, entries, made, c)
    c.section = outer
    if notes := c.made.pop("comment", None):  # comments that no rule took up
        made["extension"] = [{"url": NOTE, "valueAnnotation": note} for note in notes]
    if not (narrative or below or entries):  # invariant cmp-1
        return None
    unique = list({x["reference"]: {"reference": x["reference"]} for x in entries}.values())
    if below and unique:
        # Entries stand in leaves alone (FRCompositionDocument, comp-4): they get one of their own, with the text.
        leaf = clean({"title": heading, "code": made.get("code"), "text": made.pop("text", None), "entry": unique})
        return {**made, "section": [leaf, *below]}
    return clean({**made, "entry": unique, "section": below})
