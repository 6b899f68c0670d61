"""Keeps Subscriptions: greets new ones, looks for what fits, and has it sent.

One process of a hub does it, under a lock; each Subscription has a thread of its own for its endpoint, so that one
that hangs holds up no other.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from functools import partial
from typing import Final

import orjson
from sqlalchemy import select

from hub import clock
from hub.engine.counters import Counters
from hub.engine.deliver import DestinationThread
from hub.engine.work import patiently
from hub.errors import HubError, UnavailableError
from hub.logs import event
from hub.services.subscriptions import CHANNEL, criteria, matching, model, sealing, standing, state
from hub.services.subscriptions.criteria import Wanted
from hub.services.subscriptions.model import Subscription
from hub.services.subscriptions.sender import HookSender, Life
from hub.services.subscriptions.state import State
from hub.store import Store
from hub.store.tables import resource

log = logging.getLogger("hub.subscriptions")

EVERY: Final = 0.5  # seconds between two looks
IDLE: Final = 2.0  # while there is no Subscription
FAR_EVERY: Final = 20  # looks between two that go back far
PRUNE_EVERY: Final = 1200  # looks
MOST: Final = 100  # Subscriptions at work: each has a thread
KEPT_DAYS: Final = 30  # of notifications and events


@dataclass(slots=True)
class _Work:
    asked: Subscription
    life: Life
    thread: DestinationThread


class Service:
    """The Subscriptions of one hub.

    :ivar rounds: looks that were made so far.
    """

    def __init__(self, store: Store, counters: Counters | None = None) -> None:
        self._store, self._counters = store, counters or Counters()
        self._base = store.settings.fhir_base
        self.rounds = 0
        self._read: dict[str, tuple[int, Subscription, Wanted] | tuple[int, None, str]] = {}
        self._work: dict[str, _Work] = {}
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="subscriptions", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def look(self) -> None:
        """Look at once."""
        self._wake.set()

    def stop(self, within: float = 5.0) -> None:
        self._stopping.set()
        self._wake.set()
        self._thread.join(within)
        for work in self._work.values():
            work.thread.stop(0)
        for work in self._work.values():
            work.thread.stop(within)
        self._work = {}

    def _loop(self) -> None:
        stopping = self._stopping.is_set
        while not stopping():
            lock = patiently(lambda: self._store.locks.take(CHANNEL), stopping, CHANNEL)
            if lock is None:
                self._stopping.wait(1.0)  # another process does it
                continue
            beat = 0
            try:
                while not stopping() and lock.held():
                    self._wake.clear()
                    self._beat(beat)
                    beat += 1
                    self._wake.wait(EVERY if self._read else IDLE)
            finally:
                lock.release()

    def _beat(self, number: int) -> None:
        try:
            self.tick(far=number % FAR_EVERY == 0)
            self.rounds += 1
            if number % PRUNE_EVERY == 0:
                self._prune()
        except UnavailableError:
            self._stopping.wait(1.0)  # the store is away; all of it waits there
        except Exception as error:  # a defect of ours must not end what the others do
            event(log, logging.ERROR, "subscriptions failed", error=type(error).__name__)
            self._stopping.wait(1.0)

    def tick(self, *, far: bool = True) -> int:
        """One look at all Subscriptions; return how many events came of it."""
        found = self._all()
        states = state.states(self._store) if found or self._work or far else {}
        for gone in (states.keys() | self._work.keys()) - found.keys():
            self._end(gone)
            if gone in states:
                state.forget(self._store, gone)
        if not found:
            return 0
        last, made = matching.newest(self._store), 0
        for fid, (_, asked, wanted) in found.items():
            if asked is None or isinstance(wanted, str):
                continue
            try:
                made += self._one(asked, wanted, states.get(fid), far=far, last=last)
            except UnavailableError:
                raise
            except HubError as error:  # of one Subscription: it holds up no other
                standing.set_status(self._store, asked, "error", str(error))
        matching.again(self._store)
        if made:
            for work in self._work.values():
                work.thread.look()
        return made

    def _one(self, asked: Subscription, wanted: Wanted, at: State | None, *, far: bool, last: int) -> int:
        over = bool(asked.end) and asked.end <= clock.now()
        if asked.status == "off" or over:
            self._end(asked.id)
            if over and asked.status != "off":
                standing.set_status(self._store, asked, "off")
            if at is not None and at.greeted:
                state.note(self._store, asked.id, greeted=False)
            return 0
        agreed = at is not None and at.greeted and at.digest == asked.digest
        self._keep(asked, agreed=agreed)
        if at is None or not agreed:
            return 0
        return matching.look(self._store, asked, wanted, at, self._base, far=far, last=last)

    def _keep(self, asked: Subscription, *, agreed: bool) -> None:
        """See that the endpoint is greeted or served, as it has to be."""
        work = self._work.get(asked.id)
        if work is not None:
            anew = asked.status == "requested" and asked.version > work.life.version
            if work.asked.digest == asked.digest and not anew:
                return
            self._end(asked.id)
        if asked.status == "error" and not agreed:
            return
        if len(self._work) >= MOST:
            what = f"the hub serves {MOST} subscriptions already"
            standing.set_status(self._store, asked, "error", what)
            return
        life = Life(asked.version, not agreed or asked.status == "requested", asked.status == "error")
        make = partial(HookSender, self._store, asked, life, self._counters)
        thread = DestinationThread(self._store, make, f"deliver:{CHANNEL}:{asked.id}")
        self._work[asked.id] = _Work(asked, life, thread)
        thread.start()

    def _end(self, fid: str) -> None:
        work = self._work.pop(fid, None)
        if work is not None:
            work.thread.stop(5.0)

    def _all(self) -> dict[str, tuple[int, Subscription, Wanted] | tuple[int, None, str]]:
        """The Subscriptions there are, read anew when they changed."""
        row = resource.c
        live = (row.type == "Subscription", row.deleted.is_(False), row.version > 0)
        with self._store.reading() as conn:
            there = {r[0].partition("/")[2]: int(r[1]) for r in conn.execute(select(row.ref, row.version).where(*live))}
            changed = [fid for fid, version in there.items() if self._read.get(fid, (0,))[0] != version]
            refs = [f"Subscription/{fid}" for fid in changed]
            rows = conn.execute(select(row.version, row.content).where(row.ref.in_(refs))).all() if refs else []
        self._read = {fid: one for fid, one in self._read.items() if fid in there}
        for version, content in rows:
            self._understand(int(version), orjson.loads(bytes(content)))
        return self._read

    def _understand(self, version: int, resource: dict[str, object]) -> None:
        fid = str(resource["id"])
        try:
            asked = model.read(resource, version)
            sealing.check(asked)
            self._read[fid] = (version, asked, criteria.read(asked, self._store.settings))
        except HubError as error:  # it came by a message, or the hub of before understood more
            self._read[fid] = (version, None, str(error))
            self._end(fid)
            if resource.get("status") in ("requested", "active"):
                unfit = model.Subscription(fid, version, "", model.digest(resource), "", "", "")
                standing.set_status(self._store, unfit, "error", str(error))

    def _prune(self) -> None:
        from hub.store import prune

        prune.prune(self._store, CHANNEL, done_days=KEPT_DAYS, held_days=0)
        state.drop_events(self._store, clock.now() - KEPT_DAYS * state.DAY)
