"""$docref: IPA 1.0.0 and US Core (https://hl7.org/fhir/uv/ipa/OperationDefinition-docref.html).

The documents of a patient, of a type, of a time of care.  The hub makes none on demand: it has what it was given.
"""

from __future__ import annotations

from flask import Response

from hub.errors import InvalidError
from hub.facade import search
from hub.facade.context import Facade
from hub.facade.operations import TYPE, Call, Operation, Parameter
from hub.facade.operations._terms import flag, text

_KNOWN = ("patient", "start", "end", "type", "on-demand", "_count")


def run(facade: Facade, call: Call) -> Response:
    """A searchset, page by page as any search."""
    for name, _ in call.parameters:
        if name not in _KNOWN:
            cure = f"take {', '.join(_KNOWN)}"
            raise InvalidError("the hub does not have this parameter", where=f"http.{name[:64]}", cure=cure,
                               code="not-supported")  # fmt: skip
    patient = text(call, "patient")
    if not patient:
        raise InvalidError("whose documents?", where="http.patient", cure="give the id of a Patient", code="required")
    if flag(call, "on-demand"):
        cure = "leave it out: the documents that are there are answered"
        raise InvalidError("the hub makes no documents on demand", where="http.on-demand", cure=cure,
                           code="not-supported")  # fmt: skip
    pairs = [("patient", patient), ("status", "current")]
    if start := text(call, "start"):
        pairs.append(("period", f"ge{start}"))
    if end := text(call, "end"):
        pairs.append(("period", f"le{end}"))
    if kinds := [_token(one) for one in call.all("type")]:
        pairs.append(("type", ",".join(kinds)))
    if count := call.first("_count"):
        pairs.append(("_count", str(count)))
    return search.first(facade, "DocumentReference", "DocumentReference", pairs)


def _token(value: object) -> str:
    """A type as a search has it: ``system|code``, of a URL or of a Coding or CodeableConcept in Parameters."""
    if isinstance(value, str) and value:
        return value
    codings = value.get("coding", [value]) if isinstance(value, dict) else None
    first = codings[0] if isinstance(codings, list) and codings else None
    code = first.get("code") if isinstance(first, dict) else None
    if not isinstance(first, dict) or not isinstance(code, str) or not code:
        raise InvalidError("is no code", where="http.type", cure="send a CodeableConcept or system|code", code="value")
    system = first.get("system")
    return f"{system}|{code}" if isinstance(system, str) else code


OPERATION = Operation(
    name="docref",
    definition="http://hl7.org/fhir/uv/ipa/OperationDefinition/docref",
    types=("DocumentReference",),
    levels=(TYPE,),
    run=run,
    letters="s",
    parameters=(
        Parameter("patient", "id", least=1, text="Whose documents."),
        Parameter("start", "date", text="First day of the care they are about (context.period)."),
        Parameter("end", "date", text="Last day of it."),
        Parameter("type", "CodeableConcept", most="*", text="One of these types."),
        Parameter("on-demand", "boolean", text="Not true: the hub makes none on demand."),
        Parameter("return", "Bundle", "out", 1),
    ),
    text="The current documents of a patient.",
)
