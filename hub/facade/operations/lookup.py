"""$lookup: R4 §4.8.15.1 (http://hl7.org/fhir/R4/codesystem-operation-lookup.html)."""

from __future__ import annotations

from typing import Any

from hub.facade.context import Facade
from hub.facade.operations import TYPE, Call, Operation, Parameter


def run(facade: Facade, call: Call) -> dict[str, Any]:
    """What is known of a code."""
    from hub.facade.operations import _terms
    from hub.services.terminology import lookup

    return lookup(
        _terms.asked(call)[0],
        version=_terms.text(call, "version"),
        language=_terms.language(call),
        known=_terms.known(facade),
    )


OPERATION = Operation(
    name="lookup",
    definition="http://hl7.org/fhir/OperationDefinition/CodeSystem-lookup",
    types=("CodeSystem",),
    levels=(TYPE,),
    run=run,
    parameters=(
        Parameter("code", "code"),
        Parameter("system", "uri"),
        Parameter("version", "string"),
        Parameter("coding", "Coding"),
        Parameter("displayLanguage", "code", text="fr (default) or en"),
        Parameter("name", "string", "out", 1),
        Parameter("version", "string", "out"),
        Parameter("display", "string", "out", 1),
        Parameter("designation", "BackboneElement", "out", 0, "*"),
        Parameter("property", "BackboneElement", "out", 0, "*"),
    ),
    text="The name of a code in its languages, and what stands over and under it.",
)
