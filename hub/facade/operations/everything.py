"""$everything: R4 §8.1.20.2 (http://hl7.org/fhir/R4/patient-operation-everything.html), of one patient.

A Bundle of pages; the resources that those of the patient name (practitioners, organizations...) come along.
The record of a patient that was merged is that of all identities that are one.
"""

from __future__ import annotations

import orjson

from hub.errors import InvalidError, NotFoundError
from hub.facade.context import Facade, caller
from hub.facade.operations import INSTANCE, Call, Operation, Parameter

MOST = 500  # resources of the patient on a page
_NAMES = ("start", "end", "_since", "_type", "_count", "_page")


def run(facade: Facade, call: Call) -> bytes:
    """A page of what is known."""
    from hub.facade.bundle import bundle, entry, remark
    from hub.facade.operations import _given, _terms
    from hub.facade.search import seen
    from hub.fhir.outcome import issue, outcome
    from hub.services.identity import everything, links
    from hub.store.includes import included
    from hub.store.search import count, search

    _given.only(call, *_NAMES)
    ref = f"{call.kind}/{call.fid}"
    facade.current(ref)
    after, token = None, _terms.text(call, "_page")
    if token:
        text, after = facade.pages.open(token, caller().number)
        kept = orjson.loads(text)
        if kept.get("everything") != ref:
            raise NotFoundError("this page was made for another question", cure="ask again")
        call = Call(call.kind, call.fid, tuple((n, v) for n, v in kept["asked"]))
    limit = min(_terms.number(call, "_count") or MOST, MOST)
    since = _given.span(call, "_since")
    wanted = everything.Wanted(
        _types(call), _given.span(call, "start"), _given.span(call, "end"), since[0] if since else None
    )
    visible = seen()
    issues = []
    with facade.store.reading() as conn:
        query = everything.query(sorted(links.same(conn, ref)), wanted)
        rows = search(conn, query, limit + 1, after, visible)
        more, rows = len(rows) > limit, rows[:limit]
        kinds = sorted({row.ref.partition("/")[0] for row in rows})
        include = everything.support(kinds, wanted.types)
        along, whole = included(conn, [(r.rid, r.ref) for r in rows], include, visible) if include else ([], True)
        total = count(conn, query, visible=visible)
    if not whole:
        issues.append(issue("warning", "too-costly", "not all resources that are named are here; ask for less a page"))
    here = f"{facade.base}/{ref}/$everything"
    links_ = [("self", here)]
    if more:
        asked = orjson.dumps({"everything": ref, "asked": [p for p in call.parameters if p[0] != "_page"]}).decode()
        links_.append(("next", f"{here}?_page={facade.pages.link(asked, rows[-1].place, caller().number)}"))
    entries = [entry(facade.base, r.ref, r.content, "match") for r in rows]
    entries += [entry(facade.base, a.ref, a.content, "include") for a in along]
    if issues:
        entries.append(remark(orjson.dumps(outcome(*issues))))
    return bundle("searchset", entries, links=links_, total=total)


def _types(call: Call) -> tuple[str, ...]:
    from hub.fhir.search import types

    named = tuple(dict.fromkeys(t for v in call.all("_type") for t in str(v).split(",")))
    if not set(named) <= set(types()):
        raise InvalidError("names no resource type of R4", where="http._type", cure="write Observation,…", code="value")
    return named


OPERATION = Operation(
    name="everything",
    definition="http://hl7.org/fhir/OperationDefinition/Patient-everything",
    types=("Patient",),
    levels=(INSTANCE,),
    run=run,
    letters="rs",
    parameters=(
        Parameter("start", "date", text="care that did not end before"),
        Parameter("end", "date", text="care that did not begin after"),
        Parameter("_since", "instant", text="only what was written since"),
        Parameter("_type", "code", most="*", text="only resources of these types"),
        Parameter("_count", "integer", text=f"resources of the patient on a page, {MOST} at most"),
        Parameter("return", "Bundle", "out", 1),
    ),
    text="All that is known of a patient: the compartment, and who and what it names.",
)
