"""hub doctor: each line ok, warn or fail, with what to do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hub.commands import checks
from hub.commands.checks import CHECKS, Look, examine, host
from hub.settings import Settings

from .conftest import CHANNEL, Ran, Site, look_at


@pytest.fixture(autouse=True)
def _no_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_HTTP_PORT", "0")


def _seen(ran: Ran, name: str) -> list[tuple[str, str]]:
    return [(c["level"], c["what"]) for c in ran.json if c["name"] == name]


def test_a_site_that_is_well_says_so_line_by_line(any_site: Site) -> None:
    """Exit status 0; a hub that does not run is a warning, for it may be meant."""
    (any_site.home / "data").mkdir(exist_ok=True)
    (any_site.home / "data").chmod(0o750)
    ran = any_site("doctor")
    assert ran.status == 0
    levels = {line.split()[1]: line.split()[0] for line in ran.lines if not line.startswith(" ")}
    database_line = "postgresql" if any_site.store.settings.database_url else "sqlite"
    assert levels | {"disk": ""} == {
        "settings": "ok", "profile": "ok", "home": "ok", "disk": "", "time": "ok", "store": "ok", database_line: "ok",
        "channels": "ok", "processes": "warn", "waiting": "ok", "held": "ok", "queues": "ok",
    }  # fmt: skip
    assert f"{' ' * 18}do: hub run" in ran.lines
    assert ran.err.endswith(" warn\n")


def test_a_site_that_is_not_well_ends_with_one(site: Site) -> None:
    """Exit status 1 when something fails, in either form."""
    site.write(CHANNEL.replace("accept", "acept"))
    ran = site("doctor", "--json")
    assert ran.status == 1
    ((level, what),) = _seen(ran, "channels")
    assert (level, "channel.yaml:5:1 " in what) == ("fail", True)
    assert site("doctor").err.startswith("1 fail")


def test_settings_that_cannot_be_read_are_the_first_and_last_line(site: Site) -> None:
    """Without them nothing else can be looked at."""
    (site.home / "hub.yaml").write_text("http_prt: 1\n")
    ran = site("doctor", "--json")
    assert ran.json == [
        {"name": "settings", "level": "fail", "what": "no setting is called 'http_prt'",
         "cure": "did you mean 'http_port'?"},
    ]  # fmt: skip
    assert ran.status == 1


def test_a_folder_without_a_hub_is_told_to_be_one(empty: Settings) -> None:
    """Warnings with their cure; nothing is made."""
    ran = Site(empty.home, None)("doctor", "--json")  # type: ignore[arg-type]  # there is no store
    assert _seen(ran, "settings") == [("warn", f"no {empty.home}/hub.yaml: defaults and HUB_* hold")]
    assert _seen(ran, "home") == [("warn", f"{empty.home}/data is not there yet")]
    assert [level for level, _ in _seen(ran, "store")] == ["warn"]
    assert [level for level, _ in _seen(ran, "channels")] == ["warn"]
    assert ran.status == 0


def test_a_store_that_does_not_answer_fails_without_its_password(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked of the store is left out then."""
    monkeypatch.setenv("HUB_DATABASE_URL", "postgresql+psycopg://u:geheim@127.0.0.1:9/x")
    ran = site("doctor", "--json")
    ((level, what),) = _seen(ran, "store")
    assert (level, what.startswith("postgresql+psycopg://u:***@127.0.0.1:9/x: ")) == ("fail", True)
    assert "geheim" not in ran.out
    assert {c["name"] for c in ran.json} == {"settings", "profile", "home", "disk", "time", "store", "channels"}


def test_a_store_of_another_version_fails_with_its_cure(site: Site) -> None:
    """hub db upgrade."""
    site.store.write(lambda tx: tx.conn.exec_driver_sql("UPDATE alembic_version SET version_num = '0000'"))
    (check,) = [c for c in site("doctor", "--json").json if c["name"] == "store"]
    assert (check["level"], check["cure"]) == ("fail", "run: hub db upgrade")


def test_a_check_that_fails_by_itself_hides_no_other(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its defect is a line like any other, without what the exception says."""

    def broken(look: Look) -> Iterator[checks.Check]:
        raise RuntimeError("IPP-1")
        yield

    monkeypatch.setattr(host, "disk", broken)
    found = list(examine(look_at(site)))
    assert [(c.level, c.what) for c in found if c.name == "disk"] == [("fail", "could not be looked at (RuntimeError)")]
    assert {name for _, name in CHECKS} > {c.name for c in found if c.name != "running"} - {"disk"}
