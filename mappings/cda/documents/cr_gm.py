"""CANCER-CR-GM 2022.01: the report of a molecular analysis of a tumour.

ANS CI-SIS, volet CANCER-CR-GM (IHE APSR).  There is no official mapping of its content; the one chosen here:

* The document is a DiagnosticReport (51969-4, category GE) whose results are the findings of its sections, see
  :mod:`..entries.genetics`; the conclusion is the text of its section, its codes the kinds of conclusion (MED-541
  analysis not done, MED-542 with a mutation...).
* The collection (E~100) is a Specimen; the nature of the material (66746-9), the organ (20506-2) and the way it was
  taken (53903-1) are said of it, too, where the document has one specimen.
* GEN-065 is the status of the Composition and of the report.
"""

from __future__ import annotations

from typing import Final

from hub.source.cda import Node

from ...shape import Element, clean
from ..context import Context
from ..entries.genetics import finding, findings
from ..entries.laboratory import result, specimen
from ..entries.report import begin_report, concluding, conclusion_of, service, write_report
from ..frame import Model
from ..mapping import mapping_of
from ..standard import ENTRY, KINDS, SECTION, TEMPLATES
from .frcp import status

_IHE = "1.3.6.1.4.1.19376.1."
# What an observation about the material says of the specimen.
_MATERIAL: Final = {"66746-9": "type", "20506-2": "bodySite", "53903-1": "method"}


def results(section: Node, entries: list[Element], made: Element, c: Context) -> list[Element]:
    """The report stands before its first results."""
    del section, made
    if c.facts.get("reported"):
        return entries
    c.facts["reported"] = True
    return [*c.made["report"], *entries]


def finish(c: Context) -> None:
    """Tell of the specimen what was found out about it; write the report."""
    _material(c)
    write_report(
        c.made["report"][0], c,
        category=[service("GE")],
        specimen=c.made.get("specimen", []),
        result=c.made.get("result", []),
        conclusion=conclusion_of(c),
        conclusionCode=c.facts.get("conclusions", []),
    )  # fmt: skip


def _material(c: Context) -> None:
    """What observations say of the material, put into the specimen where it is the only one."""
    specimens = c.made.get("specimen", [])
    if len(specimens) != 1:
        return
    told: dict[str, Element] = {}
    for entry in c.draft.entries.values():
        value = entry.resource.get("valueCodeableConcept")
        if entry.type == "Observation" and value:
            for coding in entry.resource["code"].get("coding", ()):
                told.setdefault(_MATERIAL.get(coding.get("code", ""), ""), value)
    made = c.resource(specimens[0])
    method = told.get("method", {})
    if "type" in told:  # the code of the act of collection is then the widest word for the method
        method = {**method, "coding": [*method.get("coding", ()), *made.get("type", {}).get("coding", ())]}
    made.update(clean({
        "type": told.get("type") or made.get("type"),
        "collection": clean({
            **made.get("collection", {}),
            "method": method or made.get("collection", {}).get("method"),
            "bodySite": told.get("bodySite") or made.get("collection", {}).get("bodySite"),
        }),
    }))  # fmt: skip


MODEL = Model(
    name="CANCER-CR-GM",
    template="1.2.250.1.213.1.1.1.32",
    codes={"GEN-065": status},
    templates={
        **TEMPLATES,
        f"{ENTRY}74": findings,
        f"{ENTRY}80": result,
        f"{ENTRY}100": specimen,
        f"{ENTRY}102": finding,
        f"{ENTRY}170": finding,
        f"{_IHE}3.1.6": result,
        f"{_IHE}3.10.4.1": specimen,
        f"{_IHE}8.1.3.6": findings,
        f"{_IHE}8.1.4.9": finding,
    },
    kinds=KINDS,
    sections={f"{SECTION}166": results, f"{SECTION}165": results, f"{SECTION}169": concluding},
    begin=begin_report,
    finish=finish,
)
MAPPING = mapping_of(MODEL, "molecular genetics: DiagnosticReport, Observations of variants and method, Specimen")
