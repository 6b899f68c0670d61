"""What happens to a message between its coming in and its going out, as pure functions.

``admit`` decides what the answer depends on; ``run`` reads, maps, validates and routes.  Neither touches
the store, the clock (but to measure) or the network, so tests, ``hub try`` and replay use the same code
as the running hub.
"""

from __future__ import annotations

import time
import zlib
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache
from importlib import import_module
from typing import Any

from hub import registry
from hub.engine.checks import RejectedError, enforce, first
from hub.engine.connector import Status
from hub.engine.model import ChannelSpec, DestinationSpec, MapRule, Rule
from hub.errors import HubError, MappingError, ParseError, UnsupportedError
from hub.fhir.draft import Draft, Site
from hub.source.reader import Envelope
from hub.store.tables import State

_REPORT = "report it with the message id"
SIGNATURES = "hub.services.signing.stage"  # called by name: rules of care stand above the engine
LANES = 8  # fixed for the life of a store: a message's lane is written with it


@dataclass(slots=True)
class Admission:
    """What is decided before the answer."""

    envelope: Envelope
    status: Status
    error: HubError | None = None


@dataclass(slots=True)
class Result:
    """What a message came to.

    :ivar state: MAPPED (deliveries follow), DONE (nothing follows), HELD or, refused for good, CANCELLED
        (``error`` says why).
    :ivar signature: what :mod:`hub.services.signing.stage` found, on channels that ask for it.
    :ivar stages: (name, microseconds, outcome), in order.
    """

    envelope: Envelope
    source: Any = None
    draft: Draft | None = None
    state: State = State.DONE
    error: HubError | None = None
    stages: list[tuple[str, int, str]] = field(default_factory=list)
    destinations: tuple[DestinationSpec, ...] = ()
    signature: Any = None


@lru_cache(maxsize=4096)
def matches(pattern: str, value: str) -> bool:
    """Whether a type fits a pattern: equal, by ``*``, or the part before ``^`` alone (``ADT``)."""
    literal = pattern.replace("[", "[[]").replace("?", "[?]")  # the only wildcard is *
    return value == pattern or value.partition("^")[0] == pattern or fnmatchcase(value, literal)


def _fits(rule: Rule, envelope: Envelope) -> bool:
    return all(
        not patterns or any(matches(p, value) for p in patterns)
        for patterns, value in (
            (rule.type, envelope.type),
            (rule.sender, envelope.sender),
            (rule.document, envelope.document),
            (rule.establishment, envelope.establishment),
        )
    )


def admit(spec: ChannelSpec, body: bytes) -> Admission:
    """Read the head of a body and decide whether the channel takes it."""
    reader = registry.reader(spec.format)
    try:
        envelope: Envelope = reader.peek(body)
    except HubError as error:
        return Admission(Envelope(), "rejected", error)
    except Exception as error:  # a defect of the reader must cost neither the message nor its answer
        return Admission(Envelope(), "rejected", ParseError(_defect("the reader", error), cure=_REPORT))
    if spec.accept and envelope.type and not any(matches(p, envelope.type) for p in spec.accept):
        if spec.otherwise == "filter":
            return Admission(envelope, "filtered")
        refusal = UnsupportedError(
            f"this channel does not take {envelope.type[:32]!r}",
            where="MSH-9" if spec.format == "hl7v2" else "type",
            cure=f"it takes {', '.join(spec.accept)}",
            code="201" if _known_kind(spec, envelope) else "200",
        )
        return Admission(envelope, "rejected", refusal)
    try:
        reader.check(body, envelope)
    except HubError as error:
        return Admission(envelope, "rejected", error)
    except Exception as error:
        return Admission(envelope, "rejected", ParseError(_defect("the reader", error), cure=_REPORT))
    return Admission(envelope, "accepted")


def _known_kind(spec: ChannelSpec, envelope: Envelope) -> bool:
    # HL7 table 0357: 200 unsupported message type, 201 unsupported event code
    kind = envelope.type.partition("^")[0]
    return any(p.partition("^")[0] == kind for p in spec.accept)


