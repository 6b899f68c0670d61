"""Takes bodies in: nothing is answered as accepted before it is committed (house, step 1).

An :class:`Intake` is what a source sees of the engine (:class:`hub.engine.connector.SourceContext`).
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from hub import clock
from hub.engine.connector import Answerer, Receipt, Verdict
from hub.engine.counters import Counters
from hub.engine.model import ChannelSpec
from hub.engine.pipeline import admit, lane_of, order_key
from hub.engine.texts import clean, error_json
from hub.engine.work import Outcome, content_type_of
from hub.errors import HubError, RefusedError, UnavailableError
from hub.logs import event
from hub.source.reader import Envelope
from hub.store import Store
from hub.store.messages import REJECTED, NewMessage, Taken, refuse, take_in
from hub.store.tables import BROKEN, EXCERPT, State

log = logging.getLogger("hub.intake")

HOPS = 8  # channels a message may go through
EXCERPT_SIZE = 64 * 1024
TELL_EVERY = 10.0  # seconds between two lines about a store that does not take messages
APPLICATION_WAIT = 30.0  # seconds an application answer may take


class Runner(Protocol):
    """Who works on what was taken in."""

    def came(self, channel: str, lane: int) -> None:
        """A message waits in a lane of the channel; it is committed, and is read from the store."""

    def when_mapped(self, message_id: int, told: Callable[[Outcome | None], None], within: float) -> None:
        """Call ``told`` once with the outcome of the message, or with None after ``within`` seconds."""


class Intake:
    """The way in of one channel."""

    def __init__(
        self, store: Store, spec: ChannelSpec, runner: Runner, counters: Counters, bind: str,
        mounts: dict[str, Callable[..., Any]] | None = None,
    ) -> None:  # fmt: skip
        self.channel, self.bind = spec.name, bind
        self._store, self._spec, self._runner, self._counters = store, spec, runner, counters
        self._mounts = mounts
        self._content_type = content_type_of(spec)
        self._writer = store.writer("intake")
        self._told = -TELL_EVERY

    def use(self, spec: ChannelSpec) -> None:
        """Work by another revision of the channel from now on."""
        self._spec = spec
        self._content_type = content_type_of(spec)

    def mount(self, path: str, app: Callable[..., Any]) -> None:
        if self._mounts is not None:
            self._mounts[path] = app

    def receive(
        self, body: bytes, *, peer: str, answer: Answerer, done: Callable[[Receipt], None], wait: bool = False
    ) -> None:
        """See :class:`hub.engine.connector.SourceContext`."""
        spec = self._spec
        admission = admit(spec, body)
        verdict = Verdict(admission.status, 0, admission.envelope, admission.error)
        self._take(spec, body, verdict, peer, answer, done, wait)

    def receive_now(self, body: bytes, *, peer: str, answer: Answerer, wait: bool = False) -> Receipt:
        return _wait_for(lambda done: self.receive(body, peer=peer, answer=answer, done=done, wait=wait))

    def broken(self, body: bytes, error: HubError, *, peer: str, answer: Answerer) -> Receipt:
        """Keep what is no message, with its reason."""
        verdict = Verdict("rejected", 0, Envelope(), error)
        large = error.category == "too-large"  # the source has a first piece only
        flags, kept = (BROKEN | EXCERPT, body[:EXCERPT_SIZE]) if large else (BROKEN, body)
        return _wait_for(lambda done: self._take(self._spec, kept, verdict, peer, answer, done, False, flags))

    def feed(self, body: bytes, trace: int, parent: int) -> None:
        """Take a message another channel hands over (the ``channel`` connector).

        :raises HubError: when it could not be stored.
        :raises RefusedError: when it came through too many channels: they feed each other in a circle.
        """
        if self._hops(parent) >= HOPS:
            raise RefusedError(
                f"the message went through {HOPS} channels already: they feed each other in a circle",
                where=self.channel, cure="break the circle, then cancel or send again",
            )  # fmt: skip
        admission = admit(self._spec, body)
        verdict = Verdict(admission.status, 0, admission.envelope, admission.error)
        receipt = _wait_for(
            lambda done: self._take(
                self._spec,
                body,
                verdict,
                f"channel:{clock.show_id(parent)}",
                lambda _: b"",
                done,
                False,
                0,
                trace,
                parent,
            )
        )
        if receipt.verdict.status == "failed" and receipt.verdict.error is not None:
            raise receipt.verdict.error

    def _hops(self, parent: int) -> int:
        """Channels on the way to here: the message that feeds this one, and those that led to it."""
        hops, at = 0, parent
        with self._store.looking() as tx:
            while at and hops < HOPS:
                hops += 1
                rows = tx.rows("SELECT parent FROM message WHERE id = ?", (at,))
                at = rows[0][0] if rows else 0
        return hops

    def _take(
        self, spec: ChannelSpec, body: bytes, verdict: Verdict, peer: str, answer: Answerer,
        done: Callable[[Receipt], None], wait: bool, flags: int = 0, trace: int = 0, parent: int | None = None,
    ) -> None:  # fmt: skip
        try:
            new = self._new(spec, body, verdict, peer, answer, flags, trace, parent)
        except Exception as error:
            self._failed(verdict, error, answer, done)
            return
        waiting = wait and verdict.status == "accepted"

        def stored(taken: Taken | None, error: BaseException | None) -> None:
            if error is not None or taken is None:
                self._failed(verdict, error, answer, done)
                return
            verdict.message_id = taken.id
            self._counters.add("duplicate" if taken.duplicate else verdict.status, spec.name)
            self._counters.add("received_bytes", spec.name, len(body))
            if verdict.status == "accepted" and not taken.duplicate:
                if waiting:
                    self._runner.when_mapped(
                        new.id, lambda outcome: self._application(verdict, outcome, answer, done), APPLICATION_WAIT
                    )
                self._runner.came(spec.name, new.lane)
                if waiting:
                    return
            elif verdict.status == "rejected":
                code, where = (verdict.error.code, verdict.error.where) if verdict.error else ("", "")
                event(log, logging.WARNING, "refused", message=clock.show_id(taken.id), channel=spec.name, code=code,
                      where=where)  # fmt: skip
            done(Receipt(verdict, taken.answer, taken.duplicate))

        self._writer.submit(take_in, new, stored)

    def _new(
        self, spec: ChannelSpec, body: bytes, verdict: Verdict, peer: str, answer: Answerer, flags: int, trace: int,
        parent: int | None,
    ) -> NewMessage:  # fmt: skip
        envelope = verdict.envelope
        verdict.message_id = id_ = self._store.take_id()
        key = clean(order_key(spec, envelope), 199)
        state = {"accepted": State.WAITING, "filtered": State.FILTERED, "rejected": State.HELD}[verdict.status]
        if verdict.status == "rejected":
            flags |= REJECTED
        control = clean(envelope.control_id, 199)
        if parent is not None and not control:
            control = hashlib.sha256(f"{parent}".encode() + body).hexdigest()[:40]
        return NewMessage(
            id_, spec.name, spec.revision, state, lane_of(key, id_), clean(envelope.type, 64), control,
            clean(envelope.sender, 199), key, clean(peer, 128), self._store.bodies.prepare(body), self._content_type,
            answer(verdict), trace or id_, parent, flags,
            error_json(verdict.error, "receive") if verdict.error else None,
            tuple((kind, clean(value, 199)) for kind, value in envelope.keys if value),
        )  # fmt: skip

    def _failed(
        self, verdict: Verdict, error: BaseException | None, answer: Answerer, done: Callable[[Receipt], None]
    ) -> None:
        verdict.status = "failed"
        verdict.error = (
            error
            if isinstance(error, HubError)
            else UnavailableError(f"the hub could not store the message ({type(error).__name__})", cure="send again")
        )
        now = time.monotonic()
        if now - self._told > TELL_EVERY:  # one line, not one a message, while the store is away
            self._told = now
            event(log, logging.ERROR, "not stored", channel=self.channel, error=type(error).__name__)
        self._counters.add("failed", self.channel)
        done(Receipt(verdict, _worded(answer, verdict)))

    def _application(
        self, verdict: Verdict, outcome: Outcome | None, answer: Answerer, done: Callable[[Receipt], None]
    ) -> None:
        """Word the outcome of the mapping; without one in time, the commit is what is answered."""
        if outcome is None or outcome[0] not in (State.HELD, State.CANCELLED):
            done(Receipt(verdict, _worded(answer, verdict)))
            return
        verdict.status, verdict.error = "rejected", outcome[1]
        said = _worded(answer, verdict)

        def noted(_: Any, error: BaseException | None) -> None:
            if error is not None:
                event(log, logging.WARNING, "a refusal was not noted", channel=self.channel)
            done(Receipt(verdict, said))

        # Sent again it is judged anew, as what was refused at once; never answered as accepted.
        self._writer.submit(refuse, (verdict.message_id, said), noted)


def _worded(answer: Answerer, verdict: Verdict) -> bytes:
    try:
        return answer(verdict)
    except Exception as error:  # the peer must hear that it is over, even without a word
        event(log, logging.ERROR, "no answer could be worded", error=type(error).__name__)
        return b""


def _wait_for(start: Callable[[Callable[[Receipt], None]], None]) -> Receipt:
    box: list[Receipt] = []
    ready = threading.Lock()
    ready.acquire()

    def done(receipt: Receipt) -> None:
        box.append(receipt)
        ready.release()

    start(done)
    ready.acquire()
    return box[0]
