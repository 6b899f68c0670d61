"""The engine as a connector sees it, in memory: it keeps what was handed over, and fails on demand.

:class:`hub.engine.connector.SourceContext` and :class:`~hub.engine.connector.DestinationContext`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from queue import SimpleQueue
from typing import Any

from hub.engine.connector import Answerer, Outgoing, Receipt, Verdict
from hub.errors import HubError
from hub.source.reader import Envelope, Reader

LIMIT = 10.0  # seconds any waiting may take before it is a failure


@dataclass(slots=True)
class Received:
    """One body handed over; ``error`` is set for what was no message."""

    body: bytes
    peer: str
    wait: bool
    verdict: Verdict
    error: HubError | None = None


class MemoryIntake:
    """A source context.

    :ivar received: everything handed over, in order; ``mounts`` the applications mounted.
    """

    def __init__(self, reader: Reader | None = None, *, channel: str = "test", bind: str = "127.0.0.1") -> None:
        self.channel, self.bind = channel, bind
        self.received: list[Received] = []
        self.mounts: dict[str, Callable[..., Any]] = {}
        self._reader = reader
        self._first: dict[tuple[str, bytes], Receipt] = {}
        self._change = threading.Condition()
        self._open = threading.Event()
        self._open.set()
        self._failures: list[HubError | Exception] = []
        self._refuse: Callable[[bytes], HubError | None] = lambda _body: None
        self._queue: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._commit, name="memory-intake", daemon=True)
        self._thread.start()

    # What a test tells it.

    def fail(self, *errors: HubError | Exception) -> None:
        """Do not store the next bodies: an exception that is no HubError is raised, as by a defect."""
        self._failures.extend(errors)

    def refuse(self, when: Callable[[bytes], HubError | None]) -> None:
        """Reject bodies for which ``when`` gives an error."""
        self._refuse = when

    def hold(self) -> None:
        """Commit nothing until :meth:`release`."""
        self._open.clear()

    def release(self) -> None:
        self._open.set()

    def wait_for(self, count: int, within: float | None = None) -> list[Received]:
        """What was received, once it is ``count`` bodies."""
        within = LIMIT if within is None else within
        with self._change:
            if not self._change.wait_for(lambda: len(self.received) >= count, within):
                raise AssertionError(f"{len(self.received)} of {count} bodies were received within {within:g} s")
            return list(self.received)

    def close(self) -> None:
        self.release()
        self._queue.put(None)
        self._thread.join(LIMIT)

    # What a source asks of it.

    def receive(
        self, body: bytes, *, peer: str, answer: Answerer, done: Callable[[Receipt], None], wait: bool = False
    ) -> None:
        failure = self._failures.pop(0) if self._failures else None
        if failure is not None and not isinstance(failure, HubError):
            raise failure
        verdict = self._verdict(body)
        if failure is not None:
            verdict.status, verdict.error = "failed", failure
        self._take(Received(body, peer, wait, verdict), answer, done)

    def receive_now(self, body: bytes, *, peer: str, answer: Answerer, wait: bool = False) -> Receipt:
        return self._now(lambda done: self.receive(body, peer=peer, answer=answer, done=done, wait=wait))

    def broken(self, body: bytes, error: HubError, *, peer: str, answer: Answerer) -> Receipt:
        verdict = Verdict("rejected", 0, Envelope(), error)
        return self._now(lambda done: self._take(Received(body, peer, False, verdict, error), answer, done))

    def mount(self, path: str, app: Callable[..., Any]) -> None:
        self.mounts[path] = app

    def _verdict(self, body: bytes) -> Verdict:
        envelope, error = Envelope(), self._refuse(body)
        if self._reader is not None:
            try:
                envelope = self._reader.peek(body)
            except HubError as e:
                error = error or e
        return Verdict("rejected" if error else "accepted", 0, envelope, error)

    def _take(self, item: Received, answer: Answerer, done: Callable[[Receipt], None]) -> None:
        self._queue.put(lambda: done(self._stored(item, answer)))

    def _stored(self, item: Received, answer: Answerer) -> Receipt:
        verdict = item.verdict
        if verdict.status == "failed":
            return Receipt(verdict, answer(verdict))
        known = self._first.get((verdict.envelope.control_id, item.body)) if verdict.envelope.control_id else None
        with self._change:
            self.received.append(item)
            verdict.message_id = len(self.received) << 8
            self._change.notify_all()
        if known is not None:
            return replace(known, verdict=verdict, duplicate=True)
        receipt = Receipt(verdict, answer(verdict))
        self._first[verdict.envelope.control_id, item.body] = receipt
        return receipt

    def _now(self, start: Callable[[Callable[[Receipt], None]], None]) -> Receipt:
        box: SimpleQueue[Receipt] = SimpleQueue()
        start(box.put)
        return box.get(timeout=LIMIT)

    def _commit(self) -> None:
        while (work := self._queue.get()) is not None:
            self._open.wait()
            work()


class MemoryOutlet:
    """A destination context.

    :ivar fed: what was handed to other channels: (channel, delivery).
    """

    def __init__(self, *, channel: str = "test", name: str = "peer") -> None:
        self.channel, self.name = channel, name
        self.fed: list[tuple[str, Outgoing]] = []
        self._failures: list[HubError] = []

    def fail(self, *errors: HubError) -> None:
        """Refuse the next messages fed."""
        self._failures.extend(errors)

    def feed(self, channel: str, item: Outgoing) -> None:
        if self._failures:
            raise self._failures.pop(0)
        self.fed.append((channel, item))


def outgoing(body: bytes, content_type: str = "x-application/hl7-v2+er7", **facts: Any) -> Outgoing:
    """A delivery to hand to a destination."""
    kept: dict[str, Any] = {"delivery_id": 1, "message_id": 2, "idempotency_key": "0000000000002-peer-0"} | facts
    return Outgoing(body=body, content_type=content_type, **kept)
