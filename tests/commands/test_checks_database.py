"""What hub doctor says of the store: SQLite and PostgreSQL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hub.commands.checks import database

from .conftest import Site, look_at


def test_a_file_system_of_the_network_is_no_place_for_sqlite(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """sqlite.org/wal.html: all processes must be on the same host."""
    mounts = f"/dev/sda1 / ext4 rw 0 0\nnas:/x {site.home} nfs4 rw 0 0\nbroken\n"
    monkeypatch.setattr(database, "_mounts", lambda: mounts)
    (check,) = database.sqlite(look_at(site))
    assert (check.level, "(nfs4)" in check.what) == ("fail", True)


@pytest.mark.parametrize(
    ("path", "kind"), [("/srv/hub/data", "nfs"), ("/srv/hubs", "ext4"), ("/a b/c", "cifs"), ("/srv/hub", "nfs")]
)
def test_the_file_system_is_that_of_the_nearest_mount(path: str, kind: str) -> None:
    """fstab(5): blanks in a mount point are written \\040; the later of two wins."""
    mounts = "d / ext4 rw 0 0\nd /srv/hub xfs rw 0 0\nn:/ /srv/hub nfs rw 0 0\nn:/ /a\\040b cifs rw 0 0\n"
    assert database.file_system(Path(path), mounts) == kind


def test_a_journal_that_is_no_wal_fails(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a log that only grows is warned of."""
    monkeypatch.setattr(database, "_WAL_LARGE", -1)
    (check,) = database.sqlite(look_at(site))
    assert check.level == "warn"

    class Conn:
        def exec_driver_sql(self, pragma: str) -> Any:
            return self

        def scalar(self) -> object:
            return 1

        def __enter__(self) -> Conn:
            return self

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(site.store, "reading", Conn)
    (check,) = database.sqlite(look_at(site))
    assert (check.level, check.what) == ("fail", "journal 1, synchronous 1: what was acknowledged may be lost")


_SERVER = {
    "server_version_num": "150004", "server_version": "15.4", "fsync": "on", "full_page_writes": "on",
    "synchronous_commit": "on", "max_connections": "100",
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "used", "tls", "name", "seen"),
    [
        ({}, 10, False, "127.0.0.1", [("ok", "PostgreSQL 15.4, synchronous_commit on")]),
        ({}, 10, True, "db.example", [("ok", "PostgreSQL 15.4, synchronous_commit on")]),
        ({}, 10, False, "/var/run/postgresql", [("ok", "PostgreSQL 15.4, synchronous_commit on")]),
        ({}, 10, False, "db.example", [("warn", "the way to db.example has no TLS")]),
        (
            {"synchronous_commit": "off"}, 10, True, "",
            [("fail", "synchronous_commit is off: what was acknowledged may be lost")],
        ),
        ({"fsync": "off"}, 10, True, "", [("fail", "fsync is off: what was acknowledged may be lost")]),
        ({"server_version_num": "120001"}, 10, True, "", [("fail", "PostgreSQL 15.4, synchronous_commit on: too old")]),
        ({}, 95, True, "", [("warn", "95 of 100 connections are in use")]),
    ],
)  # fmt: skip
def test_what_a_postgresql_server_must_promise(
    change: dict[str, str], used: int, tls: bool, name: str, seen: list[tuple[str, str]]
) -> None:
    """PostgreSQL documentation §20.5: fsync, synchronous_commit; TLS where the way leaves the host."""
    found = list(database.judge(_SERVER | change, used, tls, name))
    assert [(c.level, c.what) for c in found] == seen
