"""The figures as Markdown, headed by what they hang on: machine and revision."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence

from hub import __version__
from hub.bench.fhir import Figures as Requests
from hub.bench.rows import Figures
from hub.paths import room

HEAD = (
    "message", "size", "connections", "database", "answered/s", "mapped/s", "p50 ms", "p95 ms", "p99 ms",
    "peak memory MiB", "cores",
)  # fmt: skip


def revision() -> str:
    """The commit that runs, in a checkout; the version of the package elsewhere."""
    git = shutil.which("git")
    checkout = room("adapters").parent
    if git and (checkout / ".git").exists():
        asked = subprocess.run(  # noqa: S603 - fixed words
            [git, "-C", str(checkout), "describe", "--always", "--dirty", "--tags"],
            capture_output=True, text=True, check=False, timeout=10,
        )  # fmt: skip
        if asked.returncode == 0:
            return f"{__version__} ({asked.stdout.strip()})"
    return __version__


def heading(machine: Mapping[str, str], seconds: float) -> str:
    """What stands above the tables."""
    load = f"closed loop, {seconds:g} s a line, client on the same machine"
    facts = {"revision": revision(), **machine, "load": load}
    return "\n".join(f"- {name}: {value}" for name, value in facts.items())


def table(figures: Sequence[Figures]) -> str:
    """One line a row."""
    lines = [_line(HEAD), _line(["---", *["--:"] * 2, "---", *["--:"] * 7])]
    for one in figures:
        name = one.row.what + (f" ({one.bad} bad answers)" if one.bad else "")
        name += f" ({one.unmapped} held)" if one.unmapped else ""
        lines.append(
            _line((
                name, _size(one.size), str(one.row.connections), one.database, f"{one.answered_rate:.0f}",
                f"{one.mapped_rate:.0f}", f"{one.p50:.2f}", f"{one.p95:.2f}", f"{one.p99:.2f}", f"{one.peak:.0f}",
                f"{one.cores:.2f}",
            ))
        )  # fmt: skip
    return "\n".join(lines)


def requests(figures: Sequence[Requests]) -> str:
    """One line a kind of request."""
    head = ("request", "database", "a second", "p50 ms", "p95 ms", "p99 ms", "largest worker MiB", "cores")
    lines = [_line(head), _line(["---", "---", *["--:"] * 6])]
    for one in figures:
        name = one.name + (f" ({one.bad} bad answers)" if one.bad else "")
        lines.append(
            _line((
                name, one.database, f"{one.rate:.0f}", f"{one.p50:.2f}", f"{one.p95:.2f}", f"{one.p99:.2f}",
                f"{one.worker:.0f}", f"{one.cores:.2f}",
            ))
        )  # fmt: skip
    return "\n".join(lines)


def ceilings(rates: Sequence[tuple[str, int, float]]) -> str:
    """The store alone."""
    lines = [_line(("one writer, group commit, rows of 1 KiB", "waiting at a time", "inserts/s")), "|---|--:|--:|"]
    lines += [_line((database, str(waiting), f"{rate:.0f}")) for database, waiting, rate in rates]
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _size(octets: int) -> str:
    return f"{octets / 1000:.1f} KB" if octets < 10_000 else f"{octets / 1000:.0f} KB"
