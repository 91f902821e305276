"""In which bundle versions each build stood, and which one new runs take.

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pinwheel.store.types import PackedJson, UtcInstant

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
BUILD = sa.table(
    "pinwheel_build",
    *map(sa.column, ("id", "dag_id", "bundle_name", "bundle_version")),
)
AGAIN = sa.table("pinwheel_build_version", *map(sa.column, ("build_id", "bundle_name", "bundle_version")))
VERSION = sa.table("pinwheel_bundle_version", *map(sa.column, ("bundle_name", "version", "seq")))
BUNDLE = sa.table("pinwheel_bundle", *map(sa.column, ("name", "head_seq", "before_version")))
FILE = sa.table(
    "pinwheel_file",
    *map(sa.column, ("bundle_name", "relative_fileloc", "seq", "error", "pending_seq")),
    sa.column("dag_ids", PackedJson()),
)
DAG = sa.table(
    "pinwheel_dag",
    *map(
        sa.column,
        (
            "dag_id",
            "bundle_name",
            "relative_fileloc",
            "newest_build_id",
            "released_version",
            "row_version",
        ),
    ),
)
STAND = sa.table(
    "pinwheel_stand",
    *map(
        sa.column,
        ("dag_id", "bundle_name", "first_seq", "build_id", "last_seq", "last_version", "verified_seq"),
    ),
)


def upgrade() -> None:
    op.create_table(
        "pinwheel_stand",
        sa.Column("dag_id", sa.String(length=250), nullable=False),
        sa.Column("bundle_name", sa.String(length=250), nullable=False),
        sa.Column("first_seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("build_id", SERIAL, nullable=False),
        sa.Column("last_seq", sa.Integer(), nullable=True),
        sa.Column("last_version", sa.String(length=250), nullable=True),
        sa.Column("verified_seq", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("dag_id", "bundle_name", "first_seq", name=op.f("pinwheel_stand_pkey")),
        comment="The heads of its bundle, from one to another, in which a build stood; no end: it stands.",
    )
    op.create_index(op.f("pinwheel_stand_build_id_idx"), "pinwheel_stand", ["build_id"])
    op.add_column("pinwheel_bundle", sa.Column("before_version", sa.String(length=250), nullable=True))
    op.add_column("pinwheel_file", sa.Column("pending_seq", sa.Integer(), nullable=True))
    op.execute("ALTER TABLE pinwheel_dag RENAME COLUMN projected_version TO released_version")
    for name in ("row_version", "follow_version", "follow_before"):
        op.add_column("pinwheel_dag", sa.Column(name, sa.String(length=250), nullable=True))
    # Until the first follow, the row says what was released.
    op.execute(DAG.update().values(row_version=DAG.c.released_version))
    _fill()
    _wait()
    op.drop_table("pinwheel_build_version")


def _fill() -> None:
    """What is known of the past: the heads that showed a build one by one, and that the newest stand."""
    connection = op.get_bind()
    shown = sa.union_all(
        sa.select(BUILD.c.id, BUILD.c.dag_id, BUILD.c.bundle_name, BUILD.c.bundle_version),
        sa.select(BUILD.c.id, BUILD.c.dag_id, AGAIN.c.bundle_name, AGAIN.c.bundle_version).join(
            AGAIN, AGAIN.c.build_id == BUILD.c.id
        ),
    ).subquery()
    seen = (
        sa.select(
            shown.c.dag_id,
            shown.c.bundle_name,
            VERSION.c.seq.label("first_seq"),
            sa.func.max(shown.c.id),
            VERSION.c.seq.label("last_seq"),
            VERSION.c.version,
            VERSION.c.seq.label("verified_seq"),
        )
        .join(
            VERSION,
            sa.and_(
                VERSION.c.bundle_name == shown.c.bundle_name, VERSION.c.version == shown.c.bundle_version
            ),
        )
        .where(VERSION.c.seq > 0)
        .group_by(shown.c.dag_id, shown.c.bundle_name, VERSION.c.seq, VERSION.c.version)
    )
    columns = [column.name for column in STAND.c]
    connection.execute(STAND.insert().from_select(columns, seen))
    later = STAND.alias("later")
    is_last = ~(
        sa.select(sa.literal(1))
        .select_from(later)
        .where(
            later.c.dag_id == STAND.c.dag_id,
            later.c.bundle_name == STAND.c.bundle_name,
            later.c.first_seq > STAND.c.first_seq,
        )
        .correlate(STAND)
        .exists()
    )
    its_file = (
        sa.select(STAND.c.dag_id, STAND.c.bundle_name, STAND.c.first_seq, FILE.c.dag_ids)
        .join(
            DAG,
            sa.and_(
                DAG.c.dag_id == STAND.c.dag_id,
                DAG.c.bundle_name == STAND.c.bundle_name,
                DAG.c.newest_build_id == STAND.c.build_id,
            ),
        )
        .join(
            FILE,
            sa.and_(
                FILE.c.bundle_name == DAG.c.bundle_name, FILE.c.relative_fileloc == DAG.c.relative_fileloc
            ),
        )
        .where(is_last, FILE.c.error.is_(None))
    )
    # Of one whose file is broken, is gone, or does not hold it any more, it does not stand in the head.
    last = [row for row in connection.execute(its_file) if row[0] in row[3]]
    if last:
        connection.execute(
            STAND.update()
            .where(
                STAND.c.dag_id == sa.bindparam("of_dag"),
                STAND.c.bundle_name == sa.bindparam("of_bundle"),
                STAND.c.first_seq == sa.bindparam("at"),
            )
            .values(last_seq=None, last_version=None),
            [{"of_dag": row[0], "of_bundle": row[1], "at": row[2]} for row in last],
        )


def _wait() -> None:
    """What files give in the head that were not looked at in it is not known."""
    head_seq = sa.select(BUNDLE.c.head_seq).where(BUNDLE.c.name == FILE.c.bundle_name).scalar_subquery()
    op.execute(FILE.update().where(FILE.c.seq < head_seq).values(pending_seq=head_seq))
    before = (
        sa.select(sa.func.max(VERSION.c.version))
        .where(VERSION.c.bundle_name == BUNDLE.c.name, VERSION.c.seq == BUNDLE.c.head_seq - 1)
        .where(VERSION.c.seq > 0)
        .scalar_subquery()
    )
    op.execute(BUNDLE.update().values(before_version=before))


def downgrade() -> None:
    """New runs take the version of their release again; that builds stood in others stays known."""
    made = op.create_table(
        "pinwheel_build_version",
        sa.Column("build_id", SERIAL, nullable=False),
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
    seen = sa.table(
        "pinwheel_bundle_version", *map(sa.column, ("bundle_name", "version", "seq", "first_seen_at"))
    )
    stood = (
        sa.select(STAND.c.build_id, seen.c.bundle_name, seen.c.version, sa.func.max(seen.c.first_seen_at))
        .join(
            seen,
            sa.and_(
                seen.c.bundle_name == STAND.c.bundle_name,
                # Which of them was the last is all that the older code asks.
                sa.or_(seen.c.seq == STAND.c.first_seq, seen.c.version == STAND.c.last_version),
            ),
        )
        .join(BUILD, BUILD.c.id == STAND.c.build_id)
        .where(BUILD.c.bundle_version != seen.c.version)
        .group_by(STAND.c.build_id, seen.c.bundle_name, seen.c.version)
    )
    op.execute(made.insert().from_select([column.name for column in made.c], stood))
    op.drop_table("pinwheel_stand")
    for table, columns in (
        ("pinwheel_bundle", ["before_version"]),
        ("pinwheel_file", ["pending_seq"]),
        ("pinwheel_dag", ["follow_before", "follow_version", "row_version"]),
    ):
        with op.batch_alter_table(table) as batch:
            for name in columns:
                batch.drop_column(name)
    op.execute("ALTER TABLE pinwheel_dag RENAME COLUMN released_version TO projected_version")
