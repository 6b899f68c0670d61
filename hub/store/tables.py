"""The tables, once, for SQLite and PostgreSQL; migrations in ``migrations/`` lead to them.

Times are microseconds since the epoch.  ``message.id`` sorts by arrival.  A message that waits for its
mapping has state WAITING; only those rows (and those that need a person) are in partial indexes, so
the queues stay small however large the table grows.
"""

from __future__ import annotations

from enum import IntEnum

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Table,
    Text,
    text,
)  # fmt: skip
from sqlalchemy.types import TypeEngine

metadata = MetaData()

# SQLite keeps a table in the order of a key of type INTEGER, and only of that type (sqlite.org/rowidtable.html).
Key = BigInteger().with_variant(Integer(), "sqlite")


class State(IntEnum):
    """Where a message stands."""

    WAITING = 0  # stored and answered, not yet mapped
    MAPPED = 1  # mapped and stored, deliveries on their way
    DONE = 2  # nothing left to do
    FILTERED = 3  # taken, but not for this channel
    HELD = 4  # needs a person; the reason is in error
    CANCELLED = 5  # a person said no


class Sending(IntEnum):
    """Where a delivery stands."""

    DUE = 0
    SENT = 1
    HELD = 2
    CANCELLED = 3


message = Table(
    "message", metadata,
    Column("id", Key, primary_key=True, autoincrement=False),
    Column("channel", String(64), nullable=False),
    Column("revision", String(12), nullable=False, default=""),
    Column("state", SmallInteger, nullable=False),
    Column("lane", SmallInteger, nullable=False),
    Column("step", String(12), nullable=False, default=""),  # replay starts here; '' is the beginning
    Column("type", String(64), nullable=False),
    Column("control_id", String(199), nullable=False),
    Column("sender", String(199), nullable=False),
    Column("order_key", String(199), nullable=False),
    Column("peer", String(128), nullable=False),
    Column("body", LargeBinary(32), nullable=False),  # SHA-256; see body.sha
    Column("size", BigInteger, nullable=False),
    Column("content_type", String(64), nullable=False),
    Column("flags", SmallInteger, nullable=False, default=0),
    Column("trace", BigInteger, nullable=False),  # id of the first message of the chain
    Column("parent", BigInteger),  # the message that fed this one
    Column("answer", LargeBinary),
    Column("mapped_at", BigInteger),
    Column("runs", SmallInteger, nullable=False, default=0),  # times mapped: 1, more after replays
    Column("error", Text),  # JSON: stage, where, what, cure, code
    Column("stages", Text),  # JSON: [[stage, microseconds, outcome], ...]
    Index("message_control", "control_id", "channel"),  # this order: a plan for any number of ids can use both
    Index("message_body", "body"),
    Index("message_trace", "trace",  # a message that no other fed is the first of its own chain
          sqlite_where=text("trace <> id"), postgresql_where=text("trace <> id")),
    Index("message_waiting", "channel", "lane", "id",
          sqlite_where=text("state = 0"), postgresql_where=text("state = 0")),
    Index("message_attention", "state", "channel", "id",
          sqlite_where=text("state IN (1, 4)"), postgresql_where=text("state IN (1, 4)")),
)  # fmt: skip

# message.flags
CONTROL_REUSED = 1  # the control id came before with another body
EXCERPT = 2  # the body was beyond the limit; its first piece is kept
BROKEN = 4  # was no message of the channel's format

