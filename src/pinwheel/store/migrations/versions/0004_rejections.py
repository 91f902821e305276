"""Builds that never come back by themselves.

Revision ID: 0004
Revises: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pinwheel.store.types import UtcInstant

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "pinwheel_rejection",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("dag_id", sa.String(length=250), nullable=False),
        sa.Column("build_id", SERIAL, nullable=False),
        sa.Column("inputs_digest", sa.String(length=64), nullable=True),
        sa.Column("first_seq", sa.Integer(), nullable=True),
        sa.Column("last_seq", sa.Integer(), nullable=True),
        sa.Column("actor", sa.String(length=250), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("at", UtcInstant(), nullable=False),
        sa.Column("lifted_at", UtcInstant(), nullable=True),
        sa.Column("lifted_by", sa.String(length=250), nullable=True),
        sa.Column("lifted_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pinwheel_rejection_pkey")),
        sa.ForeignKeyConstraint(
            ["build_id"], ["pinwheel_build.id"], name=op.f("pinwheel_rejection_build_id_fkey")
        ),
        comment="What is never released by itself again, until the rejection is lifted.",
    )
    op.create_index(op.f("pinwheel_rejection_dag_id_idx"), "pinwheel_rejection", ["dag_id"])
    op.create_index(op.f("pinwheel_rejection_build_id_idx"), "pinwheel_rejection", ["build_id"])


def downgrade() -> None:
    """Rejections go: pins stay, and what was rolled back comes back with an unpin again."""
    op.drop_table("pinwheel_rejection")
