"""Who still writes to the database: nobody may while its schema changes."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from attrs import frozen
from sqlalchemy.engine import Connection, Engine

from pinwheel.core.errors import Refused
from pinwheel.reconcile.database import connected
from pinwheel.reconcile.strategy import Say

_POLL_SECONDS = 1.0


@frozen
class Writer:
    """A component, or a task at work, that gave a sign of life a short time ago."""

    kind: str
    name: str
    seconds_ago: float

    def __str__(self) -> str:
        return f"{self.kind} {self.name} ({self.seconds_ago:.0f} s ago)"


def alive(
    connection: Connection, *, component_seconds: float, task_seconds: float, now: datetime
) -> list[Writer]:
    """Schedulers, triggerers, Dag processors, and tasks at work (so their workers), by their heartbeats.

    API servers and idle Celery workers give none: they are the operator's to stop.
    """
    inspector = sa.inspect(connection)
    found = []
    if inspector.has_table("job"):
        rows = connection.execute(
            sa.text(
                "SELECT job_type, hostname, latest_heartbeat FROM job WHERE state = 'running' "
                "AND latest_heartbeat > :since ORDER BY job_type, hostname"
            ).columns(latest_heartbeat=sa.DateTime(timezone=True)),
            {"since": _instant(connection, now - timedelta(seconds=component_seconds))},
        )
        found += [
            Writer(row.job_type or "job", row.hostname or "?", _age(row.latest_heartbeat, now))
            for row in rows
        ]
    if inspector.has_table("task_instance"):
        rows = connection.execute(
            sa.text(
                "SELECT dag_id, task_id, run_id, last_heartbeat_at FROM task_instance "
                "WHERE state = 'running' AND last_heartbeat_at > :since ORDER BY dag_id, task_id, run_id"
            ).columns(last_heartbeat_at=sa.DateTime(timezone=True)),
            {"since": _instant(connection, now - timedelta(seconds=task_seconds))},
        )
        found += [
            Writer("task", f"{row.dag_id}.{row.task_id} of {row.run_id}", _age(row.last_heartbeat_at, now))
            for row in rows
        ]
    return found


def require_none(
    engine: Engine,
    *,
    component_seconds: float,
    task_seconds: float,
    wait_seconds: float,
    say: Say,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> None:
    """Wait until nobody writes any more, at most so long.

    :raises Refused: somebody still does.
    """
    until = time.monotonic() + wait_seconds
    told = 0
    while True:
        with connected(engine) as connection:
            found = alive(
                connection, component_seconds=component_seconds, task_seconds=task_seconds, now=clock()
            )
        if not found:
            return
        if time.monotonic() >= until:
            shown = "; ".join(map(str, found[:5])) + (f" and {len(found) - 5} more" if len(found) > 5 else "")
            raise Refused(
                "Cannot change the schema while Airflow writes",
                found=f"signs of life of {shown}",
                remedy="Stop schedulers, triggerers, Dag processors, workers and API servers, and repeat; "
                "--wait-for-writers 5m waits for them to end",
            )
        if len(found) != told:
            say(f"Waiting for {len(found)} writers to end: {', '.join(str(w) for w in found[:3])}")
            told = len(found)
        time.sleep(_POLL_SECONDS)


def _instant(connection: Connection, at: datetime) -> datetime | str:
    # SQLite compares texts, and has them without an offset.
    return at.strftime("%Y-%m-%d %H:%M:%S.%f") if connection.dialect.name == "sqlite" else at


def _age(heartbeat: datetime, now: datetime) -> float:
    return (now - (heartbeat if heartbeat.tzinfo else heartbeat.replace(tzinfo=UTC))).total_seconds()
