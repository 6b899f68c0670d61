"""hub db and hub prune."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import delete, func, select

from hub import clock
from hub.settings import Settings
from hub.store import schema
from hub.store.tables import idx_token
from tests.rows import DAY, add_message, states

from .conftest import CHANNEL, Site

_KEEP = CHANNEL + "keep: {done: 10d, held: 30d, bodies: 5d}\n"


def test_the_tables_are_made_and_their_version_told(site: Site, tmp_path: Path) -> None:
    """`upgrade` in a new site, then `version` finds nothing to do."""
    home = tmp_path / "other"
    home.mkdir()
    (home / "hub.yaml").write_text("name: other\n")
    assert site("db", "upgrade", "--home", str(home)).out == f"the store has version {schema.HEAD}\n"
    ran = site("db", "version", "--home", str(home))
    assert (ran.out, ran.status) == (f"the store has version {schema.HEAD}, this hub needs {schema.HEAD}\n", 0)


def test_an_old_store_is_said_to_be_old(any_site: Site) -> None:
    """Exit status 1, and what to do."""
    any_site.store.write(lambda tx: tx.conn.exec_driver_sql("UPDATE alembic_version SET version_num = '0000'"))
    ran = any_site("db", "version")
    assert (ran.out, ran.err, ran.status) == (
        f"the store has version 0000, this hub needs {schema.HEAD}\n", "run: hub db upgrade\n", 1,
    )  # fmt: skip
    assert any_site("db", "version", "--json").json == {"found": "0000", "needed": schema.HEAD}


def test_no_store_is_made_in_a_folder_that_is_no_hub(empty: Settings) -> None:
    """A wrong folder is named, and nothing is left in it."""
    ran = Site(empty.home, None)("db", "upgrade")  # type: ignore[arg-type]  # there is no store
    assert (ran.status, "no hub is there" in ran.err) == (2, True)


def test_tables_without_a_version_are_no_store_yet(site: Site, tmp_path: Path) -> None:
    """A database that is empty: version none."""
    home = tmp_path / "other"
    (home / "data").mkdir(parents=True)
    (home / "data" / "hub.db").touch()
    ran = site("db", "version", "--home", str(home))
    assert (ran.out, ran.status) == (f"the store has version none, this hub needs {schema.HEAD}\n", 1)


def test_search_rows_are_written_anew(any_site: Site) -> None:
    """What was lost from the index is found again."""
    any_site.take()
    any_site.work()

    def rows() -> int:
        with any_site.store.reading() as conn:
            return int(conn.execute(select(func.count()).select_from(idx_token)).scalar() or 0)

    before = rows()
    any_site.store.write(lambda tx: tx.conn.execute(delete(idx_token)))
    ran = any_site("db", "reindex")
    assert (rows(), ran.status) == (before, 0)
    assert ran.out.endswith(" resources indexed\n")
    assert f"{any_site('db', 'reindex', '--json').json['resources']} resources indexed\n" == ran.out


def test_a_site_prunes_what_its_channels_no_longer_keep(any_site: Site) -> None:
    """Counted before, done after, of each channel by its own `keep:`."""
    any_site.write(_KEEP)
    now = clock.now()
    add_message(any_site.store, at=now - 11 * DAY)
    young = add_message(any_site.store, b"young", at=now - 6 * DAY)
    dry = any_site("prune", "--dry-run")
    assert [line.split() for line in dry.lines] == [
        ["CHANNEL", "KEEPS", "DONE", "HELD", "BODIES", "WOULD", "GO"],
        ["adt", "10", "d", "30", "d", "5", "d", "1"],
    ]
    assert len(states(any_site.store)) == 2
    ran = any_site("prune", "--json")
    assert ran.json == [{
        "channel": "adt", "keep_done": 10, "keep_held": 30, "keep_bodies": 5, "messages": 1, "dry_run": False,
    }]  # fmt: skip
    assert set(states(any_site.store)) == {young}
    assert "was pruned" in any_site("show", clock.show_id(young), "--body").err


def test_one_channel_alone(site: Site) -> None:
    """By its name; another name is wrong use. Without `keep:` all is kept for ever."""
    assert site("prune", "adt").lines[1].split() == ["adt", *["for", "ever"] * 3, "0"]
    assert site("prune", "lab").status == 2


def test_a_broken_file_prunes_nothing_and_is_told(site: Site) -> None:
    """What its retention is, nobody knows."""
    site.write(_KEEP.replace("deliver:", "delivr:"))
    one = add_message(site.store, at=clock.now() - 99 * DAY)
    ran = site("prune")
    assert "not looked at: " in ran.err
    assert set(states(site.store)) == {one}