body = Table(
    "body", metadata,
    Column("sha", LargeBinary(32), primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("octets", LargeBinary),  # None: in the file bodies/ab/cdef... of the hub's data folder
    sqlite_with_rowid=True,
)  # fmt: skip

message_key = Table(
    "message_key", metadata,
    Column("kind", String(16), primary_key=True),
    Column("value", String(199), primary_key=True),
    Column("message", BigInteger, primary_key=True, autoincrement=False),
    Index("message_key_message", "message"),
    sqlite_with_rowid=False,
)  # fmt: skip

delivery = Table(
    "delivery", metadata,
    Column("id", Key, primary_key=True, autoincrement=False),
    Column("message", BigInteger, nullable=False),
    Column("run", SmallInteger, nullable=False),  # message.runs when it was made
    Column("channel", String(64), nullable=False),
    Column("destination", String(64), nullable=False),
    Column("state", SmallInteger, nullable=False),
    Column("order_key", String(199), nullable=False),
    Column("body", LargeBinary(32), nullable=False),
    Column("content_type", String(64), nullable=False),
    Column("type", String(64), nullable=False),
    Column("control_id", String(199), nullable=False),
    Column("trace", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("due", BigInteger, nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Column("sent_at", BigInteger),
    Column("error", Text),
    Column("answer", LargeBinary),
    Index("delivery_body", "body"),
    Index("delivery_once", "message", "destination", "run", unique=True),
    Index("delivery_due", "channel", "destination", "id",
          sqlite_where=text("state = 0"), postgresql_where=text("state = 0")),
    Index("delivery_held", "channel", "destination", "id",
          sqlite_where=text("state = 2"), postgresql_where=text("state = 2")),
)  # fmt: skip

# A destination as people steer it and as all processes see it.
destination = Table(
    "destination", metadata,
    Column("channel", String(64), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("paused", Boolean, nullable=False, default=False),
    Column("open_until", BigInteger, nullable=False, default=0),  # circuit: no attempt before
    Column("failures", Integer, nullable=False, default=0),  # in a row
    Column("last_error", Text),
    Column("last_sent", BigInteger),
)  # fmt: skip

# Which revision of a channel runs where it runs, and each revision that ever ran.
channel_run = Table(
    "channel_run", metadata,
    Column("channel", String(64), primary_key=True),
    Column("revision", String(12), nullable=False),
    Column("state", String(16), nullable=False),  # running | stopped | paused | failed
    Column("detail", Text),
    Column("address", String(255)),
    Column("at", BigInteger, nullable=False),
)  # fmt: skip
channel_revision = Table(
    "channel_revision", metadata,
    Column("channel", String(64), primary_key=True),
    Column("revision", String(12), primary_key=True),
    Column("first_run", BigInteger, nullable=False),
    Column("text", Text, nullable=False),
)  # fmt: skip

# Processes that share this store; number is their part of every id they make.
node = Table(
    "node", metadata,
    Column("number", SmallInteger, primary_key=True, autoincrement=False),
    Column("host", String(128), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started", String(32), nullable=False),
    Column("role", String(16), nullable=False),
    Column("seen", BigInteger, nullable=False),
)  # fmt: skip

resource = Table(
    "resource", metadata,
    Column("rid", Key, primary_key=True, autoincrement=False),
    Column("ref", String(130), nullable=False, unique=True),  # Patient/3f0c...
    Column("type", String(40), nullable=False),
    Column("version", Integer, nullable=False),
    Column("updated", BigInteger, nullable=False),
    Column("deleted", Boolean, nullable=False, default=False),
    Column("rank", SmallInteger, nullable=False),
    Column("message", BigInteger, nullable=False),  # clock of the last statement about it
    Column("hash", LargeBinary(16), nullable=False),  # of the content without server-made meta
    Column("content", LargeBinary, nullable=False),  # JSON, as served
    Column("octets", LargeBinary(32)),  # Binary: body.sha of the document
    Column("patched", Boolean, nullable=False, server_default=text("false")),  # statements lie over it; see statement
    Index("resource_octets", "octets",
          sqlite_where=text("octets IS NOT NULL"), postgresql_where=text("octets IS NOT NULL")),
    Index("resource_type", "type", "rid"),
    Index("resource_updated", "updated"),
    Index("resource_type_updated", "type", "updated", "rid"),  # the newest of a type
)  # fmt: skip

# Superseded versions.
resource_history = Table(
    "resource_history", metadata,
    Column("rid", BigInteger, primary_key=True, autoincrement=False),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("updated", BigInteger, nullable=False),
    Column("deleted", Boolean, nullable=False, default=False),
    Column("message", BigInteger, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("octets", LargeBinary(32)),
    Index("resource_history_octets", "octets",
          sqlite_where=text("octets IS NOT NULL"), postgresql_where=text("octets IS NOT NULL")),
    Index("resource_history_updated", "updated"),
)  # fmt: skip

# Statements about some elements of a resource, which lie over its description (topic ''); see hub.store.statements.
statement = Table(
    "statement", metadata,
    Column("ref", String(130), primary_key=True),
    Column("topic", String(199), primary_key=True),
    Column("rank", SmallInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("message", BigInteger, nullable=False),
    Column("content", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)  # fmt: skip


def _index(name: str, first: Column[object], *more: Column[object]) -> Table:
    """A search index table: (param, values..., rid), found by value and, for rewriting, by rid.

    In the key the rid comes right after the first value: resources of one value lie in their order.
    """
    return Table(
        name, metadata,
        Column("param", BigInteger, nullable=False),
        first,
        *more,
        Column("rid", BigInteger, nullable=False),
        PrimaryKeyConstraint("param", first.name, "rid", *(c.name for c in more)),
        Index(f"{name}_rid", "rid"),
        sqlite_with_rowid=False,
    )  # fmt: skip


def _octets(length: int) -> TypeEngine[str]:
    """Text ordered by code point, so that what begins alike is a range."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")


idx_token = _index(
    "idx_token",
    Column("code", _octets(199), nullable=False),
    Column("system", String(199), nullable=False),
)
idx_string = _index(
    "idx_string",
    Column("folded", _octets(199), nullable=False),  # R4 §3.1.1.4.8: case and accents ignored
    Column("exact", String(199), nullable=False),
)
idx_date = _index(
    "idx_date",
    Column("low", BigInteger, nullable=False),
    Column("high", BigInteger, nullable=False),
)
# Compared with resource.ref, so it has to have the collation of that, or no index would serve the comparison.
idx_ref = _index("idx_ref", Column("target", String(255), nullable=False))
idx_quantity = _index(
    "idx_quantity",
    Column("low", Double, nullable=False),
    Column("high", Double, nullable=False),
    Column("code", String(199), nullable=False),  # or the unit in words
    Column("system", String(199), nullable=False),
)

INDEXES = {
    "token": idx_token, "string": idx_string, "date": idx_date, "reference": idx_ref, "quantity": idx_quantity,
}  # fmt: skip

# How far the index tables are: the row '' stands for all of them, others for search parameters of this site.
indexing = Table(
    "indexing", metadata,
    Column("url", String(255), primary_key=True),  # canonical URL of the SearchParameter
    Column("generation", String(16), nullable=False),  # of what the rows were made by
    Column("state", String(12), nullable=False),  # see hub.store.reindex
    Column("done", BigInteger, nullable=False),  # resources looked at so far
    Column("detail", Text, nullable=False),  # why it failed, or the definition in JSON
    Column("at", BigInteger, nullable=False),
)  # fmt: skip

# Counts since the beginning, added to by every process once a second; read by /metrics.
counter = Table(
    "counter", metadata,
    Column("name", String(64), primary_key=True),
    Column("label", String(128), primary_key=True),  # channel, or channel/destination
    Column("value", BigInteger, nullable=False),
)  # fmt: skip

# Bearer tokens of the API: only the SHA-256 of a token is kept.
token = Table(
    "token", metadata,
    Column("sha", LargeBinary(32), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("scopes", String(255), nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
)  # fmt: skip

# Requests of the API that are answered later; only their outcome is kept, for a day.
job = Table(
    "job", metadata,
    Column("id", Key, primary_key=True, autoincrement=False),
    Column("caller", String(64), nullable=False),
    Column("runner", String(64), nullable=False),  # lock that the process holds as long as it lives
    Column("answer", LargeBinary),  # entry of a response Bundle; None while it runs
)  # fmt: skip

# What was found of the signature of a message; see hub.services.signing.verdict.
signature = Table(
    "signature", metadata,
    Column("message", Key, primary_key=True, autoincrement=False),
    Column("status", String(16), nullable=False),  # valid | invalid | indeterminate | absent
    Column("verdict", LargeBinary, nullable=False),  # JSON
)  # fmt: skip

# Signatures that came, each once in a channel: who brings one again brings nothing new.
signature_seen = Table(
    "signature_seen", metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("message", BigInteger, nullable=False),
    Index("signature_seen_message", "message"),
    sqlite_with_rowid=False,
)  # fmt: skip

# Searches whose result has further pages: the link holds only the handle, never what was searched.
page = Table(
    "page", metadata,
    Column("handle", LargeBinary(16), primary_key=True),
    Column("query", Text, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Index("page_expires", "expires_at"),
)  # fmt: skip

# How far each Subscription is, and each resource it was told of; see hub.services.subscriptions.
subscription = Table(
    "subscription", metadata,
    Column("id", String(64), primary_key=True),
    Column("digest", LargeBinary(16), nullable=False),  # of what the endpoint agreed to
    Column("greeted", Boolean, nullable=False),  # the endpoint answered the handshake
    Column("since", BigInteger, nullable=False),  # resources written from then on count
    Column("looked", BigInteger, nullable=False),  # all written until then were looked at
    Column("events", BigInteger, nullable=False),  # number of the last one
    Column("failing", BigInteger, nullable=False),  # since when nothing goes through; 0: all is well
)  # fmt: skip
subscription_event = Table(
    "subscription_event", metadata,
    Column("subscription", String(64), primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("rid", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
    Column("ref", String(130), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("message", BigInteger, nullable=False),  # the notification; see message
    Index("subscription_event_once", "subscription", "rid", "version", unique=True),
    sqlite_with_rowid=False,
)  # fmt: skip
