"""How each build's content was told: what could not be read, and what was read at parse only.

Revision ID: 0007
Revises: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pinwheel.store.types import PackedJson

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("pinwheel_build") as table:
        table.add_column(sa.Column("reach", PackedJson(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("pinwheel_build") as table:
        table.drop_column("reach")
