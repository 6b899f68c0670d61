"""The store: messages, deliveries, bodies, business keys, FHIR resources with history and indexes.

SQLAlchemy Core over SQLite (WAL, synchronous FULL, one writer at a time with group commit) and
PostgreSQL (psycopg).  Statements of the hot path are composed once from the tables and run in batches
on the DBAPI connection.  No rule about care lives here.

Decisions
- Ids are made by the process (:class:`hub.clock.Ids`), so rows and their children go in one batch.
- A resource's search rows are deleted and written again when, and only when, its content changes.
- History keeps superseded versions only: a resource written once costs one row.
- Of two states of a resource the one with the higher (rank, message id) stays: order of arrival,
  concurrent workers and replay lead to the same store.
"""

from hub.store.handle import Store, open_store

__all__ = ["Store", "open_store"]
