"""The host: settings, folders, disk, clock."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator

from hub import clock
from hub.commands.checks import Check, Look
from hub.commands.output import size, span
from hub.errors import ConfigError

_FULL, _LOW = 512 * 1024 * 1024, 5 * 1024 * 1024 * 1024
_EPOCH = clock.from_iso("2025-01-01")  # no hub of this version ran before
_APART, _FAR = 2_000_000, 60_000_000


def settings(look: Look) -> Iterator[Check]:
    file = look.settings.home / "hub.yaml"
    if file.is_file():
        yield Check("settings", "ok", str(file))
    else:
        yield Check("settings", "warn", f"no {file}: defaults and HUB_* hold", "say --home FOLDER, or: hub init")


def profile(look: Look) -> Iterator[Check]:
    """Production is checked for what it refuses; elsewhere that is told beforehand."""
    production = look.settings.model_copy(update={"profile": "production"})
    try:
        production.check_profile()
    except ConfigError as error:
        if look.settings.profile == "production":
            yield Check("profile", "fail", error.what, "change the settings named")
        else:
            yield Check("profile", "ok", f"development; {error.what}")
    else:
        yield Check("profile", "ok", look.settings.profile)


def home(look: Look) -> Iterator[Check]:
    data = look.settings.data
    if not data.is_dir():
        yield Check("home", "warn", f"{data} is not there yet", "hub run and hub db upgrade make it")
        return
    try:
        with tempfile.TemporaryFile(dir=data):
            pass
    except OSError as error:
        yield Check("home", "fail", f"{data} cannot be written: {error.strerror}", "give the hub's user the right")
        return
    if data.stat().st_mode & 0o007:
        yield Check("home", "warn", f"{data} is open to every user of this host", f"chmod 750 {data}")
    else:
        yield Check("home", "ok", f"{data} can be written")


def disk(look: Look) -> Iterator[Check]:
    folder = look.settings.data if look.settings.data.is_dir() else look.settings.home
    if not folder.is_dir():
        return
    free = shutil.disk_usage(folder).free
    told = f"{size(free)} free at {folder}"
    cure = "make room, or shorten keep: of channels and say hub prune"
    if free < _FULL:
        yield Check("disk", "fail", told, cure)
    else:
        yield Check("disk", "ok", told) if free >= _LOW else Check("disk", "warn", told, cure)


def time(look: Look) -> Iterator[Check]:
    """The clock of this host, beside that of the database server and the newest message."""
    now = clock.now()
    if now < _EPOCH:
        yield Check("time", "fail", "the clock of this host stands before 2025", "set it; use NTP")
        return
    ahead = _ahead(look)
    if abs(ahead) > _APART:
        level, word = ("fail" if abs(ahead) > _FAR else "warn"), ("after" if ahead > 0 else "before")
        told = f"the clock of this host stands {span(abs(ahead))} {word} that of the store"
        yield Check("time", "fail" if level == "fail" else "warn", told, "use NTP on both")
        return
    yield Check("time", "ok", clock.iso(now))


def _ahead(look: Look) -> int:
    """Microseconds by which this host's clock is ahead (or, less than 0, behind)."""
    from sqlalchemy import func, select, text

    from hub.store.tables import message

    if look.store is None:
        return 0
    with look.store.reading() as conn:
        newest = int(conn.execute(select(func.max(message.c.id))).scalar() or 0)
        ahead = min(0, clock.now() - clock.id_time(newest))  # a message of the future: the clock went back
        if not look.store.sqlite:
            theirs = float(conn.execute(text("SELECT extract(epoch FROM clock_timestamp())")).scalar() or 0)
            difference = clock.now() - int(theirs * 1_000_000)
            ahead = max(ahead, difference, key=abs)
    return ahead
