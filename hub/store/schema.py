"""Versions of the tables.  Alembic is imported only when there is something to do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Engine, inspect, text

from hub.errors import ConfigError

if TYPE_CHECKING:
    from hub.store.connect import WriteGate

_VERSIONS = Path(__file__).parent / "migrations" / "versions"
HEAD = max(file.name[:4] for file in _VERSIONS.glob("[0-9]*.py"))  # they are numbered in their order


def version(engine: Engine) -> str | None:
    """The version of the tables in the database, or None when there are none."""
    with engine.connect() as conn:
        if not inspect(conn).has_table("alembic_version"):
            return None
        found = conn.execute(text("SELECT version_num FROM alembic_version")).scalar()
        return str(found) if found else None


def upgrade(engine: Engine, gate: WriteGate) -> None:
    """Run the migrations that are missing, all of them or none.

    :raises ConfigError: when the tables are of a newer hub.
    """
    if version(engine) == HEAD:
        return
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with gate.held(), engine.begin() as conn:
        if engine.dialect.name == "postgresql":
            conn.exec_driver_sql("SELECT pg_advisory_xact_lock(826366246)")  # one process upgrades
        else:
            conn.exec_driver_sql("BEGIN IMMEDIATE")  # the engine for writing begins nothing by itself
        config.attributes["connection"] = conn
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise ConfigError(
                f"the store was made by a newer hub; this one knows version {HEAD}", cure="install the newer hub"
            ) from error
