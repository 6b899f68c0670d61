"""$subsumes: R4 §4.8.15.3 (http://hl7.org/fhir/R4/codesystem-operation-subsumes.html)."""

from __future__ import annotations

from typing import Any

from hub.errors import InvalidError
from hub.facade.context import Facade
from hub.facade.operations import TYPE, Call, Operation, Parameter


def run(facade: Facade, call: Call) -> dict[str, Any]:
    """How two codes of a system stand to each other."""
    from hub.facade.operations import _terms
    from hub.services.terminology import subsumes
    from hub.services.terminology.asked import codings

    system, codes = _terms.text(call, "system"), [_terms.text(call, "codeA"), _terms.text(call, "codeB")]
    for n, name in enumerate(("codingA", "codingB")):
        if call.first(name) is not None:
            (coding,) = codings(coding=call.first(name))
            if system and coding.system and coding.system != system:
                cure = "compare codes of one system"
                raise InvalidError("two code systems", where=f"http.{name}", cure=cure, code="value")
            system, codes[n] = coding.system or system, coding.code
    return subsumes(system, *codes, version=_terms.text(call, "version"), known=_terms.known(facade))


OPERATION = Operation(
    name="subsumes",
    definition="http://hl7.org/fhir/OperationDefinition/CodeSystem-subsumes",
    types=("CodeSystem",),
    levels=(TYPE,),
    run=run,
    parameters=(
        Parameter("codeA", "code"),
        Parameter("codeB", "code"),
        Parameter("system", "uri"),
        Parameter("version", "string"),
        Parameter("codingA", "Coding"),
        Parameter("codingB", "Coding"),
        Parameter("outcome", "code", "out", 1),
    ),
    text="Whether one code stands over the other, where the hub knows the hierarchy.",
)
