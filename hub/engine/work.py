"""Works on waiting messages: runs the pipeline and stores all that came of it in one transaction.

Resources, deliveries, keys and the new state of each message are committed together (house, step 5), so
a process killed at any instant leaves a message either untouched or finished.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from hub import clock, registry
from hub.engine.checks import RejectedError
from hub.engine.counters import Counters
from hub.engine.model import ChannelSpec, DestinationSpec
from hub.engine.pipeline import Result, run
from hub.engine.texts import bundle, clean, error_json, stages_json
from hub.errors import HubError, InvalidError, MappingError, NotFoundError, UnavailableError
from hub.fhir.draft import Entry
from hub.logs import event
from hub.source.reader import Envelope
from hub.store import Store, messages, resources, signatures
from hub.store.bodies import BodyRow
from hub.store.messages import Finished, Waiting
from hub.store.signatures import Kept
from hub.store.tables import Sending, State
from hub.store.writer import Tx, batched

log = logging.getLogger("hub.work")

# Messages, and octets of their bodies, that are mapped together and committed at once (measured: 192 messages a commit
# are half as many again a second as 64, and what they became still fits in some megabytes).
BATCH = 192
BATCH_BYTES = 2 * 1024 * 1024

SEALING = "hub.services.signing.sealing"  # called by name: rules of care stand above the engine

Outcome = tuple[State, HubError | None]


@dataclass(slots=True)
class Batch:
    """What a batch of messages came to, to be committed at once."""

    finished: list[Finished] = field(default_factory=list)
    writes: list[resources.Write | resources.Saying] = field(default_factory=list)
    at: int = 0
    take_id: Callable[[], int] = lambda: 0
    outcomes: dict[int, Outcome] = field(default_factory=dict)


@batched
def commit(tx: Tx, batches: list[Batch]) -> list[int]:
    """Writer handler: everything of several batches, in one transaction.

    Nothing is written of a message that somebody else finished, held or cancelled meanwhile.
    """
    finished = [f for b in batches for f in b.finished]
    ours = messages.unfinished(tx, finished)
    for batch in batches:
        _signed(tx, [f for f in batch.finished if f.id in ours], batch)
    writes = [w for b in batches for w in b.writes if w.message in ours]
    versions = resources.apply(tx, writes, batches[0].at, batches[0].take_id)
    messages.finish(tx, [f for f in finished if f.id in ours])
    return [versions] * len(batches)


def _signed(tx: Tx, finished: Sequence[Finished], batch: Batch) -> None:
    """Keep verdicts on signatures; a message whose signature another one brought before ends here."""
    if not any(f.signature for f in finished):
        return
    for done, first in signatures.keep(tx, finished):
        cure = f"see message {clock.show_id(first)}"
        error = RejectedError("the same signature came before", where="signature", cure=cure, code="replay")
        done.state, done.error, done.deliveries = State.CANCELLED, error_json(error, "signature"), []
        batch.outcomes[done.id] = (done.state, error)
        batch.writes = [w for w in batch.writes if w.message != done.id]


class Worker:
    """Runs the messages of one channel, in the order given."""

    def __init__(self, store: Store, spec: ChannelSpec, counters: Counters) -> None:
        self.store, self.spec, self.counters = store, spec, counters
        self._take_id = store.ids.take  # here, because the writer cannot ask itself for the first id

    def work(self, rows: Sequence[Waiting]) -> dict[int, Outcome]:
        """Map and commit messages; return what became of each.

        :raises UnavailableError: when the store cannot be written; nothing was changed.
        """
        bodies = self._bodies(rows)
        batch = Batch(at=clock.now(), take_id=self._take_id)
        for row in rows:
            self._one(row, bodies.get(row.body), batch)
        try:
            self.store.writer("work").call(commit, batch)
        except UnavailableError:
            raise
        except Exception as error:  # a value that no column takes, an element that cannot be indexed
            if len(rows) > 1:
                outcomes: dict[int, Outcome] = {}
                for row in rows:
                    outcomes |= self.work([row])
                return outcomes
            return self._unfit(rows[0], error)
        self._count(batch)
        if self.spec.signature is not None and self.spec.store and self.store.settings.seal_key is not None:
            done = [f.id for f in batch.finished if f.state in (State.MAPPED, State.DONE)]
            import_module(SEALING).after(self.store, done)
        return batch.outcomes

    def _bodies(self, rows: Sequence[Waiting]) -> dict[bytes, bytes]:
        try:
            return self.store.bodies.read_many(row.body for row in rows)
        except NotFoundError:  # pruned: each by itself, so that only those without are held
            return {}

    def _result(self, row: Waiting, body: bytes | None) -> Result:
        try:
            octets = self.store.bodies.read(row.body) if body is None else body
            return run(self.spec, octets, at=clock.id_time(row.id))
        except NotFoundError as error:
            return Result(Envelope(), state=State.HELD, error=error, stages=[("read", 0, "held")])

    def _one(self, row: Waiting, body: bytes | None, batch: Batch) -> None:
        result = self._result(row, body)
        done = Finished(row.id, result.state, self.spec.revision, batch.at, row.runs + 1)
        if result.signature is not None:
            done.signature = Kept(self.spec.name, result.signature.verdict, result.signature.signature)
        try:
            if result.draft is not None:  # of held messages too: people look for them by these
                done.keys = tuple((k, clean(v, 199)) for k, v in result.draft.keys if v)
            if result.error is None:
                self._prepare(row, result, done, batch)
        except UnavailableError:
            raise
        except Exception as error:  # what was mapped is no JSON
            done.state, result.error = State.HELD, _unfit(error)
            result.stages.append(("store", 0, "held"))
        if result.error is not None:
            done.error = error_json(result.error, result.stages[-1][0])
        done.stages = stages_json(result.stages)
        batch.finished.append(done)
        batch.outcomes[row.id] = (done.state, result.error)

    def _prepare(self, row: Waiting, result: Result, done: Finished, batch: Batch) -> None:
        spec, draft = self.spec, result.draft
        writes: list[resources.Write | resources.Saying] = []
        if draft is not None and spec.store and row.step != "deliver":
            source = f"urn:oncohub:{spec.name}:{clock.show_id(row.id)}"
            for entry in draft.entries.values():
                writes.append(resources.prepare(entry, row.id, source, self._body(entry)))
            writes += [resources.Saying(patch, row.id, source) for patch in draft.patches.values()]
        if row.step == "store":
            done.state = State.DONE
        else:
            done.deliveries = [self._delivery(row, result, d, done) for d in result.destinations]
        batch.writes += writes

    def _body(self, entry: Entry) -> BodyRow | None:
        return self.store.bodies.prepare(entry.octets) if entry.octets is not None else None

    def _delivery(self, row: Waiting, result: Result, destination: DestinationSpec, done: Finished) -> tuple[Any, ...]:
        sha, content_type = row.body, row.content_type
        if destination.send != "original":
            octets, content_type = _to_send(result, destination)
            made = self.store.bodies.prepare(octets)
            done.bodies.append(made)
            sha = made[0]
        return (
            self._take_id(), row.id, done.run, self.spec.name, destination.name, int(Sending.DUE),
            row.order_key, sha, content_type, row.type, row.control_id, row.trace, 0, done.at, done.at,
            None, None, None,
        )  # fmt: skip

    def _unfit(self, row: Waiting, error: Exception) -> dict[int, Outcome]:
        """Hold a message whose result the database refuses, rather than stop the channel on it."""
        reason = _unfit(error)
        at = clock.now()
        held = Finished(row.id, State.HELD, self.spec.revision, at, row.runs + 1, error=error_json(reason, "store"))
        event(log, logging.ERROR, "store refused a result", message=clock.show_id(row.id), error=type(error).__name__)
        self.store.writer("work").call(commit, Batch([held], [], at, self._take_id))
        self.counters.add("held", self.spec.name)
        return {row.id: (State.HELD, reason)}

    def _count(self, batch: Batch) -> None:
        name, now = self.spec.name, clock.now()
        held = sum(1 for state, _ in batch.outcomes.values() if state is State.HELD)
        refused = sum(1 for state, _ in batch.outcomes.values() if state is State.CANCELLED)
        self.counters.add("mapped", name, len(batch.outcomes) - held - refused)
        if held:
            self.counters.add("held", name, held)
        for done in batch.finished:
            self.counters.latency(name, now - clock.id_time(done.id))


def _to_send(result: Result, destination: DestinationSpec) -> tuple[bytes, str]:
    """What the destination asks for, and its media type.

    :raises MappingError: when the message became no such thing: its peer must not get another instead.
    """
    if result.draft is not None and destination.send == "fhir":
        return bundle(result.draft), "application/fhir+json"
    for entry in result.draft.entries.values() if result.draft is not None else ():
        if entry.octets is not None:
            return entry.octets, str(entry.resource.get("contentType", "application/octet-stream"))
    what = "no document" if destination.send == "document" else "nothing mapped"
    raise MappingError(
        f"the message has {what} to send to {destination.name!r}",
        where=f"deliver.{destination.name}.send",
        cure="send: original, or a when: that leaves such messages out",
    )


def _unfit(error: Exception) -> HubError:
    if isinstance(error, HubError):
        return error
    return InvalidError(
        f"the store refused what was mapped ({type(error).__name__})", cure="report it with the message id"
    )


def patiently(action: Callable[[], Any], stopping: Callable[[], bool], what: str) -> Any:
    """Repeat an action while the store is away, with growing pauses; None when asked to stop."""
    pause, told = 0.05, False
    while not stopping():
        try:
            return action()
        except UnavailableError:
            if not told:
                event(log, logging.WARNING, f"{what}: the store is away, waiting")
                told = True
            until = time.monotonic() + pause
            while not stopping() and time.monotonic() < until:
                time.sleep(0.05)
            pause = min(pause * 2, 5.0)
    return None


def content_type_of(spec: ChannelSpec) -> str:
    """The media type of the bodies of a channel."""
    return str(registry.reader(spec.format).content_type)
