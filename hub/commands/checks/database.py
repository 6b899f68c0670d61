"""The store: whether it answers, has the right version, and keeps what was acknowledged.

SQLite: WAL and synchronous FULL (sqlite.org/wal.html: not over a network file system).  PostgreSQL:
``fsync`` and ``synchronous_commit`` (documentation, §20.5): off, an acknowledged message may be lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.engine import make_url

from hub.commands.checks import Check, Look
from hub.commands.output import size

_NETWORKED = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "glusterfs", "ceph", "afs"}
_WAL_LARGE = 256 * 1024 * 1024
_OLDEST = 130000  # PostgreSQL 13


def _file(look: Look) -> Path:
    return Path(make_url(look.settings.database).database or "")


def store(look: Look) -> Iterator[Check]:
    shown = str(look.settings.shown()["database_url"])
    if look.store is None and look.settings.sqlite and not _file(look).exists():
        yield Check("store", "warn", f"{shown} is not there yet", "hub run and hub db upgrade make it")
        return
    if look.store is None:
        problem = look.problem
        what = f"{shown}: {problem.what}" if problem else shown
        yield Check("store", "fail", what, problem.cure if problem else "")
        return
    from hub.store import schema

    yield Check("store", "ok", f"{shown}, version {schema.HEAD}")


def sqlite(look: Look) -> Iterator[Check]:
    if look.store is None or not look.settings.sqlite:
        return
    file = _file(look)
    with look.store.reading() as conn:
        journal = str(conn.exec_driver_sql("PRAGMA journal_mode").scalar()).lower()
        synchronous = int(conn.exec_driver_sql("PRAGMA synchronous").scalar() or 0)
    kind = file_system(file, _mounts())
    if kind in _NETWORKED:
        cure = "put data/ on a disk of this host, or use PostgreSQL"
        yield Check("sqlite", "fail", f"{file.parent} lies on a network file system ({kind})", cure)
    elif journal != "wal" or synchronous < 2:
        what = f"journal {journal}, synchronous {synchronous}: what was acknowledged may be lost"
        yield Check("sqlite", "fail", what, "put data/ on a file system that takes WAL")
    else:
        wal = file.with_name(f"{file.name}-wal")
        pending = wal.stat().st_size if wal.exists() else 0
        told = f"WAL, synchronous FULL; {size(file.stat().st_size)}, log {size(pending)}"
        cure = "a process reads for very long: end it"
        yield Check("sqlite", "warn", told, cure) if pending > _WAL_LARGE else Check("sqlite", "ok", told)


def _mounts() -> str:
    try:
        return Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def file_system(path: Path, mounts: str) -> str:
    """The type of file system a path lies on, by the lines of ``/proc/self/mounts`` (fstab(5))."""
    best, kind = -1, ""
    for line in mounts.splitlines():
        fields = line.split()
        if len(fields) >= 3:
            point = fields[1].replace("\\040", " ")
            if path.resolve().is_relative_to(point) and len(point) >= best:
                best, kind = len(point), fields[2]
    return kind


def postgresql(look: Look) -> Iterator[Check]:
    if look.store is None or look.settings.sqlite:
        return
    names = ("server_version_num", "server_version", "fsync", "full_page_writes", "synchronous_commit",
             "max_connections")  # fmt: skip
    with look.store.reading() as conn:
        found = {n: str(conn.execute(text("SELECT current_setting(:n)"), {"n": n}).scalar()) for n in names}
        used = int(conn.execute(text("SELECT count(*) FROM pg_stat_activity")).scalar() or 0)
        tls = bool(conn.execute(text("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")).scalar())
    yield from judge(found, used, tls, make_url(look.settings.database).host or "")


def judge(found: dict[str, str], used: int, tls: bool, host: str) -> Iterator[Check]:
    """What a server's settings mean for the hub."""
    told = f"PostgreSQL {found['server_version']}, synchronous_commit {found['synchronous_commit']}"
    sound = True
    for name in ("fsync", "full_page_writes", "synchronous_commit"):
        if found[name] == "off":
            sound = False
            yield Check("postgresql", "fail", f"{name} is off: what was acknowledged may be lost", f"set {name} = on")
    if int(found["server_version_num"]) < _OLDEST:
        sound = False
        yield Check("postgresql", "fail", f"{told}: too old", "13 is the oldest that the hub supports")
    if used > 0.9 * int(found["max_connections"]):
        sound = False
        what = f"{used} of {found['max_connections']} connections are in use"
        yield Check("postgresql", "warn", what, "raise max_connections, or run fewer workers")
    if not tls and host not in ("", "localhost", "127.0.0.1", "::1") and not host.startswith("/"):
        sound = False
        yield Check("postgresql", "warn", f"the way to {host} has no TLS", "add ?sslmode=verify-full to database_url")
    if sound:
        yield Check("postgresql", "ok", told)
