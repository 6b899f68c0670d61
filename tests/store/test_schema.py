"""Versions of the tables: what the migrations make is what the code expects."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, text

from hub.errors import ConfigError, UnavailableError
from hub.settings import Settings
from hub.store import Store, open_store, schema
from hub.store.connect import open_engine
from hub.store.tables import metadata

from .rows import count

SCRIPTS = Path(schema.__file__).parent / "migrations"
SQLITE = "SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' AND tbl_name <> 'alembic_version'"
POSTGRES = (
    "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema() AND tablename <> 'alembic_version'"
)


def _script() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    return ScriptDirectory.from_config(config)


def _shape(conn: Any) -> dict[str, list[str]]:
    """Tables and indexes as the database says them, without the order of columns and white space."""
    found = conn.execute(text(SQLITE if conn.dialect.name == "sqlite" else POSTGRES))
    return {name: sorted(sql.replace("(", " ( ").replace(",", " ").split()) for name, sql in found}


def test_migrations_lead_to_the_tables(store: Store) -> None:
    """Alembic finds no difference between the migrated database and ``hub.store.tables``."""
    with store.reading() as conn:
        context = MigrationContext.configure(conn, opts={"compare_type": True, "target_metadata": metadata})
        assert compare_metadata(context, metadata) == []


def test_migrations_make_what_alembic_does_not_compare(store: Store, tmp_path: Path, database_url: str) -> None:
    """Partial indexes, WITHOUT ROWID, unique and primary keys are those of ``hub.store.tables``."""
    with store.reading() as conn:
        migrated = _shape(conn)
        columns = {t: {c["name"]: str(c["type"]) for c in inspect(conn).get_columns(t)} for t in metadata.tables}
    with store.reading() as conn:
        engine = conn.engine
    if store.sqlite:
        engine = create_engine(f"sqlite:///{tmp_path}/direct.db")
    with engine.begin() as conn:
        metadata.drop_all(conn)
        metadata.create_all(conn)
        assert _shape(conn) == migrated
        assert {
            t: {c["name"]: str(c["type"]) for c in inspect(conn).get_columns(t)} for t in metadata.tables
        } == columns
    engine.dispose()


def test_the_head_is_the_last_script() -> None:
    """A hub whose HEAD lags behind its scripts would refuse the store that it has just upgraded."""
    assert _script().get_current_head() == schema.HEAD


def test_the_first_version_stands_by_itself() -> None:
    """Later changes of ``hub.store.tables`` must not change what the first migration makes."""
    source = (SCRIPTS / "versions" / "0001_start.py").read_text(encoding="utf-8")
    assert "from hub" not in source
    assert "import hub" not in source


def test_down_and_up_again(store: Store) -> None:
    """Every migration can be taken back: an administrator who returns to the former version keeps a working store."""
    from alembic import command

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    engine = open_engine(store.url, writer=True)
    with engine.begin() as conn:
        config.attributes["connection"] = conn
        command.downgrade(config, "base")
        assert inspect(conn).get_table_names() == ["alembic_version"]
    engine.dispose()
    store.upgrade()
    store.check_version()


def test_an_upgrade_that_fails_changes_nothing(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Migrations run in one transaction: a hub killed in the middle finds the tables as they were."""
    from alembic import op

    store = open_store(settings, "test")
    made = op.create_index

    def fails(name: str, *args: Any, **options: Any) -> None:
        if name == "resource_type":
            raise RuntimeError("killed")
        made(name, *args, **options)

    monkeypatch.setattr(op, "create_index", fails)
    with pytest.raises(RuntimeError, match="killed"):
        store.upgrade()
    with store.reading() as conn:
        assert inspect(conn).get_table_names() == []
    monkeypatch.undo()
    store.upgrade()
    store.check_version()
    store.close()


def test_several_processes_upgrade_at_once(settings: Settings) -> None:
    """The first one makes the tables, the others find them."""
    stores = [open_store(settings, "test") for _ in range(4)]
    failed: list[BaseException] = []

    def upgrade(store: Store) -> None:
        try:
            store.upgrade()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=upgrade, args=(s,)) for s in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    stores[0].check_version()
    for store in stores:
        store.close()


def test_an_old_or_empty_store_is_refused(settings: Settings) -> None:
    """A tool that does not upgrade by itself says which command does."""
    store = open_store(settings, "test")
    with pytest.raises(ConfigError, match=r"has version none.*run: hub db upgrade"):
        store.check_version()
    store.upgrade()
    store.check_version()
    store.close()


def test_a_newer_store_is_refused(store: Store) -> None:
    """Tables of a newer hub are never touched by an older one."""
    store.write(lambda tx: tx.conn.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    with pytest.raises(ConfigError, match="newer hub"):
        store.upgrade()
    with pytest.raises(ConfigError, match="has version 9999"):
        store.check_version()
    assert count(store, metadata.tables["message"]) == 0


def test_other_databases_are_refused(tmp_path: Path) -> None:
    """SQLite and PostgreSQL, and no other."""
    with pytest.raises(ConfigError, match="no store for mysql"):
        open_store(Settings.load(tmp_path, database_url="mysql://127.0.0.1/hub"))


def test_a_server_that_is_away_is_unavailable(tmp_path: Path) -> None:
    """The reason and the cure, never the password of the URL."""
    url = "postgresql+psycopg://hub:pass-word@127.0.0.1:1/hub"
    store = open_store(Settings.load(tmp_path, database_url=url))
    for act in (store.upgrade, store.check_version, lambda: store.locks.take("x"), store.take_id):
        with pytest.raises(UnavailableError) as caught:
            act()
        assert "OperationalError" in str(caught.value)
        assert "pass-word" not in str(caught.value)
    store.close()


def test_the_data_folder_is_for_its_owner_only(tmp_path: Path) -> None:
    """Health data: no other account of the host may look into the folder."""
    store = open_store(Settings.load(tmp_path / "home"))
    assert (tmp_path / "home" / "data").stat().st_mode & 0o777 == 0o700
    store.close()
