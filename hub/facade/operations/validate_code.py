"""$validate-code: R4 §4.9.17.2 (http://hl7.org/fhir/R4/valueset-operation-validate-code.html), and of a code
system §4.8.15.2 (http://hl7.org/fhir/R4/codesystem-operation-validate-code.html)."""

from __future__ import annotations

from typing import Any

from hub.facade.context import Facade
from hub.facade.operations import INSTANCE, TYPE, Call, Operation, Parameter


def run(facade: Facade, call: Call) -> dict[str, Any]:
    """Whether a code is one of the set or system."""
    from hub.facade.operations import _terms
    from hub.services.terminology import validate_in_system, validate_in_value_set

    of_set = call.kind == "ValueSet"
    given = _terms.given(facade, call, "valueSet" if of_set else "codeSystem", call.kind)
    check = validate_in_value_set if of_set else validate_in_system
    return check(
        _terms.text(call, "url"),
        _terms.asked(call),
        given=given,
        language=_terms.language(call),
        known=_terms.known(facade),
    )


OPERATION = Operation(
    name="validate-code",
    definition="http://hl7.org/fhir/OperationDefinition/ValueSet-validate-code",
    types=("ValueSet", "CodeSystem"),
    levels=(TYPE, INSTANCE),
    run=run,
    parameters=(
        Parameter("url", "uri"),
        Parameter("valueSet", "ValueSet"),
        Parameter("codeSystem", "CodeSystem"),
        Parameter("code", "code"),
        Parameter("system", "uri"),
        Parameter("display", "string"),
        Parameter("coding", "Coding"),
        Parameter("codeableConcept", "CodeableConcept"),
        Parameter("displayLanguage", "code", text="fr (default) or en"),
        Parameter("result", "boolean", "out", 1),
        Parameter("message", "string", "out"),
        Parameter("display", "string", "out"),
    ),
    text="Whether a code is in a value set or code system, and its display the right one.",
)
