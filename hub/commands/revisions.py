"""Revisions of channels: what runs, what the file has, what ran before, and writing the file anew."""

from __future__ import annotations

import os
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path
from typing import Any

from sqlalchemy import select

from hub import clock
from hub.channel import loader
from hub.channel.model import Loaded, inspect
from hub.commands.asking import channel_files
from hub.errors import ConfigError, NotFoundError
from hub.registry import unknown
from hub.settings import Settings
from hub.store import Store
from hub.store.tables import channel_revision, channel_run


@dataclass(frozen=True, slots=True)
class Standing:
    """A channel as it runs, beside its file."""

    name: str
    state: str
    since: int
    running: str  # revision, or ''
    file: str  # revision, or ''
    address: str
    note: str

    def fact(self) -> dict[str, Any]:
        return {
            "channel": self.name, "state": self.state, "since": clock.iso(self.since) if self.since else None,
            "running": self.running or None, "file": self.file or None, "address": self.address or None,
            "note": self.note,
        }  # fmt: skip


def standing(store: Store) -> list[Standing]:
    """Every channel that has a file or ever ran."""
    with store.reading() as conn:
        rows = {row.channel: row for row in conn.execute(select(channel_run))}
    found = {_name(one): one for one in (inspect(path, store.settings) for path in channel_files(store.settings))}
    return [_standing(name, rows.get(name), found.get(name)) for name in sorted(rows.keys() | found.keys())]


def _name(loaded: Loaded) -> str:
    return loaded.spec.name if loaded.spec else loaded.folder.name


def _standing(name: str, row: Any, loaded: Loaded | None) -> Standing:
    state = row.state if row else "never ran"
    running = row.revision if row and row.state == "running" else ""
    file = loaded.document.revision if loaded else ""
    notes = [str(row.detail)] if row and row.detail else []
    if loaded is None:
        notes.append("its file is gone")
    elif loaded.spec is None:
        notes.append(f"its file is broken: {loaded.findings[0]}")
    elif running and running != file:
        notes.append("the file has another revision")
    return Standing(
        name, state, int(row.at) if row else 0, running, file, str((row.address if row else "") or ""), "; ".join(notes)
    )


def ran(store: Store, name: str) -> list[Any]:
    """The revisions of a channel that ran, the newest first.

    :raises ConfigError: when none of that name ever ran.
    """
    row = channel_revision.c
    with store.reading() as conn:
        found = list(
            conn.execute(select(channel_revision).where(row.channel == name).order_by(row.first_run.desc())).all()
        )
        names = [str(r[0]) for r in conn.execute(select(row.channel).distinct().order_by(row.channel))]
    if not found:
        raise unknown("channel that ran", name, names)
    return found


def ran_as(store: Store, name: str, revision: str) -> Any:
    """One revision of a channel, by its first letters.

    :raises NotFoundError: when none, or more than one, begins like that.
    """
    fit = [r for r in ran(store, name) if r.revision.startswith(revision.lower())] if revision else []
    if len(fit) != 1:
        what = "more than one revision begins" if fit else "no revision that ran begins"
        raise NotFoundError(f"{what} with {revision!r}", where=name, cure=f"see hub channel revisions {name}")
    return fit[0]


def file_of(settings: Settings, name: str) -> Path:
    """The file of a channel, though it be broken.

    :raises ConfigError: when there is none.
    """
    found = {_name(one): one.path for one in (inspect(path, settings) for path in channel_files(settings))}
    if name not in found:
        raise unknown("channel", name, sorted(found))
    return found[name]


def differences(old: str, new: str, old_name: str, new_name: str) -> list[str]:
    """A unified diff, line by line; empty when nothing differs."""
    return [
        line.rstrip("\r\n")
        for line in unified_diff(old.splitlines(keepends=True), new.splitlines(keepends=True), old_name, new_name)
    ]


def with_enabled(path: Path, settings: Settings, enabled: bool) -> str:
    """The text of a channel file with ``enabled:`` as wanted, everything else as it stands.

    :raises ConfigError: when the file is broken, or is not written line by line.
    """
    loaded = inspect(path, settings)
    if loaded.spec is None:
        raise ConfigError(f"the file is broken: {loaded.findings[0]}", where=str(path), cure="see hub lint")
    lines = loaded.document.text.splitlines(keepends=True)
    word = "true" if enabled else "false"
    if ("enabled",) in loaded.document.keys:
        line, column = loaded.document.at(("enabled",))
        old = lines[line - 1]
        was = "false" if not loaded.spec.enabled else "true"
        if old[column - 1 :].startswith(was):
            lines[line - 1] = old[: column - 1] + word + old[column - 1 + len(was) :]
    else:
        line, _ = loaded.document.at(("channel",), key=True)
        ending = "\r\n" if lines[line - 1].endswith("\r\n") else "\n"
        lines[line - 1] = lines[line - 1].rstrip("\r\n") + ending
        lines.insert(line, f"enabled: {word}{ending}")
    text = "".join(lines)
    value = loader.parse(text.encode(), str(path))
    if value.findings or not isinstance(value.value, dict) or value.value.get("enabled") is not enabled:
        raise ConfigError("`enabled:` cannot stand there", where=str(path), cure=f"write `enabled: {word}` by hand")
    return text


def replace(path: Path, text: str) -> None:
    """Write a channel file in one step, so that nobody reads half of it.

    :raises ConfigError: when it cannot be written.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        mode = path.stat().st_mode & 0o777
        part.write_bytes(text.encode("utf-8"))
        part.chmod(mode)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        what = f"cannot be written: {error.strerror}"
        raise ConfigError(what, where=str(path), cure="see who may write it") from None
