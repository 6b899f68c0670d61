"""What a Subscription asks for, read out of the resource.

R4 §2.46 (Subscription); Subscriptions R5 Backport IG 1.1, profile backport-subscription: the criteria name a topic,
extensions say what a notification holds, how long to wait and how often to say that all is well.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, replace
from typing import Any, Final

from hub import clock
from hub.errors import InvalidError, UnprocessableError

BACKPORT: Final = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-"
CONTENTS: Final = ("empty", "id-only", "full-resource")
KINDS: Final = ("rest-hook", "email")
PAYLOADS: Final = ("application/fhir+json", "application/json")
TIMEOUT: Final = 20  # seconds, where the Subscription says nothing
MAX_TIMEOUT, MAX_HEADERS, MAX_HEADER = 60, 20, 4096
_HEADER = re.compile(r"([A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}):[ \t]*([\x20-\x7e]*)", re.ASCII)
_OURS = {"connection", "content-length", "content-type", "host", "idempotency-key", "transfer-encoding"}


@dataclass(frozen=True, slots=True)
class Subscription:
    """One Subscription.

    :ivar digest: of all that its endpoint agreed to: not of its status.
    :ivar topic: canonical URL, or '' when ``criteria`` is a search; ``filters``: searches within the topic.
    :ivar payload: media type of the resource sent, or '' for none.
    :ivar content: what a notification Bundle holds (``empty``, ``id-only``, ``full-resource``); '' is plain R4: no
        Bundle, but the resource or nothing.
    :ivar headers: (name, value) as they are stored, sealed.
    :ivar heartbeat: seconds of silence after which the hub says that all is well; 0: never.
    :ivar end: microseconds; 0: never.
    """

    id: str
    version: int
    status: str
    digest: bytes
    kind: str
    endpoint: str
    criteria: str
    topic: str = ""
    filters: tuple[str, ...] = ()
    payload: str = ""
    content: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    heartbeat: int = 0
    timeout: int = TIMEOUT
    end: int = 0

    @property
    def mark(self) -> str:
        """What its notifications carry, so that one made for other terms is never sent on these."""
        return self.digest.hex()[:16]

    @property
    def sends_data(self) -> bool:
        """Whether anything of a resource is sent, be it its id."""
        return self.content in CONTENTS[1:] or (not self.content and bool(self.payload))


def read(resource: dict[str, Any], version: int = 0) -> Subscription:
    """What a Subscription that R4 allows asks for.

    :raises UnprocessableError: what the hub does not do; InvalidError: what makes no sense.
    """
    channel, kind = _channel(resource)
    made = Subscription(
        str(resource.get("id", "")), version, str(resource.get("status", "")), digest(resource), kind,
        str(channel.get("endpoint", "")), str(resource.get("criteria", "")).strip(), headers=headers(channel),
    )  # fmt: skip
    if not made.endpoint:
        raise _bad("channel.endpoint", "there is no endpoint", "say where notifications are sent")
    payload = str(channel.get("payload", "")).partition(";")[0].strip()
    if payload and payload not in PAYLOADS:
        raise _cannot("channel.payload", "notifications are not written in that media type", f"take {PAYLOADS[0]}")
    content = str(_extension(channel.get("_payload"), "payload-content", "valueCode") or "")
    if content and content not in CONTENTS:
        raise _bad("channel.payload", "there is no such content", f"take one of {', '.join(CONTENTS)}")
    made = replace(made, payload=payload, content=content, end=_end(resource))
    if "?" not in made.criteria and "://" in made.criteria:
        filters = _extensions(resource.get("_criteria"), "filter-criteria", "valueString")
        made = replace(
            made, topic=made.criteria, criteria="", filters=tuple(str(f) for f in filters), content=content or "empty"
        )
    heartbeat, timeout = (_number(channel, name) for name in ("heartbeat-period", "timeout"))
    if heartbeat and kind == "email":
        raise _cannot("channel.extension", "nobody wants mails that say nothing", "leave the heartbeat out")
    return replace(made, heartbeat=heartbeat, timeout=min(timeout or TIMEOUT, MAX_TIMEOUT))


def _channel(resource: dict[str, Any]) -> tuple[dict[str, Any], str]:
    channel = resource.get("channel")
    if not isinstance(channel, dict):
        raise _bad("channel", "there is no channel", "say how notifications are sent")
    kind = str(channel.get("type", ""))
    if kind not in KINDS:
        raise _cannot("channel.type", f"the hub does not notify by {kind[:20] or 'that'}", f"take {' or '.join(KINDS)}")
    if kind == "email" and channel.get("header"):
        raise _cannot("channel.header", "a mail has no headers of its own", "leave them out")
    return channel, kind


def headers(channel: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """Names and values of the headers that the endpoint asks for.

    :raises InvalidError: with the number of the one that is none; never with its text, which may be a secret.
    """
    given = channel.get("header") or []
    if not isinstance(given, list):
        raise _bad("channel.header", "is no list", "write a list of Name: value")
    if len(given) > MAX_HEADERS:
        raise _bad("channel.header", f"more than {MAX_HEADERS} headers", "leave some out")
    made = []
    for number, one in enumerate(given):
        match = _HEADER.fullmatch(str(one)) if len(str(one)) <= MAX_HEADER else None
        if match is None:
            raise _bad(f"channel.header[{number}]", "is no header", "write Name: value")
        if match[1].lower() in _OURS:
            raise _bad(f"channel.header[{number}]", "is set by the hub", "leave it out")
        made.append((match[1], match[2]))
    return tuple(made)


def digest(resource: dict[str, Any]) -> bytes:
    """16 octets that are the same while a Subscription asks for the same."""
    asked = {name: resource.get(name) for name in ("criteria", "_criteria", "channel", "end")}
    return hashlib.blake2b(json.dumps(asked, sort_keys=True).encode(), digest_size=16).digest()


def _end(resource: dict[str, Any]) -> int:
    try:
        return clock.from_iso(str(resource["end"])) if resource.get("end") else 0
    except ValueError:
        raise _bad("end", "is no instant", "write 2027-01-01T00:00:00Z") from None


def _number(channel: dict[str, Any], name: str) -> int:
    value = next((_extension(channel, name, t) for t in ("valueUnsignedInt", "valuePositiveInt")), None)
    if value is None:
        return 0
    if not isinstance(value, int) or not 0 <= value <= 7 * 86_400:
        raise _bad("channel.extension", f"{name} is no number of seconds", "write 0 to 604800")
    return value


def _extensions(element: Any, name: str, value: str) -> list[Any]:
    listed = element.get("extension") if isinstance(element, dict) else None
    return [
        one[value]
        for one in (listed if isinstance(listed, list) else ())
        if isinstance(one, dict) and one.get("url") == BACKPORT + name and value in one
    ]


def _extension(element: Any, name: str, value: str) -> Any:
    return next(iter(_extensions(element, name, value)), None)


def _bad(where: str, what: str, cure: str) -> InvalidError:
    return InvalidError(what, where=f"Subscription.{where}", cure=cure, code="value")


def _cannot(where: str, what: str, cure: str) -> UnprocessableError:
    return UnprocessableError(what, where=f"Subscription.{where}", cure=cure, code="not-supported")
