"""$translate: R4 §4.10.15.1 (http://hl7.org/fhir/R4/conceptmap-operation-translate.html)."""

from __future__ import annotations

from typing import Any

from hub.facade.context import Facade
from hub.facade.operations import INSTANCE, TYPE, Call, Operation, Parameter


def run(facade: Facade, call: Call) -> dict[str, Any]:
    """What a code becomes."""
    from hub.facade.operations import _terms
    from hub.services.terminology import translate

    return translate(
        _terms.asked(call),
        url=_terms.text(call, "url"),
        given=_terms.given(facade, call, "conceptMap", "ConceptMap"),
        source=_terms.text(call, "source"),
        target=_terms.text(call, "target"),
        target_system=_terms.text(call, "targetsystem", "targetSystem"),
        reverse=_terms.flag(call, "reverse"),
        known=_terms.known(facade),
    )


OPERATION = Operation(
    name="translate",
    definition="http://hl7.org/fhir/OperationDefinition/ConceptMap-translate",
    types=("ConceptMap",),
    levels=(TYPE, INSTANCE),
    run=run,
    parameters=(
        Parameter("url", "uri"),
        Parameter("conceptMap", "ConceptMap"),
        Parameter("code", "code"),
        Parameter("system", "uri"),
        Parameter("coding", "Coding"),
        Parameter("codeableConcept", "CodeableConcept"),
        Parameter("source", "uri"),
        Parameter("target", "uri"),
        Parameter("targetsystem", "uri"),
        Parameter("reverse", "boolean"),
        Parameter("result", "boolean", "out", 1),
        Parameter("message", "string", "out"),
        Parameter("match", "BackboneElement", "out", 0, "*"),
    ),
    text="What a code becomes in another code system, by the concept maps and code tables of the hub.",
)
