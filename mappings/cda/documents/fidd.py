"""CANCER-D2LM-FIDD 2022.01: the deferred work-up after a screening mammography.

ANS CI-SIS, volet CANCER-D2LM; programme of breast screening (ACR / BI-RADS per breast).  There is no official mapping
of its content; the one chosen here:

* The document is a DiagnosticReport (category RAD) whose results are one Observation per finding and breast; the side
  is the bodySite, with the code SNOMED CT has for the breast of that side.
* ``conclusionCode`` is the worst final ACR (MED-121), the conclusion in words says it for each breast.
* The work-up (MED-014) is a Procedure that the Observations are part of.
* The conduct (GEN-007) is a ServiceRequest; the interval of control (MED-120) is its timing.
"""

from __future__ import annotations

from typing import Final

from hub.source.cda import Node
from hub.source.origin import carry

from ...shape import Element, clean
from ..context import Context
from ..entries.imaging import IMAGING
from ..entries.observation import add_observation
from ..entries.procedure import done
from ..entries.report import begin_report, service, write_report
from ..entries.request import request
from ..frame import Model
from ..mapping import mapping_of
from ..standard import ENTRY, KINDS, SECTION, TEMPLATES
from ..values import carried, identifiers, quantity

ACR_FINAL: Final = "MED-121"
# BI-RADS from the least to the most suspicious; MED-048 is 0, 3, 4 or 5 (JDV_Classification_ACR).
ACR: Final = ("MED-129", "MED-130", "MED-048", "MED-131", "MED-132", "MED-133")
_UNITS = {"s", "min", "h", "d", "wk", "mo", "a"}  # UnitsOfTime (R4)


def finding(node: Node, c: Context) -> Element | None:
    """An observation of the work-up, about one breast where the code has a side."""
    return add_observation(node, c, "finding", category=[IMAGING])


def work_up(node: Node, c: Context) -> Element | None:
    """MED-014: what was done."""
    made = done(node, c)
    if made is not None:
        c.made.setdefault("work-up", []).append(made)
    return made


def conduct(node: Node, c: Context) -> Element | None:
    """GEN-007: what is to be done; the date is that of the decision."""
    reference = request(node, c, "conduct")
    if reference is not None:
        made = c.resource(reference)
        decided = made.pop("occurrenceDateTime", None)
        if decided:
            made["authoredOn"] = decided
    return reference


def interval(node: Node, c: Context) -> Element | None:
    """MED-120: the interval of control, as the timing of the conduct; by itself when there is none."""
    every = quantity(node.one("value"))
    known = c.made.get("conduct", [])
    if not known or every is None or every.get("code") not in _UNITS or every["value"] <= 0:
        return request(node, c)
    made = c.resource(known[-1])
    made.pop("occurrencePeriod", None)
    repeat = {"frequency": 1, "period": every["value"], "periodUnit": every["code"]}
    value = node.one("value")
    if value is not None:
        repeat = carry(repeat, carried({"period": every["value"]}, "period", value))
    made["occurrenceTiming"] = {"repeat": repeat}
    more = {"identifier": identifiers(node), "extension": c.link(node)}
    made.update(clean({name: [*made.get(name, []), *said] for name, said in more.items()}))
    node.leave("*container", "code", "statusCode", "effectiveTime", "@moodCode")
    return known[-1]


def results(section: Node, entries: list[Element], made: Element, c: Context) -> list[Element]:
    """S~151: the report stands before its results."""
    del section, made
    return [*c.made["report"], *entries]


def finish(c: Context) -> None:
    """Write the report, now that its results are known."""
    findings = c.made.get("finding", [])
    for one in findings:
        if done_ := c.made.get("work-up"):
            c.resource(one)["partOf"] = done_
    write_report(
        c.made["report"][0], c,
        category=[service("RAD")],
        result=findings,
        **conclusion([c.resource(one) for one in findings], (ACR_FINAL,)),
    )  # fmt: skip


def conclusion(findings: list[Element], codes: tuple[str, ...]) -> Element:
    """The worst category that was given, and what was given for each breast in words.

    :param codes: of the findings that give one: MED-121 (final), MED-1104 and MED-043 (first and second reading).
    """
    given = [r for r in findings if any(x.get("code") in codes for x in r["code"].get("coding", ()))]
    given = [r for r in given if "valueCodeableConcept" in r]
    if not given:
        return {}
    said = "; ".join(x for r in given if (x := _said(r)))
    return clean({"conclusion": said, "conclusionCode": [max(given, key=_rank)["valueCodeableConcept"]]})


def _rank(observation: Element) -> int:
    codes = [x.get("code") for x in observation["valueCodeableConcept"].get("coding", ())]
    return max((ACR.index(x) for x in codes if x in ACR), default=-1)


def _said(observation: Element) -> str:
    """``Sein droit : Normal BI-RADS ACR 1``, of the words of the document."""
    value = observation["valueCodeableConcept"]
    words = value.get("text") or next((x["display"] for x in value.get("coding", ()) if "display" in x), "")
    site = observation.get("bodySite", {})
    sides = [x["valueCodeableConcept"] for x in site.get("extension", ())]
    side = next((s["coding"][0].get("display") for s in sides if "coding" in s), None)
    return f"sein {side} : {words}" if side and words else words


MODEL = Model(
    name="CANCER-D2LM-FIDD",
    template="1.2.250.1.213.1.1.1.28",
    codes={"MED-014": work_up, "GEN-007": conduct, "MED-120": interval},
    templates={**TEMPLATES, f"{ENTRY}48": finding, "1.3.6.1.4.1.19376.1.5.3.1.4.13": finding},
    kinds=KINDS,
    sections={f"{SECTION}151": results},
    begin=begin_report,
    finish=finish,
)
MAPPING = mapping_of(MODEL, "deferred work-up of breast screening: DiagnosticReport and Observations per breast")
