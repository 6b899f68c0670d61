"""BIO-CR-BIO 2024.01: the report of a laboratory, with screening of cervical cancer (DEP-CCU).

ANS CI-SIS, volet BIO-CR-BIO (IHE XD-LAB).  The document is one DiagnosticReport (11502-2, category LAB) whose results
are the batteries and results of its chapters; see :mod:`..entries.laboratory` for those.  Chosen here:

* It is as final as the least final of its chapters (``statusCode`` of the act, ``lab:statusCode`` of the header).
* Comments on a chapter are its conclusion, validators (AUTHEN) its interpreters.
* Screening of cervical cancer needs no rule of its own: the HPV test and the cytology (Bethesda) are results, the
  reason is an Observation and a Condition, the vaccination an Immunization, earlier results are ``sequelTo``.
"""

from __future__ import annotations

from typing import Final

from hub.source.cda import Node
from hub.source.origin import joined

from ...shape import Element, keep, keep_all
from ..context import Context
from ..entries.laboratory import battery, chapter, isolate, result, specimen
from ..entries.report import begin_report, people, service, write_report
from ..event import service_events
from ..frame import Model
from ..mapping import mapping_of
from ..people import PEOPLE, those
from ..standard import ENTRY, KINDS, SECTION, TEMPLATES

_WHO: Final = (*PEOPLE, "Organization/")
LAB: Final = "{urn:oid:1.3.6.1.4.1.19376.1.3.2}"  # the namespace of lab:statusCode
_XD = "1.3.6.1.4.1.19376.1.3.1."
_STATES: Final = {"active": "preliminary", "completed": "final", "aborted": "cancelled"}


def begin(c: Context) -> None:
    """Have a place for the report; say how far the laboratory has come."""
    begin_report(c)
    states = [code for e in service_events(c) for s in e.all("statusCode", LAB) if (code := s.attr("code")) is not None]
    c.facts["states"] = [keep(_STATES[s], s) for s in states if s in _STATES]


def report_first(section: Node, entries: list[Element], made: Element, c: Context) -> list[Element]:
    """The report stands before the results of the first chapter."""
    del section, made
    if c.facts.get("reported"):
        return entries
    c.facts["reported"] = True
    return [*c.made["report"], *entries]


def finish(c: Context) -> None:
    """Write the report, now that its results are known."""
    chapters = c.facts.get("chapters", [])
    state = _state([*c.facts["states"], *(s for x in chapters if (s := x.get("status")) != "unknown")])
    if state == "preliminary":
        c.told["status"] = state
    performers = _once([p for x in chapters for p in x.get("performer", ())])
    validators = _once([p for x in chapters for p in x.get("validator", ())])
    write_report(
        c.made["report"][0], c,
        status=state,
        category=[service("LAB"), *_once([x["code"] for x in chapters if "code" in x])],
        extension=_once([x for one in chapters for x in one.get("extension", ())]),
        identifier=[x for one in chapters for x in one.get("identifier", ())],
        performer=those(performers, *_WHO) or people(c),
        resultsInterpreter=those(validators, *_WHO) or people(c),
        specimen=c.made.get("specimen", []),
        result=_once(c.made.get("result", [])),
        conclusion=_joined([n["text"] for x in chapters for n in x.get("notes", ())]),
    )  # fmt: skip


def _once(found: list[Element]) -> list[Element]:
    """Each once, in order; of references those that refer to the same."""
    seen: dict[str, Element] = {}
    for one in found:
        key = str(one.get("reference") or one)
        seen[key] = joined(seen[key], one) if key in seen else one
    return list(seen.values())


def _joined(words: list[str]) -> str:
    return keep_all("\n".join(words), words)


def _state(states: list[str]) -> str:
    """The least final of the states of the chapters; what was given up leaves the others as they are."""
    least = ("preliminary", "final", "cancelled")
    return min(states, key=least.index, default="final")


LABORATORY: Final = {
    **TEMPLATES,
    f"{ENTRY}21": chapter,
    f"{ENTRY}77": specimen,
    f"{ENTRY}78": battery,
    f"{ENTRY}79": isolate,
    f"{ENTRY}80": result,
    f"{_XD}2": specimen,
    f"{_XD}4": battery,
    f"{_XD}5": isolate,
    f"{_XD}6": result,
}
_CHAPTERS: Final = (f"{SECTION}70", "1.3.6.1.4.1.19376.1.3.3.2.1", "1.3.6.1.4.1.19376.1.3.3.2.2")

MODEL = Model(
    name="BIO-CR-BIO",
    template="1.2.250.1.213.1.1.1.55",
    templates=LABORATORY,
    # The templateIds of a chapter stand in its entry, not in its act; an observation without one is a result.
    kinds={**KINDS, "act": chapter, "observation": result},
    sections={_CHAPTERS[0]: report_first, _CHAPTERS[2]: report_first},
    begin=begin,
    finish=finish,
)
MAPPING = mapping_of(MODEL, "laboratory report: DiagnosticReport, Observation, Specimen, Immunization")
