"""Makes the folder of a hub: settings with their comments, a secret, and the channels that come with it."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from pathlib import Path

from hub.channel.commented import settings_lines
from hub.channel.schema import channel_schema
from hub.errors import ConfigError
from hub.paths import room
from hub.settings import Settings

_HEAD = """\
# Settings of this hub, each with its default.  A variable HUB_<NAME> wins over its line here.
# No secret stands in this file: ${file:/run/secrets/x} and ${NAME} are read when the hub starts.
"""
_IGNORE = "data/\n"


def make_site(folder: Path, *, force: bool = False) -> list[Path]:
    """Write what a hub needs into ``folder``; return what was written.

    :param force: write into a folder that has something in it; what is there is never overwritten.
    :raises ConfigError: when the folder is not empty, or cannot be written.
    """
    folder = folder.resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()) and not force:
            raise ConfigError(
                f"{folder} is not empty", cure="choose another folder, or say --force to add what is missing"
            )
        return _write(folder)
    except OSError as e:
        raise ConfigError(f"cannot write {folder}: {(e.strerror or 'unknown').lower()}", where=str(folder)) from None


def _write(folder: Path) -> list[Path]:
    written = []
    data = folder / "data"
    data.mkdir(mode=0o700, exist_ok=True)
    secret = data / "secret"
    if not secret.exists():
        # Made with its mode: at no time can another user of the host read it.
        with os.fdopen(os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(48) + "\n")
        written.append(secret)
    for path, text in (
        (folder / "hub.yaml", settings_text(secret)),
        (folder / ".gitignore", _IGNORE),
    ):
        if not path.exists():
            path.write_text(text, encoding="utf-8")
            written.append(path)
    channels = folder / "channels"
    channels.mkdir(exist_ok=True)
    schema = channels / "channel.schema.json"  # named in the first line of each channel file, for editors
    schema.write_text(json.dumps(channel_schema(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for channel in sorted(p.parent for p in room("channels").glob("*/channel.yaml")):
        target = channels / channel.name
        if not target.exists():
            shutil.copytree(channel, target, ignore=shutil.ignore_patterns("__pycache__"))
            written.append(target)
    return written


def settings_text(secret: Path) -> str:
    """``hub.yaml`` with every setting."""
    lines = settings_lines(Settings, {"secret": f"${{file:{secret}}}"}, skip=("home",))
    return _HEAD + "\n".join(lines) + "\n"
