"""Greets the endpoint of one Subscription and sends what is due to it, in order, at least once.

The engine's :class:`hub.engine.deliver.Sender` does the sending: circuit, back-off, holding.  Here is what a
Subscription adds: the handshake (Backport IG, "requested" to "active"), heartbeats, what is withheld, and the
status of the Subscription when nothing goes through.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, cast
from urllib.parse import urlsplit, urlunsplit

import orjson

from hub import clock
from hub.engine.connector import Answer, Outgoing
from hub.engine.counters import Counters
from hub.engine.deliver import Sender, pause_after
from hub.engine.model import DestinationSpec, Part, Retry
from hub.engine.texts import error_json
from hub.errors import ForbiddenError, HubError
from hub.logs import event
from hub.services.subscriptions import CHANNEL, consent, endpoints, notification, sealing, standing, state
from hub.services.subscriptions.calling import Call, Caller
from hub.services.subscriptions.mailing import Mail
from hub.services.subscriptions.model import Subscription
from hub.store import Store
from hub.store.deliveries import Attempt, Due
from hub.store.tables import Sending

log = logging.getLogger("hub.subscriptions")

RETRY: Final = Retry(0, 1.0, 300.0)  # for ever; pauses of 1 to 300 seconds
GREETINGS: Final = 3  # attempts of a handshake
ERROR_AFTER: Final = 5  # failures in a row
OFF_AFTER: Final = 3 * 86_400_000_000  # microseconds without success


@dataclass(slots=True)
class Life:
    """Where a Subscription stands in this process, from one connection to the next.

    :ivar version: of the resource, as last seen or written here.
    :ivar greeting: the endpoint is still to be greeted; ``over``: it did not answer.
    :ivar error: the status is ``error``.
    """

    version: int
    greeting: bool
    error: bool = False
    over: bool = False
    failures: int = 0


class Hook:
    """The endpoint of a Subscription, as a destination of the engine."""

    def __init__(self, store: Store, asked: Subscription) -> None:
        settings = store.settings
        endpoints.check(asked, settings)
        headers = {name: sealing.opened(value, asked.endpoint, settings) for name, value in asked.headers}
        self._store, self._asked = store, asked
        self._caller = Caller(headers, asked.timeout, private=settings.subscription_private)

    def send(self, item: Outgoing) -> Answer:
        """Send one notification.

        :raises HubError: see :meth:`hub.services.subscriptions.calling.Caller.send`.
        """
        method, url = "POST", self._asked.endpoint
        if self._asked.payload and not self._asked.content:
            method, url = "PUT", below(url, _event(self._store, item.control_id).ref)
        call = Call(method, url, item.body, item.content_type, item.idempotency_key, self._asked.sends_data)
        return Answer(self._caller.send(call))

    def tell(self, kind: str, total: int) -> None:
        """Send a handshake or a heartbeat.

        :raises HubError: see :meth:`send`.
        """
        asked = self._asked
        body, media = b"", ""
        if asked.content:
            body, media = notification.bundle(asked, self._store.settings.fhir_base, kind, total), notification.FHIR
        self._caller.send(Call("POST", asked.endpoint, body, media, data=asked.sends_data))

    def close(self) -> None:
        self._caller.close()

    def probe(self) -> str:
        """Greet the endpoint."""
        self.tell("heartbeat", 0)
        return f"{urlsplit(self._asked.endpoint).hostname} answered"


def below(endpoint: str, ref: str) -> str:
    """The URL of a resource when the endpoint is the base (R4, subscription-channel-type rest-hook)."""
    parts = urlsplit(endpoint)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{ref}"))


def _event(store: Store, control: str) -> notification.Event:
    """The event that a notification is of.

    :raises ForbiddenError: when it was forgotten; it is not known any more what was to be sent.
    """
    fid, number, _ = control.split("/")
    with store.reading() as conn:
        found = state.events(conn, fid, int(number), int(number), 1)
    if not found:
        raise ForbiddenError("the event of this notification was forgotten", cure="cancel it")
    return found[0]


def _nowhere(_channel: str, _item: Outgoing) -> None:
    """Notifications feed no channel."""


class HookSender(Sender):
    """Attempts the deliveries of one Subscription."""

    def __init__(self, store: Store, asked: Subscription, life: Life, counters: Counters) -> None:
        spec = DestinationSpec(asked.id, Part("subscription", None), retry=RETRY)
        super().__init__(store, CHANNEL, spec, counters, _nowhere)
        self._asked, self.life = asked, life
        self._spoken = clock.now()
        self._greetings = 0

    def step(self, stopping: Callable[[], bool]) -> float | None:
        """Greet, or send what is due, or say that all is well."""
        if self.life.over:
            return None
        if self.life.greeting:
            return self._greet()
        wait = super().step(stopping)
        if wait is None and self._asked.heartbeat and clock.now() - self._spoken >= self._asked.heartbeat * 1_000_000:
            self._beat()
        return wait

    def _endpoint(self) -> Hook | Mail:
        if self._made is None:
            mail = self._asked.kind == "email"
            self._made = Mail(self._store.settings, self._asked, self) if mail else Hook(self._store, self._asked)
        return cast("Hook | Mail", self._made)

    def _send(self, item: Due, tries: int) -> Answer:
        self._endpoint()
        return super()._send(item, tries)

    def _greet(self) -> float | None:
        asked, life = self._asked, self.life
        try:
            self._endpoint().tell("handshake", self._events())
        except HubError as error:
            self._greetings += 1
            if error.retry == "later" and self._greetings < GREETINGS:
                return pause_after(self.spec.retry, self._greetings)
            event(log, logging.WARNING, "the endpoint did not agree", subscription=asked.id, category=error.category)
            life.version = standing.set_status(self._store, asked, "error", str(error)) or life.version
            life.over = True
            return None
        state.greeted(self._store, asked.id, asked.digest, clock.now())
        life.version = standing.set_status(self._store, asked, "active") or life.version
        life.greeting, life.error, life.failures = False, False, 0
        self._spoken = clock.now()
        self._back()  # it answered: what waits need not wait for the circuit
        event(log, logging.INFO, "subscription is active", subscription=asked.id)
        return 0.0

    def _events(self) -> int:
        found = state.states(self._store).get(self._asked.id)
        return found.events if found else 0

    def _beat(self) -> None:
        self._spoken = clock.now()
        try:
            self._endpoint().tell("heartbeat", self._events())
        except HubError as error:
            self._ill(str(error))
        else:
            self._well()

    def _one(self, item: Due) -> Attempt:
        if (reason := self._withheld(item)) is not None:
            return Attempt(item.id, item.message, Sending.CANCELLED, item.attempts, item.due, clock.now(), reason)
        attempt = super()._one(item)
        self._spoken = clock.now()
        if attempt.state is Sending.SENT:
            self._well()
        else:
            self._ill(orjson.loads(attempt.error or "{}").get("what", ""))
        return attempt

    def _withheld(self, item: Due) -> str | None:
        """Why a notification is not sent, or None."""
        if item.control_id.rpartition("/")[2] != self._asked.mark:
            return error_json(ForbiddenError("made for what was asked before", cure="see $events"), "send")
        try:
            told = _event(self._store, item.control_id)
            if consent.rules.may_send(self._store, self._asked, told.ref, told.content):
                return None
            return error_json(ForbiddenError("this may not be sent any more", code="consent"), "send")
        except ForbiddenError as error:
            return error_json(error, "send")

    def _well(self) -> None:
        self.life.failures = 0
        if self.life.error:
            self.life.version = standing.set_status(self._store, self._asked, "active") or self.life.version
            self.life.error = False
            state.note(self._store, self._asked.id, failing=0)

    def _ill(self, reason: str) -> None:
        life, now = self.life, clock.now()
        life.failures += 1
        if life.failures < ERROR_AFTER:
            return
        failing = state.states(self._store).get(self._asked.id)
        if not life.error:
            event(log, logging.WARNING, "subscription is in error", subscription=self._asked.id)
            life.version = standing.set_status(self._store, self._asked, "error", reason) or life.version
            life.error = True
            state.note(self._store, self._asked.id, failing=now)
        elif failing is not None and failing.failing and now - failing.failing > OFF_AFTER:
            event(log, logging.WARNING, "subscription is off", subscription=self._asked.id)
            standing.set_status(self._store, self._asked, "off", reason)
            life.over = True
