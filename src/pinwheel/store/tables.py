"""Pinwheel's own tables, beside Airflow's in the same database.

All names begin with ``pinwheel_``. No foreign key points into Airflow's tables: they may be emptied,
downgraded or dropped without asking us. Ids of Airflow's rows are kept as plain values.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    false,
    true,
)

from pinwheel.core import text
from pinwheel.reconcile.tables import define as define_reconcile
from pinwheel.store.types import PackedBytes, PackedJson, UtcInstant

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    }
)

VERSION_TABLE = "alembic_version_pinwheel"

DAG_ID = String(250)
BUNDLE = String(250)
VERSION = String(250)
NAME = String(250)
DIGEST = String(64)
PATH = String(text.PATH)
SERIAL = BigInteger().with_variant(Integer, "sqlite")

bundle = Table(
    "pinwheel_bundle",
    metadata,
    Column("name", BUNDLE, primary_key=True),
    Column("head_version", VERSION),
    Column("head_seq", Integer, nullable=False, default=0),
    Column("settled_seq", Integer, nullable=False, default=0),
    Column("updated_at", UtcInstant, nullable=False),
    Column("before_version", VERSION),
    Column("declared", PackedJson),
    comment="Where each bundle stands: its newest version, and the last of which all files are known.",
)

bundle_version = Table(
    "pinwheel_bundle_version",
    metadata,
    Column("bundle_name", BUNDLE, primary_key=True),
    Column("version", VERSION, primary_key=True),
    Column("seq", Integer, nullable=False),
    Column("author", String(text.AUTHOR)),
    Column("message", Text),
    Column("committed_at", UtcInstant),
    Column("label", String(text.LABEL)),
    Column("version_data", PackedJson),
    Column("path", String(2000)),
    Column("first_seen_at", UtcInstant, nullable=False),
    # Versions that were refused stand here too, without a place in the order: their seq is 0.
    Column("state", String(16), nullable=False, server_default="good"),
    Column("reason", Text),
    Column("refused_at", UtcInstant),
    Column("left_out", PackedJson),
    # Of all its files; null: it is not known.
    Column("tree", DIGEST),
    # Who changed what since the version before it; null: it is not known.
    Column("contributors", PackedJson),
    comment="Each version that was ever a bundle's newest; seq rises in that order.",
)

fault = Table(
    "pinwheel_fault",
    metadata,
    Column("bundle_name", BUNDLE, primary_key=True),
    Column("place", String(64), primary_key=True),
    Column("error", Text, nullable=False),
    Column("version", VERSION),
    Column("since", UtcInstant, nullable=False),
    comment="What a processor caught and has not seen mended yet. The name of no bundle is empty.",
)

source = Table(
    "pinwheel_source",
    metadata,
    Column("digest", DIGEST, primary_key=True),
    Column("content", PackedBytes, nullable=False),
    Column("size", Integer, nullable=False),
    comment="Content of files, each distinct content once. The digest is the bundle's own content id.",
)

runtime = Table(
    "pinwheel_runtime",
    metadata,
    Column("fingerprint", DIGEST, primary_key=True),
    Column("details", PackedJson, nullable=False),
    Column("first_seen_at", UtcInstant, nullable=False),
    comment="Python, Airflow and installed distributions of the processes that parsed.",
)

build = Table(
    "pinwheel_build",
    metadata,
    Column("id", SERIAL, primary_key=True, autoincrement=True),
    Column("dag_id", DAG_ID, nullable=False),
    Column("build", Integer, nullable=False),
    Column("digest", DIGEST, nullable=False),
    Column("serialized_digest", DIGEST, nullable=False),
    Column("inputs_digest", DIGEST, nullable=False),
    Column("bundle_name", BUNDLE, nullable=False),
    Column("bundle_version", VERSION, nullable=False),
    Column("relative_fileloc", PATH, nullable=False),
    Column("label", String(text.LABEL)),
    Column("runtime", DIGEST, nullable=False, default=""),
    Column("parse_seconds", Float),
    Column("pure", Boolean, nullable=False, default=False),
    Column("versioned", Boolean, nullable=False, default=True),
    Column("adopted", Boolean, nullable=False, default=False),
    Column("unstable", PackedJson),
    Column("serialized", PackedJson, nullable=False),
    Column("files", PackedJson, nullable=False),
    Column("created_at", UtcInstant, nullable=False),
    Column("reach", PackedJson),
    UniqueConstraint("dag_id", "build"),
    UniqueConstraint("dag_id", "digest"),
    Index(None, "dag_id", "inputs_digest"),
    Index(None, "bundle_name", "bundle_version"),
    comment="One Dag as parsed from one bundle version.",
)

stand = Table(
    "pinwheel_stand",
    metadata,
    Column("dag_id", DAG_ID, primary_key=True),
    Column("bundle_name", BUNDLE, primary_key=True),
    Column("first_seq", Integer, primary_key=True, autoincrement=False),
    Column("build_id", SERIAL, nullable=False),
    Column("last_seq", Integer),
    Column("last_version", VERSION),
    Column("verified_seq", Integer, nullable=False),
    Index(None, "build_id"),
    comment="The heads of its bundle, from one to another, in which a build stood; no end: it stands.",
)

broken_build = Table(
    "pinwheel_broken_build",
    metadata,
    Column("dag_id", DAG_ID, primary_key=True),
    Column("bundle_name", BUNDLE, primary_key=True),
    Column("bundle_version", VERSION, primary_key=True),
    Column("relative_fileloc", PATH, nullable=False),
    Column("error", Text, nullable=False),
    Column("created_at", UtcInstant, nullable=False),
    comment="Bundle versions in which the file of a Dag could not be imported or serialized.",
)

parse = Table(
    "pinwheel_parse",
    metadata,
    Column("id", SERIAL, primary_key=True, autoincrement=True),
    Column("bundle_name", BUNDLE, nullable=False),
    Column("relative_fileloc", PATH, nullable=False),
    Column("file_digest", DIGEST, nullable=False),
    Column("inputs_digest", DIGEST, nullable=False),
    Column("runtime", DIGEST, nullable=False, default=""),
    Column("inputs", PackedJson, nullable=False),
    Column("impure", PackedJson),
    Column("builds", PackedJson, nullable=False),
    Column("error", Text),
    Column("seconds", Float),
    Column("parsed_at", UtcInstant, nullable=False),
    Index(None, "bundle_name", "file_digest"),
    comment="What one file gave for one state of its inputs, so that it need not be parsed again.",
)

file = Table(
    "pinwheel_file",
    metadata,
    Column("bundle_name", BUNDLE, primary_key=True),
    Column("relative_fileloc", String(text.FILE_PATH), primary_key=True),
    Column("seq", Integer, nullable=False),
    Column("version", VERSION, nullable=False),
    Column("parse_id", SERIAL),
    Column("dag_ids", PackedJson, nullable=False),
    Column("impure", Boolean, nullable=False, default=False),
    Column("error", Text),
    Column("broken_since", UtcInstant),
    Column("parsed_at", UtcInstant, nullable=False),
    # The head in which it is not known what it gives; null: it is known.
    Column("pending_seq", Integer),
    # The head in which it was last parsed or verified, with the tree of that.
    Column("verified_seq", Integer),
    Column("verified_tree", DIGEST),
    Column("verified_at", UtcInstant),
    # While this is its content, it is parsed in each new tree: something that it depends on is not seen.
    Column("always", DIGEST),
    # It gives something else at each parse: there is nothing to verify.
    Column("unstable", Boolean, nullable=False, server_default=false()),
    comment="The newest known state of each Dag file: which Dags it holds, or why it is broken.",
)

dag = Table(
    "pinwheel_dag",
    metadata,
    Column("dag_id", DAG_ID, primary_key=True),
    Column("bundle_name", BUNDLE, nullable=False),
    Column("relative_fileloc", PATH, nullable=False),
    Column("track", String(16), nullable=False),
    Column("active_release", Integer),
    Column("active_build_id", SERIAL),
    Column("newest_build_id", SERIAL),
    Column("newest_seq", Integer, nullable=False, default=0),
    Column("retired", Boolean, nullable=False, default=False),
    Column("missing_since", UtcInstant),
    Column("stable_bundle", BUNDLE),
    Column("stable_fileloc", PATH),
    Column("dag_version_id", Uuid),
    Column("released_version", VERSION),
    Column("projected_hash", String(64)),
    Column("projected_code_hash", String(64)),
    Column("track_actor", String(250)),
    Column("track_reason", Text),
    Column("track_since", UtcInstant),
    Column("asserted_at", UtcInstant),
    # What Airflow's row of the Dag must name, and the version of new runs with the one before it.
    Column("row_version", VERSION),
    Column("follow_version", VERSION),
    Column("follow_before", VERSION),
    # The revision of a repository's policy that is in force for it; null: none was.
    Column("policy_id", SERIAL),
    Column("proven_build_id", SERIAL),
    Column("proven_version", VERSION),
    Index(None, "bundle_name"),
    comment="Each managed Dag: what is active, what is newest, what was written to Airflow's rows.",
)

release = Table(
    "pinwheel_release",
    metadata,
    Column("id", SERIAL, primary_key=True, autoincrement=True),
    Column("dag_id", DAG_ID, nullable=False),
    Column("release", Integer, nullable=False),
    Column("build_id", SERIAL, ForeignKey("pinwheel_build.id"), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("actor", String(250), nullable=False),
    Column("reason", Text),
    Column("previous_release", Integer),
    Column("dag_version_id", Uuid, nullable=False),
    Column("bundle_version", VERSION),
    Column("created_at", UtcInstant, nullable=False),
    UniqueConstraint("dag_id", "release"),
    Index(None, "dag_version_id"),
    Index(None, "build_id"),
    comment="The ledger of releases. Its number is Airflow's dag_version.version_number.",
)

rejection = Table(
    "pinwheel_rejection",
    metadata,
    Column("id", SERIAL, primary_key=True, autoincrement=True),
    Column("dag_id", DAG_ID, nullable=False),
    Column("build_id", SERIAL, ForeignKey("pinwheel_build.id"), nullable=False),
    # Of a Dag that may differ at each parse: all builds of these inputs.
    Column("inputs_digest", DIGEST),
    # Both null: the build wherever it stands.
    Column("first_seq", Integer),
    Column("last_seq", Integer),
    Column("actor", String(250), nullable=False),
    Column("reason", Text),
    Column("at", UtcInstant, nullable=False),
    Column("lifted_at", UtcInstant),
    Column("lifted_by", String(250)),
    Column("lifted_reason", Text),
    Index(None, "dag_id"),
    Index(None, "build_id"),
    comment="What is never released by itself again, until the rejection is lifted.",
)

trial = Table(
    "pinwheel_trial",
    metadata,
    Column("dag_version_id", Uuid, primary_key=True),
    Column("dag_id", DAG_ID, nullable=False),
    Column("build_id", SERIAL, ForeignKey("pinwheel_build.id"), nullable=False),
    Column("bundle_version", VERSION),
    Column("created_at", UtcInstant, nullable=False),
    UniqueConstraint("dag_id", "build_id"),
    comment="Rows made in Airflow for runs of builds that were never released.",
)

binding = Table(
    "pinwheel_binding",
    metadata,
    Column("dag_id", DAG_ID, primary_key=True),
    Column("run_id", DAG_ID, primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("dag_version_id", Uuid),
    Column("bundle_version", VERSION),
    Column("bound_by", String(16), nullable=False),
    Column("actor", String(250)),
    Column("bound_at", UtcInstant, nullable=False),
    Column("release", Integer),
    Column("build_id", SERIAL),
    # The try number that each task had by then, of a further binding; null: it was not noted.
    Column("tries", PackedJson),
    # Counts anew for each seq: one that has not started may be bound again, and so may one that was moved.
    Column("part", Integer, primary_key=True, autoincrement=False, default=0, server_default="0"),
    # Of a run that was judged by its date: that date, which of its dates it is, and what was asked.
    Column("date", UtcInstant),
    Column("date_by", String(16)),
    Column("revision", Integer),
    Column("segment", Integer),
    comment="Which Dag version a run uses, from when on. seq is the run's clear_number.",
)

timeline = Table(
    "pinwheel_timeline",
    metadata,
    Column("dag_id", DAG_ID, primary_key=True),
    Column("revision", Integer, primary_key=True, autoincrement=False),
    Column("verb", String(16), nullable=False),
    Column("actor", String(250), nullable=False),
    Column("reason", Text),
    Column("at", UtcInstant, nullable=False),
    Column("request_id", String(64)),
    comment="Each change of a Dag's timeline: a revision is the whole of it, from then on.",
)

era = Table(
    "pinwheel_era",
    metadata,
    Column("dag_id", DAG_ID, primary_key=True),
    Column("revision", Integer, primary_key=True, autoincrement=False),
    # By their dates, from 0 on: an open start is null, which no key may be.
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("starts_at", UtcInstant),
    Column("ends_at", UtcInstant),
    Column("written_from", String(64)),
    Column("written_until", String(64)),
    Column("zone", String(64), nullable=False),
    Column("build_id", SERIAL, nullable=False),
    Column("build", Integer, nullable=False),
    Column("bundle_version", VERSION, nullable=False),
    Column("runtime", DIGEST),
    Column("since_revision", Integer, nullable=False),
    Index(None, "build_id"),
    comment="The eras of each revision: which place runs of a stretch of dates execute.",
)

segment = Table(
    "pinwheel_segment",
    metadata,
    Column("dag_id", DAG_ID, nullable=False),
    Column("build_id", SERIAL, primary_key=True, autoincrement=False),
    # From 1 on, never changed: the version row is number -(position * 1,000,000 + build).
    Column("position", Integer, primary_key=True, autoincrement=False),
    # False: all tasks without their dates, for an era that these would leave tasks out of.
    Column("stretch", Boolean, nullable=False, default=True, server_default=true()),
    Column("starts_at", UtcInstant),
    Column("absent", PackedJson, nullable=False),
    # Null: none was made yet, or runs of it take the build's own version row.
    Column("number", BigInteger),
    Column("dag_version_id", Uuid),
    Index(None, "dag_id"),
    Index(None, "dag_version_id"),
    comment="Builds whose tasks have dates: which of them are absent when, and the version row for that.",
)

start_rule = Table(
    "pinwheel_start_rule",
    metadata,
    Column("dag_id", DAG_ID, primary_key=True),
    Column("kind", String(16), primary_key=True),
    # Seconds that a run waits to be bound; null: without end.
    Column("patience", Float),
    Column("since", UtcInstant, nullable=False),
    comment="Dags whose runs are judged when they start, and by what.",
)

trial_parse = Table(
    "pinwheel_trial_parse",
    metadata,
    Column("build_id", SERIAL, primary_key=True, autoincrement=False),
    Column("bundle_version", VERSION, primary_key=True),
    # Null: nobody has looked yet.
    Column("ok", Boolean),
    # What is wrong, as problems are named, and in words.
    Column("problem", String(32)),
    Column("error", Text),
    # The runtime that it was parsed with, and of the serialized Dag that it gave, as of a build's own.
    Column("runtime", DIGEST),
    Column("digest", DIGEST),
    Column("asked_at", UtcInstant, nullable=False),
    Column("done_at", UtcInstant),
    comment="Whether a build can run at a version, as a Dag processor found it when it was asked.",
)

outcome = Table(
    "pinwheel_outcome",
    metadata,
    Column("dag_id", DAG_ID, primary_key=True),
    Column("run_id", DAG_ID, primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("state", String(16), nullable=False),
    Column("dag_version_id", Uuid),
    Column("release", Integer),
    Column("build_id", SERIAL),
    Column("ended_at", UtcInstant, nullable=False),
    # Null: nobody noted it.
    Column("started_at", UtcInstant),
    Column("how", String(16)),
    Index(None, "dag_id", "ended_at"),
    Index(None, "dag_id", "release"),
    Index(None, "dag_version_id"),
    Index(None, "ended_at"),
    comment="What each run came to, and on which release. seq is the run's clear_number. Append-only.",
)

request = Table(
    "pinwheel_request",
    metadata,
    Column("request_id", String(64), primary_key=True),
    Column("actor", String(250), nullable=False),
    Column("fingerprint", DIGEST, nullable=False),
    Column("verb", String(32), nullable=False),
    Column("dag_ids", PackedJson, nullable=False),
    # Null: it has begun, and its work commits by itself.
    Column("answer", PackedJson),
    Column("at", UtcInstant, nullable=False),
    Index(None, "at"),
    comment="Requests with an id that were carried out, and what was answered.",
)

lease = Table(
    "pinwheel_lease",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("holder", String(250), nullable=False),
    Column("until", UtcInstant, nullable=False),
    comment="Which process does a duty that one of several does, and until when (the database's clock).",
)

budget = Table(
    "pinwheel_budget",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("share", Float, nullable=False),
    Column("level", Float, nullable=False),
    # CPU seconds that one piece of the work takes, by those of late; null: none was done yet.
    Column("mean", Float),
    Column("at", UtcInstant, nullable=False),
    comment="CPU seconds that work in the background may use in the whole deployment.",
)

event = Table(
    "pinwheel_event",
    metadata,
    Column("id", SERIAL, primary_key=True, autoincrement=True),
    Column("at", UtcInstant, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("dag_id", DAG_ID),
    Column("bundle_name", BUNDLE),
    Column("actor", String(250), nullable=False),
    Column("reason", Text),
    Column("details", PackedJson, nullable=False),
    # What belongs together: a change, or what one bundle version brought; null: from before this was kept.
    Column("batch", String(64)),
    Index(None, "dag_id", "at"),
    Index(None, "at"),
    Index(None, "batch", "kind", "id"),
    comment="Append-only audit trail.",
)

rule = Table(
    "pinwheel_rule",
    metadata,
    Column("id", SERIAL, primary_key=True, autoincrement=True),
    Column("name", NAME, nullable=False),
    Column("kind", String(16), nullable=False),
    # Of the platform; null: somebody made it alone.
    Column("document", NAME),
    Column("position", Integer, nullable=False),
    Column("body", PackedJson, nullable=False),
    Column("actor", String(250), nullable=False),
    Column("reason", Text),
    Column("at", UtcInstant, nullable=False),
    Column("lifted_at", UtcInstant),
    Column("lifted_by", String(250)),
    Column("lifted_reason", Text),
    Index(None, "lifted_at"),
    comment="What is always in force for some Dags: windows, freezes, required gates. Lifted ones stay.",
)

policy = Table(
    "pinwheel_policy",
    metadata,
    Column("id", SERIAL, primary_key=True, autoincrement=True),
    # platform or repository, and the name of its document there or of the bundle
    Column("source", String(16), nullable=False),
    Column("document", NAME, nullable=False),
    Column("name", NAME, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("position", Integer, nullable=False),
    Column("body", PackedJson, nullable=False),
    Column("bundle_version", VERSION),
    Column("actor", String(250), nullable=False),
    Column("created_at", UtcInstant, nullable=False),
    Column("retired_at", UtcInstant),
    UniqueConstraint("source", "document", "name", "revision"),
    Index(None, "retired_at"),
    comment="Each revision of each policy. None is ever changed; one that is not in force is retired.",
)

rollout = Table(
    "pinwheel_rollout",
    metadata,
    Column("id", SERIAL, primary_key=True, autoincrement=True),
    Column("dag_id", DAG_ID, nullable=False),
    # ahead or watched; null: it has ended.
    Column("slot", String(16)),
    Column("build_id", SERIAL, nullable=False),
    Column("bundle_version", VERSION, nullable=False),
    Column("plan", PackedJson, nullable=False),
    Column("policy", NAME),
    Column("revision", Integer),
    Column("authors", PackedJson),
    Column("proven_build_id", SERIAL),
    Column("proven_version", VERSION),
    Column("began_at", UtcInstant, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("step", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    # What kind of step it is at, and the name of that, if it has one
    Column("at_step", String(16), nullable=False),
    Column("at_name", NAME),
    Column("since", UtcInstant, nullable=False),
    Column("cause", String(16)),
    Column("why", Text),
    Column("set_aside", UtcInstant),
    Column("paused_by", String(250)),
    Column("paused_at", UtcInstant),
    Column("asked_by", String(250)),
    Column("asked_at", UtcInstant),
    Column("not_before", UtcInstant),
    Column("knows_pin", Boolean, nullable=False),
    Column("promoters", PackedJson, nullable=False),
    Column("released_at", UtcInstant),
    Column("ended_at", UtcInstant),
    # When it is to be looked at; null: when something happens.
    Column("next_at", UtcInstant),
    # Of one that was released: the number of that, and the runs before it that its own are compared with
    Column("release", Integer),
    Column("before", PackedJson),
    UniqueConstraint("dag_id", "slot"),
    Index(None, "next_at"),
    Index(None, "build_id"),
    comment="Each place of a Dag on its way; slot is null once it has ended.",
)

signal = Table(
    "pinwheel_signal",
    metadata,
    Column("id", SERIAL, primary_key=True, autoincrement=True),
    Column("dag_id", DAG_ID, nullable=False),
    comment="Dags with a release under watch of which a run has ended: the keeper looks at them, and "
    "deletes these.",
)

verdict = Table(
    "pinwheel_verdict",
    metadata,
    Column("id", SERIAL, primary_key=True, autoincrement=True),
    Column("name", NAME, nullable=False),
    Column("answer", String(16), nullable=False),
    # What it is about: a place (dag_id, build_id, bundle_version), a version (bundle_name), or a digest
    Column("dag_id", DAG_ID),
    Column("build_id", SERIAL),
    Column("bundle_name", NAME),
    Column("bundle_version", VERSION),
    Column("digest", DIGEST),
    # A person's, and where the rollout was; null: it came from outside.
    Column("rollout_id", SERIAL),
    Column("step", Integer),
    Column("attempt", Integer),
    Column("actor", String(250), nullable=False),
    Column("reason", Text),
    Column("url", Text),
    Column("at", UtcInstant, nullable=False),
    Column("expires_at", UtcInstant),
    Index(None, "rollout_id"),
    Index(None, "build_id"),
    Index(None, "bundle_version"),
    Index(None, "digest"),
    comment="Verdicts on a place, a bundle version or a digest. Append-only.",
)

reconcile = define_reconcile(metadata)
"""Capsules, and the journal of walks: described where they are used."""
