"""The jobs of export as they lie on disk: asked, looked up, cancelled, expired."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson

from hub import clock
from hub.errors import NotFoundError, UnavailableError

KEPT = 24 * 3_600_000_000  # microseconds after the end
AT_ONCE = 4  # jobs of one caller that are not ended
# What is written while the export is asked for has an earlier time, and is there only later.
MARGIN = 5_000_000

_NAME = re.compile(r"[0-9a-f]{32}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Job:
    """What was asked.

    :ivar caller: number of the token; only it sees the job.
    :ivar url: of the request.  ``at``: transactionTime, microseconds.
    :ivar level: ``system``, ``Patient`` or ``Group``.
    :ivar members: references of the patients of a Group.
    :ivar filters: type -> criteria (``_typeFilter``).
    """

    id: str
    caller: str
    url: str
    at: int
    level: str
    types: tuple[str, ...]
    since: int | None = None
    members: tuple[str, ...] = ()
    filters: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class File:
    """One file of output: octets and resources that are surely in it."""

    type: str
    name: str
    size: int = 0
    count: int = 0


@dataclass(frozen=True, slots=True)
class State:
    """How far a job is.

    :ivar done: number of types that are finished; ``after``: place of the last resource of the next one.
    :ivar ended: microseconds; 0 while it runs.  ``error``: why it could not be done.
    """

    done: int = 0
    after: tuple[Any, ...] | None = None
    files: tuple[File, ...] = ()
    ended: int = 0
    error: str = ""

    @property
    def count(self) -> int:
        return sum(f.count for f in self.files)


class Jobs:
    """The jobs below a folder."""

    def __init__(self, data: Path) -> None:
        self._folder = data / "exports"

    def ask(self, asked: Job) -> Job:
        """Put a job down for whoever works on them, with an id of its own and the time of now.

        :raises UnavailableError: when the caller has too many already.
        """
        waiting = [j for j in self.all() if j.caller == asked.caller and not self.state(j.id).ended]
        if len(waiting) >= AT_ONCE:
            cure = "wait for one to end, or cancel one"
            raise UnavailableError(f"{AT_ONCE} exports of this caller run already", cure=cure, code="throttled")
        job = replace(asked, id=secrets.token_hex(16), at=clock.now() - MARGIN)
        folder = self.folder(job.id)
        folder.mkdir(mode=0o700, parents=True)
        _put(folder / "job.json", asdict(job))
        return job

    def find(self, name: str, caller: str) -> Job:
        """A job of this caller.

        :raises NotFoundError: when there is none, or no more.
        """
        job = self._read(name) if _NAME.fullmatch(name) else None
        if job is None or job.caller != caller or self._over(job):
            raise NotFoundError("there is no such export of this caller", cure="they are kept for a day")
        return job

    def all(self) -> list[Job]:
        """All jobs, the oldest first."""
        names = [f.name for f in self._folder.glob("?" * 32) if _NAME.fullmatch(f.name)]
        return sorted((j for n in names if (j := self._read(n)) is not None), key=lambda j: (j.at, j.id))

    def state(self, name: str) -> State:
        """How far a job is; of one that is gone, nothing."""
        try:
            kept = orjson.loads((self.folder(name) / "state.json").read_bytes())
        except (FileNotFoundError, orjson.JSONDecodeError):
            return State()
        files = tuple(File(**f) for f in kept.pop("files"))
        after = kept.pop("after")
        return State(**kept, files=files, after=None if after is None else tuple(after))

    def keep(self, name: str, state: State) -> bool:
        """Note how far a job is; whether it is still wanted."""
        try:
            _put(self.folder(name) / "state.json", asdict(state))
        except FileNotFoundError:
            return False
        return True

    def fail(self, name: str, why: str) -> None:
        """Note that a job cannot be done."""
        self.keep(name, replace(self.state(name), ended=clock.now(), error=why))

    def drop(self, name: str) -> None:
        """Cancel a job, or forget an ended one, with its files."""
        gone = self._folder / f"gone-{secrets.token_hex(16)}"
        with suppress(FileNotFoundError):
            self.folder(name).rename(gone)  # at once, so that nobody reads half of it
            shutil.rmtree(gone, ignore_errors=True)

    def sweep(self) -> None:
        """Forget what is over, and what a process that died left of it."""
        for job in self.all():
            if self._over(job):
                self.drop(job.id)
        for left in self._folder.glob("gone-*"):
            shutil.rmtree(left, ignore_errors=True)

    def folder(self, name: str) -> Path:
        return self._folder / name

    def _over(self, job: Job) -> bool:
        ended = self.state(job.id).ended
        return bool(ended) and ended + KEPT < clock.now()

    def _read(self, name: str) -> Job | None:
        try:
            kept = orjson.loads((self.folder(name) / "job.json").read_bytes())
        except (FileNotFoundError, NotADirectoryError, orjson.JSONDecodeError):
            return None
        fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in kept.items()}
        return Job(**fields)


def _put(path: Path, value: dict[str, Any]) -> None:
    """Replace a file: whole or not at all, also when the power fails."""
    part = path.with_name(f"{path.name}.part")
    with part.open("wb") as file:
        file.write(orjson.dumps(value))
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
