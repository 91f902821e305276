"""How runs ended, what a release under watch is compared with, and signals to the keeper.

Revision ID: 0012
Revises: 0011
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pinwheel.store.types import PackedJson, UtcInstant

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

DAG_ID = sa.String(250)
SERIAL = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Of ends from before nobody noted how they came: Airflow's rows say it as long as they are there."""
    for table, columns in _added().items():
        for column in columns:
            op.add_column(table, column)
    op.create_index("pinwheel_outcome_dag_id_release_idx", "pinwheel_outcome", ["dag_id", "release"])
    op.create_table(
        "pinwheel_signal",
        sa.Column("id", SERIAL, primary_key=True, autoincrement=True),
        sa.Column("dag_id", DAG_ID, nullable=False),
        comment="Dags with a release under watch of which a run has ended: the keeper looks at them, and "
        "deletes these.",
    )


def downgrade() -> None:
    op.drop_table("pinwheel_signal")
    op.drop_index("pinwheel_outcome_dag_id_release_idx", table_name="pinwheel_outcome")
    for table, columns in _added().items():
        for column in reversed(columns):
            op.drop_column(table, column.name)


def _added() -> dict[str, tuple[sa.Column[object], ...]]:
    return {
        "pinwheel_outcome": (
            sa.Column("started_at", UtcInstant),
            sa.Column("how", sa.String(16)),
        ),
        "pinwheel_rollout": (
            sa.Column("release", sa.Integer),
            sa.Column("before", PackedJson),
        ),
    }
