"""Observations: simple (E~48), assessments, and the observations inside them.

ANS CI-SIS, E~48 (IHE PCC 1.3.6.1.4.1.19376.1.5.3.1.4.13); ConceptMaps FRObservationLMCDAFHIR and
FRObservationAssessmentLMCDAFHIR.  An observation inside another becomes a component of it, unless it has a time
of its own: R4 gives components the time of the whole, so such a one is a resource of its own (hasMember).

What negationInd denies is said by a modifier extension, so that nobody takes it as so; of a boolean the value is
turned round.
"""

from __future__ import annotations

from hub.source.cda import Node
from hub.source.origin import carry

from ...shape import Element, clean, keep
from ..context import Context
from ..extensions import NEGATED, NOTE
from ..frame import map_statement, statements
from ..participations import actors, performers
from ..values import (
    comments,
    concept_of,
    happened,
    identifiers,
    is_comment,
    laterality,
    moment,
    negated,
    note_of,
    own_coding,
    site_of,
    status_of,
    value_of,
)
from .request import asks, request

Inside = tuple[list[Element], list[Element]]  # components, members


def add_observation(
    node: Node, c: Context, word: str = "", inside: Inside | None = None, **more: object
) -> Element | None:
    """Add the Observation of an entry, or what it asks for by its mood; None when it does not say what was observed.

    A goal or a definition is neither observed nor asked for: it is told as an issue.

    :param word: under which :attr:`Context.made` notes it.
    :param inside: what stands inside, where the rule has told it already.
    :param more: members that the rule knows better (``focus``, ``bodySite``, ``category``...).
    """
    if asks(node):
        return request(node, c)
    if not happened(node, c):
        return None
    code = concept_of(node.one("code"), c)
    if not code:
        return None
    components, members = inside if inside is not None else _inside(node, c)
    values = node.all("value")
    told_by_rule = any(name.startswith("value") for name in more)
    value = deny(node, value_of(values[0], c)) if values and not told_by_rule else {}
    for other in values[1:]:
        components.insert(0, carry({"code": code, **(told := value_of(other, c))}, told))
    status = status_of(node, "Observation")
    if (value or told_by_rule) and components:
        components, apart = _told_apart(components, code)
        members = members + [_alone(x, status, own_coding(node) or "", c) for x in apart]
    interpretation = [x for one in node.all("interpretationCode") if (x := concept_of(one, c))]
    methods = [x for one in node.all("methodCode") if (x := concept_of(one, c))]
    made = carry(clean({
        "resourceType": "Observation",
        "extension": c.link(node) + actors(node, c),
        "modifierExtension": denial(node, value),
        "identifier": identifiers(node),
        "status": status,
        "code": code,
        "subject": c.patient,
        "encounter": c.told.get("encounter"),
        **moment(node.one("effectiveTime"), c),
        "performer": performers(node, c),
        **value,
        "interpretation": interpretation,
        "note": note_of(node, c) + comments(node, c),
        "bodySite": site_of(node, c),
        "method": methods[0] if methods else None,
        "hasMember": members,
        "component": components,
        **more,
    }), value)  # fmt: skip
    return c.add(made, own_coding(node) or "", word)


def _told_apart(components: list[Element], code: Element) -> tuple[list[Element], list[Element]]:
    """The components, and those that cannot be any: they have the code of the whole, which has a value (obs-7)."""
    own = code.get("coding", [])
    same = [x for x in components if any(one in own for one in x["code"].get("coding", ()))]
    return ([x for x in components if x not in same], same) if same else (components, same)


def _alone(component: Element, status: str | None, name: str, c: Context) -> Element:
    """A component as an Observation of its own."""
    made = {k: v for k, v in component.items() if k != "id"}
    whole = {"resourceType": "Observation", "status": status, "subject": c.patient, **made}
    return c.add(carry(clean({**whole, "encounter": c.told.get("encounter")}), component), name)


def observation(node: Node, c: Context) -> Element | None:
    """The rule of any observation."""
    return add_observation(node, c)


def deny(node: Node, value: Element) -> Element:
    """``value`` turned round when negationInd denies it and it is a boolean."""
    if "valueBoolean" in value and negated(node):
        return carry({"valueBoolean": not value["valueBoolean"]}, value)
    return value


def denial(node: Node, value: Element) -> list[Element]:
    """The modifier extension that says that what stands there was denied."""
    if "valueBoolean" in value or not negated(node):
        return []
    return [{"url": NEGATED, "valueBoolean": True}]


def _inside(node: Node, c: Context) -> Inside:
    """(components, hasMember) of the observations inside one."""
    components: list[Element] = []
    members: list[Element] = []
    for kind, inner in statements(node):
        if kind == "act" and is_comment(inner):
            continue
        if kind == "observation" and _is_part(inner, node):
            components += component(inner, c, members)
        elif made := map_statement(kind, inner, c):
            member(made, members, c)
    return components, members


def member(made: Element, members: list[Element], c: Context) -> None:
    """Put ``made`` into hasMember when it is one; anything else is given to the section."""
    (members if made["reference"].startswith("Observation/") else c.also).append(made)


def _is_part(inner: Node, outer: Node) -> bool:
    """Whether an observation can be a component: it has no time, people, site or status of its own."""
    if (
        inner.attr("moodCode") not in (None, "EVN")
        or inner.attr("negationInd") == "true"
        or inner.all("performer")
        or inner.all("author")
        or inner.all("targetSiteCode")
        or laterality(inner.one("code")) is not None
    ):
        return False
    if status_of(inner, "Observation") not in ("final", status_of(outer, "Observation")):
        return False
    own, whole = _stamp(inner), _stamp(outer)
    return own is None or own == whole


def _stamp(node: Node) -> tuple[str | None, ...] | None:
    found = node.one("effectiveTime")
    if found is None:
        return None
    told = (found.attr("value"), *(x.attr("value") if (x := found.one(n)) is not None else None for n in _ENDS))
    return told if any(told) else None


_ENDS = ("low", "high")


def component(node: Node, c: Context, members: list[Element]) -> list[Element]:
    """An observation inside another, and those inside it, to components.

    :param members: gets the references to those that are no components, for hasMember of the whole.
    """
    code = concept_of(node.one("code"), c)
    inner: list[Element] = []
    for kind, below in statements(node):
        if kind == "observation" and _is_part(below, node):
            inner += component(below, c, members)
        elif not (kind == "act" and is_comment(below)) and (made := map_statement(kind, below, c)):
            member(made, members, c)
    if not code:
        return inner
    node.leave("*component", "statusCode", "effectiveTime", "@moodCode", "@negationInd")
    value = value_of(node.one("value"), c)
    ids = identifiers(node)
    interpretation = concept_of(node.one("interpretationCode"), c)
    notes = [{"url": NOTE, "valueAnnotation": n} for n in comments(node, c)]
    told = carry(clean({
        "id": _short(ids[0]["value"]) if ids else None,
        "extension": c.link(node) + notes,
        "code": code,
        **value,
        "interpretation": [interpretation] if interpretation else None,
    }), value)  # fmt: skip
    return [told, *inner]


def _short(value: str) -> str | None:
    """A UUID as the id of an element."""
    return keep(value[9:], value) if value.startswith("urn:uuid:") else None
