"""Problems and cancers: E~37 inside its concern (E~39), the diagnosis of a cancer (E~113) with its stage.

ANS ConceptMap FRConditionLMCDAFHIR for the problem; IHE PCC 1.3.6.1.4.1.19376.1.7.3.1.4.14.1 (cancer diagnosis) and
.14.2 (TNM).  For a cancer there is no official mapping; chosen here, after mCODE: Condition.code is the topography
(CIM-10, a code of the disease), the morphology (CIM-O-3) is its evidence and an Observation, TNM an Observation with
T, N and M as components, its group the value and its edition the method; Condition.stage ties them.
"""

from __future__ import annotations

from typing import Any

from hub.source.cda import Node

from ...shape import Element, clean, keep
from ..context import Context
from ..datatypes import qualifiers
from ..extensions import ASSERTED
from ..frame import map_statement, statements
from ..values import (
    body_site,
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
    start,
    status_of,
)
from .observation import add_observation

_CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
_VERIFICATION = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
_CATEGORY = "http://terminology.hl7.org/CodeSystem/condition-category"
_ICD10 = "http://hl7.org/fhir/sid/icd-10"
_CIM10 = "https://smt.esante.gouv.fr/terminologie-cim-10"
PROBLEM = ("1.2.250.1.213.1.1.3.37", "1.3.6.1.4.1.19376.1.5.3.1.4.5")
_GROUP, _EDITION = "21909-7", "21917-0"  # qualifiers of the value of TNM: stage group, edition
TNM = ("75620-5", "21902-2")  # clinical, pathological
OTHER_STAGE = "21918-8"


def concern(node: Node, c: Context) -> Element | None:
    """E~39: the problems it holds; the first is given to the section, the others with it."""
    made = []
    node.leave("*container", "code", "templateId")
    for kind, inner in statements(node):
        if kind == "act" and is_comment(inner):
            continue
        rule = cancer if _is_cancer(inner) else problem if kind == "observation" and _is_problem(inner) else None
        found = rule(inner, c, node) if rule is not None else map_statement(kind, inner, c)
        if found:
            made.append(found)
    c.also += made[1:]
    return made[0] if made else None


def _is_cancer(node: Node) -> bool:
    return own_coding(node) == "282291009"


def _is_problem(node: Node) -> bool:
    """Whether it is a problem (E~37), and not an observation that stands beside the problems of a concern."""
    templates = [t.attr("root") for t in node.all("templateId")]
    return not templates or any(root in PROBLEM for root in templates)


def problem(node: Node, c: Context, around: Node | None = None) -> Element | None:
    """E~37 to Condition: value to code, the time to onset and abatement; None when it names no problem."""
    code = concept_of(node.one("value"), c)
    if not code or not happened(node, c):
        return None
    return c.add(_condition(node, code, c, around), own_coding(node) or "", "condition")


def _condition(node: Node, code: Element, c: Context, around: Node | None, **more: object) -> Element:
    when = node.one("effectiveTime")
    high = when.one("high") if when is not None else None
    end = moment(high, c, "abatement") if high is not None else {}
    status = status_of(around, "Condition") if around is not None else None
    kind = concept_of(node.one("code"), c)
    gone = negated(node)
    node.leave("*fixed", "statusCode")
    if around is not None and (closed := around.one("effectiveTime", "high")) is not None:
        closed.leave("*closed")
    return clean({
        "resourceType": "Condition",
        **more,
        "identifier": identifiers(node) + (identifiers(around) if around is not None else []),
        "clinicalStatus": None if gone else _coded(_CLINICAL, _clinical(status, end)),
        "verificationStatus": _coded(_VERIFICATION, "refuted" if gone else "confirmed"),
        # Of a list of problems are those that were there (invariant con-3).
        "category": [x for x in (None if gone else _coded(_CATEGORY, "problem-list-item"), kind) if x],
        "code": code,
        "bodySite": more.get("bodySite") or [x for x in (site_of(node, c) or _side(node, c),) if x],
        "subject": c.patient,
        "encounter": c.told.get("encounter"),
        "onsetDateTime": start(when, c),
        **end,
        "recordedDate": start(around.one("effectiveTime"), c) if around is not None else None,
        "note": note_of(node, c) + comments(node, c) + (comments(around, c) if around is not None else []),
    })  # fmt: skip


