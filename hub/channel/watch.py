"""Watches the channel files of a site, so that a change runs within a second and a slip stops nothing.

A file is looked at by its time and size; its octets are hashed only when those differ.  A file that
breaks is reported once, and what ran before goes on by its last good revision.
"""

from __future__ import annotations

from pathlib import Path

from hub.channel.findings import Finding, shown
from hub.channel.model import Loaded, choose, files, inspect
from hub.engine.host import Changes
from hub.engine.model import ChannelSpec
from hub.registry import unknown
from hub.settings import Settings

Stamp = tuple[int, int, int]  # inode, nanoseconds of the last change, octets


class Watcher:
    """The channel files of one hub between two looks.

    :param only: names of the channels to watch; none watches all.
    """

    def __init__(self, settings: Settings, only: tuple[str, ...] = ()) -> None:
        self.settings, self.only = settings, only
        self.findings: list[Finding] = []
        self._stamps: dict[Path, Stamp] = {}
        self._read: dict[Path, Loaded] = {}
        self._good: dict[Path, Loaded] = {}
        self._running: dict[str, ChannelSpec] = {}

    @property
    def running(self) -> dict[str, ChannelSpec]:
        """The good revision of each channel, as last handed out."""
        return dict(self._running)

    def scan(self) -> Changes:
        """What is new since the last look: channels changed (or new), removed, and files that broke."""
        stamps = {path: stamp for path in files([self.settings.channels]) if (stamp := _stamp(path))}
        if stamps == self._stamps and self._stamps:
            return Changes()
        fresh = {path for path, stamp in stamps.items() if self._stamps.get(path) != stamp}
        self._stamps = stamps
        self._read = {path: one for path, one in self._read.items() if path in stamps}
        for path in fresh:
            self._read[path] = one = inspect(path, self.settings)
            if one.spec is not None:
                self._good[path] = one
        self._check_names()
        return self._changes(fresh)

    def _check_names(self) -> None:
        """Refuse to watch for a channel that no file has, when watching begins."""
        names = {one.spec.name if one.spec else path.parent.name for path, one in self._read.items()}
        missing = sorted(set(self.only) - names)
        if missing and not self._running:
            raise unknown("channel", missing[0], sorted(names))

    def _changes(self, fresh: set[Path]) -> Changes:
        # Of a broken file the last good reading goes on, for as long as the file is there.
        self._good = {path: one for path, one in self._good.items() if path in self._stamps}
        # Of two files with one name the one that runs keeps it.
        at_work = {spec.path for spec in self._running.values()}
        ordered = [self._good[path] for path in sorted(self._good, key=lambda p: (str(p) not in at_work, p))]
        specs, refused = choose(ordered, self.settings)
        wanted = {spec.name: spec for spec in specs if not self.only or spec.name in self.only}
        # A change that breaks a rule (a name taken, an open bind in production) is a slip like any other.
        blocked = {f.file for f in refused}
        for name, spec in self._running.items():
            if name not in wanted and spec.path in blocked:
                wanted[name] = spec
        changed = [s for name, s in wanted.items() if self._running.get(name) != s]
        removed = [name for name in self._running if name not in wanted]
        self._running = wanted
        self.findings = sorted({*refused, *(f for one in self._read.values() for f in one.findings)})
        broken: dict[str, str] = {}
        for finding in self.findings:
            if Path(finding.file) in fresh:
                broken.setdefault(shown(finding.file), str(finding))
        return Changes(changed, removed, broken)


def _stamp(path: Path) -> Stamp | None:
    try:
        seen = path.stat()
    except OSError:
        return None
    return seen.st_ino, seen.st_mtime_ns, seen.st_size
