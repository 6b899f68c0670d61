"""Medicines: given, taken, asked for; vaccinations (E~42, E~45, E~151, E~173).

ConceptMap FRImagingMedicationAministrationLMCDAFHIR for what was given during imaging; IHE PCC
1.3.6.1.4.1.19376.1.5.3.1.4.7 and .4.12 for treatments and vaccinations; C-CDA on FHIR for a time that is required and
not known (data-absent-reason).  The product is a Medication of its own, with its batch.
"""

from __future__ import annotations

from typing import Any, Final

from hub.source.cda import Node
from hub.source.origin import carry

from ...shape import Element, clean, keep
from ..context import Context
from ..event import event_period
from ..extensions import OURS
from ..participations import actors, performers
from ..people import PEOPLE, organization
from ..values import (
    TYPE,
    carried,
    comments,
    concept_of,
    identifiers,
    moment,
    negated,
    note_of,
    own_coding,
    quantity,
    status_of,
    value_of,
)
from .request import asks, inside, intent

ROUTE: Final = f"{OURS}route"
PRODUCT: Final = f"{OURS}product-name"
_ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
_UNITS = ("s", "min", "h", "d", "wk", "mo", "a")  # UnitsOfTime (R4)


def medication(node: Node, c: Context) -> Element | None:
    """A treatment: asked for (MedicationRequest) or taken (MedicationStatement), by its mood."""
    product = _medication(node, c)
    if product is None:
        return None
    asked = asks(node)
    kind = "MedicationRequest" if asked else "MedicationStatement"
    when = _timed(node, c)
    made = clean({
        "resourceType": kind,
        "extension": c.link(node) + actors(node, c),
        "identifier": identifiers(node),
        "status": _status(node, kind),
        "intent": intent(node, c) if asked else None,
        "category": None if asked else concept_of(node.one("code"), c),
        "doNotPerform": True if asked and negated(node) else None,
        "medicationReference": product,
        "subject": c.patient,
        "encounter": c.told.get("encounter") if asked else None,
        "context": None if asked else c.told.get("encounter"),
        **({} if asked else when),
        "note": note_of(node, c) + comments(node, c),
        ("dosageInstruction" if asked else "dosage"): _dosage(node, c, when if asked else {}),
    })  # fmt: skip
    reference = c.add(made, own_coding(node) or "", "medication")
    inside(node, c)
    return reference


def administration(node: Node, c: Context) -> Element | None:
    """What was given: contrast medium (E~151), radiopharmaceutical (E~173)."""
    product = _medication(node, c)
    if product is None:
        return None
    route = concept_of(node.one("routeCode"), c)
    given = {**_dose(node.one("doseQuantity"), administered=True), **_rate(node.one("rateQuantity"), c)}
    # Invariant mad-1: no dosage without a dose or a rate; the route is told all the same.
    dosage = clean({"route": route, **given}) if given else None
    apart = [{"url": ROUTE, "valueCodeableConcept": route}] if route and not given else []
    made = clean({
        "resourceType": "MedicationAdministration",
        "extension": c.link(node) + apart + actors(node, c),
        "identifier": identifiers(node),
        "status": _status(node, "MedicationAdministration") if _told(node) else "completed",
        "category": concept_of(node.one("code"), c),
        "medicationReference": product,
        "subject": c.patient,
        "context": c.told.get("encounter"),
        **(_timed(node, c) or _time_of_act(c)),
        "performer": [{"actor": p} for p in performers(node, c, *PEOPLE, "Patient/", "RelatedPerson/", "Device/")],
        "note": note_of(node, c) + comments(node, c),
        "dosage": dosage,
    })  # fmt: skip
    reference = c.add(made, own_coding(node) or "", "administration")
    inside(node, c)
    return reference


def immunization(node: Node, c: Context) -> Element | None:
    """E~45: a vaccination, or that there was none (negationInd)."""
    material = node.one("consumable", "manufacturedProduct", "manufacturedMaterial")
    vaccine = concept_of(material.one("code"), c) if material is not None else None
    name = material.one("name") if material is not None else None
    text = name.text() if name is not None else None
    if text and not (vaccine or {}).get("text"):
        vaccine = {**(vaccine or {}), "text": text}
    if not vaccine:
        return None
    lot = material.one("lotNumberText") if material is not None else None
    site = concept_of(node.one("approachSiteCode"), c)
    kind = concept_of(node.one("code"), c)
    when = moment(node.one("effectiveTime"), c, "occurrence")
    if "occurrencePeriod" in when:
        period = when["occurrencePeriod"]
        when = {"occurrenceDateTime": period.get("start") or period.get("end")}
    made = clean({
        "resourceType": "Immunization",
        "extension": c.link(node) + actors(node, c) + _typed(kind) + _called(text),
        "identifier": identifiers(node),
        "status": _status(node, "Immunization"),
        "vaccineCode": vaccine,
        "patient": c.patient,
        "encounter": c.told.get("encounter"),
        **(when or {"occurrenceString": "inconnue", "_occurrenceString": _absent("unknown")}),
        "lotNumber": lot.text() if lot is not None else None,
        "site": site,
        "route": concept_of(node.one("routeCode"), c),
        "doseQuantity": _dose(node.one("doseQuantity"), administered=True).get("dose"),
        "performer": [{"actor": p} for p in performers(node, c, *PEOPLE, "Organization/")],
        "note": note_of(node, c) + comments(node, c),
    })  # fmt: skip
    reference = c.add(made, own_coding(node) or "", "immunization")
    inside(node, c)
    return reference


