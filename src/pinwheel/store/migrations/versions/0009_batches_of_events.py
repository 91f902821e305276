"""Which events belong together, and the newest outcomes at hand.

Revision ID: 0009
Revises: 0008
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

BATCH = "pinwheel_event_batch_kind_id_idx"
ENDED = "pinwheel_outcome_ended_at_idx"


def upgrade() -> None:
    """Events of before stay without a batch: each is told by itself."""
    op.add_column("pinwheel_event", sa.Column("batch", sa.String(64), nullable=True))
    op.create_index(BATCH, "pinwheel_event", ["batch", "kind", "id"])
    op.create_index(ENDED, "pinwheel_outcome", ["ended_at"])


def downgrade() -> None:
    """What belongs together is forgotten; no event goes."""
    op.drop_index(ENDED, "pinwheel_outcome")
    op.drop_index(BATCH, "pinwheel_event")
    with op.batch_alter_table("pinwheel_event") as batch:
        batch.drop_column("batch")
