"""$ihe-pix: IHE PIXm ITI-83, Mobile Patient Identifier Cross-reference Query
(https://profiles.ihe.net/ITI/PIXm/ITI-83.html)."""

from __future__ import annotations

from typing import Any

from hub.errors import InvalidError
from hub.facade.context import Facade
from hub.facade.operations import TYPE, Call, Operation, Parameter


def run(facade: Facade, call: Call) -> dict[str, Any]:
    """The identifiers of the same patient in other domains: none is no error."""
    from hub.facade.operations import _given, _terms
    from hub.facade.query import split, unescape
    from hub.facade.search import seen
    from hub.services.identity.crossref import cross

    _given.only(call, "sourceIdentifier", "targetSystem")
    source = _terms.text(call, "sourceIdentifier")
    system, value = (*(unescape(part) for part in split(source, "|")), "", "")[:2]
    if not system or not value:
        cure = "write system|value"
        raise InvalidError("an identifier is expected", where="http.sourceIdentifier", cure=cure, code="required")
    targets = [t for v in call.all("targetSystem") for t in str(v).split(",") if t]
    with facade.store.reading() as conn:
        known = cross(conn, system, value, targets, seen())
    named: list[dict[str, Any]] = [
        {"name": "targetIdentifier", "valueIdentifier": {"system": s, "value": v}} for s, v in known.identifiers
    ]
    named += [{"name": "targetId", "valueReference": {"reference": f"{facade.base}/{ref}"}} for ref in known.records]
    return {"resourceType": "Parameters", "parameter": named} if named else {"resourceType": "Parameters"}


OPERATION = Operation(
    name="ihe-pix",
    definition="https://profiles.ihe.net/ITI/PIXm/OperationDefinition/IHE.PIXm.pix",
    types=("Patient",),
    levels=(TYPE,),
    run=run,
    letters="rs",
    parameters=(
        Parameter("sourceIdentifier", "string", least=1, text="system|value"),
        Parameter("targetSystem", "uri", most="*", text="only identifiers of this domain"),
        Parameter("targetIdentifier", "Identifier", "out", 0, "*"),
        Parameter("targetId", "Reference", "out", 0, "*"),
    ),
    text="The identifiers that other domains have for a patient (IHE PIXm, ITI-83).",
)
