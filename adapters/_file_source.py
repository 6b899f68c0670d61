"""Takes files out of a folder, once each, whenever this process is killed.

POSIX.1-2017 rename(): a file is moved to ``.work`` in one step, so no two readers take it; it leaves
``.work`` only when it is stored.  What lies there at the start was under way when the hub ended, and is
handed over again: the engine recognises what it stored before.
"""

from __future__ import annotations

import fcntl
import logging
import os
import stat
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator

from hub.clock import show_id
from hub.engine.connector import Receipt, SourceContext, Verdict
from hub.errors import ConfigError, TooLargeError, UnavailableError
from hub.logs import event

from ._options import Octets, Options, Seconds

WORK = ".work"
REFUSED = b"refused: "
EXCERPT = 64 * 1024
IN_FLIGHT, OCTETS_IN_FLIGHT = 64, 16 * 1024 * 1024  # files handed over and not stored yet
ROUND = 10_000  # files taken in one round, so that what waits in .work is looked at again
NOT_STORED = 5.0  # seconds until a file the hub could not store is handed over again

Mark = tuple[int, int]  # size and time of change: the same, so is the file

log = logging.getLogger("hub.file")


class FileSourceOptions(Options):
    """Options of ``source: {file: …}``."""

    directory: Path = Field(description="folder to take files from; `done`, `error` and `.work` are made in it")
    pattern: str = Field(
        "*", min_length=1, description="names taken, such as *.xml; names that begin with a dot never are"
    )
    settle: Seconds = Field(
        2.0, ge=0, description="a file is complete when its size and time stayed the same this long"
    )
    every: Seconds = Field(1.0, ge=0.01, description="pause between two looks at the folder")
    order: Literal["mtime", "name"] = Field("mtime", description="order in which files are taken")
    done: str = Field("done", description="folder for files that were taken; empty: they are deleted")
    error: str = Field("error", min_length=1, description="folder for files that were refused, with the reason beside")
    max_size: Octets = Field(64 << 20, ge=1024, description="largest file; of a larger one 64 KiB are kept in hold")
    create: bool = Field(True, description="make the folder when it is not there; false for a mounted one")

    @field_validator("done", "error")
    @classmethod
    def _inside(cls, value: str) -> str:
        if value and (Path(value).name != value or value in (".", "..", WORK)):
            raise ValueError("write the name of one folder; it lies in the directory")
        return value


@dataclass(slots=True)
class _Taken:
    """A file handed over; ``receipt`` comes from another thread."""

    path: Path
    size: int
    mark: Mark
    receipt: Receipt | None = None
    ready: threading.Event = field(default_factory=threading.Event)

    def done(self, receipt: Receipt) -> None:
        self.receipt = receipt
        self.ready.set()