def _side(node: Node, c: Context) -> Element | None:
    """The side where it qualifies the problem itself; of a breast in a document about breasts."""
    side = laterality(node.one("value"))
    return body_site(None, side, c, breast="breast" in c.facts) if side is not None else None


def _clinical(status: str | None, end: Element) -> str:
    """clinicalStatus; a condition that ended is not active (invariant con-4)."""
    if end and status in (None, "active"):
        return "resolved"
    return status or "active"


def _coded(system: str, code: str) -> Element:
    return {"coding": [{"system": system, "code": code}]}


def cancer(node: Node, c: Context, around: Node | None = None) -> Element | None:
    """E~113 to Condition, with Observations for the morphology and each stage."""
    morphology = concept_of(node.one("value"), c)
    topography = concept_of(node.one("targetSiteCode"), c)
    code = _disease(topography) or morphology
    if not code or not happened(node, c):
        return None
    site = site_of(node, c)
    reference = c.add({"resourceType": "Condition"}, "cancer", "condition")
    focus = [dict(reference)]
    histology = _histology(node, morphology, site, focus, c)
    stages = []
    for kind, inner in statements(node):
        if kind == "act" and is_comment(inner):
            continue
        own = own_coding(inner)
        if kind == "observation" and own in TNM:
            stages.append(_stage(*tnm(inner, c, focus=focus)))
        elif kind == "observation" and own == OTHER_STAGE:
            stages.append(_stage(*_other_stage(inner, c, focus)))
        else:
            map_statement(kind, inner, c)
    asserted = start(node.one("effectiveTime"), c)
    evidence = clean({"code": [morphology] if morphology else None, "detail": [histology] if histology else None})
    made = _condition(
        node, code, c, around,
        extension=c.link(node) + ([{"url": ASSERTED, "valueDateTime": asserted}] if asserted else []),
        bodySite=[site] if site else None,
        stage=[s for s in stages if s],
        evidence=[evidence] if evidence else None,
    )  # fmt: skip
    c.resource(reference).update(made)
    return reference


def _disease(topography: Element | None) -> Element | None:
    """The CIM-10 code with its twin in ICD-10; the words alone when there is no code."""
    if not topography:
        return None
    codings = topography.get("coding", [])
    twins = [
        clean({"system": keep(_ICD10, x["code"]), "code": x["code"]}) for x in codings if x.get("system") == _CIM10
    ]
    return clean({"coding": [*codings, *twins], "text": topography.get("text")})


def _histology(
    node: Node, morphology: Element | None, site: Element | None, focus: list[Element], c: Context
) -> Element | None:
    code = concept_of(node.one("code"), c)
    if not morphology or not code:
        return None
    return c.add(clean({
        "resourceType": "Observation",
        "status": status_of(node, "Observation"),
        "code": code,
        "subject": c.patient,
        "focus": focus,
        "encounter": c.told.get("encounter"),
        **moment(node.one("effectiveTime"), c),
        "valueCodeableConcept": morphology,
        "bodySite": site,
    }), "morphology", "finding")  # fmt: skip


def tnm(node: Node, c: Context, **more: Any) -> tuple[Element | None, Element | None, Element | None]:
    """TNM to an Observation; (reference, stage group, kind of stage)."""
    told = qualifiers(node.one("value"))
    group, edition = concept_of(told.get(_GROUP), c), concept_of(told.get(_EDITION), c)
    own = concept_of(node.one("value"), c)
    if group:
        more["valueCodeableConcept"] = group
    if edition:
        more["method"] = edition
    found = add_observation(node, c, "finding", **more)
    return found, group or own, concept_of(node.one("code"), c)


def _other_stage(node: Node, c: Context, focus: list[Element]) -> tuple[Element | None, Element | None, Element | None]:
    found = add_observation(node, c, "finding", focus=focus)
    return found, concept_of(node.one("value"), c), concept_of(node.one("code"), c)


def _stage(found: Element | None, summary: Element | None, kind: Element | None) -> Element | None:
    """Condition.stage: what it comes to, and the Observation it rests on."""
    return clean({"summary": summary, "assessment": [found] if found else None, "type": kind}) if found else None
