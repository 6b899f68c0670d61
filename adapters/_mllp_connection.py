"""One peer of an MLLP listener: frames in, answers out, in the order the frames came.

HL7 v2.5 §2.9.2: a sender may send on before it is answered; answers are written in the order of the
messages of their connection, also when they become known in another one.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

from hub.engine.connector import Answerer, Receipt, SourceContext, Verdict
from hub.errors import HubError, ParseError, UnavailableError
from hub.logs import event
from hub.source.reader import Envelope

from ._framing import Broken, Deframer, frame
from ._listener import Guest, Listener

LARGE = 256 * 1024  # from here on another thread hands a body over: hashing it would hold up the loop
IN_FLIGHT = 16 * 1024 * 1024  # octets of unanswered messages of one connection before it is held back
QUIET = 1.0  # seconds after which octets outside of a frame are taken for all that comes
LINGER = 2.0  # seconds a peer has to read the last answer of a connection that is given up
UNREAD = 30.0  # seconds a peer may leave its answers unread

log = logging.getLogger("hub.mllp")


@dataclass(slots=True)
class Shared:
    """What the connections of one source have in common.

    :ivar answer: words a verdict; ``envelope`` reads the head of a body that could not be handed over.
    :ivar frame_timeout: seconds from the first octet of a frame to its last; 0 sets no limit.
    :ivar held: octets of all frames that have not ended; beyond ``most_held`` large ones are refused.
    """

    context: SourceContext
    answer: Answerer
    envelope: Callable[[bytes], Envelope]
    wait: bool
    max_size: int
    window: int
    frame_timeout: float
    idle_timeout: float
    most_held: int
    held: int = 0
    received: int = 0

    def refuse(self, error: HubError, body: bytes = b"") -> Receipt:
        """The receipt of what could not be handed over."""
        verdict = Verdict("failed", 0, self.envelope(body), error)
        return Receipt(verdict, self.answer(verdict))


class Answers:
    """Brings answers from the threads that found them to the loop, many with one wake-up."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._ready: deque[Slot] = deque()
        self._awake = False

    def put(self, slot: Slot) -> None:
        self._ready.append(slot)
        if not self._awake:
            self._awake = True
            with suppress(RuntimeError):  # stopped meanwhile: a peer without an answer sends again
                self._loop.call_soon_threadsafe(self._bring)

    def _bring(self) -> None:
        self._awake = False  # first, so that what is put while the queue is emptied wakes again
        touched: dict[Connection, None] = {}
        while self._ready:
            touched[self._ready.popleft().connection] = None
        for connection in touched:
            connection.flush()


class Slot:
    """The place of one answer among those of its connection."""

    __slots__ = ("answer", "connection", "size")

    def __init__(self, connection: Connection, size: int) -> None:
        self.connection, self.size = connection, size
        self.answer: bytes | None = None

    def done(self, receipt: Receipt) -> None:
        self.answer = receipt.answer
        self.connection.answers.put(self)