class FileSource:
    """Looks at one folder from one thread."""

    def __init__(self, options: FileSourceOptions, context: SourceContext) -> None:
        self._options, self._context = options, context
        self._where = f"{context.channel}: source.file"
        self._work = options.directory / WORK
        self._stopping = threading.Event()
        self._until = 0.0  # end of the time to put away what was handed over
        self._thread: threading.Thread | None = None
        self._lock: int | None = None
        self._seen: dict[str, tuple[Mark, float]] = {}
        self._received = self._refused = 0
        self._trouble = self._skipped = ""

    def start(self) -> None:
        """Make the folders and begin to look.

        :raises UnavailableError: when the folder is not there, may not be written, or has another reader.
        """
        options = self._options
        try:
            if options.create:
                options.directory.mkdir(parents=True, exist_ok=True)
            folders = [options.directory / name for name in (WORK, options.error, options.done) if name]
            for folder in folders:
                folder.mkdir(exist_ok=True)
            if len({folder.stat().st_dev for folder in (options.directory, *folders)}) > 1:
                what = "done, error and .work must lie on the file system of the directory"
                raise ConfigError(what, where=f"{self._where}.directory", cure="mount nothing inside it")
            self._lock = os.open(self._work / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._unlock()
            what = f"another source takes files from {options.directory}"
            raise UnavailableError(
                what, where=f"{self._where}.directory", cure="stop it or name another folder"
            ) from None
        except OSError as e:
            self._unlock()
            what = f"cannot use {options.directory}: {e.strerror}"
            raise UnavailableError(
                what, where=f"{self._where}.directory", cure="check that it is there and writable"
            ) from None
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name=f"file-{self._context.channel}", daemon=True)
        self._thread.start()

    def stop(self, within: float = 5.0) -> None:
        self._until = time.monotonic() + within * 0.7
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(within)
            self._thread = None
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @property
    def address(self) -> str:
        return f"file:{self._options.directory}"

    def status(self) -> Mapping[str, Any]:
        alive = self._thread is not None and self._thread.is_alive()
        return {
            "listening": alive, "received": self._received, "refused": self._refused, "trouble": self._trouble,
        }  # fmt: skip

    def _run(self) -> None:
        pause = 0.0
        while not self._stopping.wait(pause):
            pause = self._options.every
            trouble = ""
            try:
                if not self._look():
                    pause = max(NOT_STORED, pause)
                trouble = self._skipped
            except Exception as e:  # such as a folder that went away for a while: every file stays where it is
                pause = max(NOT_STORED, pause)
                trouble = _why(e)
            self._told(trouble)

    def _told(self, trouble: str) -> None:
        """Log a trouble when it begins and when it ends, not each time it is met."""
        if trouble != self._trouble:
            self._trouble = trouble
            level, what = (logging.WARNING, "folder not usable") if trouble else (logging.INFO, "folder usable again")
            event(log, level, what, channel=self._context.channel, error=trouble)

    def _look(self) -> bool:
        """One round: what lies in ``.work`` first.  Return False when something could not be stored."""
        self._skipped = ""
        flight: deque[_Taken] = deque()
        octets = 0
        stored = True
        for path in [*self._waiting(), *self._complete()]:
            if self._stopping.is_set() or not stored:
                break
            taken = self._hand_over(path)
            if taken is None:
                continue
            flight.append(taken)
            octets += taken.size
            while len(flight) >= IN_FLIGHT or (octets >= OCTETS_IN_FLIGHT and flight) or (flight and flight[0].receipt):
                octets -= flight[0].size
                stored = self._finish(flight.popleft()) and stored
        while flight:
            stored = self._finish(flight.popleft()) and stored
        return stored

    def _waiting(self) -> list[Path]:
        """Files under way when the hub, or the store, went away."""
        with os.scandir(self._work) as entries:
            return self._sorted([(_mark(e.stat(follow_symlinks=False)), e.path) for e in entries if e.name != ".lock"])

    def _complete(self) -> list[Path]:
        """Files that match, are regular, and did not change for the settling time."""
        options, now = self._options, time.monotonic()
        seen: dict[str, tuple[Mark, float]] = {}
        found: list[tuple[Mark, str]] = []
        with os.scandir(options.directory) as entries:
            for entry in entries:
                if entry.name.startswith(".") or not fnmatchcase(entry.name, options.pattern):
                    continue
                try:
                    if not entry.is_file(follow_symlinks=False):
                        continue
                    mark = _mark(entry.stat(follow_symlinks=False))
                except FileNotFoundError:  # taken back meanwhile
                    continue
                known = self._seen.get(entry.name)
                since = known[1] if known and known[0] == mark else now
                seen[entry.name] = (mark, since)
                if now - since >= options.settle:
                    found.append((mark, entry.path))
        self._seen = seen
        return self._sorted(found)[:ROUND]

    def _sorted(self, found: list[tuple[Mark, str]]) -> list[Path]:
        by_name = self._options.order == "name"
        return [Path(path) for _, path in sorted(found, key=lambda f: (0 if by_name else f[0][1], f[1]))]

    def _hand_over(self, path: Path) -> _Taken | None:
        """Move a file to ``.work``, read it and hand it over; None when it is gone or not to be read."""
        mine = path if path.parent == self._work else self._work / path.name
        try:
            if mine is not path:
                if mine.exists():  # one of the same name is still under way
                    return None
                path.rename(mine)
            body, mark = _read(mine, self._options.max_size)
        except FileNotFoundError:
            return None
        except PermissionError as e:
            self._skipped = _why(e)
            if os.path.lexists(mine):
                self._put_away(mine, self._options.error, "", "the hub may not read this file")
            return None
        except ValueError:  # no regular file: a link put in its place
            self._put_away(mine, self._options.error, "", "no regular file")
            return None
        if _mark_of(mine) != mark:  # its writer was not done: the next round reads it again
            return None
        taken = _Taken(mine, len(body), mark)
        self._received += 1
        try:
            self._receive(body, taken)
        except Exception as e:  # whatever fails, the file stays where it is and is handed over again
            event(
                log,
                logging.ERROR,
                "a file could not be handed over",
                channel=self._context.channel,
                error=type(e).__name__,
            )
            taken.ready.set()
        return taken

    def _receive(self, body: bytes, taken: _Taken) -> None:
        mark, peer = taken.mark, self.address
        if mark[0] > self._options.max_size:
            what = f"a file of {mark[0]} octets is beyond the limit of {self._options.max_size}"
            error = TooLargeError(what, where="source.file.max_size", cure="raise max_size or send less")
            taken.done(self._context.broken(body, error, peer=peer, answer=_word))
        else:
            self._context.receive(body, peer=peer, answer=_word, done=taken.done)

    def _finish(self, taken: _Taken) -> bool:
        """Put a file away by its receipt; return False when it must be handed over again."""
        while not taken.ready.wait(0.1):
            if self._stopping.is_set() and time.monotonic() > self._until:
                return False  # it stays in .work
        receipt = taken.receipt
        if receipt is None or receipt.verdict.status == "failed":
            return False
        if _mark_of(taken.path) != taken.mark:
            return True  # it was changed since: what is there now is handed over in the next round
        message = show_id(receipt.verdict.message_id) if receipt.verdict.message_id else ""
        if receipt.answer.startswith(REFUSED):
            self._refused += 1
            reason = receipt.answer.removeprefix(REFUSED).decode()
            self._put_away(taken.path, self._options.error, message, reason)
        elif self._options.done:
            self._put_away(taken.path, self._options.done, message, "")
        else:
            taken.path.unlink(missing_ok=True)
        return True

    def _put_away(self, path: Path, folder: str, message: str, reason: str) -> None:
        """Move out of ``.work``, never over a file that is there."""
        into = self._options.directory / folder
        target = into / path.name
        number = 0
        while os.path.lexists(target):
            number += 1
            target = into / f"{path.stem}.{message or 'again'}{f'-{number}' if number > 1 else ''}{path.suffix}"
        if reason:
            text = f"{reason}\nmessage {message}\n" if message else f"{reason}\n"
            target.with_name(f"{target.name}.txt").write_text(text, encoding="utf-8")
        path.rename(target)


def _word(verdict: Verdict) -> bytes:
    """The answer nobody waits for; kept with the message, it tells a duplicate how the first one fared."""
    return REFUSED + str(verdict.error).encode() if verdict.status == "rejected" else verdict.status.encode()


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__


def _mark(found: os.stat_result) -> Mark:
    return found.st_size, found.st_mtime_ns


def _mark_of(path: Path) -> Mark:
    return _mark(path.lstat())


def _read(path: Path, most: int) -> tuple[bytes, Mark]:
    """The octets, or the first piece of too many; and what the file was like before they were read.

    :raises ValueError: when it is no regular file.
    """
    try:
        number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as e:
        if path.is_symlink():
            raise ValueError from e
        raise
    with open(number, "rb", buffering=0) as file:  # noqa: PTH123 - a descriptor
        found = os.fstat(number)
        if not stat.S_ISREG(found.st_mode):
            raise ValueError
        mark = _mark(found)
        body = bytearray()
        wanted = EXCERPT if found.st_size > most else found.st_size
        while len(body) < wanted and (piece := file.read(wanted - len(body))):
            body += piece
    return bytes(body), mark
