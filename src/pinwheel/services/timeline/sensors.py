"""Sensors of other Dags that wait for a task which is not there at the date of their data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from pinwheel.core.run.presence import Presence, builds_by_date, missing, presences
from pinwheel.core.run.timeline import Era, span_words
from pinwheel.core.structure.sensors import Awaited, awaited
from pinwheel.core.structure.windows import has_windows
from pinwheel.services import once
from pinwheel.services.ports.host import Host
from pinwheel.services.timeline.known import Known, edge_words
from pinwheel.services.timeline.views import SensorView
from pinwheel.store import builds, segments

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

NAMED = 5
"""So many sensors are named in a plan."""


def waiting_in_vain(
    host: Host, session: Session, dag: Known, eras: Sequence[Era], sees: once.Sees
) -> tuple[SensorView, ...]:
    """By the newest forms of the Dags that *sees* lets through, their own windows left aside.

    Of a Dag that has the same tasks at all dates nothing is read.
    """
    there = _presences(session, dag, eras)
    return _in_vain(dag, eras, there, _awaited(host, session, dag, sees)) if there else ()


def _presences(session: Session, dag: Known, eras: Sequence[Era]) -> tuple[Presence, ...]:
    """What the Dag has at which dates; empty: the same at all of them."""
    by_date = builds_by_date(eras, dag.active.id if dag.active is not None else None)
    ids = {build_id for _, build_id in by_date}
    stretches = segments.stretches_of(session, ids)
    if len(ids) < 2 and not any(map(has_windows, stretches.values())):
        return ()
    there = presences(by_date, builds.serialized(session, ids), stretches)
    return there if len({(one.tasks, one.groups) for one in there}) > 1 else ()


def _awaited(host: Host, session: Session, dag: Known, sees: once.Sees) -> list[tuple[str, Awaited]]:
    """What sensors of other Dags wait for, each with its Dag."""
    readable = sees(sorted(host.reads.may_wait_for(session, dag.dag_id)))
    return [
        (other.dag_id, what)
        for other in (host.reads.airflow_dags(session, sorted(readable)) if readable else ())
        if not other.is_stale and other.serialized is not None
        for what in awaited(other.serialized, dag.dag_id)
    ]


def _in_vain(
    dag: Known, eras: Sequence[Era], there: Sequence[Presence], waiting: Iterable[tuple[str, Awaited]]
) -> tuple[SensorView, ...]:
    written = {
        edge: words
        for era in eras
        for edge, words in ((era.starts_at, era.written_from), (era.ends_at, era.written_until))
    }
    return tuple(
        SensorView(
            dag_id=dag_id,
            task_id=what.sensor,
            waits_for=what.name,
            from_=edge_words(written.get(dates.starts_at), dates.starts_at, dag.zone),
            until=edge_words(written.get(dates.ends_at), dates.ends_at, dag.zone),
            starts_at=dates.starts_at,
            ends_at=dates.ends_at,
        )
        for dag_id, what in waiting
        for dates in missing(what, there)
    )


def new_in_vain(
    host: Host, session: Session, dag: Known, eras: Sequence[Era], sees: once.Sees
) -> tuple[str, ...]:
    """A sentence for each sensor that would wait in vain with these eras, and does not now."""
    there = _presences(session, dag, eras)
    waiting = _awaited(host, session, dag, sees) if there else []
    found = _in_vain(dag, eras, there, waiting)
    known = set(_in_vain(dag, dag.eras, _presences(session, dag, dag.eras), waiting)) if found else set()
    new = [one for one in found if one not in known]
    said = [
        f"{one.dag_id} waits with {one.task_id} for {one.waits_for}, which is not there at "
        f"{span_words(one.from_, one.until)}: until its timeout"
        for one in new[:NAMED]
    ]
    return (*said, *([f"and so do {len(new) - NAMED} more sensors"] if new[NAMED:] else []))
