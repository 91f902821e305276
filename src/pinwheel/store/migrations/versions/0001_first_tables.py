"""The first tables: builds, releases, bindings, events.

Revision ID: 0001
Revises:
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pinwheel.reconcile.tables import BYTES, INSTANT, SERIAL
from pinwheel.store.types import PackedBytes, PackedJson, UtcInstant

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "pinwheel_binding",
        sa.Column("dag_id", sa.String(length=250), nullable=False),
        sa.Column("run_id", sa.String(length=250), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("dag_version_id", sa.Uuid(), nullable=True),
        sa.Column("bundle_version", sa.String(length=250), nullable=True),
        sa.Column("bound_by", sa.String(length=16), nullable=False),
        sa.Column("actor", sa.String(length=250), nullable=True),
        sa.Column("bound_at", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("dag_id", "run_id", "seq", name=op.f("pinwheel_binding_pkey")),
        comment="Which Dag version a run uses, from when on. seq is the run's clear_number.",
    )
    op.create_table(
        "pinwheel_broken_build",
        sa.Column("dag_id", sa.String(length=250), nullable=False),
        sa.Column("bundle_name", sa.String(length=250), nullable=False),
        sa.Column("bundle_version", sa.String(length=250), nullable=False),
        sa.Column("relative_fileloc", sa.String(length=1000), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("created_at", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint(
            "dag_id", "bundle_name", "bundle_version", name=op.f("pinwheel_broken_build_pkey")
        ),
        comment="Bundle versions in which the file of a Dag could not be imported or serialized.",
    )
    op.create_table(
        "pinwheel_build",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("dag_id", sa.String(length=250), nullable=False),
        sa.Column("build", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("serialized_digest", sa.String(length=64), nullable=False),
        sa.Column("inputs_digest", sa.String(length=64), nullable=False),
        sa.Column("bundle_name", sa.String(length=250), nullable=False),
        sa.Column("bundle_version", sa.String(length=250), nullable=False),
        sa.Column("relative_fileloc", sa.String(length=1000), nullable=False),
        sa.Column("label", sa.String(length=250), nullable=True),
        sa.Column("environment", sa.String(length=64), nullable=False),
        sa.Column("parse_seconds", sa.Float(), nullable=True),
        sa.Column("pure", sa.Boolean(), nullable=False),
        sa.Column("versioned", sa.Boolean(), nullable=False),
        sa.Column("adopted", sa.Boolean(), nullable=False),
        sa.Column("unstable", PackedJson(), nullable=True),
        sa.Column("serialized", PackedJson(), nullable=False),
        sa.Column("files", PackedJson(), nullable=False),
        sa.Column("created_at", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pinwheel_build_pkey")),
        sa.UniqueConstraint("dag_id", "build", name=op.f("pinwheel_build_dag_id_build_key")),
        sa.UniqueConstraint("dag_id", "digest", name=op.f("pinwheel_build_dag_id_digest_key")),
        comment="One Dag as parsed from one bundle version.",
    )
    op.create_index(
        op.f("pinwheel_build_bundle_name_bundle_version_idx"),
        "pinwheel_build",
        ["bundle_name", "bundle_version"],
        unique=False,
    )
    op.create_index(
        op.f("pinwheel_build_dag_id_inputs_digest_idx"),
        "pinwheel_build",
        ["dag_id", "inputs_digest"],
        unique=False,
    )
    op.create_table(
        "pinwheel_bundle",
        sa.Column("name", sa.String(length=250), nullable=False),
        sa.Column("head_version", sa.String(length=250), nullable=True),
        sa.Column("head_seq", sa.Integer(), nullable=False),
        sa.Column("settled_seq", sa.Integer(), nullable=False),
        sa.Column("updated_at", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pinwheel_bundle_pkey")),
        comment="Where each bundle stands: its newest version, and the last of which all files are known.",
    )
    op.create_table(
        "pinwheel_bundle_version",
        sa.Column("bundle_name", sa.String(length=250), nullable=False),
        sa.Column("version", sa.String(length=250), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("author", sa.String(length=500), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("committed_at", UtcInstant(), nullable=True),
        sa.Column("label", sa.String(length=250), nullable=True),
        sa.Column("version_data", PackedJson(), nullable=True),
        sa.Column("path", sa.String(length=2000), nullable=True),
        sa.Column("first_seen_at", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("bundle_name", "version", name=op.f("pinwheel_bundle_version_pkey")),
        comment="Each version that was ever a bundle's newest; seq rises in that order.",
    )
    op.create_table(
        "pinwheel_dag",
        sa.Column("dag_id", sa.String(length=250), nullable=False),
        sa.Column("bundle_name", sa.String(length=250), nullable=False),
        sa.Column("relative_fileloc", sa.String(length=1000), nullable=False),
        sa.Column("track", sa.String(length=16), nullable=False),
        sa.Column("active_release", sa.Integer(), nullable=True),
        sa.Column("active_build_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("newest_build_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("newest_seq", sa.Integer(), nullable=False),
        sa.Column("retired", sa.Boolean(), nullable=False),
        sa.Column("missing_since", UtcInstant(), nullable=True),
        sa.Column("stable_bundle", sa.String(length=250), nullable=True),
        sa.Column("stable_fileloc", sa.String(length=1000), nullable=True),
        sa.Column("dag_version_id", sa.Uuid(), nullable=True),
        sa.Column("projected_version", sa.String(length=250), nullable=True),
        sa.Column("projected_hash", sa.String(length=64), nullable=True),
        sa.Column("projected_code_hash", sa.String(length=64), nullable=True),
        sa.Column("track_actor", sa.String(length=250), nullable=True),
        sa.Column("track_reason", sa.Text(), nullable=True),
        sa.Column("track_since", UtcInstant(), nullable=True),
        sa.Column("asserted_at", UtcInstant(), nullable=True),
        sa.PrimaryKeyConstraint("dag_id", name=op.f("pinwheel_dag_pkey")),
        comment="Each managed Dag: what is active, what is newest, what was written to Airflow's rows.",
    )
    op.create_index(op.f("pinwheel_dag_bundle_name_idx"), "pinwheel_dag", ["bundle_name"], unique=False)
    op.create_table(
        "pinwheel_environment",
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("details", PackedJson(), nullable=False),
        sa.Column("first_seen_at", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", name=op.f("pinwheel_environment_pkey")),
        comment="Python, Airflow and installed distributions of the processes that parsed.",
    )
    op.create_table(
        "pinwheel_event",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("at", UtcInstant(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("dag_id", sa.String(length=250), nullable=True),
        sa.Column("bundle_name", sa.String(length=250), nullable=True),
        sa.Column("actor", sa.String(length=250), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("details", PackedJson(), nullable=False),
        sa.Column("request_id", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pinwheel_event_pkey")),
        sa.UniqueConstraint("request_id", "dag_id", name=op.f("pinwheel_event_request_id_dag_id_key")),
        comment="Append-only audit trail.",
    )
    op.create_index(op.f("pinwheel_event_at_idx"), "pinwheel_event", ["at"], unique=False)
    op.create_index(op.f("pinwheel_event_dag_id_at_idx"), "pinwheel_event", ["dag_id", "at"], unique=False)
    op.create_table(
        "pinwheel_file",
        sa.Column("bundle_name", sa.String(length=250), nullable=False),
        sa.Column("relative_fileloc", sa.String(length=500), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("version", sa.String(length=250), nullable=False),
        sa.Column("parse_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("dag_ids", PackedJson(), nullable=False),
        sa.Column("impure", sa.Boolean(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("broken_since", UtcInstant(), nullable=True),
        sa.Column("parsed_at", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("bundle_name", "relative_fileloc", name=op.f("pinwheel_file_pkey")),
        comment="The newest known state of each Dag file: which Dags it holds, or why it is broken.",
    )
    op.create_table(
        "pinwheel_parse",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("bundle_name", sa.String(length=250), nullable=False),
        sa.Column("relative_fileloc", sa.String(length=1000), nullable=False),
        sa.Column("file_digest", sa.String(length=64), nullable=False),
        sa.Column("inputs_digest", sa.String(length=64), nullable=False),
        sa.Column("environment", sa.String(length=64), nullable=False),
        sa.Column("inputs", PackedJson(), nullable=False),
        sa.Column("impure", PackedJson(), nullable=True),
        sa.Column("builds", PackedJson(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("seconds", sa.Float(), nullable=True),
        sa.Column("parsed_at", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pinwheel_parse_pkey")),
        comment="What one file gave for one state of its inputs, so that it need not be parsed again.",
    )
    op.create_index(
        op.f("pinwheel_parse_bundle_name_file_digest_idx"),
        "pinwheel_parse",
        ["bundle_name", "file_digest"],
        unique=False,
    )
    op.create_table(
        "pinwheel_source",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("content", PackedBytes(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pinwheel_source_pkey")),
        comment="Content of files, each distinct content once. The digest is the bundle's own content id.",
    )
    op.create_table(
        "pinwheel_build_version",
        sa.Column("build_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("bundle_name", sa.String(length=250), nullable=False),
        sa.Column("bundle_version", sa.String(length=250), nullable=False),
        sa.Column("seen_at", UtcInstant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["build_id"],
            ["pinwheel_build.id"],
            name=op.f("pinwheel_build_version_build_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "build_id", "bundle_name", "bundle_version", name=op.f("pinwheel_build_version_pkey")
        ),
        comment="The other bundle versions in which the same build was found.",
    )
    op.create_table(
        "pinwheel_release",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("dag_id", sa.String(length=250), nullable=False),
        sa.Column("release", sa.Integer(), nullable=False),
        sa.Column("build_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("actor", sa.String(length=250), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("previous_release", sa.Integer(), nullable=True),
        sa.Column("dag_version_id", sa.Uuid(), nullable=False),
        sa.Column("bundle_version", sa.String(length=250), nullable=True),
        sa.Column("created_at", UtcInstant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["build_id"], ["pinwheel_build.id"], name=op.f("pinwheel_release_build_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pinwheel_release_pkey")),
        sa.UniqueConstraint("dag_id", "release", name=op.f("pinwheel_release_dag_id_release_key")),
        comment="The ledger of releases. Its number is Airflow's dag_version.version_number.",
    )
    op.create_index(op.f("pinwheel_release_build_id_idx"), "pinwheel_release", ["build_id"], unique=False)
    op.create_index(
        op.f("pinwheel_release_dag_version_id_idx"), "pinwheel_release", ["dag_version_id"], unique=False
    )
    op.create_table(
        "pinwheel_trial",
        sa.Column("dag_version_id", sa.Uuid(), nullable=False),
        sa.Column("dag_id", sa.String(length=250), nullable=False),
        sa.Column("build_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("bundle_version", sa.String(length=250), nullable=True),
        sa.Column("created_at", UtcInstant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["build_id"], ["pinwheel_build.id"], name=op.f("pinwheel_trial_build_id_fkey")
        ),
        sa.PrimaryKeyConstraint("dag_version_id", name=op.f("pinwheel_trial_pkey")),
        sa.UniqueConstraint("dag_id", "build_id", name=op.f("pinwheel_trial_dag_id_build_id_key")),
        comment="Rows made in Airflow for runs of builds that were never released.",
    )
    # These two may be there already, made on an Airflow that was too old for the rest.
    op.create_table(
        "pinwheel_capsule",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("airflow_version", sa.String(length=64), nullable=False),
        sa.Column("revision", sa.String(length=64), nullable=False),
        sa.Column("stored_at", INSTANT, nullable=False),
        sa.Column("header", sa.Text(), nullable=False),
        sa.Column("key_id", sa.String(length=16), nullable=False),
        sa.Column("signature", sa.String(length=64), nullable=False),
        sa.Column("archive", BYTES, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pinwheel_capsule_pkey")),
        sa.UniqueConstraint(
            "airflow_version", "revision", name=op.f("pinwheel_capsule_airflow_version_revision_key")
        ),
        comment="The migration code of each Airflow that migrated this database, signed.",
        if_not_exists=True,
    )
    op.create_table(
        "pinwheel_reconcile",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("ended_at", INSTANT, nullable=True),
        sa.Column("from_revision", sa.String(length=64), nullable=False),
        sa.Column("from_version", sa.String(length=64), nullable=False),
        sa.Column("to_revision", sa.String(length=64), nullable=False),
        sa.Column("to_version", sa.String(length=64), nullable=False),
        sa.Column("strategy", sa.String(length=16), nullable=False),
        sa.Column("host", sa.String(length=250), nullable=False),
        sa.Column("snapshot", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pinwheel_reconcile_pkey")),
        comment="Walks of Airflow's schema, begun and ended; a killed one is taken up again.",
        if_not_exists=True,
    )


def downgrade() -> None:
    op.drop_table("pinwheel_reconcile")
    op.drop_table("pinwheel_capsule")
    op.drop_table("pinwheel_trial")
    op.drop_index(op.f("pinwheel_release_dag_version_id_idx"), table_name="pinwheel_release")
    op.drop_index(op.f("pinwheel_release_build_id_idx"), table_name="pinwheel_release")
    op.drop_table("pinwheel_release")
    op.drop_table("pinwheel_build_version")
    op.drop_table("pinwheel_source")
    op.drop_index(op.f("pinwheel_parse_bundle_name_file_digest_idx"), table_name="pinwheel_parse")
    op.drop_table("pinwheel_parse")
    op.drop_table("pinwheel_file")
    op.drop_index(op.f("pinwheel_event_dag_id_at_idx"), table_name="pinwheel_event")
    op.drop_index(op.f("pinwheel_event_at_idx"), table_name="pinwheel_event")
    op.drop_table("pinwheel_event")
    op.drop_table("pinwheel_environment")
    op.drop_index(op.f("pinwheel_dag_bundle_name_idx"), table_name="pinwheel_dag")
    op.drop_table("pinwheel_dag")
    op.drop_table("pinwheel_bundle_version")
    op.drop_table("pinwheel_bundle")
    op.drop_index(op.f("pinwheel_build_dag_id_inputs_digest_idx"), table_name="pinwheel_build")
    op.drop_index(op.f("pinwheel_build_bundle_name_bundle_version_idx"), table_name="pinwheel_build")
    op.drop_table("pinwheel_build")
    op.drop_table("pinwheel_broken_build")
    op.drop_table("pinwheel_binding")
