"""The first tables.

Written out rather than taken from :mod:`hub.store.tables`, so that later changes there leave history as
it was.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

TABLES = (
    "body",
    "channel_revision",
    "channel_run",
    "counter",
    "delivery",
    "destination",
    "idx_date",
    "idx_ref",
    "idx_string",
    "idx_token",
    "message",
    "message_key",
    "node",
    "page",
    "resource",
    "resource_history",
    "token",
)


KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _where(condition: str) -> dict[str, Any]:
    """Only these rows are in the index, on either database."""
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def upgrade() -> None:
    op.create_table(
        "body",
        sa.Column("sha", sa.LargeBinary(length=32), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("octets", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("sha"),
    )
    op.create_table(
        "channel_revision",
        sa.Column("channel", sa.String(length=64), nullable=False),
        sa.Column("revision", sa.String(length=12), nullable=False),
        sa.Column("first_run", sa.BigInteger(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("channel", "revision"),
    )
    op.create_table(
        "channel_run",
        sa.Column("channel", sa.String(length=64), nullable=False),
        sa.Column("revision", sa.String(length=12), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("detail", sa.Text()),
        sa.Column("address", sa.String(length=255)),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("channel"),
    )
    op.create_table(
        "counter",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("label", sa.String(length=128), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", "label"),
    )
    op.create_table(
        "delivery",
        sa.Column("id", KEY, autoincrement=False, nullable=False),
        sa.Column("message", sa.BigInteger(), nullable=False),
        sa.Column("run", sa.SmallInteger(), nullable=False),
        sa.Column("channel", sa.String(length=64), nullable=False),
        sa.Column("destination", sa.String(length=64), nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("order_key", sa.String(length=199), nullable=False),
        sa.Column("body", sa.LargeBinary(length=32), nullable=False),
        sa.Column("content_type", sa.String(length=64), nullable=False),
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.Column("control_id", sa.String(length=199), nullable=False),
        sa.Column("trace", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("sent_at", sa.BigInteger()),
        sa.Column("error", sa.Text()),
        sa.Column("answer", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("delivery_body", "delivery", ["body"])
    op.create_index("delivery_due", "delivery", ["channel", "destination", "id"], **_where("state = 0"))
    op.create_index("delivery_held", "delivery", ["channel", "destination", "id"], **_where("state = 2"))
    op.create_index("delivery_once", "delivery", ["message", "destination", "run"], unique=True)
    op.create_table(
        "destination",
        sa.Column("channel", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("open_until", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.Text()),
        sa.Column("last_sent", sa.BigInteger()),
        sa.PrimaryKeyConstraint("channel", "name"),
    )
    op.create_table(
        "idx_date",
        sa.Column("param", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("low", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("high", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("rid", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("param", "low", "high", "rid"),
        sqlite_with_rowid=False,
    )
    op.create_index("idx_date_rid", "idx_date", ["rid"])
    op.create_table(
        "idx_ref",
        sa.Column("param", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("target", sa.String(length=255), nullable=False),
        sa.Column("rid", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("param", "target", "rid"),
        sqlite_with_rowid=False,
    )
    op.create_index("idx_ref_rid", "idx_ref", ["rid"])
    op.create_table(
        "idx_string",
        sa.Column("param", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column(
            "folded",
            sa.String(length=199).with_variant(sa.String(length=199, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("exact", sa.String(length=199), nullable=False),
        sa.Column("rid", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("param", "folded", "exact", "rid"),
        sqlite_with_rowid=False,
    )
    op.create_index("idx_string_rid", "idx_string", ["rid"])
    op.create_table(
        "idx_token",
        sa.Column("param", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("code", sa.String(length=199), nullable=False),
        sa.Column("system", sa.String(length=199), nullable=False),
        sa.Column("rid", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("param", "code", "system", "rid"),
        sqlite_with_rowid=False,
    )
    op.create_index("idx_token_rid", "idx_token", ["rid"])
    op.create_table(
        "message",
        sa.Column("id", KEY, autoincrement=False, nullable=False),
        sa.Column("channel", sa.String(length=64), nullable=False),
        sa.Column("revision", sa.String(length=12), nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("lane", sa.SmallInteger(), nullable=False),
        sa.Column("step", sa.String(length=12), nullable=False),
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.Column("control_id", sa.String(length=199), nullable=False),
        sa.Column("sender", sa.String(length=199), nullable=False),
        sa.Column("order_key", sa.String(length=199), nullable=False),
        sa.Column("peer", sa.String(length=128), nullable=False),
        sa.Column("body", sa.LargeBinary(length=32), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("content_type", sa.String(length=64), nullable=False),
        sa.Column("flags", sa.SmallInteger(), nullable=False),
        sa.Column("trace", sa.BigInteger(), nullable=False),
        sa.Column("parent", sa.BigInteger()),
        sa.Column("answer", sa.LargeBinary()),
        sa.Column("mapped_at", sa.BigInteger()),
        sa.Column("runs", sa.SmallInteger(), nullable=False),
        sa.Column("error", sa.Text()),
        sa.Column("stages", sa.Text()),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("message_attention", "message", ["state", "channel", "id"], **_where("state IN (1, 4)"))
    op.create_index("message_body", "message", ["body"])
    op.create_index("message_control", "message", ["control_id", "channel"])
    op.create_index("message_trace", "message", ["trace"], **_where("trace <> id"))
    op.create_index("message_waiting", "message", ["channel", "lane", "id"], **_where("state = 0"))
    op.create_table(
        "message_key",
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("value", sa.String(length=199), nullable=False),
        sa.Column("message", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("kind", "value", "message"),
        sqlite_with_rowid=False,
    )
    op.create_index("message_key_message", "message_key", ["message"])
    op.create_table(
        "node",
        sa.Column("number", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("host", sa.String(length=128), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("started", sa.String(length=32), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("seen", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_table(
        "page",
        sa.Column("handle", sa.LargeBinary(length=16), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("handle"),
    )
    op.create_index("page_expires", "page", ["expires_at"])
    op.create_table(
        "resource",
        sa.Column("rid", KEY, autoincrement=False, nullable=False),
        sa.Column("ref", sa.String(length=130), nullable=False),
        sa.Column("type", sa.String(length=40), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("rank", sa.SmallInteger(), nullable=False),
        sa.Column("message", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(length=16), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("octets", sa.LargeBinary(length=32)),
        sa.PrimaryKeyConstraint("rid"),
        sa.UniqueConstraint("ref"),
    )
    op.create_index("resource_octets", "resource", ["octets"], **_where("octets IS NOT NULL"))
    op.create_index("resource_type", "resource", ["type", "rid"])
    op.create_index("resource_updated", "resource", ["updated"])
    op.create_table(
        "resource_history",
        sa.Column("rid", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("message", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("octets", sa.LargeBinary(length=32)),
        sa.PrimaryKeyConstraint("rid", "version"),
    )
    op.create_index("resource_history_octets", "resource_history", ["octets"], **_where("octets IS NOT NULL"))
    op.create_index("resource_history_updated", "resource_history", ["updated"])
    op.create_table(
        "token",
        sa.Column("sha", sa.LargeBinary(length=32), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.String(length=255), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger()),
        sa.Column("revoked_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("sha"),
    )


def downgrade() -> None:
    for name in TABLES:
        op.drop_table(name)