def order_key(spec: ChannelSpec, envelope: Envelope) -> str:
    """The key whose messages this channel handles in order (house, step 3)."""
    if spec.order == "patient":
        return envelope.order_key
    if spec.order in ("visit", "document"):
        return next((value for kind, value in envelope.keys if kind == spec.order), envelope.order_key)
    return spec.name if spec.order == "channel" else ""


def lane_of(key: str, message_id: int) -> int:
    """The lane of a message: messages of one key share one, messages without a key are spread."""
    return (zlib.crc32(key.encode()) if key else message_id >> 8) % LANES


def rule_for(spec: ChannelSpec, kind: str) -> MapRule | None:
    """The first map rule of the channel that fits a type."""
    return next((rule for rule in spec.map if matches(rule.pattern, kind)), None)


class _Watch:
    """Times the stages of one run."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, int, str]] = []
        self._last = time.perf_counter_ns()

    def stage(self, name: str, outcome: str = "ok") -> None:
        at = time.perf_counter_ns()
        self.stages.append((name, (at - self._last) // 1000, outcome))
        self._last = at


def run(
    spec: ChannelSpec, body: bytes, envelope: Envelope | None = None, *, origins: bool = False, at: int = 0
) -> Result:
    """Read, map, validate and route one body.  An error of the message becomes HELD, never an exception.

    :param envelope: what :func:`admit` found, when it is at hand; its ``parsed`` is used.
    :param at: when it came in, for signatures; 0 for now.
    :param origins: read values that remember their place, for lineage.
    """
    watch = _Watch()
    result = Result(envelope or Envelope(), stages=watch.stages)
    stage = "read"
    try:
        reader = registry.reader(spec.format)
        if envelope is None:
            result.envelope = envelope = reader.peek(body)
        rule, parsed = rule_for(spec, envelope.type), envelope.parsed
        if spec.signature is not None:
            stage = "signature"
            passed = import_module(SIGNATURES).check(spec.signature.mode, spec.signature.trust, body, at)
            result.signature = passed
            watch.stage("signature", passed.status)
            if passed.error is not None:
                raise passed.error
            if passed.octets is not body:  # what is mapped is what was signed
                body, parsed = passed.octets, None
            stage = "read"
        if rule is not None or origins:
            result.source = parsed if parsed is not None and not origins else reader.parse(body, origins)
        watch.stage("read")
        if rule is not None:
            stage = "map"
            draft = result.draft = Draft()
            registry.mapping(rule.mapping).run(result.source, draft, Site(rule.site))
            if errors := [i for i in draft.issues if i.severity == "error"]:
                raise first(errors, MappingError)
            watch.stage("map", f"{len(draft.entries)} resources")
        if spec.validate:
            stage = "validate"
            watch.stage("validate", enforce(spec.validate, body, result.draft))
        stage = "route"
        result.destinations = tuple(d for d in spec.destinations if _fits(d.when, envelope))
        watch.stage("route", ", ".join(d.name for d in result.destinations) or "no destination")
        result.state = State.MAPPED if result.destinations else State.DONE
    except RejectedError as error:
        result.state, result.error = State.CANCELLED, error
        watch.stage(stage, "rejected")
    except HubError as error:
        result.state, result.error = State.HELD, error
        watch.stage(stage, "held")
    except RecursionError:
        result.state, result.error = State.HELD, ParseError("nested too deeply", code="102")
        watch.stage(stage, "held")
    except (Exception, SystemExit) as error:
        # A defect of a mapping must hold its message, never stop the channel. The text of a foreign
        # exception may quote the message, so only its type and its place in the code are kept.
        result.state, result.error = State.HELD, MappingError(_defect("the mapping", error), cure=_REPORT)
        watch.stage(stage, "held")
    return result


def _defect(what: str, error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f" at {trace.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}" if trace else ""
    return f"{what} failed ({type(error).__name__}{place})"
