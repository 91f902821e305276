"""Timelines, task windows, and bindings by date.

Revision ID: 0010
Revises: 0009
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from pinwheel.store.types import PackedJson, UtcInstant

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

DAG_ID = sa.String(250)
VERSION = sa.String(250)
DIGEST = sa.String(64)
SERIAL = sa.BigInteger().with_variant(sa.Integer, "sqlite")
BINDING = "pinwheel_binding"
KEY = "pinwheel_binding_pkey"
DATED = ("date", "date_by", "revision", "segment")


def upgrade() -> None:
    """No Dag has a timeline and no build segments yet; each binding is its seq's first part."""
    _binding_upgrade()
    op.create_table(
        "pinwheel_timeline",
        sa.Column("dag_id", DAG_ID, primary_key=True),
        sa.Column("revision", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("verb", sa.String(16), nullable=False),
        sa.Column("actor", sa.String(250), nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("at", UtcInstant, nullable=False),
        sa.Column("request_id", sa.String(64)),
        comment="Each change of a Dag's timeline: a revision is the whole of it, from then on.",
    )
    op.create_table(
        "pinwheel_era",
        sa.Column("dag_id", DAG_ID, primary_key=True),
        sa.Column("revision", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("starts_at", UtcInstant),
        sa.Column("ends_at", UtcInstant),
        sa.Column("written_from", sa.String(64)),
        sa.Column("written_until", sa.String(64)),
        sa.Column("zone", sa.String(64), nullable=False),
        sa.Column("build_id", SERIAL, nullable=False),
        sa.Column("build", sa.Integer, nullable=False),
        sa.Column("bundle_version", VERSION, nullable=False),
        sa.Column("runtime", DIGEST),
        sa.Column("since_revision", sa.Integer, nullable=False),
        comment="The eras of each revision: which place runs of a stretch of dates execute.",
    )
    op.create_index("pinwheel_era_build_id_idx", "pinwheel_era", ["build_id"])
    op.create_table(
        "pinwheel_segment",
        sa.Column("dag_id", DAG_ID, nullable=False),
        sa.Column("build_id", SERIAL, primary_key=True, autoincrement=False),
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("stretch", sa.Boolean, nullable=False, server_default=sa.true()),
        sa.Column("starts_at", UtcInstant),
        sa.Column("absent", PackedJson, nullable=False),
        sa.Column("number", sa.BigInteger),
        sa.Column("dag_version_id", sa.Uuid),
        comment="Builds whose tasks have dates: which of them are absent when, and the version row for that.",
    )
    op.create_index("pinwheel_segment_dag_id_idx", "pinwheel_segment", ["dag_id"])
    op.create_index("pinwheel_segment_dag_version_id_idx", "pinwheel_segment", ["dag_version_id"])
    op.create_table(
        "pinwheel_start_rule",
        sa.Column("dag_id", DAG_ID, primary_key=True),
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("patience", sa.Float),
        sa.Column("since", UtcInstant, nullable=False),
        comment="Dags whose runs are judged when they start, and by what.",
    )
    op.create_table(
        "pinwheel_trial_parse",
        sa.Column("build_id", SERIAL, primary_key=True, autoincrement=False),
        sa.Column("bundle_version", VERSION, primary_key=True),
        sa.Column("ok", sa.Boolean),
        sa.Column("problem", sa.String(32)),
        sa.Column("error", sa.Text),
        sa.Column("runtime", DIGEST),
        sa.Column("digest", DIGEST),
        sa.Column("asked_at", UtcInstant, nullable=False),
        sa.Column("done_at", UtcInstant),
        comment="Whether a build can run at a version, as a Dag processor found it when it was asked.",
    )


def downgrade() -> None:
    """What was decided by date is forgotten; of a seq with several bindings the last one stays.

    Dags that carry the mark are to be freed of it first: no timeline and no windows, or `pinwheel uninstall`.
    """
    for table in ("trial_parse", "start_rule", "segment", "era", "timeline"):
        op.drop_table(f"pinwheel_{table}")
    _binding_downgrade()


def _binding_upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        # The batch makes the table anew: the key with it
        with op.batch_alter_table(BINDING) as batch:
            for column in _columns():
                batch.add_column(column)
            batch.create_primary_key(KEY, list(_KEYS))
        return
    for column in _columns():
        op.add_column(BINDING, column)
    _key(*_KEYS)


def _binding_downgrade() -> None:
    binding = sa.table(BINDING, *(sa.column(name) for name in _KEYS))
    # MySQL reads no table that it deletes from, unless through a table of its own
    last = (
        sa.select(*(binding.c[name] for name in _KEYS[:3]), sa.func.max(binding.c.part).label("part"))
        .group_by(*(binding.c[name] for name in _KEYS[:3]))
        .subquery()
    )
    kept = sa.select(*(last.c[name] for name in _KEYS)).subquery("kept")
    op.execute(
        sa.delete(binding).where(
            sa.tuple_(*(binding.c[name] for name in _KEYS)).not_in(
                sa.select(*(kept.c[name] for name in _KEYS))
            )
        )
    )
    if op.get_bind().dialect.name == "sqlite":
        with op.batch_alter_table(BINDING) as batch:
            batch.create_primary_key(KEY, list(_KEYS[:3]))
            for name in ("part", *DATED):
                batch.drop_column(name)
        return
    _key(*_KEYS[:3])
    for name in ("part", *DATED):
        op.drop_column(BINDING, name)


_KEYS = ("dag_id", "run_id", "seq", "part")


def _columns() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("part", sa.Integer, nullable=False, server_default="0"),
        sa.Column("date", UtcInstant),
        sa.Column("date_by", sa.String(16)),
        sa.Column("revision", sa.Integer),
        sa.Column("segment", sa.Integer),
    )


def _key(*columns: str) -> None:
    if op.get_bind().dialect.name == "mysql":
        names = ", ".join(columns)
        op.execute(f"ALTER TABLE {BINDING} DROP PRIMARY KEY, ADD PRIMARY KEY ({names})")
        return
    op.drop_constraint(KEY, BINDING, type_="primary")
    op.create_primary_key(KEY, BINDING, list(columns))
