"""What an endpoint is sent.

R4 §2.46.7 (rest-hook: nothing, or the resource as an update); Subscriptions R5 Backport IG 1.1, R4 notification
Bundle: a history whose first entry is the status, then the resources of the events.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

import orjson

from hub import clock
from hub.services.subscriptions.model import BACKPORT, Subscription

FHIR: Final = "application/fhir+json"


@dataclass(frozen=True, slots=True)
class Event:
    """A resource that was written and fits; ``content`` is its version as it is stored, or None when it is gone."""

    number: int
    ref: str
    version: int
    at: int
    content: bytes | None = None


def body(asked: Subscription, base: str, event: Event) -> tuple[bytes, str]:
    """What is sent of one event, and its media type."""
    if asked.content:
        return bundle(asked, base, "event-notification", event.number, [event]), FHIR
    if asked.payload:
        return event.content or b"", FHIR
    return b"", ""


def bundle(asked: Subscription, base: str, kind: str, total: int, events: Sequence[Event] = (),
           content: str = "", error: str = "") -> bytes:  # fmt: skip
    """A notification Bundle.

    :param kind: ``handshake``, ``heartbeat``, ``event-notification`` or ``query-event``.
    :param total: number of events since the Subscription began.
    :param content: how much to tell of each event; default what was asked for.
    """
    content = content or asked.content or "empty"
    entries = [_status_entry(asked, base, kind, total, events, content, error)]
    entries += [_entry(base, one, content) for one in events if content != "empty"]
    head: dict[str, Any] = {"resourceType": "Bundle", "type": "history", "timestamp": clock.iso(clock.now())}
    head |= {"meta": {"profile": [f"{BACKPORT}subscription-notification-r4"]}}
    return orjson.dumps(head)[:-1] + b',"entry":[' + b",".join(entries) + b"]}"


def status(asked: Subscription, base: str, kind: str, total: int, events: Sequence[Event] = (),
           content: str = "empty", error: str = "") -> dict[str, Any]:  # fmt: skip
    """The status of a Subscription, as Parameters (profile backport-subscription-status-r4)."""
    here = f"{base}/Subscription/{asked.id}"
    listed: list[dict[str, Any]] = [{"name": "subscription", "valueReference": {"reference": here}}]
    if asked.topic:
        listed.append({"name": "topic", "valueCanonical": asked.topic})
    said = "requested" if kind == "handshake" else asked.status
    listed += [
        {"name": "status", "valueCode": said},
        {"name": "type", "valueCode": kind},
        {"name": "events-since-subscription-start", "valueString": str(total)},
    ]
    for event in events:
        part: list[dict[str, Any]] = [
            {"name": "event-number", "valueString": str(event.number)},
            {"name": "timestamp", "valueInstant": clock.iso(event.at)},
        ]
        if content != "empty":
            part.append({"name": "focus", "valueReference": {"reference": f"{base}/{event.ref}"}})
        listed.append({"name": "notification-event", "part": part})
    if error:
        listed.append({"name": "error", "valueCodeableConcept": {"text": error}})
    made = uuid5(NAMESPACE_URL, f"{here}/{kind}/{total}")
    profile = f"{BACKPORT}subscription-status-r4"
    return {"resourceType": "Parameters", "id": str(made), "meta": {"profile": [profile]}, "parameter": listed}


def _status_entry(asked: Subscription, base: str, kind: str, total: int, events: Sequence[Event], content: str,
                  error: str) -> bytes:  # fmt: skip
    made = status(asked, base, kind, total, events, content, error)
    url = f"{base}/Subscription/{asked.id}/$status"
    entry = {"fullUrl": f"urn:uuid:{made['id']}", "resource": made}
    return orjson.dumps(entry | {"request": {"method": "GET", "url": url}, "response": {"status": "200"}})


def _entry(base: str, event: Event, content: str) -> bytes:
    first = event.version == 1
    kind = event.ref.partition("/")[0]
    request = {"method": "POST", "url": kind} if first else {"method": "PUT", "url": event.ref}
    tail = {"request": request, "response": {"status": "201" if first else "200"}}
    head = orjson.dumps({"fullUrl": f"{base}/{event.ref}"})[:-1]
    if content == "full-resource" and event.content is not None:
        head += b',"resource":' + event.content
    return head + b"," + orjson.dumps(tail)[1:]
