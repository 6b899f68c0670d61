"""IMG-CR-IMG 2024.01: the report of an imaging examination.

ANS CI-SIS, volet IMG-CR-IMG (DICOM PS3.20); ConceptMaps FRSectionExaminationReportLMCDAFHIR,
FRSectionConclusionLMCDAFHIR.  The document is a DiagnosticReport (18748-4, category RAD) about the studies of the
header and of its catalogues of DICOM objects; see :mod:`..entries.imaging`.  Chosen here:

* A section of an act (S~206) ties what it holds: the study has the technique as its procedure; contrast media, exposure
  and doses are part of it.
* The history (S~213) is told by the section alone; its Observations are no results of the report.
* The conclusion is the text of its section (S~209); information for the patient is a Communication.
"""

from __future__ import annotations

from hub.source.cda import Node

from ...shape import Element, clean
from ..context import Context
from ..entries.device import device
from ..entries.imaging import exposure, quantity, studies_of_header, study, technique
from ..entries.medication import administration
from ..entries.observation import add_observation
from ..entries.report import begin_report, concluding, conclusion_of, service, write_report
from ..frame import Model
from ..mapping import mapping_of
from ..standard import ENTRY, KINDS, SECTION, TEMPLATES
from ..values import comments, concept_of, happened, identifiers, moment, note_of, status_of

_DICOM = "1.2.840.10008.9."
INFORMATION = "99622-3"


def begin(c: Context) -> None:
    """Have a place for the report, and the studies that the header names."""
    begin_report(c)
    studies_of_header(c)


def finding(node: Node, c: Context) -> Element | None:
    """E~150: a coded observation."""
    return add_observation(node, c, "finding")


def given(node: Node, c: Context) -> Element | None:
    """E~151, E~173: what was given during the act."""
    reference = administration(node, c)
    if reference is not None:
        c.made.setdefault("inside", []).append(reference)
    return reference


def information(node: Node, c: Context) -> Element | None:
    """99622-3: what the patient was told."""
    notes = note_of(node, c)
    at = moment(node.one("effectiveTime"), c, "")
    period = at.get("Period", {})
    if not notes or not happened(node, c):
        return None
    return c.add(clean({
        "resourceType": "Communication",
        "extension": c.link(node),
        "identifier": identifiers(node),
        "status": status_of(node, "Procedure"),
        "subject": c.patient,
        "topic": concept_of(node.one("code"), c),
        "encounter": c.told.get("encounter"),
        "sent": at.get("DateTime") or period.get("start"),
        "received": period.get("end"),
        "recipient": [dict(c.patient)],
        "payload": [{"contentString": n["text"]} for n in notes],
        "note": comments(node, c),
    }), "information", "information")  # fmt: skip


def act(section: Node, entries: list[Element], made: Element, c: Context) -> list[Element]:
    """S~206: one act, what belongs to it, and the study it made."""
    del section, made
    techniques = c.made.pop("technique", [])
    for one in c.made.pop("study", []):
        found = c.resource(one)
        if techniques and "procedureReference" not in found:
            found["procedureReference"] = techniques[0]
    for one in c.made.pop("inside", []):
        if techniques:
            c.resource(one)["partOf"] = techniques
    return entries


def history(section: Node, entries: list[Element], made: Element, c: Context) -> list[Element]:
    """S~213: what is known of the patient is no result of the report."""
    del section, made
    c.made.pop("finding", None)
    return entries


def report_first(section: Node, entries: list[Element], made: Element, c: Context) -> list[Element]:
    """S~209, the conclusion: the report, whose conclusion it is, stands there."""
    return [*c.made["report"], *concluding(section, entries, made, c)]


def finish(c: Context) -> None:
    """Write the report."""
    write_report(
        c.made["report"][0], c,
        category=[service("RAD")],
        imagingStudy=c.made.get("studies", []),
        result=[*c.made.get("finding", []), *c.made.get("dose", [])],
        conclusion=conclusion_of(c),
    )  # fmt: skip


MODEL = Model(
    name="IMG-CR-IMG",
    template="1.2.250.1.213.1.1.1.45",
    codes={INFORMATION: information},
    templates={
        **TEMPLATES,
        f"{ENTRY}20": device,
        f"{ENTRY}150": finding,
        f"{ENTRY}151": given,
        f"{ENTRY}153": technique,
        f"{ENTRY}154": quantity,
        f"{ENTRY}155": study,
        f"{ENTRY}165": exposure,
        f"{ENTRY}173": given,
        f"{_DICOM}13": given,
        f"{_DICOM}14": technique,
        f"{_DICOM}16": study,
        "2.16.840.1.113883.10.20.6.2.13": finding,
        "2.16.840.1.113883.10.20.6.2.14": quantity,
    },
    kinds={**KINDS, "observation": finding, "supply": device},
    sections={f"{SECTION}206": act, f"{SECTION}213": history, f"{SECTION}209": report_first},
    begin=begin,
    finish=finish,
)
MAPPING = mapping_of(MODEL, "imaging report: DiagnosticReport, ImagingStudy, Procedure, doses, contrast media")
