"""Search rows of every kind of parameter: numbers and quantities, composites, an order that serves paging.

The rows themselves follow from the resources; the hub writes them anew after this step
(``hub.store.reindex.renew``).
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

BEFORE = {
    "idx_token": (("code", 199), ("system", 199)),
    "idx_string": (("folded", 199), ("exact", 199)),
    "idx_date": (("low", 0), ("high", 0)),
    "idx_ref": (("target", 255),),
}
NOW = {**BEFORE, "idx_quantity": (("low", -1), ("high", -1), ("code", 199), ("system", 199))}
RANGES = {"code", "folded"}  # ordered by code point


def _type(table: str, name: str, length: int, ranges: set[str]) -> sa.types.TypeEngine[Any]:
    if length <= 0:
        return sa.BigInteger() if length == 0 else sa.Double()
    if name in ranges and table != "idx_quantity":
        return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")
    return sa.String(length)


def _make(tables: dict[str, tuple[tuple[str, int], ...]], param: type, ranges: set[str], *, paged: bool) -> None:
    for name, values in tables.items():
        first, *more = [v for v, _ in values]
        key = [first, "rid", *more] if paged else [first, *more, "rid"]
        op.create_table(
            name,
            sa.Column("param", param(), autoincrement=False, nullable=False),
            *(sa.Column(v, _type(name, v, n, ranges), autoincrement=False, nullable=False) for v, n in values),
            sa.Column("rid", sa.BigInteger(), autoincrement=False, nullable=False),
            sa.PrimaryKeyConstraint("param", *key),
            sqlite_with_rowid=False,
        )
        op.create_index(f"{name}_rid", name, ["rid"])


def upgrade() -> None:
    for name in BEFORE:
        op.drop_table(name)
    _make(NOW, sa.BigInteger, RANGES, paged=True)
    op.create_index("resource_type_updated", "resource", ["type", "updated", "rid"])
    op.create_table(
        "indexing",
        sa.Column("url", sa.String(255), nullable=False),
        sa.Column("generation", sa.String(16), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("done", sa.BigInteger(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("url"),
    )


def downgrade() -> None:
    op.drop_table("indexing")
    op.drop_index("resource_type_updated", "resource")
    for name in NOW:
        op.drop_table(name)
    _make(BEFORE, sa.Integer, {"folded"}, paged=False)  # then: hub db reindex, of the former version
