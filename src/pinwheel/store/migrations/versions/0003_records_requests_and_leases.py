"""What runs came to, requests that were carried out, leases of duties; the runtime that parses by its name.

Revision ID: 0003
Revises: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pinwheel.store.types import PackedJson, UtcInstant

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
BINDING = sa.table(
    "pinwheel_binding", sa.column("dag_version_id", sa.Uuid()), sa.column("bound_by", sa.String)
)
TRIAL = sa.table("pinwheel_trial", sa.column("dag_version_id", sa.Uuid()))


def upgrade() -> None:
    _rename("environment", "runtime")
    with op.batch_alter_table("pinwheel_binding") as batch:
        batch.add_column(sa.Column("release", sa.Integer(), nullable=True))
        batch.add_column(sa.Column("build_id", SERIAL, nullable=True))
        batch.add_column(sa.Column("tries", PackedJson(), nullable=True))
    op.create_table(
        "pinwheel_outcome",
        sa.Column("dag_id", sa.String(length=250), nullable=False),
        sa.Column("run_id", sa.String(length=250), nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("dag_version_id", sa.Uuid(), nullable=True),
        sa.Column("release", sa.Integer(), nullable=True),
        sa.Column("build_id", SERIAL, nullable=True),
        sa.Column("ended_at", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("dag_id", "run_id", "seq", name=op.f("pinwheel_outcome_pkey")),
        comment="What each run came to, and on which release. seq is the run's clear_number. Append-only.",
    )
    op.create_index(op.f("pinwheel_outcome_dag_id_ended_at_idx"), "pinwheel_outcome", ["dag_id", "ended_at"])
    op.create_index(op.f("pinwheel_outcome_dag_version_id_idx"), "pinwheel_outcome", ["dag_version_id"])
    op.create_table(
        "pinwheel_request",
        sa.Column("request_id", sa.String(length=64), nullable=False),
        sa.Column("actor", sa.String(length=250), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("verb", sa.String(length=32), nullable=False),
        sa.Column("dag_ids", PackedJson(), nullable=False),
        sa.Column("answer", PackedJson(), nullable=True),
        sa.Column("at", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("request_id", name=op.f("pinwheel_request_pkey")),
        comment="Requests with an id that were carried out, and what was answered.",
    )
    op.create_index(op.f("pinwheel_request_at_idx"), "pinwheel_request", ["at"])
    with op.batch_alter_table("pinwheel_event") as batch:
        batch.drop_constraint(op.f("pinwheel_event_request_id_dag_id_key"), type_="unique")
        batch.drop_column("request_id")
    op.create_table(
        "pinwheel_lease",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("holder", sa.String(length=250), nullable=False),
        sa.Column("until", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pinwheel_lease_pkey")),
        comment="Which process does a duty that one of several does, and until when (the database's clock).",
    )
    _reword()


def _reword() -> None:
    """``active`` for what follows the active release, ``trial`` for a build that was never released."""
    op.execute(BINDING.update().where(BINDING.c.bound_by == "default").values(bound_by="active"))
    op.execute(
        BINDING.update()
        .where(BINDING.c.bound_by == "hand", BINDING.c.dag_version_id.in_(sa.select(TRIAL.c.dag_version_id)))
        .values(bound_by="trial")
    )


def downgrade() -> None:
    """What runs came to goes, and which requests were carried out: the older code has no place for them."""
    op.execute(BINDING.update().where(BINDING.c.bound_by == "trial").values(bound_by="hand"))
    op.execute(BINDING.update().where(BINDING.c.bound_by == "active").values(bound_by="default"))
    op.drop_table("pinwheel_lease")
    op.drop_table("pinwheel_request")
    with op.batch_alter_table("pinwheel_event") as batch:
        batch.add_column(sa.Column("request_id", sa.String(length=64), nullable=True))
        batch.create_unique_constraint(op.f("pinwheel_event_request_id_dag_id_key"), ["request_id", "dag_id"])
    op.drop_table("pinwheel_outcome")
    with op.batch_alter_table("pinwheel_binding") as batch:
        for column in ("tries", "build_id", "release"):
            batch.drop_column(column)
    _rename("runtime", "environment")


def _rename(old: str, new: str) -> None:
    """The table of runtimes, and the columns that name one.

    The table by a copy, for the names of its constraints; the columns in place, which all databases can: a
    table that Alembic makes anew on SQLite takes the rows with it that point to its rows.
    """
    made = op.create_table(
        f"pinwheel_{new}",
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("details", PackedJson(), nullable=False),
        sa.Column("first_seen_at", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", name=op.f(f"pinwheel_{new}_pkey")),
        comment="Python, Airflow and installed distributions of the processes that parsed.",
    )
    columns = [column.name for column in made.c]
    rows = sa.select(sa.text(", ".join(columns))).select_from(sa.table(f"pinwheel_{old}"))
    op.execute(made.insert().from_select(columns, rows))
    op.drop_table(f"pinwheel_{old}")
    for table in ("pinwheel_build", "pinwheel_parse"):
        op.execute(f"ALTER TABLE {table} RENAME COLUMN {old} TO {new}")
