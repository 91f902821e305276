"""Rules, policies, rollouts and verdicts.

Revision ID: 0011
Revises: 0010
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pinwheel.store.types import PackedJson, UtcInstant

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

DAG_ID = sa.String(250)
NAME = sa.String(250)
VERSION = sa.String(250)
DIGEST = sa.String(64)
SERIAL = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """There is no rule, no policy and no rollout yet: each new build is released at once, as before."""
    for column in _of_dags():
        op.add_column("pinwheel_dag", column)
    op.add_column("pinwheel_bundle_version", sa.Column("contributors", PackedJson))
    op.create_table(
        "pinwheel_rule",
        sa.Column("id", SERIAL, primary_key=True, autoincrement=True),
        sa.Column("name", NAME, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("document", NAME),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("body", PackedJson, nullable=False),
        sa.Column("actor", sa.String(250), nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("at", UtcInstant, nullable=False),
        sa.Column("lifted_at", UtcInstant),
        sa.Column("lifted_by", sa.String(250)),
        sa.Column("lifted_reason", sa.Text),
        comment="What is always in force for some Dags: windows, freezes, required gates. Lifted ones stay.",
    )
    op.create_index("pinwheel_rule_lifted_at_idx", "pinwheel_rule", ["lifted_at"])
    op.create_table(
        "pinwheel_policy",
        sa.Column("id", SERIAL, primary_key=True, autoincrement=True),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("document", NAME, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("body", PackedJson, nullable=False),
        sa.Column("bundle_version", VERSION),
        sa.Column("actor", sa.String(250), nullable=False),
        sa.Column("created_at", UtcInstant, nullable=False),
        sa.Column("retired_at", UtcInstant),
        sa.UniqueConstraint("source", "document", "name", "revision"),
        comment="Each revision of each policy. None is ever changed; one that is not in force is retired.",
    )
    op.create_index("pinwheel_policy_retired_at_idx", "pinwheel_policy", ["retired_at"])
    op.create_table(
        "pinwheel_rollout",
        sa.Column("id", SERIAL, primary_key=True, autoincrement=True),
        sa.Column("dag_id", DAG_ID, nullable=False),
        sa.Column("slot", sa.String(16)),
        sa.Column("build_id", SERIAL, nullable=False),
        sa.Column("bundle_version", VERSION, nullable=False),
        sa.Column("plan", PackedJson, nullable=False),
        sa.Column("policy", NAME),
        sa.Column("revision", sa.Integer),
        sa.Column("authors", PackedJson),
        sa.Column("proven_build_id", SERIAL),
        sa.Column("proven_version", VERSION),
        sa.Column("began_at", UtcInstant, nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("at_step", sa.String(16), nullable=False),
        sa.Column("at_name", NAME),
        sa.Column("since", UtcInstant, nullable=False),
        sa.Column("cause", sa.String(16)),
        sa.Column("why", sa.Text),
        sa.Column("set_aside", UtcInstant),
        sa.Column("paused_by", sa.String(250)),
        sa.Column("paused_at", UtcInstant),
        sa.Column("asked_by", sa.String(250)),
        sa.Column("asked_at", UtcInstant),
        sa.Column("not_before", UtcInstant),
        sa.Column("knows_pin", sa.Boolean, nullable=False),
        sa.Column("promoters", PackedJson, nullable=False),
        sa.Column("released_at", UtcInstant),
        sa.Column("ended_at", UtcInstant),
        sa.Column("next_at", UtcInstant),
        sa.UniqueConstraint("dag_id", "slot"),
        comment="Each place of a Dag on its way; slot is null once it has ended.",
    )
    op.create_index("pinwheel_rollout_next_at_idx", "pinwheel_rollout", ["next_at"])
    op.create_index("pinwheel_rollout_build_id_idx", "pinwheel_rollout", ["build_id"])
    op.create_table(
        "pinwheel_verdict",
        sa.Column("id", SERIAL, primary_key=True, autoincrement=True),
        sa.Column("name", NAME, nullable=False),
        sa.Column("answer", sa.String(16), nullable=False),
        sa.Column("dag_id", DAG_ID),
        sa.Column("build_id", SERIAL),
        sa.Column("bundle_name", NAME),
        sa.Column("bundle_version", VERSION),
        sa.Column("digest", DIGEST),
        sa.Column("rollout_id", SERIAL),
        sa.Column("step", sa.Integer),
        sa.Column("attempt", sa.Integer),
        sa.Column("actor", sa.String(250), nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("url", sa.Text),
        sa.Column("at", UtcInstant, nullable=False),
        sa.Column("expires_at", UtcInstant),
        comment="Verdicts on a place, a bundle version or a digest. Append-only.",
    )
    op.create_index("pinwheel_verdict_rollout_id_idx", "pinwheel_verdict", ["rollout_id"])
    op.create_index("pinwheel_verdict_build_id_idx", "pinwheel_verdict", ["build_id"])
    op.create_index("pinwheel_verdict_bundle_version_idx", "pinwheel_verdict", ["bundle_version"])
    op.create_index("pinwheel_verdict_digest_idx", "pinwheel_verdict", ["digest"])


def downgrade() -> None:
    """Rollouts end where they are: what was held waits until somebody promotes it, or a newer build comes."""
    for table in ("verdict", "rollout", "policy", "rule"):
        op.drop_table(f"pinwheel_{table}")
    op.drop_column("pinwheel_bundle_version", "contributors")
    for column in reversed(_of_dags()):
        op.drop_column("pinwheel_dag", column.name)


def _of_dags() -> tuple[sa.Column[object], ...]:
    return (
        sa.Column("policy_id", SERIAL),
        sa.Column("proven_build_id", SERIAL),
        sa.Column("proven_version", VERSION),
    )
