"""Stores to test on: SQLite always, PostgreSQL when one is reachable, each test in a place of its own."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hub.settings import Settings
from hub.store import Store, open_store

POSTGRES = os.environ.get("HUB_TEST_POSTGRES", "postgresql+psycopg://postgres@127.0.0.1:5432/postgres")
SHARED = Path(__file__).parents[2] / "shared"


def postgres_reachable() -> bool:
    """Whether the PostgreSQL server that tests may use answers."""
    import psycopg

    try:
        psycopg.connect(POSTGRES.replace("+psycopg", ""), connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


@pytest.fixture(scope="session")
def postgres_server() -> str:
    """URL of a PostgreSQL server, or skip."""
    if not postgres_reachable():
        pytest.skip("no PostgreSQL answers at HUB_TEST_POSTGRES (default 127.0.0.1:5432)")
    return POSTGRES


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """URL of an empty schema, dropped afterwards."""
    import psycopg

    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres_server.replace("+psycopg", ""), autocommit=True) as conn:
        conn.execute(f"CREATE SCHEMA {name}")
    yield f"{postgres_server}?options=-csearch_path%3D{name}"
    with psycopg.connect(postgres_server.replace("+psycopg", ""), autocommit=True) as conn:
        conn.execute(f"DROP SCHEMA {name} CASCADE")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest) -> str:
    """'' for SQLite in the home of the test, or the URL of an empty PostgreSQL schema."""
    return "" if request.param == "sqlite" else str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    return Settings.load(tmp_path, database_url=database_url or None)


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    """An empty store of the newest version, on each database."""
    made = open_store(settings, "test")
    made.upgrade()
    yield made
    made.close()


@pytest.fixture
def sqlite_store(tmp_path: Path) -> Iterator[Store]:
    """An empty store on SQLite, where the database makes no difference."""
    made = open_store(Settings.load(tmp_path), "test")
    made.upgrade()
    yield made
    made.close()


@pytest.fixture
def shared() -> Callable[[str], Path]:
    """A file of the public sample data that may lie beside the checkout; skip where it does not."""

    def find(name: str) -> Path:
        path = SHARED / name
        if not path.exists():
            pytest.skip(f"sample data are not here: ../shared/{name}")
        return path

    return find
