"""A store on PostgreSQL alone, for what only a server can do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.settings import Settings
from hub.store import Store, open_store


@pytest.fixture
def postgres_store(tmp_path: Path, postgres_url: str) -> Iterator[Store]:
    """An empty store on PostgreSQL."""
    made = open_store(Settings.load(tmp_path, database_url=postgres_url), "test")
    made.upgrade()
    yield made
    made.close()
