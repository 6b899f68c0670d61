"""$lastn: R4 §10.1.20.1 (http://hl7.org/fhir/R4/observation-operation-lastn.html).

The newest ``max`` observations of each code, of one patient; all other parameters are those of a search.
"""

from __future__ import annotations

from urllib.parse import urlencode

import orjson

from hub.errors import InvalidError
from hub.facade.context import Facade
from hub.facade.operations import TYPE, Call, Operation, Parameter

MOST = 100
_WHOM = ("patient", "subject")
_RESULTS = ("_sort", "_count", "_include", "_revinclude", "_total", "_summary")


def run(facade: Facade, call: Call) -> bytes:
    """The observations, group by group."""
    from hub.facade.bundle import bundle, entry, remark
    from hub.facade.operations import _terms
    from hub.facade.query import read
    from hub.facade.search import seen
    from hub.fhir.outcome import issue, outcome
    from hub.services.identity.latest import LOOKED, latest
    from hub.services.identity.links import widened

    given = [(n, str(v)) for n, v in call.parameters if n != "max"]
    most = _terms.number(call, "max")
    if most == 0 or (most or 1) > MOST:
        raise InvalidError(f"it is 1 to {MOST}", where="http.max", cure="ask for fewer", code="value")
    other = next((n for n, _ in given if n.partition(":")[0] in _RESULTS), None)
    if other is not None:
        cure = "leave it out: order and number follow from the operation"
        raise InvalidError("is not for $lastn", where=f"http.{other}", cure=cure, code="not-supported")
    if not any(n.partition(":")[0].partition(".")[0] in _WHOM for n, _ in given):
        raise InvalidError("whose observations?", where="http.patient", cure="add patient=…", code="required")
    with facade.store.reading() as conn:
        asked = read("Observation", widened(conn, given, facade.base), base=facade.base)
        rows, whole = latest(conn, asked.query, most or 1, seen())
    entries = [entry(facade.base, r.ref, r.content, "match") for r in rows]
    if not whole:
        told = issue("warning", "too-costly", f"only the newest {LOOKED} observations were looked at; ask for fewer")
        entries.append(remark(orjson.dumps(outcome(told))))
    here = urlencode([*given, ("max", most or 1)])
    links = [("self", f"{facade.base}/Observation/$lastn?{here}")]
    return bundle("searchset", entries, links=links, total=len(rows))


OPERATION = Operation(
    name="lastn",
    definition="http://hl7.org/fhir/OperationDefinition/Observation-lastn",
    types=("Observation",),
    levels=(TYPE,),
    run=run,
    letters="rs",
    parameters=(
        Parameter("max", "positiveInt", text=f"of each code; 1 when it is not given, {MOST} at most"),
        Parameter("patient", "string", text="whose; and any other search parameter of Observation"),
        Parameter("return", "Bundle", "out", 1),
    ),
    text="The newest observations of each code, of one patient.",
)