def _typed(kind: Element | None) -> list[Element]:
    """Why it was given (IMMUNIZ, BOOSTER...), which R4 has no element for."""
    return [{"url": f"{OURS}immunization-type", "valueCodeableConcept": kind}] if kind else []


def _called(name: str | None) -> list[Element]:
    """The name of the product."""
    return [{"url": PRODUCT, "valueString": name}] if name else []


def _absent(reason: str) -> Element:
    return {"extension": [{"url": _ABSENT, "valueCode": reason}]}


def _time_of_act(c: Context) -> Element:
    """The time of the act that the document is about; that it is not known when there is none."""
    period = event_period(c)
    return {"effectivePeriod": period} if period else {"_effectiveDateTime": _absent("unknown")}


def _told(node: Node) -> bool:
    """Whether it says how far it went; in a signed report it was given otherwise."""
    return node.one("statusCode") is not None or negated(node)


def _status(node: Node, kind: str) -> str | None:
    if negated(node) and kind not in ("MedicationRequest",):
        node.leave("*negated", "statusCode")
        gone = "not-taken" if kind == "MedicationStatement" else "not-done"
        return keep(gone, node.attr("negationInd") or "")
    return status_of(node, kind)


def _medication(node: Node, c: Context) -> Element | None:
    """The product: its codes (CIP, UCD, ATC), its name, its batch and who makes it."""
    product = node.one("consumable", "manufacturedProduct")
    material = product.one("manufacturedMaterial") if product is not None else None
    if product is None or material is None:
        return None
    code = concept_of(material.one("code"), c)
    name, lot = material.one("name"), material.one("lotNumberText")
    text = name.text() if name is not None else None
    number = lot.text() if lot is not None else None
    if text and not code:
        code = {"text": text}
    if not code:
        return None
    return c.add(clean({
        "resourceType": "Medication",
        "extension": _called(text),
        "identifier": identifiers(product),
        "code": code,
        "manufacturer": organization(product.one("manufacturerOrganization"), c),
        "batch": {"lotNumber": number} if number else None,
    }), "product", "product")  # fmt: skip


def _timed(node: Node, c: Context) -> Element:
    """The first effectiveTime that is a moment or an interval."""
    for one in node.all("effectiveTime"):
        if "PIVL" not in (one.attr(TYPE) or "") and (found := moment(one, c)):
            return found
    return {}


def _dosage(node: Node, c: Context, when: Element) -> list[Element]:
    """route, dose, rate and how often."""
    repeat: Element = {}
    for one in node.all("effectiveTime"):
        every = quantity(one.one("period")) if "PIVL" in (one.attr(TYPE) or "") else None
        if every and every.get("code") in _UNITS and every["value"] > 0:
            repeat = {"frequency": 1, "period": every["value"], "periodUnit": every["code"]}
            if (period := one.one("period")) is not None:
                repeat = carry(repeat, carried({"period": every["value"]}, "period", period))
    bounds = when.get("effectivePeriod")
    if bounds:
        repeat["boundsPeriod"] = bounds
    at = when.get("effectiveDateTime")
    given = {**_dose(node.one("doseQuantity")), **_rate(node.one("rateQuantity"), c)}
    site = concept_of(node.one("approachSiteCode"), c)
    made = clean({
        "timing": clean({"event": [at] if at else None, "repeat": repeat}),
        "site": site,
        "route": concept_of(node.one("routeCode"), c),
        "doseAndRate": [given] if given else None,
    })  # fmt: skip
    return [made] if made else []


def _dose(node: Node | None, *, administered: bool = False) -> Element:
    """IVL_PQ to a dose; of an interval given as one bound, the bound is the dose (CI-SIS writes low alone)."""
    if node is None:
        return {}
    low, high = quantity(node.one("low")), quantity(node.one("high"))
    one = quantity(node)
    if low and high and low != high:
        if administered:
            return {"dose": high}
        return {"doseRange": {"low": low, "high": high}}
    told = one or low or high
    return {"dose" if administered else "doseQuantity": told} if told else {}


def _rate(node: Node | None, c: Context) -> Element:
    if node is None:
        return {}
    told: dict[str, Any] = value_of(node, c, "")
    if "Ratio" in told:
        return {"rateRatio": told["Ratio"]}
    low = quantity(node) or quantity(node.one("low"))
    return {"rateQuantity": low} if low else {}
