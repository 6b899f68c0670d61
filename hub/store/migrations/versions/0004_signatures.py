"""Verdicts on signatures, and the signatures that came."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    key = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "signature",
        sa.Column("message", key, autoincrement=False, nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("verdict", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("message"),
    )
    op.create_table(
        "signature_seen",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("message", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
        sqlite_with_rowid=False,
    )
    op.create_index("signature_seen_message", "signature_seen", ["message"])


def downgrade() -> None:
    op.drop_table("signature_seen")
    op.drop_table("signature")
