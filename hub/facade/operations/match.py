"""$match: R4 §8.1.20.1 (http://hl7.org/fhir/R4/patient-operation-match.html) and IHE PDQm ITI-119.

The patients that may be the one described, the surest first, each with its score and match-grade; of each that
is not certain an OperationOutcome says why.  ``onlyCertainMatches`` gives the one to work with, or none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from hub.errors import InvalidError
from hub.facade.context import Facade
from hub.facade.operations import TYPE, Call, Operation, Parameter

if TYPE_CHECKING:
    from hub.services.identity.match import Found, Matches

GRADE = "http://hl7.org/fhir/StructureDefinition/match-grade"
DEFAULT_COUNT, MAX_COUNT = 20, 100


def run(facade: Facade, call: Call) -> bytes:
    """The patients found."""
    from hub.facade.bundle import bundle, remark
    from hub.facade.operations import _given, _terms
    from hub.facade.search import seen
    from hub.fhir.outcome import outcome
    from hub.services.identity import match
    from hub.services.resources import rules

    _given.only(call, "resource", "onlyCertainMatches", "count")
    patient = _given.resource(call, "resource", "Patient")
    certain, count = _terms.flag(call, "onlyCertainMatches"), _terms.number(call, "count")
    rules.check(patient, "Patient")
    if not match.queries(patient):
        cure = "send an identifier, or a birth date with a name, or a family and a given name"
        raise InvalidError("too little is said of the patient", where="http.resource", cure=cure, code="required")
    with facade.store.reading() as conn:
        made = match.match(conn, patient, seen())
    found = [f for f in made.found if f.grade.grade == "certain"][:1] if certain else list(made.found)
    told = _told(made, found)
    found = found[: min(count if count is not None else DEFAULT_COUNT, MAX_COUNT)]
    entries = [_entry(facade.base, f) for f in found]
    if told:
        entries.append(remark(orjson.dumps(outcome(*told))))
    here = [("self", f"{facade.base}/Patient/$match")]
    return bundle("searchset", entries, links=here, total=len(found))


def _entry(base: str, found: Found) -> bytes:
    search = {
        "extension": [{"url": GRADE, "valueCode": found.grade.grade}],
        "mode": "match",
        "score": found.grade.score,
    }
    head = f'{{"fullUrl":"{base}/{found.ref}","resource":'.encode()
    return head + found.content + b',"search":' + orjson.dumps(search) + b"}"


def _told(made: Matches, shown: list[Found]) -> list[dict[str, Any]]:
    """Why patients are not certain, or not shown; without a trait of anybody."""
    from hub.fhir.outcome import issue

    told = [
        issue("information", "business-rule", f"{f.ref} is {f.grade.grade}: {'; '.join(f.grade.reasons)}")
        for f in made.found[:MAX_COUNT]
        if f.grade.grade != "certain"
    ]
    if not shown and not made.found:
        told.append(issue("information", "not-found", "nobody here is like the patient described"))
    elif not shown:
        told.append(issue("information", "not-found", "nobody is certainly the patient described"))
    if not made.whole:
        told.append(issue("warning", "too-costly", "too many are alike: say more of the patient"))
    return told


OPERATION = Operation(
    name="match",
    definition="http://hl7.org/fhir/OperationDefinition/Patient-match",
    types=("Patient",),
    levels=(TYPE,),
    run=run,
    letters="rs",
    parameters=(
        Parameter("resource", "Resource", least=1, text="what is known of the patient"),
        Parameter("onlyCertainMatches", "boolean"),
        Parameter("count", "integer"),
        Parameter("return", "Bundle", "out", 1),
    ),
    text="Patients that may be the one described, by INS, by number, or by the five strict traits.",
)
