"""The page of ``hub show``: what is known of a message, worded for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from hub import clock
from hub.commands.output import age, counted, fields, local, plain, size, table

Whole = dict[str, Any]


def page(message: Whole) -> list[str]:
    """The lines of the page; a part that has nothing to say is left out."""
    out: list[str] = []
    for title, lines in (
        ("message", _facts(message)),
        ("error", _error(message)),
        ("stages", _stages(message)),
        ("deliveries", _deliveries(message)),
        ("resources written", _resources(message)),
        ("keys", _keys(message)),
        ("chain", _chain(message)),
    ):
        if lines:
            out += [*([""] if out else []), click.style(title, bold=True), *(f"  {line}" for line in lines)]
    return out


def _when(iso: str | None) -> str:
    if not iso:
        return ""
    at = clock.from_iso(iso)
    ago = age(at)
    return f"{local(at)} ({ago}{'' if ago.startswith('in ') else ' ago'})"


def _facts(m: Whole) -> list[str]:
    runs = f", {m['runs']} times" if m["runs"] > 1 else ""
    return fields([
        ("id", m["id"]),
        ("status", m["status"]),
        ("received", f"{_when(m['received'])} from {m['peer'] or 'nobody known'}"),
        ("mapped", f"{_when(m['mapped'])}{runs}" if m["mapped"] else ""),
        ("channel", f"{m['channel']}, revision {m['revision']}" if m["revision"] else m["channel"]),
        ("type", m["type"]),
        ("control id", m["control_id"]),
        ("sender", m["sender"]),
        ("body", f"{size(m['size'])}, {m['content_type']}"),
        ("answer", size(m["size_of_answer"]) if m["size_of_answer"] else ""),
        ("from step", m["step"]),
        ("noted", "; ".join(m["flags"])),
    ])  # fmt: skip


def _error(m: Whole) -> list[str]:
    error = m["error"] or {}
    cure = error.get("cure", "")
    return fields([(name, error.get(name, "")) for name in ("stage", "where", "what")] + [
        ("do", cure), ("code", error.get("code", "")),
    ])  # fmt: skip


def _stages(m: Whole) -> list[str]:
    return [
        f"{plain(name).ljust(9)} {micros / 1000:9.1f} ms  {plain(outcome)}".rstrip()
        for name, micros, outcome in m["stages"]
    ]


def _deliveries(m: Whole) -> list[str]:
    if not m["deliveries"]:
        return []
    rows = [
        (
            d["id"], d["destination"], d["status"], d["attempts"],
            _when(d["sent"]) if d["sent"] else (f"next try {_when(d['next_try'])}" if d["next_try"] else "-"),
            _sentence(d["error"]),
        )
        for d in m["deliveries"]
    ]  # fmt: skip
    return table(("DELIVERY", "DESTINATION", "STATUS", "TRIES", "WHEN", "ERROR"), rows)


def _sentence(error: dict[str, str] | None) -> str:
    return ": ".join(p for p in ((error or {}).get("where"), (error or {}).get("what")) if p)


def _resources(m: Whole) -> list[str]:
    rows: Sequence[Any] = [
        (r["ref"], f"v{r['version']}", "current" if r["current"] else "superseded") for r in m["resources"]
    ]
    return table(("RESOURCE", "VERSION", "STATE"), rows) if rows else []


def _keys(m: Whole) -> list[str]:
    keys = m["keys"]
    if isinstance(keys, int):
        return [f"{counted(keys, 'business key')}; say --keys to see them"] if keys else []
    return fields([*keys, ("order key", m["order_key"])])


def _chain(m: Whole) -> list[str]:
    rows = [
        (one["id"], one["channel"], one["type"], one["status"], "this one" if one["id"] == m["id"] else "")
        for one in m["chain"]
    ]
    return table(("ID", "CHANNEL", "TYPE", "STATUS", ""), rows) if rows else []
