"""Where a measured hub keeps its data: SQLite in its home, or an empty schema of a PostgreSQL server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

LOCAL = "postgresql+psycopg://postgres@127.0.0.1:5432/postgres"


@dataclass(frozen=True, slots=True)
class Place:
    """A kind of database.

    :ivar url: of the server; '' for SQLite.
    """

    name: str
    url: str = ""

    @contextmanager
    def fresh(self) -> Iterator[str]:
        """The database URL of a new hub; what it leaves there goes."""
        if not self.url:
            yield ""
            return
        import psycopg

        schema = f"hub_bench_{os.getpid()}"
        server = self.url.replace("+psycopg", "", 1)
        with psycopg.connect(server, autocommit=True) as conn:
            conn.execute(f'CREATE SCHEMA "{schema}"'.encode())
        try:
            yield f"{self.url}{'&' if '?' in self.url else '?'}options=-csearch_path%3D{schema}"
        finally:
            with psycopg.connect(server, autocommit=True) as conn:
                conn.execute(f'DROP SCHEMA "{schema}" CASCADE'.encode())


SQLITE = Place("SQLite")


def reachable(url: str) -> bool:
    """Whether a PostgreSQL server answers there."""
    import psycopg

    try:
        psycopg.connect(url.replace("+psycopg", "", 1), connect_timeout=2).close()
    except psycopg.Error:
        return False
    return True
