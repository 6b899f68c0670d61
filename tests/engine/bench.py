"""Connectors, a format and mappings that do what a test says, so that only the engine is tried."""

from __future__ import annotations

import threading
from collections.abc import Callable
from collections.abc import Mapping as MappingABC
from dataclasses import dataclass, field
from typing import Any

from hub.engine.connector import Answer, Connector, Outgoing, Verdict
from hub.engine.model import ChannelSpec, DestinationSpec, MapRule, Part, Retry
from hub.errors import HubError, ParseError
from hub.fhir.draft import Draft, Mapping, Rank, Site
from hub.source.reader import Envelope, Reader

Body = tuple[str, str, str, str]


def body(control: str = "C1", key: str = "P1", text: str = "text", kind: str = "ADT^A01") -> bytes:
    """A message of the format ``test``: type|control id|order key|text."""
    return f"{kind}|{control}|{key}|{text}".encode()


def _split(octets: bytes) -> Body:
    parts = octets.decode().split("|", 3)
    if len(parts) != 4:
        raise ParseError("no four fields", where="field 1", code="100")
    return parts[0], parts[1], parts[2], parts[3]


def _peek(octets: bytes) -> Envelope:
    kind, control, key, text = _split(octets)
    if text == "reader fails":
        raise KeyError("MARTIN")
    keys = (("patient", key), ("visit", f"V{key}")) if key else ()
    return Envelope(kind, control, "GAM|CHU", "CHU", order_key=key, keys=keys, parsed=(kind, control, key, text))


def _check(octets: bytes, envelope: Envelope) -> None:
    text = _split(octets)[3]
    if text == "check refuses":
        raise ParseError("a part is damaged", where="field 4", code="102")
    if text == "check fails":
        raise KeyError("MARTIN")


READER = Reader("test", "text/x-test", _peek, lambda octets, origins: _split(octets), _check)


def to_patient(source: Body, draft: Draft, site: Site) -> None:
    """Mapping ``patient``: the key becomes a Patient whose family name is the text."""
    _, _, key, text = source
    draft.add({"resourceType": "Patient", "name": [{"family": text}]}, ("urn:test", key), rank=Rank.FEED)
    draft.key("patient", key)


@dataclass
class Bench:
    """What the fakes did, and what they are to do.

    :ivar on_send: called for each delivery; raises what the peer does, or returns its answer.
    :ivar on_start: called for each source that is started.
    """

    sent: list[Outgoing] = field(default_factory=list)
    on_send: Callable[[Outgoing], Any] = lambda item: Answer(b"AA")
    on_start: Callable[[FakeSource], None] = lambda source: None
    on_map: Callable[[Body], None] = lambda source: None
    mapped: list[str] = field(default_factory=list)
    sources: list[FakeSource] = field(default_factory=list)
    destinations: list[FakeDestination] = field(default_factory=list)
    mappings: dict[str, Callable[[Any, Draft, Site], None]] = field(default_factory=dict)
    change: threading.Condition = field(default_factory=threading.Condition)

    def connector(self, name: str) -> Connector:
        known = {
            "fake": Connector("fake", "", FakeSource, None, FakeDestination, None, "test"),
            "hosted": Connector("hosted", "", FakeSource, None, FakeDestination, None, "test", hosted=True),
            "sink": Connector("sink", "", None, None, FakeDestination, None, "test"),
        }
        return known[name]

    def reader(self, name: str) -> Reader:
        return READER

    def mapping(self, name: str) -> Mapping:
        def run(source: Body, draft: Draft, site: Site) -> None:
            self.on_map(source)
            self.mappings.get(name, to_patient)(source, draft, site)
            self.mapped.append(source[1])

        return Mapping("test", run, "")

    def spec(self, name: str = "adt", *destinations: DestinationSpec, **values: Any) -> ChannelSpec:
        fields: dict[str, Any] = {
            "name": name, "source": Part("fake", {"bench": self}), "revision": "r1", "text": f"channel: {name}",
            "format": "test", "map": (MapRule("ADT", "patient"),), "destinations": destinations,
        }  # fmt: skip
        return ChannelSpec(**(fields | values))

    def to(self, name: str = "peer", **values: Any) -> DestinationSpec:
        fields: dict[str, Any] = {"part": Part("fake", {"bench": self}), "retry": Retry(first=0.01, up_to=0.02)}
        return DestinationSpec(name, **(fields | values))


class FakeSource:
    """A source that is started and stopped as the test says."""

    def __init__(self, options: MappingABC[str, Any], context: Any) -> None:
        self.bench: Bench = options["bench"]
        self.options, self.context = options, context
        self.started = self.stopped = False
        self.bench.sources.append(self)

    def start(self) -> None:
        self.bench.on_start(self)
        self.started = True

    def stop(self, within: float = 5.0) -> None:
        self.stopped = True
        if self.options.get("stop_fails"):
            raise OSError("the socket was gone")

    @property
    def address(self) -> str:
        return f"fake:{self.context.channel}:{self.options.get('port', 0)}"


class FakeDestination:
    """A peer that does what ``Bench.on_send`` says."""

    def __init__(self, options: MappingABC[str, Any], context: Any) -> None:
        self.bench: Bench = options["bench"]
        self.context, self.closed = context, False
        self.bench.destinations.append(self)

    def send(self, item: Outgoing) -> Any:
        if "feed" in item.type:
            self.context.feed("next", item)
        answer = self.bench.on_send(item)
        with self.bench.change:
            self.bench.sent.append(item)
            self.bench.change.notify_all()
        return answer

    def close(self) -> None:
        self.closed = True


def word(verdict: Verdict) -> bytes:
    """An answer that tells the verdict."""
    error: HubError | None = verdict.error
    return f"{verdict.status}:{error.code if error else ''}".encode()
