"""$events of a Subscription: Subscriptions R5 Backport IG 1.1
(http://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition/backport-subscription-events).
"""

from __future__ import annotations

from hub.errors import InvalidError
from hub.facade.context import Facade
from hub.facade.operations import INSTANCE, Call, Operation, Parameter


def run(facade: Facade, call: Call) -> bytes:
    """A notification Bundle of the events asked for."""
    from hub.services.subscriptions import asking

    since, until = _number(call, "eventsSinceNumber"), _number(call, "eventsUntilNumber")
    content = str(call.first("content", ""))
    return asking.events(facade.store, call.fid, since or 1, until, content)


def _number(call: Call, name: str) -> int | None:
    given = call.first(name)
    if given is None:
        return None
    text = str(given)
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise InvalidError("is no number of an event", where=f"http.{name}", cure="write 1 or more", code="value")
    return int(text)


OPERATION = Operation(
    name="events",
    definition="http://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition/backport-subscription-events",
    types=("Subscription",),
    levels=(INSTANCE,),
    run=run,
    letters="s",  # it shows what a search would
    parameters=(
        Parameter("eventsSinceNumber", "string", text="the first; default 1"),
        Parameter("eventsUntilNumber", "string", text="the last; default the newest"),
        Parameter("content", "code", text="empty, id-only or full-resource; default that of the Subscription"),
        Parameter("return", "Bundle", "out", 1),
    ),
    text="What a Subscription was told, by number, also when it never arrived.",
)
