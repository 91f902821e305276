"""Which runs wait to be bound, and why: the one answer for pages, the command line, health and events."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from attrs import frozen

from pinwheel.core.event import EventKind
from pinwheel.core.run.resolve import Wait
from pinwheel.services.ports.host import Host
from pinwheel.services.ports.reads import JudgedRun
from pinwheel.services.run.judging import facts_of
from pinwheel.store import events

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

LOOKED_AT = 200
"""So many of the oldest runs that are not bound are judged to say why they wait."""


@frozen(kw_only=True)
class WaitingRun:
    """A queued run that is not to start yet."""

    dag_id: str
    run_id: str
    since: datetime | None
    """When it was queued, or cleared."""
    why: str
    until: datetime | None
    """When it starts at the latest; None: when what it waits for is there."""
    backfill: bool
    """It is a backfill's, and goes behind the others of that."""


def waiting_runs(host: Host, session: Session, dag_ids: Collection[str] | None = None) -> list[WaitingRun]:
    """Of the oldest queued runs that are not bound (of these Dags, or of all) those that can not be."""
    return why_waiting(
        host, session, host.reads.unbound_runs(session, ["queued"], LOOKED_AT, dag_ids=dag_ids)
    )


def why_waiting(host: Host, session: Session, runs: Sequence[JudgedRun]) -> list[WaitingRun]:
    """Those of these queued runs that can not be bound now, by what they are judged by and what was tried."""
    now, by_id = host.unit.now(), {run.id: run for run in runs}
    waits: dict[int, tuple[str, datetime | None]] = {}
    for case in facts_of(host, session, by_id) if runs else ():
        ruling = case.ruling(now)
        if isinstance(ruling, Wait):
            waits[case.run.id] = (ruling.why, ruling.until)
    tried = refused(session, [run for run in runs if run.id not in waits])
    waits |= {run_id: (why, None) for run_id, why in tried.items()}
    return [
        WaitingRun(
            dag_id=run.dag_id,
            run_id=run.run_id,
            since=run.queued_at,
            why=waits[run.id][0],
            until=waits[run.id][1],
            backfill=run.backfill_id is not None,
        )
        for run in runs
        if run.id in waits
    ]


def refused(session: Session, runs: Sequence[JudgedRun]) -> dict[int, str]:
    """By row id, why the last try to bind a run failed, of those runs for which that was told."""
    found: dict[int, str] = {}
    for dag_id in sorted({run.dag_id for run in runs}):
        queued = [run.queued_at for run in runs if run.dag_id == dag_id]
        since = None if None in queued else min(at for at in queued if at is not None)
        last = {
            (event.details.get("run_id"), event.details.get("clear_number")): event.reason or ""
            for event in events.of_kind(session, dag_id, EventKind.RUN_WAITS, since=since)
        }
        for run in runs:
            if run.dag_id == dag_id and (why := last.get((run.run_id, run.clear_number))) is not None:
                found[run.id] = why
    return found
