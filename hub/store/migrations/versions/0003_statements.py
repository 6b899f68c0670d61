"""Statements about some elements of a resource; requests that are answered later."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "statement",
        sa.Column("ref", sa.String(length=130), nullable=False),
        sa.Column("topic", sa.String(length=199), nullable=False),
        sa.Column("rank", sa.SmallInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("message", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("ref", "topic"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "job",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("caller", sa.String(length=64), nullable=False),
        sa.Column("runner", sa.String(length=64), nullable=False),
        sa.Column("answer", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("id"),
    )
    op.add_column("resource", sa.Column("patched", sa.Boolean(), nullable=False, server_default=sa.text("false")))


def downgrade() -> None:
    op.drop_column("resource", "patched")
    op.drop_table("job")
    op.drop_table("statement")
