"""Refused versions of a bundle, and faults that a processor caught.

Revision ID: 0002
Revises: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pinwheel.store.types import PackedJson, UtcInstant

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "pinwheel_fault",
        sa.Column("bundle_name", sa.String(length=250), nullable=False),
        sa.Column("place", sa.String(length=64), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("version", sa.String(length=250), nullable=True),
        sa.Column("since", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("bundle_name", "place", name=op.f("pinwheel_fault_pkey")),
        comment="What a processor caught and has not seen mended yet. The name of no bundle is empty.",
    )
    with op.batch_alter_table("pinwheel_bundle_version") as table:
        table.add_column(sa.Column("state", sa.String(length=16), nullable=False, server_default="good"))
        table.add_column(sa.Column("reason", sa.Text(), nullable=True))
        table.add_column(sa.Column("refused_at", UtcInstant(), nullable=True))
        table.add_column(sa.Column("left_out", PackedJson(), nullable=True))


def downgrade() -> None:
    """Refused versions go: the older code would take them for versions that were once the newest."""
    op.execute("DELETE FROM pinwheel_bundle_version WHERE state = 'refused' AND seq = 0")
    with op.batch_alter_table("pinwheel_bundle_version") as table:
        for column in ("left_out", "refused_at", "reason", "state"):
            table.drop_column(column)
    op.drop_table("pinwheel_fault")
