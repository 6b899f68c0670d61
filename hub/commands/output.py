"""How verbs print for people: times, ages, sizes, aligned tables, messages in one line or whole.

What came from a peer is shown with its control characters replaced, so that no message can steer the
terminal of whoever looks at it (ECMA-48 escape sequences).
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import click

from hub import clock

_STEPS = ((60, 1, "s"), (3600, 60, "min"), (2 * 86400, 3600, "h"), (float("inf"), 86400, "d"))
COLOURS = {
    "waiting": "cyan", "mapped": "blue", "done": "green", "filtered": "bright_black", "held": "red",
    "cancelled": "bright_black", "due": "cyan", "sent": "green", "running": "green", "stopped": "yellow",
    "failed": "red", "ok": "green", "warn": "yellow", "fail": "red", "paused": "yellow", "away": "red",
}  # fmt: skip


def local(us: int | None) -> str:
    """A time as people of this host read it: ``2026-11-20 10:30:00``."""
    if not us:
        return "-"
    return datetime.fromtimestamp(us / 1_000_000).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def span(us: int) -> str:
    """A length of time in its largest unit: ``4 s``, ``12 min``, ``30 h``, ``9 d``."""
    seconds = max(0, us) / 1_000_000
    for below, unit, name in _STEPS:
        if seconds < below:
            return f"{int(seconds // unit)} {name}"
    raise AssertionError("unreachable")


def age(us: int | None, now: int | None = None) -> str:
    """How long ago, or ``in 5 s``."""
    if not us:
        return "-"
    at = clock.now() if now is None else now
    return f"in {span(us - at + 999_999)}" if us > at else span(at - us)


def size(octets: int) -> str:
    """``812 B``, ``1.4 kB``, ``25.0 MB``."""
    for least, unit, name in ((999_950_000, 1e9, "GB"), (999_950, 1e6, "MB"), (1000, 1e3, "kB")):
        if octets >= least:
            return f"{octets / unit:.1f} {name}"
    return f"{octets} B"


def plain(text: object, width: int = 0) -> str:
    """Text of a peer, in one line, without control characters, at most ``width`` columns of it."""
    shown = "".join(c if c.isprintable() else "\N{MIDDLE DOT}" for c in str(text))
    return shown if not width or len(shown) <= width else shown[: width - 1] + "\N{HORIZONTAL ELLIPSIS}"


def coloured(word: str, padded: str = "") -> str:
    """A word of state in its colour (left out when the output is no terminal)."""
    fg = COLOURS.get(word)
    return click.style(padded or word, fg=fg) if fg else padded or word


def table(heads: Sequence[str], rows: Sequence[Sequence[object]], least: Sequence[int] = ()) -> list[str]:
    """Lines of a table; columns are as wide as their widest value, the last one ends with the terminal.

    :param least: widths that columns have at least, so that tables printed one after the other align.
    """
    cells = [[plain(value) for value in row] for row in rows]
    widths = [max(len(row[i]) for row in (heads, *cells)) for i in range(len(heads))]
    widths[: len(least)] = [max(w, n) for w, n in zip(widths, least, strict=False)]
    last = sum(widths[:-1]) + 2 * (len(widths) - 1)
    room = shutil.get_terminal_size().columns - last if sys.stdout.isatty() else 0
    lines = [click.style("  ".join(h.ljust(w) for h, w in zip(heads, widths, strict=True)).rstrip(), bold=True)]
    for row in cells:
        if room > 8:
            row[-1] = plain(row[-1], room)
        while row and not row[-1]:
            row.pop()
        padded = [*(c.ljust(w) for c, w in zip(row[:-1], widths, strict=False)), *row[-1:]]
        lines.append("  ".join(coloured(c, p) for c, p in zip(row, padded, strict=True)))
    return lines


def fields(pairs: Sequence[tuple[str, object]], indent: str = "") -> list[str]:
    """``name  value`` lines, aligned; pairs without a value are left out."""
    kept = [(name, plain(value)) for name, value in pairs if value not in ("", None)]
    width = max((len(name) for name, _ in kept), default=0)
    return [f"{indent}{name.ljust(width)}  {coloured(value)}" for name, value in kept]


def counted(number: int, what: str) -> str:
    """``1 message``, ``2 messages``."""
    if number == 1:
        return f"1 {what}"
    return f"{number} {what[:-1]}ies" if what.endswith("y") and what[-2] not in "aeiou" else f"{number} {what}s"


def say(lines: Sequence[str]) -> None:
    for line in lines:
        click.echo(line)


def note(text: str) -> None:
    """Something beside the result: to stderr, so that the result can be piped."""
    click.echo(text, err=True)


def progress(what: str) -> Callable[[int], None]:
    """Counts on one line of the terminal, and nowhere else."""

    def told(done: int) -> None:
        if sys.stderr.isatty():
            click.echo(f"\r{done} {what}", nl=False, err=True)

    return told


def error_of(text: str | None) -> dict[str, str]:
    """The error kept with a message or a delivery."""
    if not text:
        return {}
    found: Any = json.loads(text)
    return {str(k): str(v) for k, v in found.items()} if isinstance(found, dict) else {}


def error_line(text: str | None) -> str:
    """``where: what``, or nothing."""
    error = error_of(text)
    return ": ".join(part for part in (error.get("where"), error.get("what")) if part)
