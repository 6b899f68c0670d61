"""CANCER-PPS 2022.01: the personalised programme of care of a patient with cancer.

ANS CI-SIS, volet CANCER-PPS; INCa, programme personnalisé de soins.  There is no official mapping of its content; the
one chosen here, beside that of FRCP for the diagnosis:

* Each plan (S~158: therapeutic programme MED-566, supportive care MED-567) is a CarePlan of intent plan; what is to be
  done is a ServiceRequest (activity.reference), what was done a Procedure (activity.outcomeReference).  Their category
  is the code of the entry (MED-568 treatment...), their code its qualifier (radiotherapy...).
* What is to be done is active even where its statusCode is completed, which says that the intent is: nobody shall take
  a treatment that is planned for one that is over.
* Planned dates (GEN-177) are an extension, and the occurrence where nothing else says it; rhythm, mode and side effects
  are Observations that support the request; a measure for which one asks (weight, tobacco) is its reason.
* The structures and professionals of the header (ORG-177 to ORG-191) are one CareTeam, that of the plans.
* The motive is the description of the plans; documents referred to (S~55) and dates (ORG-189, GEN-178) support them.
"""

from __future__ import annotations

from typing import Final

from hub.source.cda import Node

from ...shape import Element, clean, keep
from ..context import Context
from ..datatypes import cd_concept, ii_identifier
from ..entries.observation import add_observation
from ..entries.procedure import done
from ..entries.report import people
from ..entries.request import asks, request
from ..extensions import OURS
from ..frame import Model
from ..mapping import mapping_of
from ..participations import participation_time
from ..people import role
from ..standard import ENTRY, KINDS, SECTION, TEMPLATES
from ..values import comments, concept_of, moment, note_of
from .frcp import status

PLANNED: Final = f"{OURS}planned"
_PCC = "1.3.6.1.4.1.19376.1.5.3.1.4."
_MEMBERS: Final = ("Practitioner/", "PractitionerRole/", "Organization/", "RelatedPerson/", "Patient/", "CareTeam/")


def begin(c: Context) -> None:
    """The team of the header."""
    members = []
    for node in c.document.all("participant"):
        who = role(node.one("associatedEntity"), c)
        if who is None or ("reference" in who and not who["reference"].startswith(_MEMBERS)):
            continue
        function = cd_concept(node.one("functionCode"), c.words)
        period = (participation_time(node, c) or {}).get("valuePeriod")
        members.append(clean({"role": [function] if function else None, "member": who, "period": period}))
    if members:
        c.add(clean({
            "resourceType": "CareTeam",
            "status": "active",
            "subject": c.patient,
            "encounter": c.told.get("encounter"),
            "participant": members,
        }), "team", "team")  # fmt: skip


def detail(node: Node, c: Context) -> Element | None:
    """An observation that supports an item or the plan."""
    return add_observation(node, c, "detail")


def why(node: Node, c: Context) -> Element | None:
    """A measure for which something is asked (E~50, E~52)."""
    return add_observation(node, c, "why")


def planned(node: Node, c: Context) -> None:
    """GEN-177: the dates that are planned, for the item around it."""
    node.leave("*container", "id", "code", "statusCode", "value", "@moodCode")
    if when := moment(node.one("effectiveTime"), c, "occurrence"):
        c.facts.setdefault("planned", []).append((when, c.link(node)))


def motive(node: Node, c: Context) -> Element | None:
    """Why there is a programme: its words describe the plans."""
    told = concept_of(node.one("value"), c) or {}
    if words := told.get("text") or next((n["text"] for n in note_of(node, c)), None):
        c.facts.setdefault("motive", []).append(words)
    return add_observation(node, c, "detail")


