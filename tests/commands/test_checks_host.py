"""What hub doctor says of the host: settings, folders, disk, clock."""

from __future__ import annotations

import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from hub import clock
from hub.commands.checks import Look, host
from hub.settings import Settings
from hub.store import Store
from tests.rows import DAY, add_message

from .conftest import MIN, Site, look_at


def test_production_fails_by_what_it_refuses_and_development_foretells_it(site: Site) -> None:
    """A secret that is too short, debug."""
    (told,) = host.profile(look_at(site, debug=True))
    assert (told.level, "debug" in told.what, told.what.startswith("development; ")) == ("ok", True, True)
    (failed,) = host.profile(look_at(site, debug=True, profile="production"))
    assert (failed.level, "not fit for production" in failed.what) == ("fail", True)


def test_a_folder_that_cannot_be_written_or_that_all_may_read(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Health data are for the hub's user."""
    data = site.store.settings.data
    data.chmod(0o755)
    (check,) = host.home(look_at(site))
    assert (check.level, check.cure) == ("warn", f"chmod 750 {data}")

    def refuse(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    (check,) = host.home(look_at(site))
    assert (check.level, check.what) == ("fail", f"{data} cannot be written: Permission denied")


@pytest.mark.parametrize(("free", "level"), [(511 << 20, "fail"), (513 << 20, "warn"), (6 << 30, "ok")])
def test_a_disk_that_fills_is_told_before_it_is_full(
    site: Site, monkeypatch: pytest.MonkeyPatch, free: int, level: str
) -> None:
    """Below 5 GiB a warning, below 512 MiB a failure."""
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(1 << 40, 0, free))
    (check,) = host.disk(look_at(site))
    assert check.level == level


def test_a_clock_that_was_set_back_is_found_by_the_newest_message(site: Site) -> None:
    """Ids are made of the time: a message of the future says that the clock was right once."""
    (check,) = host.time(look_at(site))
    assert check.level == "ok"
    add_message(site.store, at=clock.now() + 30_000_000)
    (check,) = host.time(look_at(site))
    assert (check.level, "before that of the store" in check.what) == ("warn", True)
    add_message(site.store, at=clock.now() + DAY)
    (check,) = host.time(look_at(site))
    assert check.level == "fail"


def test_a_clock_that_was_never_set_fails(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """1970 on a host whose battery is empty."""
    monkeypatch.setattr("hub.clock.now", lambda: 1_000_000)
    (check,) = host.time(Look(site.store.settings))
    assert (check.level, check.cure) == ("fail", "set it; use NTP")


@pytest.mark.postgres
@pytest.mark.parametrize(("hours", "level"), [(0, "ok"), (2, "fail"), (-2, "fail")])
def test_the_clock_is_compared_with_that_of_the_database_server(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hours: int, level: str
) -> None:
    """Two hosts must agree, or the order of messages is not that of their arrival."""
    settings = Settings.load(tmp_path, database_url=postgres_url)
    store = Store(settings)
    store.upgrade()
    now = clock.now
    monkeypatch.setattr("hub.clock.now", lambda: now() + hours * 60 * MIN)
    (check,) = host.time(Look(settings, store))
    assert check.level == level
    store.close()
