"""What a walk down destroys: tables and columns that the older schema has no place for."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import sqlalchemy as sa
from attrs import frozen
from sqlalchemy.engine import Connection

from pinwheel.reconcile.capsule import Schema

_FOREIGN = ("pinwheel_", "alembic_version", "ab_", "celery_", "edge_", "_airflow_", "session", "sqlite_")
"""Beginnings of the names of tables that Airflow's migrations do not own."""


@frozen
class Carried:
    """Where a migration puts what it takes away. ``lost``: a condition for the rows that it does not."""

    where: str
    lost: str | None = None


# By the revision whose undoing carries the contents over. What is not named here is reported as lost.
_EARLIER = "task_instance_id IN (SELECT id FROM task_instance WHERE working_set IS NULL)"
_NEXT_PARSE = Carried("the next parse of the Dag's file writes it again")
CARRIED: dict[str, dict[str, Carried]] = {
    "9fabad868fdb": {"dag.timetable_periodic": _NEXT_PARSE},
    "c20871fbf23a": {"dag.partition_mapper_info": _NEXT_PARSE},
    "90e4d18ccadf": {"dag.timetable_asset_gated": _NEXT_PARSE},
    "b2f1a9c7d4e0": {
        "asset_dag_run_queue.asset_event_id": Carried(
            "several waiting events of an asset become one, as the older Airflow counts them"
        )
    },
    "3b7a91c5df20": {"xcom.mapped_length": Carried("task_map")},
    "e7c2a91bd540": {
        "task_instance.working_set": Carried("archived tries become rows of task_instance_history"),
        "xcom_v1": Carried("renamed to xcom"),
        "rtif_v1": Carried("renamed to rendered_task_instance_fields"),
        "xcom_v2": Carried("xcom, for the latest try of each task", _EARLIER),
        "rtif_v2": Carried("rendered_task_instance_fields, for the latest try of each task", _EARLIER),
        "legacy_task_data_owner": Carried("only says which tries the old tables belong to"),
    },
    "7f8c9a2d410e": {
        "task_instance.region_index": Carried("renamed to map_index"),
        "task_state_store.region_index": Carried("renamed to map_index"),
    },
}


@frozen(kw_only=True)
class Loss:
    """One table or column that goes. ``held``: rows in which it holds something other than its default."""

    table: str
    column: str | None = None
    rows: int
    held: int
    carried: str | None = None
    where: str | None = None
    """The condition that makes a row one of the held ones; None for all rows."""

    @property
    def name(self) -> str:
        return f"{self.table}.{self.column}" if self.column else self.table

    @property
    def counts(self) -> bool:
        """Something would be gone for good."""
        return self.held > 0

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "kind": "column" if self.column else "table",
            "rows": self.rows,
            "rows_with_a_value": self.held,
            "carried": self.carried,
        }


def find(connection: Connection, before: Schema | None, after: Schema, undone: Collection[str]) -> list[Loss]:
    """Everything that the database has and the older schema has not, sorted by name.

    ``before`` is the newer schema, None when nobody here knows it; ``undone`` the revisions to be undone.
    """
    inspector = sa.inspect(connection)
    carried = {
        name: how
        for revision, entries in CARRIED.items()
        if revision in undone
        for name, how in entries.items()
    }
    found: list[Loss] = []
    for table in sorted(inspector.get_table_names()):
        if table.startswith(_FOREIGN):
            continue
        columns = inspector.get_columns(table)
        if table in after:
            gone = [c for c in columns if c["name"] not in after[table]]
            if gone:
                found += _columns(connection, table, gone, carried)
        elif before is None or table in before:
            found.append(_table(connection, table, carried.get(table)))
    return found


def not_accepted(losses: Iterable[Loss], accepted: Collection[str]) -> list[Loss]:
    """Those that nobody agreed to lose. ``all`` agrees to everything, a table to each of its columns."""
    return [
        loss
        for loss in losses
        if loss.counts and not {"all", loss.name, loss.table} & {name.strip() for name in accepted}
    ]


def _table(connection: Connection, table: str, how: Carried | None) -> Loss:
    quoted = _quote(connection, table)
    rows = _count(connection, f"SELECT count(*) FROM {quoted}")
    if how is None:
        return Loss(table=table, rows=rows, held=rows)
    held = _count(connection, f"SELECT count(*) FROM {quoted} WHERE {how.lost}") if how.lost else 0
    return Loss(table=table, rows=rows, held=held, carried=how.where, where=how.lost)


def _columns(
    connection: Connection, table: str, columns: list[Any], carried: dict[str, Carried]
) -> Iterable[Loss]:
    conditions = {column["name"]: _holds(connection, column) for column in columns}
    counted = ", ".join(f"sum(CASE WHEN {condition} THEN 1 ELSE 0 END)" for condition in conditions.values())
    row = connection.execute(
        sa.text(f"SELECT count(*), {counted} FROM {_quote(connection, table)}".replace(":", "\\:"))
    ).one()
    for (column, condition), held in zip(conditions.items(), row[1:], strict=True):
        how = carried.get(f"{table}.{column}")
        yield Loss(
            table=table,
            column=column,
            rows=row[0],
            held=0 if how else int(held or 0),
            carried=how.where if how else None,
            where=condition,
        )


def _holds(connection: Connection, column: Any) -> str:
    """SQL that is true where the column holds something other than nothing and its default."""
    name = _quote(connection, column["name"])
    as_text = f"CAST({name} AS {'CHAR' if connection.dialect.name in ('mysql', 'mariadb') else 'TEXT'})"
    condition = f"{name} IS NOT NULL"
    if isinstance(column["type"], sa.JSON):
        condition += f" AND {as_text} <> 'null'"
    default = column.get("default")
    if default is not None and connection.dialect.name == "postgresql":
        condition += f" AND {as_text} <> CAST(({default}) AS TEXT)"
    elif default is not None:
        bare = str(default).strip("()'\"")
        condition += f" AND {as_text} <> '{bare}'"
    return condition


def _count(connection: Connection, statement: str) -> int:
    return int(connection.scalar(sa.text(statement)) or 0)


def _quote(connection: Connection, name: str) -> str:
    return connection.dialect.identifier_preparer.quote(name)
