"""$expand: R4 §4.9.17.1 (http://hl7.org/fhir/R4/valueset-operation-expand.html)."""

from __future__ import annotations

from typing import Any

from hub.errors import UnsupportedError
from hub.facade.context import Facade
from hub.facade.operations import INSTANCE, TYPE, Call, Operation, Parameter

_UNDONE = ("context", "contextDirection", "date", "exclude-system", "system-version", "designation")


def run(facade: Facade, call: Call) -> dict[str, Any]:
    """The value set with its codes."""
    from hub.facade.operations import _terms
    from hub.services.terminology import expand

    for name in _UNDONE:
        if call.first(name) is not None:
            raise UnsupportedError("this is not done here", where=f"http.{name}", cure="leave it out")
    return expand(
        _terms.text(call, "url"),
        _terms.given(facade, call, "valueSet", "ValueSet"),
        text=_terms.text(call, "filter"),
        offset=_terms.number(call, "offset") or 0,
        count=_terms.number(call, "count"),
        language=_terms.language(call),
        designations=_terms.flag(call, "includeDesignations"),
        known=_terms.known(facade),
    )


OPERATION = Operation(
    name="expand",
    definition="http://hl7.org/fhir/OperationDefinition/ValueSet-expand",
    types=("ValueSet",),
    levels=(TYPE, INSTANCE),
    run=run,
    parameters=(
        Parameter("url", "uri"),
        Parameter("valueSet", "ValueSet"),
        Parameter("filter", "string"),
        Parameter("offset", "integer"),
        Parameter("count", "integer"),
        Parameter("includeDesignations", "boolean"),
        Parameter("displayLanguage", "code", text="fr (default) or en"),
        Parameter("return", "ValueSet", "out", 1),
    ),
    text="All codes of a value set, or those whose name holds the words of filter.",
)
