"""Thousands of live rollouts without as many pushes: copies of one, each of a Dag of its own."""

from __future__ import annotations

import sqlalchemy as sa

from pinwheel.store import tables as t


def copy_rollout(engine: sa.Engine, count: int, *, dag_id: str, of: str = "copy_{}") -> None:
    """Let so many other Dags have the live rollout of this one, due when it is; their rows are copies too."""
    with engine.begin() as connection:
        for table in (t.dag, t.rollout):
            row = dict(connection.execute(sa.select(table).where(table.c.dag_id == dag_id)).mappings().one())
            row.pop("id", None)
            rows = [{**row, "dag_id": of.format(number)} for number in range(count)]
            connection.execute(sa.insert(table), rows)


def give_rollouts(engine: sa.Engine, dag_ids: list[str], *, of: str) -> None:
    """Let these Dags have the live rollout that *of* has, each on its own newest build."""
    with engine.begin() as connection:
        found = sa.select(t.rollout).where(t.rollout.c.dag_id == of)
        row = dict(connection.execute(found).mappings().one())
        row.pop("id")
        newest = sa.select(t.dag.c.dag_id, t.dag.c.newest_build_id).where(t.dag.c.dag_id.in_(dag_ids))
        rows = [
            {**row, "dag_id": each.dag_id, "build_id": each.newest_build_id}
            for each in connection.execute(newest)
        ]
        connection.execute(sa.insert(t.rollout), rows)
