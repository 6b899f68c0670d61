"""Molecular genetics: organizers of findings, genes and variants (E~74, E~102, E~170).

IHE PaLM APSR (1.3.6.1.4.1.19376.1.8.1.3.6 and .4.9) as CANCER-CR-GM has it.  There is no official mapping; chosen here,
after HL7 genomics-reporting:

* An organizer with a code is an Observation: its code is the qualifier's name (MED-152 kind of result, MED-550 kind of
  conclusion) beside the organizer's own, its value the qualifier's value, its members what it holds.  One without a
  code adds its authors and its time to what it holds, and nothing else.
* A gene with a variant inside is an Observation of the variant (69548-6, its value as written) with the gene (48018-6),
  the reference sequence, the alteration, the impact, the class of therapy and the kind of result as components.
  A gene without one is an Observation of the gene (48018-6), its exons as components.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from hub.source.cda import Node
from hub.source.origin import carry

from ...shape import Element, clean, keep
from ..context import Context
from ..datatypes import cd_coding
from ..frame import map_statement, statements
from ..participations import performers
from ..values import (
    comments,
    concept_of,
    happened,
    identifiers,
    is_comment,
    moment,
    note_of,
    own_coding,
    status_of,
    value_of,
)
from .laboratory import around, inherited
from .observation import add_observation, component, member

GENE: Final = "48018-6"
VARIANT: Final = "69548-6"
HGNC_IDS: Final = "http://www.genenames.org/geneId"
HGNC_SYMBOLS: Final = "http://www.genenames.org"
CONCLUSION: Final = "MED-550"


def findings(node: Node, c: Context) -> Element | None:
    """E~74: what it holds, with its authors and its time; itself when it has a code."""
    outer = around(c)
    code, value = _named(node.one("code"), c)
    when = moment(node.one("effectiveTime"), c)
    inner = replace(outer, performers=performers(node, c) or outer.performers, when=when)
    kind = clean({"code": code, "valueCodeableConcept": value}) if value else None
    outer_kind = c.facts.get("kind")
    c.facts["around"], c.facts["kind"] = inner, kind
    members: list[Element] = []
    for what, one in statements(node):
        if not (what == "act" and is_comment(one)) and (made := map_statement(what, one, c)):
            member(made, members, c)
    c.facts["around"], c.facts["kind"] = outer, outer_kind
    if not code:
        node.leave("*container", "id", "statusCode")
        c.made.setdefault("comment", []).extend(comments(node, c))
        c.also += members[1:]
        c.made.setdefault("result", []).extend(members)
        return members[0] if members else None
    if value and any(x.get("code") == CONCLUSION for x in code.get("coding", ())):
        c.facts.setdefault("conclusions", []).append(value)
    return c.add(clean({
        "resourceType": "Observation",
        "extension": c.link(node),
        "identifier": identifiers(node),
        "status": status_of(node, "Observation"),
        "category": inner.categories,
        "code": code,
        "subject": c.patient,
        "encounter": c.told.get("encounter"),
        **when,
        "performer": inner.performers,
        "valueCodeableConcept": value,
        "note": note_of(node, c) + comments(node, c),
        "specimen": dict(inner.specimens[0]) if len(inner.specimens) == 1 else None,
        "hasMember": members,
    }), "findings", "result")  # fmt: skip


def _named(node: Node | None, c: Context) -> tuple[Element | None, Element | None]:
    """(code, value) of an organizer: the name and the value of its qualifier."""
    own = concept_of(node, c)
    for one in node.all("qualifier") if node is not None else ():
        name, value = cd_coding(one.one("name")), concept_of(one.one("value"), c)
        if name:
            told = own or {}
            return clean({"coding": [name, *told.get("coding", ())], "text": told.get("text")}), value
    return own, None


def finding(node: Node, c: Context) -> Element | None:
    """E~102: an observation about the specimen, the method, or a gene."""
    if own_coding(node) == GENE:
        return gene(node, c)
    return add_observation(node, c, **inherited(node, c))


def _symbol(value: Element) -> Element:
    """A gene by its symbol (EGFR) is no id of HGNC (HGNC:3236): the two are systems of their own."""
    for coding in value.get("valueCodeableConcept", {}).get("coding", ()):
        if coding.get("system") == HGNC_IDS and not str(coding["code"]).upper().startswith("HGNC:"):
            coding["system"] = keep(HGNC_SYMBOLS, coding["system"])
    return value


def gene(node: Node, c: Context) -> Element | None:
    """A gene, and the variant that was found in it."""
    if not happened(node, c):
        return None
    members: list[Element] = []
    parts: list[Element] = []
    when = moment(node.one("effectiveTime"), c)
    found = [x for x in statements(node) if not (x[0] == "act" and is_comment(x[1]))]
    variant = next((x for kind, x in found if kind == "observation" and own_coding(x) == VARIANT), None)
    for kind, inner in found:
        if inner is variant:
            continue
        own = own_coding(inner) in (GENE, VARIANT)  # no component has the code of the whole (invariant obs-7)
        if kind == "observation" and not own and (at := moment(inner.one("effectiveTime"), c)) in ({}, when or at):
            when = when or at
            parts += component(inner, c, members)
        elif made := map_statement(kind, inner, c):
            member(made, members, c)
    if (kind_of := c.facts.get("kind")) is not None:
        parts.append(dict(kind_of))
    more = {**inherited(node, c), **when}
    if variant is None:
        return add_observation(node, c, inside=(parts, members), **more, **_symbol(value_of(node.one("value"), c)))
    value = _symbol(value_of(node.one("value"), c))
    code = concept_of(node.one("code"), c)
    parts.insert(0, carry({**({"code": code} if code else {}), **value}, value))
    told = value_of(variant.one("value"), c)
    variant.leave("*component", "id", "statusCode", "effectiveTime", "@moodCode")
    link = [*c.link(node), *(x for x in c.link(variant) if x not in c.link(node))]
    return c.add(carry(clean({
        "resourceType": "Observation",
        "extension": link,
        "identifier": identifiers(node) + identifiers(variant),
        "status": status_of(node, "Observation"),
        "code": concept_of(variant.one("code"), c),
        "subject": c.patient,
        "encounter": c.told.get("encounter"),
        **told,
        "note": note_of(node, c) + note_of(variant, c) + comments(node, c) + comments(variant, c),
        "hasMember": members,
        "component": parts,
        **more,
    }), told), VARIANT)  # fmt: skip
