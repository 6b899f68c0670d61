"""IMG-DA-IMG 2024.01: the request of an imaging examination.

ANS CI-SIS, volet IMG-DA-IMG; ConceptMap FRServiceRequestLMCDAFHIR for each act that is asked for (E~27.3).  Chosen
here:

* The acts of one document are one requisition: its number is the id of the act of the header (55115-0).
* Other acts of the header are the reason (CIM-10), or that it is urgent (MED-1095).
* What is known of the patient (S~213) supports the requests; what is said inside one (function studied, injection...)
  supports that one.
* The intent is that of an order, whatever the mood.
"""

from __future__ import annotations

from typing import Final

from hub.source.cda import Node

from ...shape import Element, clean, keep
from ..context import Context
from ..datatypes import cd_concept, ii_identifier
from ..entries.imaging import sites_of
from ..entries.observation import add_observation
from ..entries.report import people
from ..entries.request import request
from ..event import service_events
from ..frame import Model
from ..mapping import mapping_of
from ..standard import ENTRY, KINDS, SECTION, TEMPLATES
from .img_cr import INFORMATION, information

_REQUEST, _URGENT = "55115-0", "MED-1095"
_DETAIL: Final = "detail"


def detail(node: Node, c: Context) -> Element | None:
    """An observation that supports a request."""
    return add_observation(node, c, _DETAIL)


def ask(node: Node, c: Context) -> Element | None:
    """E~27.3: one act that is asked for, with every site and what is said inside."""
    before = len(c.made.get(_DETAIL, ()))
    reference = request(node, c, "request")
    inner = c.made.get(_DETAIL, [])[before:]
    if inner:
        del c.made[_DETAIL][before:]
    if reference is None:
        c.also += inner
        return None
    made = c.resource(reference)
    made.update(clean({"bodySite": sites_of(node, c), "supportingInfo": inner}))
    return reference


def history(section: Node, entries: list[Element], made: Element, c: Context) -> list[Element]:
    """S~213: what is known of the patient."""
    del section, made
    c.made.setdefault("history", []).extend(c.made.pop(_DETAIL, []))
    return entries


def finish(c: Context) -> None:
    """Say of every request what the header says of all."""
    number, reasons, urgent = None, [], None
    for event in service_events(c):
        node = event.one("code")
        code = node.attr("code") if node is not None else None
        if code == _REQUEST:
            number = number or ii_identifier(event.one("id"))
        elif code == _URGENT:
            urgent = keep("urgent", code)
        elif (said := cd_concept(node, c.words)) is not None:
            reasons.append(said)
    author = next(iter(people(c)), None)
    for one in c.made.get("request", []):
        made = c.resource(one)
        made.update(clean({
            "requisition": number,
            "authoredOn": c.told.get("date"),
            "requester": author,
            "priority": made.get("priority") or urgent,
            "reasonCode": [*made.get("reasonCode", []), *reasons],
            "supportingInfo": [*made.get("supportingInfo", []), *c.made.get("history", [])],
        }))  # fmt: skip


MODEL = Model(
    name="IMG-DA-IMG",
    template="1.2.250.1.213.1.1.1.47",
    codes={INFORMATION: information},
    templates={
        **TEMPLATES,
        f"{ENTRY}27": ask,
        f"{ENTRY}27.3": ask,
        f"{ENTRY}48": detail,
        f"{ENTRY}150": detail,
        "1.3.6.1.4.1.19376.1.5.3.1.4.13": detail,
        "2.16.840.1.113883.10.20.6.2.13": detail,
    },
    kinds=KINDS,
    sections={f"{SECTION}213": history},
    intent="order",
    finish=finish,
)
MAPPING = mapping_of(MODEL, "imaging request: ServiceRequest an act, with what supports it")