def item(node: Node, c: Context) -> Element | None:
    """E~62: something of the plan, to be done or done."""
    supporting, reasons = len(c.made.get("detail", ())), len(c.made.get("why", ()))
    outer = c.facts.pop("planned", None)
    code = node.one("code")
    what = [x for q in code.all("qualifier") if (x := concept_of(q.one("value"), c))] if code is not None else []
    asked = asks(node)
    reference = request(node, c, "item") if asked else done(node, c)
    details = _since(c, "detail", supporting)
    because = _since(c, "why", reasons)
    dates = c.facts.pop("planned", [])
    if outer:
        c.facts["planned"] = outer
    if reference is None:
        c.also += [*details, *because]
        return None
    made = c.resource(reference)
    kind = made["code"]
    if what:
        words = kind.pop("text", None)  # the words of the entry say what, not of which kind
        made["code"] = clean({"text": words, **what[0]})
        made["category"] = [kind, *what[1:]] if asked else kind
    times = [{"url": PLANNED, **{k.replace("occurrence", "value"): v for k, v in when.items()}} for when, _ in dates]
    links = [x for _, link in dates for x in link]
    made.update(clean({"extension": [*made.get("extension", []), *links, *times], "reasonReference": because}))
    if asked:
        # An intent that is completed is one that is fully told, not a treatment that is over.
        made["status"] = keep("active", made["status"]) if made["status"] == "completed" else made["status"]
        made.update(clean({"supportingInfo": details}))
        if dates and not any(name.startswith("occurrence") for name in made):
            made.update(dates[0][0])
    else:
        for one in details:
            c.resource(one)["partOf"] = [reference]
        c.also += details
    return reference


def _since(c: Context, word: str, before: int) -> list[Element]:
    """What rules noted under ``word`` since there were ``before`` of them."""
    known = c.made.get(word, [])
    found = known[before:]
    del known[before:]
    return found


def referred(node: Node, c: Context) -> None:
    """E~35: documents that are referred to."""
    node.leave("*container", "id", "code", "statusCode", "@moodCode")
    for one in node.all("reference"):
        document = one.one("externalDocument")
        for found in document.all("id") if document is not None else ():
            if number := ii_identifier(found):
                c.facts.setdefault("documents", []).append(
                    clean({"extension": c.link(node), "type": "DocumentReference", "identifier": number})
                )
    c.facts.setdefault("notes", []).extend(comments(node, c))


def plan(section: Node, entries: list[Element], made: Element, c: Context) -> list[Element]:
    """S~158: one CarePlan."""
    category = [x for x in (c.told.get("type"), cd_concept(section.one("code"))) if x]
    authors = people(c)
    known, own = c.made.get("detail", []), {x["reference"] for x in entries}
    supporting = [x for x in known if x["reference"] in own]
    c.made["detail"] = [x for x in known if x["reference"] not in own]
    asked = [x for x in entries if x["reference"].startswith("ServiceRequest/")]
    was = [x for x in entries if x["reference"].startswith("Procedure/")]
    reference = c.add(clean({
        "resourceType": "CarePlan",
        "status": "active",
        "intent": "plan",
        "category": category,
        "title": made.get("title"),
        "subject": c.patient,
        "encounter": c.told.get("encounter"),
        "created": c.told.get("date"),
        "author": authors[0] if authors else None,
        "contributor": authors[1:],
        "careTeam": c.made.get("team", []),
        "supportingInfo": supporting,
        "activity": [*({"reference": x} for x in asked), *({"outcomeReference": [x]} for x in was)],
        "note": c.made.pop("comment", []),
    }), "plan", "plan")  # fmt: skip
    return [reference, *entries]


def finish(c: Context) -> None:
    """Say of the plans what the other sections tell."""
    supporting = [*c.made.get("detail", []), *c.facts.get("documents", [])]
    motive_ = c.facts.get("motive", [])
    for one in c.made.get("plan", []):
        made = c.resource(one)
        made.update(clean({
            "description": "\n".join(motive_),
            "addresses": c.made.get("condition", []),
            "supportingInfo": [*made.get("supportingInfo", []), *supporting],
            "note": [*made.get("note", []), *c.facts.get("notes", [])],
        }))  # fmt: skip


MODEL = Model(
    name="CANCER-PPS",
    template="1.2.250.1.213.1.1.1.26",
    codes={"GEN-177": planned, "GEN-065": status, "55607006": motive},
    templates={
        **TEMPLATES,
        f"{ENTRY}35": referred,
        f"{ENTRY}48": detail,
        f"{ENTRY}50": why,
        f"{ENTRY}52": why,
        f"{ENTRY}62": item,
        f"{_PCC}13": detail,
        f"{_PCC}13.2": why,
        f"{_PCC}13.4": why,
        f"{_PCC}19": item,
        f"{_PCC}4": referred,
    },
    kinds=KINDS,
    sections={f"{SECTION}158": plan},
    begin=begin,
    finish=finish,
)
MAPPING = mapping_of(MODEL, "personalised programme of care: CarePlan, ServiceRequest, Procedure, CareTeam, Condition")
