"""Makes what the engine runs out of channel files.

A file is read whole before anything is said, so that ``hub lint`` shows all that is wrong at once; the
options of connectors are checked by the connectors' own models.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from hub.channel import loader
from hub.channel.findings import Finding
from hub.channel.loader import Document, Place
from hub.channel.reading import Reading
from hub.engine.model import ChannelSpec, DestinationSpec
from hub.errors import ConfigError
from hub.settings import Settings

FILE = "channel.yaml"


@dataclass(slots=True)
class Loaded:
    """A channel file and what became of it.

    :ivar spec: what the engine runs; None when the file has errors.
    :ivar places: the destinations of the spec, each with its place in the file.
    """

    path: Path
    document: Document
    spec: ChannelSpec | None = None
    places: list[tuple[DestinationSpec, Place]] = field(default_factory=list)

    @property
    def findings(self) -> list[Finding]:
        return sorted(self.document.findings)

    @property
    def folder(self) -> Path:
        return self.path.parent


def load_channel(where: Path, settings: Settings) -> ChannelSpec:
    """Read one channel, given its folder or its file.

    :raises ConfigError: with the first thing that is wrong and how many more there are.
    """
    loaded = inspect(where, settings)
    if loaded.spec is None:
        first, *more = loaded.findings
        count = f" (and {len(more)} more: run `hub lint`)" if more else ""
        raise ConfigError(
            first.what + count, where=f"{first.file}:{first.line}:{first.column}", cure=first.cure, code=first.code
        )
    return loaded.spec


def load_channels(folder: Path, settings: Settings) -> tuple[list[ChannelSpec], list[Finding]]:
    """Read every channel of a site.  A broken one is in the findings and stops no other.

    Of two channels with one name the first (by folder) is taken.  In production a channel that breaks a
    security rule is not run.
    """
    return choose([inspect(path, settings) for path in files([folder])], settings)


def choose(channels: list[Loaded], settings: Settings) -> tuple[list[ChannelSpec], list[Finding]]:
    """Which of the channels read may run, and why the others may not."""
    from hub.channel.rules import Context, apply

    findings = [f for one in channels for f in one.findings]
    sound = [one for one in channels if one.spec]
    codes = ["C201", "S"] if settings.profile == "production" else ["C201"]
    for code in codes:
        hits = [f for f in apply(Context(sound, settings), code) if f.severity == "error"]
        findings += hits
        sound = [one for one in sound if str(one.path) not in {f.file for f in hits}]
    return [one.spec for one in sound if one.spec], sorted(findings)


def files(paths: Iterable[Path]) -> list[Path]:
    """The channel files that paths mean: a file, the folder of a channel, or a folder of channels."""
    found: dict[Path, None] = {}
    for path in paths:
        if not path.is_dir():
            found[path] = None
        elif (path / FILE).is_file():
            found[path / FILE] = None
        else:
            found.update(dict.fromkeys(sorted(path.glob(f"*/{FILE}"))))
    return list(found)


def inspect(where: Path, settings: Settings) -> Loaded:
    """Read a channel; all that is wrong with it is in the findings of what is returned."""
    path = where / FILE if where.is_dir() else where
    document = loader.read(path)
    loaded = Loaded(path, document)
    if document.value is None:
        if not document.findings:
            document.find("C102", (), "the file is empty", "start with `channel: its-name`")
        return loaded
    value = loader.expanded(document, settings)
    if not isinstance(value, dict):
        document.find("C103", (), "a channel is `name: value` lines", "start with `channel: its-name`")
        return loaded
    spec, places = Reading(document, settings).channel(value)
    if spec is not None and not document.findings:
        loaded.spec, loaded.places = spec, places
    return loaded
