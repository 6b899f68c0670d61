"""$validate: R4 §3.1.0.10 (http://hl7.org/fhir/R4/resource-operation-validate.html), of a type and an instance.

The answer is 200 with an OperationOutcome, whatever is found: that the operation was done, not that all is well.
"""

from __future__ import annotations

from typing import Any

import orjson

from hub.errors import InvalidError
from hub.facade.context import Facade
from hub.facade.operations import INSTANCE, TYPE, Call, Operation, Parameter
from hub.fhir.draft import Issue


def run(facade: Facade, call: Call) -> dict[str, Any]:
    """What is wrong with the resource sent or, at the instance, with the one stored."""
    from hub.facade.operations import _terms
    from hub.services import validation

    mode, profile = _terms.text(call, "mode"), _terms.text(call, "profile")
    if mode and mode not in validation.MODES:
        cure = f"take one of {', '.join(validation.MODES)}"
        raise InvalidError("there is no such mode", where="http.mode", cure=cure, code="value")
    if mode in ("update", "delete") and not call.fid:
        raise InvalidError(f"{mode} is of one resource", where="http.mode", cure="call it at [type]/[id]", code="value")
    if mode == "delete":
        facade.current(f"{call.kind}/{call.fid}")
        return validation.told([Issue("information", "", "nothing stands against deleting it", "informational")])
    value = _resource(facade, call)
    return validation.told(
        _place(call, mode, value)
        or validation.findings(value, [profile] if profile else [], base=facade.settings.canonical_base)
    )


def _resource(facade: Facade, call: Call) -> Any:
    if call.resource is not None:
        return call.resource.value
    sent = call.first("resource")
    if sent is None and call.fid:
        return orjson.loads(facade.current(f"{call.kind}/{call.fid}").content)
    if not isinstance(sent, dict):
        cure = "send it as the body, or as the parameter `resource`"
        raise InvalidError("there is no resource to validate", where="http.resource", cure=cure, code="required")
    return sent


def _place(call: Call, mode: str, value: dict[str, Any]) -> list[Issue]:
    """What keeps the resource from being written at this URL."""
    if value.get("resourceType") != call.kind:
        return [Issue("error", "resourceType", f"this URL takes a {call.kind}", "invalid")]
    if mode == "update" and value.get("id") != call.fid:
        return [Issue("error", f"{call.kind}.id", "the id is not that of the URL", "invalid")]
    return []


OPERATION = Operation(
    name="validate",
    definition="http://hl7.org/fhir/OperationDefinition/Resource-validate",
    types=("*",),
    levels=(TYPE, INSTANCE),
    run=run,
    parameters=(
        Parameter("resource", "Resource"),
        Parameter("mode", "code", text="create, update, delete or profile"),
        Parameter("profile", "uri", text="canonical URL of the profile it is judged by"),
        Parameter("return", "OperationOutcome", "out", 1),
    ),
    text="What keeps a resource from being good: by R4, by the profiles it names, and by one asked for.",
)
