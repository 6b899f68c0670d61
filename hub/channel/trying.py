"""Shows what a channel makes of one message, stage by stage: what ``hub try`` does.

Nothing is stored, answered or delivered.  What is printed is the message itself: it is for the eyes of
whoever holds the file already.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from hub.channel.answers import answer
from hub.channel.lineage import traces, unmapped
from hub.channel.testing import drawn, ended
from hub.engine import checks, pipeline
from hub.engine.model import ChannelSpec
from hub.engine.pipeline import Admission, Result
from hub.errors import HubError
from hub.fhir.draft import Draft


@dataclass(slots=True)
class Stage:
    """One stage: ``outcome`` in a word, then its details; ``value`` is what programs get."""

    name: str
    outcome: str
    lines: list[str] = field(default_factory=list)
    value: Any = None


def attempt(spec: ChannelSpec, body: bytes) -> list[Stage]:
    """Every stage of ``body`` in the channel: read, accept, answer, map, validate, route."""
    admission = pipeline.admit(spec, body)
    stages = [_read(spec, body, admission), _accept(spec, admission), _answer(spec, admission)]
    if admission.status != "accepted":
        return [*stages, Stage("end", admission.status, _told(admission.error))]
    result = pipeline.run(spec, body, origins=True)
    stages.append(_map(spec, admission, result))
    if spec.validate:
        stages.append(_validate(spec, body, result))
    stages.append(_route(spec, result))
    return [*stages, Stage("end", ended(admission, result), _told(result.error))]


def _read(spec: ChannelSpec, body: bytes, admission: Admission) -> Stage:
    envelope = admission.envelope
    facts = {
        "type": envelope.type, "control id": envelope.control_id, "sender": envelope.sender,
        "establishment": envelope.establishment, "document": envelope.document,
        "order key": pipeline.order_key(spec, envelope),
    }  # fmt: skip
    lines = [f"{name}: {value}" for name, value in facts.items() if value]
    lines += [f"key {kind}: {value}" for kind, value in envelope.keys]
    unread = not envelope.type and admission.error is not None
    outcome = "unreadable" if unread else f"{len(body)} octets of {spec.format}"
    return Stage("read", outcome, lines, {k: v for k, v in facts.items() if v} | {"keys": list(envelope.keys)})


def _accept(spec: ChannelSpec, admission: Admission) -> Stage:
    lines = [f"accepted: {', '.join(spec.accept) or 'everything'}"]
    return Stage("accept", admission.status, lines)


def _answer(spec: ChannelSpec, admission: Admission) -> Stage:
    return Stage("answer", answer(spec.format, admission))


def _map(spec: ChannelSpec, admission: Admission, result: Result) -> Stage:
    rule = pipeline.rule_for(spec, admission.envelope.type)
    if rule is None:
        return Stage("map", "not mapped", ["no mapping of the channel takes this type"])
    draft = result.draft or Draft()
    made = drawn(draft)
    lines = [f"{path} < {origin}" for path, origin in traces(draft)]
    lines += [f"{issue.severity} {issue.where}: {issue.what}" for issue in draft.issues]
    left = unmapped(spec.format, result.source, draft)
    if left:
        lines.append(f"nothing is made of {', '.join(left)}")
    value = {
        "mapping": rule.mapping, **made, "lineage": [list(t) for t in traces(draft)], "unmapped": left,
    }  # fmt: skip
    return Stage("map", f"{rule.mapping}: {len(draft.entries)} resources", lines, value)


def _validate(spec: ChannelSpec, body: bytes, result: Result) -> Stage:
    try:
        issues = checks.validate(spec.validate, body, result.draft)
    except HubError as e:  # what cannot be read cannot be validated either
        return Stage("validate", "not done", _told(e))
    errors = sum(i.severity == "error" for i in issues)
    lines = [f"{i.severity} {i.where}: {i.what}" for i in issues]
    return Stage("validate", f"{errors} errors, {len(issues) - errors} warnings", lines, lines)


def _route(spec: ChannelSpec, result: Result) -> Stage:
    names = [d.name for d in result.destinations]
    lines = [f"{d.name}: {d.part.kind}, {d.send}" for d in result.destinations]
    lines += [f"not {d.name}: its `when` does not fit" for d in spec.destinations if d.name not in names]
    if spec.store:
        lines.insert(0, "store: the FHIR store of the hub")
    return Stage("route", ", ".join((["store"] if spec.store else []) + names) or "nowhere", lines, names)


def _told(error: HubError | None) -> list[str]:
    return list(_sentences(error)) if error else []


def _sentences(error: HubError) -> Iterator[str]:
    yield f"where: {error.where}" if error.where else f"stage: {error.stage}"
    yield f"what: {error.what}"
    if error.cure:
        yield f"do: {error.cure}"
    if error.code:
        yield f"code: {error.code}"
