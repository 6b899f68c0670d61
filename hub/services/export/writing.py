"""Writes the files of a job, batch by batch, from wherever it stands."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import BinaryIO
from urllib.parse import parse_qsl

from hub import clock
from hub.fhir.search.compartments import compartments, membership
from hub.services.export.jobs import File, Job, Jobs, State
from hub.store.criteria import Reader
from hub.store.handle import Store
from hub.store.query import Criterion, Ids, Query, Ref, Test, When
from hub.store.search import Row, search

BATCH = 1000  # resources
LINES = 100_000  # resources of one file


def query(job: Job, kind: str, base: str) -> Query:
    """What a job asks of one type.

    :raises InvalidError: when its ``_typeFilter`` cannot be read.
    """
    made = Reader(base, job.at).query((kind,), parse_qsl(job.filters.get(kind, ""), keep_blank_values=True))
    criteria = list(made.criteria)
    if job.level != "system":
        criteria += _of_patients(kind, job)
    if job.since is not None:
        criteria.append(Criterion((When((), "ge", job.since, job.since),)))
    return replace(made, criteria=tuple(criteria))


def of_patients() -> tuple[str, ...]:
    """The types that can belong to a patient."""
    return tuple(compartments()["Patient"])


def _of_patients(kind: str, job: Job) -> list[Criterion]:
    if kind == "Patient":
        return [Criterion((Ids(job.members),))] if job.level == "Group" else []
    numbers, _ = membership("Patient", kind) or ((), False)
    members: Test = Ref(numbers, job.members) if job.level == "Group" else Ref(numbers, ("Patient/",), begins=True)
    return [Criterion((members,))]


def write(store: Store, jobs: Jobs, job: Job, base: str, wanted: Callable[[], bool] = lambda: True) -> bool:
    """Work on a job until it is done, is cancelled, or is ``wanted`` no more; whether it is done."""
    state = jobs.state(job.id)
    while state.done < len(job.types):
        kind = job.types[state.done]
        one = query(job, kind, base)
        while True:
            if not wanted():
                return False
            with store.reading() as conn:
                rows = search(conn, one, BATCH, state.after)
            state = _written(jobs, job, state, kind, rows)
            if len(rows) < BATCH:
                state = replace(state, done=state.done + 1, after=None)
            if not jobs.keep(job.id, state):
                return False
            if state.after is None:
                break
    return jobs.keep(job.id, replace(state, ended=clock.now()))


def _written(jobs: Jobs, job: Job, state: State, kind: str, rows: list[Row]) -> State:
    """The state once the rows are in their file."""
    if not rows:
        return state
    *before, file = state.files or (File(kind, _name()),)
    if file.type != kind or file.count >= LINES:
        before, file = [*state.files], File(kind, _name())
    text = b"".join(b"%b\n" % row.content for row in rows)
    try:
        with (jobs.folder(job.id) / file.name).open("r+b" if file.size else "wb") as out:
            _append(out, file.size, text)
    except FileNotFoundError:
        return state  # cancelled, as who keeps the state will see
    file = replace(file, size=file.size + len(text), count=file.count + len(rows))
    return replace(state, files=(*before, file), after=rows[-1].place)


def _append(out: BinaryIO, size: int, text: bytes) -> None:
    out.truncate(size)  # what a process wrote before it died, without being able to say so
    out.seek(size)
    out.write(text)
    out.flush()
    os.fsync(out.fileno())


def _name() -> str:
    return f"{secrets.token_hex(16)}.ndjson"
