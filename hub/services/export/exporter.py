"""Works on the jobs of export, in the background of a process that computes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from hub.errors import HubError, UnavailableError
from hub.logs import event
from hub.services.export.jobs import Job, Jobs
from hub.services.export.writing import write
from hub.store import Store

EVERY = 1.0  # seconds between two looks
SWEEP_EVERY = 600  # looks

log = logging.getLogger("hub.export")


class Exporter:
    """One thread; several processes may each have one, a job is the work of one at a time."""

    def __init__(self, store: Store) -> None:
        self._store, self._base = store, store.settings.fhir_base
        self._jobs = Jobs(store.settings.data)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="export", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def tend(self) -> None:
        """See that it works: a duty of a process that has nothing else to start and stop it."""
        if self._thread.ident is None:
            self._thread.start()

    def stop(self, within: float = 10.0) -> None:
        """Let go of the job in hand after its batch; it is gone on with at the next start."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(within)

    def _loop(self) -> None:
        beat = 0
        while not self._stopping.is_set():
            try:
                if beat % SWEEP_EVERY == 0:
                    self._jobs.sweep()
                self.tick()
            except UnavailableError:
                pass  # the store is away; the jobs wait
            except Exception as error:  # a defect of ours must not end what comes later
                event(log, logging.ERROR, "exports failed", error=type(error).__name__)
            beat += 1
            self._stopping.wait(EVERY)

    def tick(self) -> None:
        """Work on all jobs that wait, unless another process does."""
        waiting = [job for job in self._jobs.all() if not self._jobs.state(job.id).ended]
        lock = self._store.locks.take("export") if waiting else None
        if lock is None:
            return
        try:
            for job in waiting:
                self._work(job, lambda: lock.held() and not self._stopping.is_set())
        finally:
            lock.release()

    def _work(self, job: Job, wanted: Callable[[], bool]) -> None:
        try:
            if wanted() and not self._jobs.state(job.id).ended:
                write(self._store, self._jobs, job, self._base, wanted)
        except UnavailableError:
            raise
        except HubError as error:
            self._jobs.fail(job.id, str(error))
        except Exception as error:
            event(log, logging.ERROR, "an export failed", job=job.id, error=type(error).__name__)
            self._jobs.fail(job.id, "the hub has a fault; see its log")
