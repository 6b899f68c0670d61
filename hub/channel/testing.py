"""Runs the cases of a channel through the pure pipeline: what ``hub test`` does.

The same :func:`hub.engine.pipeline.admit` and ``run`` that the hub runs; nothing listens, is stored or is
sent, so a thousand cases take a second and never meet each other.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from hub.channel.answers import answer
from hub.channel.cases import MAX_MESSAGE, Case, read_cases
from hub.channel.findings import Finding
from hub.channel.lineage import unmapped
from hub.engine import pipeline
from hub.engine.model import ChannelSpec
from hub.engine.pipeline import Admission, Result
from hub.errors import ConfigError, HubError
from hub.fhir.draft import Draft
from hub.store.tables import State

_SHOWN = 20  # differences told of one golden file


@dataclass(slots=True)
class Outcome:
    """What became of one case.

    :ivar problems: what differs from what was expected; none: the case passed.
    :ivar updated: the golden file was rewritten.
    """

    channel: str
    case: str
    file: str
    line: int
    problems: list[str] = field(default_factory=list)
    ms: float = 0.0
    updated: bool = False

    @property
    def passed(self) -> bool:
        return not self.problems


def run_cases(
    spec: ChannelSpec, folder: Path, *, select: str = "", update: bool = False
) -> tuple[list[Outcome], list[Finding]]:
    """Run the cases of ``folder`` (``tests`` of a channel) whose name holds ``select``."""
    cases, findings = read_cases(folder)
    wanted = [case for case in cases if select.casefold() in f"{spec.name} {case.name}".casefold()]
    return [run_case(spec, case, update=update) for case in wanted], findings


def run_case(spec: ChannelSpec, case: Case, *, update: bool = False) -> Outcome:
    """Run one case; ``update`` writes what came out into its golden file."""
    outcome = Outcome(spec.name, case.name, str(case.file), case.line)
    began = time.perf_counter()
    body = read_message(case.message)
    admission = pipeline.admit(spec, body)
    result = pipeline.run(spec, body, admission.envelope) if admission.status == "accepted" else None
    expect = case.expect
    outcome.problems += _answered(spec, case, admission)
    outcome.problems += _ended(case, admission, result)
    if expect.issue:
        outcome.problems += _issue(expect.issue, admission, result)
    if expect.deliveries is not None:
        sent = sorted(d.name for d in result.destinations) if result and result.state is not State.HELD else []
        if sent != sorted(expect.deliveries):
            outcome.problems.append(f"deliveries: expected {sorted(expect.deliveries)}, was {sent}")
    if expect.unmapped is not None:
        outcome.problems += _unmapped(spec, body, expect.unmapped)
    if case.golden:
        made = drawn(result.draft if result else None)
        outcome.updated = update and _rewrite(case.golden, made)
        outcome.problems += _golden(case.golden, made)
    outcome.ms = (time.perf_counter() - began) * 1000
    return outcome


def read_message(path: Path) -> bytes:
    """The octets of a message file.

    :raises ConfigError: when it cannot be read or is beyond what the hub takes.
    """
    try:
        if path.stat().st_size > MAX_MESSAGE:
            raise ConfigError(f"larger than {MAX_MESSAGE >> 20} MiB", where=str(path))
        return path.read_bytes()
    except OSError as e:
        raise ConfigError(f"cannot be read: {(e.strerror or 'unknown').lower()}", where=str(path)) from None


def drawn(draft: Draft | None) -> dict[str, Any]:
    """What a mapping made, as it stands in a golden file: resources by reference, then what it warned of."""
    made: dict[str, Any] = {"resources": {}, "issues": []}
    if draft is None:
        return made
    for ref, entry in sorted(draft.entries.items()):
        drawn_entry: dict[str, Any] = dict(entry.resource)
        if entry.only_if_exists:
            drawn_entry["(only if it exists)"] = True
        if entry.octets is not None:
            drawn_entry["(octets)"] = len(entry.octets)
            if str(entry.resource.get("contentType")).startswith("x-application/hl7-v2"):
                drawn_entry["(segments)"] = entry.octets.decode("utf-8", "replace").splitlines()
        made["resources"][ref] = drawn_entry
    for (ref, topic), patch in sorted(draft.patches.items()):
        made.setdefault("patches", {})[f"{ref} {topic}"] = {"sets": patch.sets, "adds": patch.adds}
    made["issues"] = [f"{i.severity} {i.where}: {i.what}" for i in draft.issues]
    plain: dict[str, Any] = json.loads(json.dumps(made, default=_plain))
    return plain


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else str(value)


def _answered(spec: ChannelSpec, case: Case, admission: Admission) -> Iterator[str]:
    said = answer(spec.format, admission)
    if case.expect.answer and said != case.expect.answer:
        yield f"answer: expected {case.expect.answer}, was {said}{_because(admission.error)}"


def _ended(case: Case, admission: Admission, result: Result | None) -> Iterator[str]:
    status = ended(admission, result)
    expected = case.expect.status
    error = admission.error or (result.error if result else None)
    if expected and status != expected:
        yield f"status: expected {expected}, was {status}{_because(error)}"
    elif not expected and status == "held" and not case.expect.issue:
        yield f"status: was held{_because(error)}"


def ended(admission: Admission, result: Result | None) -> str:
    """Where a message ends: ``done``, ``held``, ``filtered`` or ``rejected``."""
    if result is None:
        return admission.status
    return {State.HELD: "held", State.CANCELLED: "rejected"}.get(result.state, "done")


def _because(error: HubError | None) -> str:
    return f": {error}" if error else ""


def _issue(place: str, admission: Admission, result: Result | None) -> Iterator[str]:
    seen = [e.where for e in (admission.error, result.error if result else None) if e]
    seen += [i.where for i in result.draft.issues] if result and result.draft else []
    if not any(where == place or (where.startswith(place) and not where[len(place)].isdigit()) for where in seen):
        yield f"issue: expected one at {place}, was {', '.join(seen) or 'none'}"


def _unmapped(spec: ChannelSpec, body: bytes, expected: list[str]) -> Iterator[str]:
    result = pipeline.run(spec, body, origins=True)
    found = unmapped(spec.format, result.source, result.draft or Draft())
    new = [place for place in found if place not in expected]
    gone = [place for place in expected if place not in found]
    if new:
        yield f"unmapped: nothing is made of {', '.join(new)}"
    if gone:
        yield f"unmapped: {', '.join(gone)} expected, but mapped or not in the message"


def _rewrite(path: Path, made: dict[str, Any]) -> bool:
    from hub.testing.golden import dump

    text = dump(made)
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return True


def _golden(path: Path, made: dict[str, Any]) -> Iterator[str]:
    from hub.testing.golden import diff

    try:
        golden = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        yield f"golden: no file {path.name}; write it with `hub test --update`, then read it"
        return
    except ValueError as e:
        yield f"golden: {path.name} is no JSON: {e}"
        return
    differences = diff(golden, made)
    for one in differences[:_SHOWN]:
        yield f"golden: {one}"
    if len(differences) > _SHOWN:
        yield f"golden: and {len(differences) - _SHOWN} more"