class Connection(Guest):
    """The state of one peer; but for ``_hand_over`` all of it runs on the loop of the listener."""

    def __init__(self, shared: Shared, listener: Listener, answers: Answers, host: str, peer: str) -> None:
        self.answers = answers
        self._shared, self._listener, self._host, self._peer = shared, listener, host, peer
        self._transport: asyncio.Transport | None = None
        self._frames = Deframer(shared.max_size)
        self._held = 0  # octets of the frame that has not ended
        self._since = 0.0  # when that frame began; 0: there is none
        self._last = 0.0  # when octets last came
        self._events: deque[bytes | Broken] = deque()  # cut out of the stream, not handed over
        self._slots: deque[Slot] = deque()  # handed over, not answered
        self._octets = 0  # of the bodies in slots
        self._busy = False  # another thread is handing over
        self._choked = 0.0  # since when the peer leaves its answers unread
        self._closing = False  # what else comes is not looked at
        self._stopped = False  # by the hub
        self._eof = False  # by the peer
        self._until = 0.0  # end of the time to read the last answer

    # What asyncio tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._last = self._listener.loop.time()
        self._listener.joined(self, self._host)

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        events = self._frames.feed(data)
        self._last = self._listener.loop.time()
        grown = self._account()
        if not self._held:
            self._since = 0.0
        elif events or not self._since:
            self._since = self._last
        if events:
            self._events.extend(events)
            self._pump()
        shared = self._shared
        if grown > 0 and self._held > LARGE and shared.held > shared.most_held:
            self._no_room()

    def eof_received(self) -> bool:
        self._eof = True
        self._give_up(ParseError("the connection ended inside a frame", code="207"))
        return self._transport is not None and self._transport.can_write_eof() and self._unanswered

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - what asyncio gives
        self._transport = None
        self._events.clear()  # what was not handed over was not answered: it comes again
        if not self._stopped:
            self._give_up(ParseError("the connection was lost inside a frame", code="207"))
        self._frames.cut(ParseError("stopped"))
        self._account()
        self._listener.left(self, self._host)

    def pause_writing(self) -> None:
        self._choked = self._listener.loop.time()
        self._steer()

    def resume_writing(self) -> None:
        self._choked = 0.0
        self._pump()

    # What the listener tells.

    def tick(self, now: float) -> None:
        shared = self._shared
        if (self._until and now > self._until) or (self._choked and now - self._choked > UNREAD):
            self.abort()
        elif self._transport is None or self._closing:
            return
        elif not self._transport.is_reading():  # held back by the hub: time stands still for the peer
            self._last = now
            self._since = now if self._since else 0.0
        elif shared.frame_timeout and self._since and now - self._since > shared.frame_timeout:
            what = f"a frame did not end within {shared.frame_timeout:g} s"
            self._give_up(ParseError(what, cure="send each message in one go, or raise frame_timeout", code="207"))
        elif self._frames.outside and now - self._last > QUIET:
            self._events.extend(self._frames.cut(ParseError("no frame", code="207")))
            self._since = 0.0
            self._account()
            self._pump()
        elif shared.idle_timeout and not self._unanswered and now - self._last > shared.idle_timeout:
            self.finish()

    def finish(self) -> None:
        self._closing = self._stopped = True
        self._events.clear()
        self._end()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # The way of a message.

    @property
    def _unanswered(self) -> bool:
        return bool(self._slots or self._events or self._busy)

    def _account(self) -> int:
        grown = self._frames.held - self._held
        self._held += grown
        self._shared.held += grown
        return grown

    def _give_up(self, error: HubError) -> None:
        """Take no more; what came of a frame is kept in hold, with its reason."""
        if not self._closing:
            self._closing = True
            self._events.extend(self._frames.cut(error))
            self._account()
            self._pump()
            self._end()

    def _no_room(self) -> None:
        """All peers together have too many unfinished frames: this one sends its message again later."""
        self._frames.cut(ParseError("dropped"))
        self._account()
        self._closing = True
        slot = Slot(self, 0)
        self._slots.append(slot)
        slot.done(self._shared.refuse(UnavailableError("too many large messages come at once", cure="send again")))

    def _pump(self) -> None:
        """Hand over what came, as long as the answers are not too far behind."""
        shared, slots, events = self._shared, self._slots, self._events
        while events and not self._busy and len(slots) < shared.window and self._octets < IN_FLIGHT:
            item = events.popleft()
            body = item.body if isinstance(item, Broken) else item
            slot = Slot(self, len(body))
            slots.append(slot)
            self._octets += slot.size
            shared.received += 1
            if isinstance(item, Broken) or slot.size >= LARGE:
                self._busy = True
                self._listener.workers.submit(self._hand_over, item, slot)
                if isinstance(item, Broken) and item.fatal:
                    self._closing = True
                    events.clear()
            else:
                self._receive(body, slot)
        self._steer()

    def _receive(self, body: bytes, slot: Slot) -> None:
        shared = self._shared
        try:
            shared.context.receive(body, peer=self._peer, answer=shared.answer, done=slot.done, wait=shared.wait)
        except Exception as error:  # whatever fails, a peer must hear that its message was not taken
            slot.done(shared.refuse(_unexpected(error), body))

    def _hand_over(self, item: bytes | Broken, slot: Slot) -> None:
        """Hand over what blocks; runs on a worker of the listener."""
        shared = self._shared
        try:
            if isinstance(item, Broken):
                try:
                    kept = shared.context.broken(item.body, item.error, peer=self._peer, answer=shared.answer)
                except Exception as error:
                    kept = shared.refuse(_unexpected(error))
                slot.done(kept)
            else:
                self._receive(item, slot)
        finally:
            with suppress(RuntimeError):  # stopped meanwhile
                self._listener.loop.call_soon_threadsafe(self._handed_over)

    def _handed_over(self) -> None:
        self._busy = False
        self._pump()
        self._end()

    def flush(self) -> None:
        """Write the answers whose turn it is."""
        slots = self._slots
        ready = []
        while slots and (answer := slots[0].answer) is not None:
            self._octets -= slots.popleft().size
            if answer:
                ready.append(frame(answer))
        if self._transport is None:
            return
        if ready:
            self._transport.write(b"".join(ready))
        self._pump()
        self._end()

    def _steer(self) -> None:
        """Read on, or hold the peer back."""
        transport = self._transport
        if transport is None or self._eof:
            return
        full = bool(self._events or self._busy or self._choked)
        full = full or len(self._slots) >= self._shared.window or self._octets >= IN_FLIGHT
        if full and not self._closing:
            transport.pause_reading()
        else:
            transport.resume_reading()  # when closing too: unread octets would cost the peer its last answer

    def _end(self) -> None:
        """Close once all is answered; a peer that is given up has a moment to read why."""
        if not self._closing or self._unanswered or self._transport is None or self._until:
            return
        if self._stopped or self._eof or not self._transport.can_write_eof():
            self._transport.close()
        else:
            self._transport.write_eof()
            self._until = self._listener.loop.time() + LINGER


def _unexpected(error: Exception) -> HubError:
    if isinstance(error, HubError):
        return error
    event(log, logging.ERROR, "a message could not be handed over", error=type(error).__name__)
    return UnavailableError(f"the hub could not take the message ({type(error).__name__})", cure="send again")
