"""The report that a document is: one DiagnosticReport that ties its results.

R4 DiagnosticReport; ANS document-core, FRDiagnosticReportImaging.  The report has a place in the draft before the
sections, so that they can refer to it, and is written after them.
"""

from __future__ import annotations

from typing import Final

from lxml import etree

from hub.source.cda import V3, Node

from ...shape import Element, clean, keep_all
from ...times import ts_instant
from ..context import Context
from ..event import event_period, orders
from ..people import PEOPLE, those

V2_0074 = "http://terminology.hl7.org/CodeSystem/v2-0074"
_LONGEST = 1 << 20  # R4 string: no longer than 1 MiB


def service(code: str) -> Element:
    """A category of reports (v2-0074: RAD, LAB, GE...)."""
    return {"coding": [{"system": V2_0074, "code": code}]}


def begin_report(c: Context) -> None:
    """Have a place for the report."""
    c.add({"resourceType": "DiagnosticReport"}, "report", "report")


def people(c: Context, which: slice = slice(None)) -> list[Element]:
    """The people who wrote the document, without the time of writing.

    :param which: of its authors, in the order of the document.
    """
    return those(
        [{k: a[k] for k in ("reference", "display") if k in a} for a in c.told.get("author", [])[which]],
        *PEOPLE,
        "Organization/",
    )


def write_report(reference: Element, c: Context, **more: object) -> None:
    """Write the report at ``reference``; the document says its code, authors, order and time.

    :param more: members that the model knows: ``category``, ``result``, ``conclusion``...
    """
    date = c.document.one("effectiveTime")
    wrote = people(c)
    c.resource(reference).update(clean({
        "basedOn": orders(c),
        "status": c.told.get("status", "final"),
        "code": c.told.get("type") or {"text": "CR"},
        "subject": c.patient,
        "encounter": c.told.get("encounter"),
        "effectivePeriod": event_period(c),
        "issued": ts_instant(date.attr("value"), c.zone) if date is not None else None,
        "performer": wrote,
        "resultsInterpreter": wrote,
        "presentedForm": presented(c),
        **more,
    }))  # fmt: skip


def presented(c: Context) -> list[Element]:
    """The attached files that show the report as a whole: those that are PDF."""
    files = [c.resource(one)["content"][0]["attachment"] for one in c.made.get("media", ())]
    return [dict(one) for one in files if one.get("contentType") == "application/pdf"]


def narrative_words(section: Node) -> str | None:
    """The words of a section as lines, for DiagnosticReport.conclusion: a line a paragraph, row or item."""
    text = section.one("text")
    if text is None:
        return None
    parts: list[str] = []
    for event, element in etree.iterwalk(text.element, events=("start", "end")):
        said = element.text if event == "start" else element.tail
        if event == "start" or element is not text.element:
            parts += (_BREAKS.get(element.tag, ""), (said or "").replace("\n", " "))
    lines = (" ".join(line.split()) for line in "".join(parts).split("\n"))
    words = "\n".join(line for line in lines if line)
    return text.keep(words[:_LONGEST]) if words else None


# What parts the words of a narrative (HL7 CDA R2 §4.3.5).
_BREAKS: Final = {f"{V3}{n}": "\n" for n in ("paragraph", "list", "item", "table", "tr", "caption", "br")} | {
    f"{V3}{n}": " " for n in ("td", "th")
}


def concluding(section: Node, entries: list[Element], made: Element, c: Context) -> list[Element]:
    """The rule of a section whose words are the conclusion of the report."""
    del made
    if words := narrative_words(section):
        c.facts.setdefault("conclusion", []).append(words)
    return entries


def conclusion_of(c: Context) -> str | None:
    """What the concluding sections said."""
    found = c.facts.get("conclusion")
    return keep_all("\n".join(found), found) if found else None
