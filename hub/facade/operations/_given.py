"""Parameters of the operations on patients, as they come by URL, by form or in a Parameters resource."""

from __future__ import annotations

from typing import Any

from hub.errors import InvalidError
from hub.facade.operations import Call
from hub.fhir.search import interval


def only(call: Call, *names: str) -> None:
    """See that no other parameter was sent: one that is passed over would answer another question.

    :raises InvalidError: naming the first other one.
    """
    other = next((name for name, _ in call.parameters if name not in names), None)
    if other is not None:
        cure = f"take {', '.join(names)}" if names else "leave it out"
        raise InvalidError(
            "the operation has no such parameter", where=f"http.{other[:64]}", cure=cure, code="not-supported"
        )


def span(call: Call, name: str) -> tuple[int, int] | None:
    """First and last microsecond of a date or instant.

    :raises InvalidError: when it is none.
    """
    said = call.first(name)
    if said is None:
        return None
    try:
        return interval(said.replace(" ", "+"))
    except (ValueError, AttributeError):
        raise InvalidError("is no date", where=f"http.{name}", cure="write YYYY-MM-DD", code="value") from None


def resource(call: Call, name: str, kind: str) -> dict[str, Any]:
    """The resource of a type that was sent, as the body or as a parameter.

    :raises InvalidError: when there is none.
    """
    sent = call.first(name) if call.resource is None else call.resource.value
    if not isinstance(sent, dict) or sent.get("resourceType") != kind:
        cure = f"send a {kind}, as the body or as the parameter `{name}`"
        raise InvalidError(f"there is no {kind}", where=f"http.{name}", cure=cure, code="required")
    return sent
