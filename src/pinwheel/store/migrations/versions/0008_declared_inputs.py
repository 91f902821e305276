"""The rules for declared inputs that are in force, of each bundle.

Revision ID: 0008
Revises: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pinwheel.store.types import PackedJson

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("pinwheel_bundle", sa.Column("declared", PackedJson(), nullable=True))


def downgrade() -> None:
    """The rules go: files are judged by what their parses read alone."""
    with op.batch_alter_table("pinwheel_bundle") as batch:
        batch.drop_column("declared")
