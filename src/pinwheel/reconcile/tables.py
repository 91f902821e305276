"""The two tables of ours that a downgrade stands on: capsules, and the journal of walks.

They are part of Pinwheel's schema (``store.tables`` takes them in), but they are also made by themselves on
an Airflow that is too old for the rest. A walk down of Airflow's tables leaves them where they are.
"""

from __future__ import annotations

from attrs import frozen
from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.engine import Connection

INSTANT = (
    DateTime(timezone=True)
    .with_variant(mysql.TIMESTAMP(fsp=6), "mysql")
    .with_variant(mysql.TIMESTAMP(fsp=6), "mariadb")
)
BYTES = LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql").with_variant(mysql.MEDIUMBLOB(), "mariadb")
SERIAL = BigInteger().with_variant(Integer, "sqlite")
REVISION = String(64)
AIRFLOW_VERSION = String(64)


@frozen
class Tables:
    """Our two tables in one ``MetaData``."""

    capsule: Table
    journal: Table

    @property
    def names(self) -> frozenset[str]:
        return frozenset({self.capsule.name, self.journal.name})


def define(metadata: MetaData) -> Tables:
    """Put both tables into *metadata*."""
    capsule = Table(
        "pinwheel_capsule",
        metadata,
        Column("id", SERIAL, primary_key=True, autoincrement=True),
        Column("airflow_version", AIRFLOW_VERSION, nullable=False),
        Column("revision", REVISION, nullable=False),
        Column("stored_at", INSTANT, nullable=False),
        Column("header", Text, nullable=False),
        Column("key_id", String(16), nullable=False),
        Column("signature", String(64), nullable=False),
        Column("archive", BYTES, nullable=False),
        UniqueConstraint("airflow_version", "revision"),
        comment="The migration code of each Airflow that migrated this database, signed.",
    )
    journal = Table(
        "pinwheel_reconcile",
        metadata,
        Column("id", SERIAL, primary_key=True, autoincrement=True),
        Column("state", String(16), nullable=False),
        Column("started_at", INSTANT, nullable=False),
        Column("ended_at", INSTANT),
        Column("from_revision", REVISION, nullable=False),
        Column("from_version", AIRFLOW_VERSION, nullable=False),
        Column("to_revision", REVISION, nullable=False),
        Column("to_version", AIRFLOW_VERSION, nullable=False),
        Column("strategy", String(16), nullable=False),
        Column("host", String(250), nullable=False),
        Column("snapshot", Text),
        Column("message", Text),
        comment="Walks of Airflow's schema, begun and ended; a killed one is taken up again.",
    )
    return Tables(capsule, journal)


own = MetaData(
    naming_convention={"pk": "%(table_name)s_pkey", "uq": "%(table_name)s_%(column_0_N_name)s_key"}
)
tables = define(own)


def ensure(connection: Connection) -> None:
    """Create what is missing of the two, in the caller's transaction. Safe to repeat."""
    own.create_all(connection, checkfirst=True)
