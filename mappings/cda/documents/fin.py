"""CANCER-D2LM-FIN 2022.01: the interpretation of a screening mammography by two readers.

ANS CI-SIS, volet CANCER-D2LM; programme of breast screening.  There is no official mapping of its content; the one
chosen here, beside that of FIDD (:mod:`.fidd`):

* Three DiagnosticReports (category RAD): of the first reading (S~58), performed by the first author; of the second
  (S~174), by the second; and the document itself, which is the summary of both (``diagnosticReport-summaryOf``) and has
  the immediate work-up (S~59).  Each has the worst ACR that its reader gave as ``conclusionCode``.
* What a reader found is performed by that reader and part of the Procedure of the reading (MED-022, MED-014).
* The mammography with its devices (E~62.2) is a Procedure even where its mood is INT: it is what is being read.
* Antecedents: problems with a side are about that breast; the observations beside them are Observations.
"""

from __future__ import annotations

from typing import Final

from hub.source.cda import Node

from ...shape import Element, clean, keep_all
from ..context import Context
from ..entries.family import family
from ..entries.imaging import IMAGING, imaging_procedure
from ..entries.observation import add_observation
from ..entries.procedure import done
from ..entries.report import begin_report, concluding, conclusion_of, people, service, write_report
from ..frame import Model, SectionRule
from ..mapping import mapping_of
from ..standard import ENTRY, KINDS, SECTION, TEMPLATES
from ..values import concept_of
from .fidd import conclusion, conduct, interval

SUMMARY: Final = "http://hl7.org/fhir/StructureDefinition/diagnosticReport-summaryOf"
_PCC = "1.3.6.1.4.1.19376.1.5.3.1.4."
_RESULTS: Final = ("MED-1104", "MED-043", "MED-121")  # of the first reading, the second, the work-up


def begin(c: Context) -> None:
    """Have a place for the report of the document; a side is that of a breast."""
    begin_report(c)
    c.facts["breast"] = True


def finding(node: Node, c: Context) -> Element | None:
    """An observation of a reading or a work-up."""
    return add_observation(node, c, "finding", category=[IMAGING])


def examination(node: Node, c: Context) -> Element | None:
    """E~62.2: the mammography; its devices are told by the code of their role."""
    devices = [one.one("participantRole") for one in node.all("participant") if one.attr("typeCode") == "IND"]
    used = [code for one in devices if one is not None and (code := concept_of(one.one("code"), c))]
    return imaging_procedure(node, c, "examination", used)


def reading(node: Node, c: Context) -> Element | None:
    """MED-022, MED-014, MG: the act of reading, and what was done for it."""
    made = done(node, c)
    if made is not None:
        c.made.setdefault("reading", []).append(made)
    return made


def section_of(place: int | None, word: str) -> SectionRule:
    """The rule of the section of one reader.

    :param place: which author of the document it is; None for the work-up, which is told by the document's report.
    :param word: names the report.
    """

    def rule(section: Node, entries: list[Element], made: Element, c: Context) -> list[Element]:
        del section
        found, acts = c.made.pop("finding", []), c.made.pop("reading", [])
        c.made.pop("conduct", None)  # an interval of control belongs to the conduct of its own section
        start = place or 0
        who = people(c, slice(start, start + 1))
        for one in found:
            resource = c.resource(one)
            resource.update(clean({"partOf": acts, "performer": resource.get("performer") or who}))
        c.facts.setdefault("readings", []).append((word, place, found, who, made.get("title")))
        if place is None:
            return entries
        reference = c.add({"resourceType": "DiagnosticReport"}, word, "reports")
        write_report(
            reference, c, category=[service("RAD")], performer=who, resultsInterpreter=who, result=found,
            presentedForm=None, **_conclusion(found, c),
        )  # fmt: skip
        return [reference, *entries]

    return rule


def aside(section: Node, entries: list[Element], made: Element, c: Context) -> list[Element]:
    """S~134: antecedents are no findings of a reader."""
    del section, made
    c.made.pop("finding", None)
    return entries


def comment_section(section: Node, entries: list[Element], made: Element, c: Context) -> list[Element]:
    """S~73: what is said of the concordance is the conclusion of the document."""
    return [*c.made["report"], *concluding(section, entries, made, c)]


def finish(c: Context) -> None:
    """The report of the document: all that was found, and how it ended."""
    readings = c.facts.get("readings", [])
    found = [one for _, _, part, _, _ in readings for one in part]
    # How it ended: the work-up, else the second reading, else the first.
    ends = {word: part for word, _, part, _, _ in readings}
    last = next((x for word in ("work-up", "second", "first") if (x := _conclusion(ends.get(word, []), c))), {})
    words = [x for x in (last.get("conclusion"), conclusion_of(c)) if x]
    write_report(
        c.made["report"][0], c,
        extension=[{"url": SUMMARY, "valueReference": x} for x in c.made.get("reports", ())],
        category=[service("RAD")],
        result=found,
        **{**last, "conclusion": keep_all("\n".join(words), words)},
    )  # fmt: skip


def _conclusion(found: list[Element], c: Context) -> Element:
    return conclusion([c.resource(one) for one in found], _RESULTS)


MODEL = Model(
    name="CANCER-D2LM-FIN",
    template="1.2.250.1.213.1.1.1.27",
    codes={"GEN-007": conduct, "MED-120": interval},
    templates={
        **TEMPLATES,
        f"{ENTRY}48": finding,
        f"{ENTRY}59": family,
        f"{ENTRY}62": reading,
        f"{ENTRY}62.2": examination,
        f"{_PCC}13": finding,
        f"{_PCC}15": family,
        f"{_PCC}19": reading,
    },
    kinds=KINDS,
    sections={
        f"{SECTION}58": section_of(0, "first"),
        f"{SECTION}59": section_of(None, "work-up"),
        f"{SECTION}174": section_of(1, "second"),
        f"{SECTION}73": comment_section,
        f"{SECTION}134": aside,
    },
    begin=begin,
    finish=finish,
)
MAPPING = mapping_of(MODEL, "interpretation of a screening mammography: a DiagnosticReport a reading, one for both")
