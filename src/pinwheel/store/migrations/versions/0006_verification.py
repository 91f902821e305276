"""What was verified of each file, in which tree, and how much CPU verification may use.

Revision ID: 0006
Revises: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pinwheel.store.types import UtcInstant

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

FILE = sa.table("pinwheel_file", *map(sa.column, ("seq", "parsed_at", "verified_seq", "verified_at")))


def upgrade() -> None:
    op.create_table(
        "pinwheel_budget",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("share", sa.Float(), nullable=False),
        sa.Column("level", sa.Float(), nullable=False),
        sa.Column("mean", sa.Float(), nullable=True),
        sa.Column("at", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pinwheel_budget_pkey")),
        comment="CPU seconds that work in the background may use in the whole deployment.",
    )
    op.add_column("pinwheel_bundle_version", sa.Column("tree", sa.String(length=64), nullable=True))
    for column in (
        sa.Column("verified_seq", sa.Integer(), nullable=True),
        sa.Column("verified_tree", sa.String(length=64), nullable=True),
        sa.Column("verified_at", UtcInstant(), nullable=True),
        sa.Column("always", sa.String(length=64), nullable=True),
        sa.Column("unstable", sa.Boolean(), server_default=sa.false(), nullable=False),
    ):
        op.add_column("pinwheel_file", column)
    # Each was known when it was parsed; in which tree, nobody wrote down, so each is verified once.
    op.execute(FILE.update().values(verified_seq=FILE.c.seq, verified_at=FILE.c.parsed_at))


def downgrade() -> None:
    """What was found stays in effect; what changes unseen is no longer looked for."""
    for table, columns in (
        ("pinwheel_file", ["unstable", "always", "verified_at", "verified_tree", "verified_seq"]),
        ("pinwheel_bundle_version", ["tree"]),
    ):
        with op.batch_alter_table(table) as batch:
            for name in columns:
                batch.drop_column(name)
    op.drop_table("pinwheel_budget")
