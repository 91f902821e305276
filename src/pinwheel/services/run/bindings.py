"""Bindings and outcomes that nobody recorded in the scheduler's transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from pinwheel.core.run.binding import BoundBy, Present, Tries
from pinwheel.core.run.mark import is_marked
from pinwheel.core.run.resolve import Bind
from pinwheel.services.ports.host import Host
from pinwheel.services.run import judging
from pinwheel.services.run.bound_again import unchosen
from pinwheel.store import bindings, outcomes, start_rules
from pinwheel.store.bindings import NewBinding

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

LATELY = 200
"""So many of the newest runs are looked at for an end that nobody recorded."""


def record_bindings(host: Host, watched: set[int] | None = None, *, limit: int = 500) -> int:
    """Record the version of running runs that no scheduler recorded (rebound while running, say).

    In force from when the run was queued or cleared. ``watched`` keeps which runs ran when they were looked
    at last: one that was rebound and ended since is recorded too. Tasks of a run that was watched may have
    gone on by one try since it was bound again, those of another by any number.
    """
    watched = set() if watched is None else watched

    def work(session: Session) -> int:
        now = host.unit.now()
        found = host.reads.unrecorded_runs(session, limit, watched)
        seen = {(run.dag_id, run.run_id) for run in found if run.id in watched}
        dated = start_rules.dated(session, {run.dag_id for run in found}) if found else set()
        runs = [run for run in found if run.dag_id not in dated]
        new = [
            NewBinding(
                dag_id=run.dag_id,
                run_id=run.run_id,
                seq=run.clear_number,
                dag_version_id=run.dag_version_id,
                bundle_version=run.bundle_version,
                bound_by=BoundBy.ACTIVE,
                bound_at=min(run.queued_at or now, now),
            )
            for run in runs
            # One with the mark is not bound to anything yet.
            if not is_marked(run.bundle_version)
        ]

        def late(one: NewBinding, present: Sequence[Present]) -> Tries:
            return Tries.of(present, late=True, sure=(one.dag_id, one.run_id) in seen)

        by_date = _as_they_stand(host, session, {run.id for run in found if run.dag_id in dated}, watched)
        return by_date + bindings.add_all(session, unchosen(session, new, host.reads.present, late))

    recorded = host.unit.run(work)
    running = host.unit.run(host.reads.running_runs)
    watched.clear()
    watched.update(running)
    return recorded


def _as_they_stand(host: Host, session: Session, ids: Collection[int], watched: Collection[int]) -> int:
    """Record those of these runs that are judged by their dates and stand where they are to stand.

    The others are no bindings: they were moved while they ran, and the keeper moves them back.
    """
    if not ids:
        return 0
    now = host.unit.now()
    recorded = 0
    for case in judging.facts_of(host, session, ids):
        ruling = case.ruling(now)
        if isinstance(ruling, Bind) and case.stands_on(ruling):
            judging.record_as_it_stands(host, session, case, ruling, late=True, sure=case.run.id in watched)
            recorded += 1
    return recorded


def record_outcomes(
    host: Host, watched: Collection[int] = (), *, newest: int = LATELY, limit: int = 500
) -> int:
    """Record what runs came to that ended without a listener: by hand, or while our tables were missing.

    Looks at so many of the newest runs, and at those of the ids *watched*, which ran a moment ago. Returns
    how many it recorded; when that is *limit*, there may be more.
    """
    return host.unit.run(
        lambda session: outcomes.add_all(
            session, host.reads.unrecorded_outcomes(session, limit, watched, newest)
        )
    )
