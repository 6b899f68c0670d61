"""Rules about where channels listen and look."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from hub.channel.rules import Context, Hit, rule
from hub.engine.model import ChannelSpec
from hub.settings import Settings

if TYPE_CHECKING:
    from hub.channel.model import Loaded

_ANY = ("0.0.0.0", "::", "*")  # noqa: S104 - compared with, never bound to


@rule("C401", "two channels listen at one place")
def one_place(context: Context) -> Iterator[Hit]:
    """One port, one path of the HTTP server or one folder belongs to one enabled channel: the second
    could not start, or would take files away from the first.
    """
    seen: list[tuple[str, str, str, Loaded]] = []
    for one in context.channels:
        spec = one.spec
        if spec is None or not spec.enabled:
            continue
        for setting, value, bind in _places(spec, context.settings):
            place = ("source", spec.source.kind, setting)
            other = next((o for s, v, b, o in seen if (s, v) == (setting, value) and _meet(b, bind)), None)
            if other is not None and other.spec is not None:
                what = f"{setting} {value} is taken by the channel {other.spec.name}"
                yield Hit(one, place, what, f"choose another {setting}, or disable one of the two")
            elif setting == "port" and value == str(context.settings.http_port) and _meet(bind, context.settings.bind):
                yield Hit(one, place, f"port {value} is that of the hub's own HTTP server", "choose another port")
            seen.append((setting, value, bind, one))


def _places(spec: ChannelSpec, settings: Settings) -> Iterator[tuple[str, str, str]]:
    """(setting, value, address) of each place that a source has for itself."""
    options = spec.source.options
    port, path, directory = (getattr(options, name, None) for name in ("port", "path", "directory"))
    if port:  # 0 takes a free one
        yield "port", str(port), str(getattr(options, "bind", None) or settings.bind)
    if path:
        yield "path", str(path).rstrip("/"), ""
    if directory:
        yield "directory", str(Path(directory).absolute()), ""


def _meet(one: str, other: str) -> bool:
    return one == other or one in _ANY or other in _ANY
