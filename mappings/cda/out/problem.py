"""Condition with its stages and evidence to the diagnosis of a cancer (E~39, E~113), as CANCER-FRCP has it.

IHE PCC 1.3.6.1.4.1.19376.1.7.3.1.4.14.1 and .14.2 (TNM); the inverse of :mod:`..entries.problem`.
"""

from __future__ import annotations

from typing import Final

from hub.fhir.draft import Resource

from ...shape import Element
from .build import TYPE, Made, el, null
from .entries import (
    CCD,
    IHE,
    SIMPLE,
    TNM,
    E,
    Writer,
    comments,
    observation,
    related,
    root_ids,
    status,
    target,
    told_apart,
    value,
    words_of,
)
from .types import cd, coding_attributes, ivl, moment, ts_element

_CONCERN: Final = (f"{CCD}1.27", f"{IHE}4.5.1", f"{IHE}4.5.2", f"{E}39", f"{E}39.1")
_CANCER: Final = (
    f"{CCD}1.28", f"{IHE}4.5", f"{E}37", "1.3.6.1.4.1.19376.1.7.3.1.4.14.1", f"{E}113",
)  # fmt: skip
_LOINC, _TNM_CODES = "http://loinc.org", ("75620-5", "21902-2")
_PARTS = (("21905-5", "TNM Clinique T"), ("21906-3", "TNM Clinique N"), ("21907-1", "TNM Clinique M"))
_HISTOLOGY = {"coding": [
    {"system": "http://snomed.info/sct", "code": "282291009", "display": "interprétation diagnostique"},
]}  # fmt: skip
_QUALIFIERS = (("21909-7", "Stade clinique", "valueCodeableConcept"), ("21917-0", "Version TNM", "method"))
_CATEGORY = "http://terminology.hl7.org/CodeSystem/condition-category"


def cancer(condition: Resource, w: Writer) -> Made:
    """One tumour: its morphology, topography, stages and comments.

    Of what is not known there is a nullFlavor: OTH with its words where there is no code, NA for a TNM that is none.
    """
    ids = condition.get("identifier", [])
    evidence: Element = next(iter(condition.get("evidence", [])), {})
    histology = w.record.get(next(iter(evidence.get("detail", [])), None))
    morphology = next(iter(evidence.get("code", [])), None)
    site = target(next(iter(condition.get("bodySite", [])), None))
    words, notes = told_apart(condition)
    kind = next((c for c in condition.get("category", ()) if not _listed(c)), _HISTOLOGY)
    stages = [x for s in condition.get("stage", ()) for a in s.get("assessment", ()) if (x := w.record.get(a))]
    tumour = el(
        "observation", {"classCode": "OBS", "moodCode": "EVN", "negationInd": _negated(condition)}, root_ids(_CANCER),
        w.ids(ids[:1]), cd("code", kind), w.text(condition, words or words_of(condition.get("code")) or "Tumeur"),
        el("statusCode", {"code": "completed"}), _when(condition, histology),
        _coded("value", morphology), site if site is not None else _coded("targetSiteCode", None),
        [related(stage(x, w)) for x in stages] or [related(_no_tnm(w))],
        comments(notes, w),
    )  # fmt: skip
    clinical = next((c["code"] for c in condition.get("clinicalStatus", {}).get("coding", ())), "active")
    return el(
        "act", {"classCode": "ACT", "moodCode": "EVN"}, root_ids(_CONCERN), w.ids(ids[1:]), null("code", "NA"),
        status("Condition", clinical, "active"), _since(condition), related(tumour),
    )  # fmt: skip


def _listed(category: Element) -> bool:
    return any(c.get("system") == _CATEGORY for c in category.get("coding", ()))


def _negated(condition: Resource) -> str:
    codes = [c.get("code") for c in condition.get("verificationStatus", {}).get("coding", ())]
    return "true" if "refuted" in codes else "false"


def _coded(name: str, told: Element | None) -> Made:
    """A code; of words alone nullFlavor OTH and originalText."""
    kind = "CD" if name == "value" else None
    if told and told.get("coding"):
        made = cd(name, told)
        assert made is not None  # noqa: S101 - there is a coding
        if kind:
            made.set(TYPE, kind)
        return made
    words = el("originalText", None, told["text"]) if told and told.get("text") else None
    return el(name, {TYPE: kind, "nullFlavor": "OTH" if words is not None else "UNK"}, words)


def _when(condition: Resource, histology: Resource) -> Made | None:
    if "effectivePeriod" in histology or "effectiveDateTime" in histology:
        return moment("effectiveTime", histology, "effective")
    return ivl(
        "effectiveTime", {"start": condition.get("onsetDateTime"), "end": condition.get("abatementDateTime")}, "UNK"
    )


def _since(condition: Resource) -> Made:
    low = ts_element("low", condition.get("recordedDate"), "UNK")
    return el("effectiveTime", None, low)


def stage(resource: Resource, w: Writer) -> Made:
    """A stage: TNM, whose group and edition qualify its value, or another classification."""
    own = next((c["code"] for c in resource.get("code", {}).get("coding", ())), "")
    if own not in _TNM_CODES:
        return observation(resource, w, templates=SIMPLE)
    told = [
        el("qualifier", None, el("name", coding_attributes({"system": _LOINC, "code": code, "display": display})),
           el("value", {TYPE: "CD"} | coding_attributes(found["coding"][0])))
        for code, display, name in _QUALIFIERS
        if (found := resource.get(name)) and found.get("coding")
    ]  # fmt: skip
    whole = el("value", {TYPE: "CD"}, told) if told else value(resource)
    return observation(resource, w, templates=TNM, value=whole)


def _no_tnm(w: Writer) -> Made:
    """A TNM that does not apply: the volet asks for the three observations all the same."""
    absent = {
        "coding": [{"system": "http://terminology.hl7.org/CodeSystem/data-absent-reason", "code": "not-applicable"}]
    }
    made = {
        "code": {"coding": [{"system": _LOINC, "code": "75620-5", "display": "Stade TNM Clinique"}]},
        "status": "final",
        "dataAbsentReason": absent,
        "component": [
            {"code": {"coding": [{"system": _LOINC, "code": code, "display": display}]}, "dataAbsentReason": absent}
            for code, display in _PARTS
        ],
    }
    return observation(made, w, templates=TNM, value=value(made))
