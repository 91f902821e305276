"""Bindings and outcomes that nobody recorded in the scheduler's transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from pinwheel.core.run.binding import BoundBy, Present, Tries
from pinwheel.core.run.mark import is_marked
from pinwheel.services.ports.host import Host
from pinwheel.services.ports.reads import UnrecordedRun
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
        runs = _of_nobody(session, host.reads.unrecorded_runs(session, limit, watched))
        seen = {(run.dag_id, run.run_id) for run in runs if run.id in watched}
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

        return bindings.add_all(session, unchosen(session, new, host.reads.present, late))

    recorded = host.unit.run(work)
    running = host.unit.run(host.reads.running_runs)
    watched.clear()
    watched.update(running)
    return recorded


def _of_nobody(session: Session, runs: Sequence[UnrecordedRun]) -> list[UnrecordedRun]:
    """Those that the keeper does not see to: a run that is judged by its date need not be where it should."""
    plain = [run for run in runs if not is_marked(run.bundle_version)]
    dated = start_rules.dated(session, {run.dag_id for run in plain}) if plain else set()
    return [run for run in plain if run.dag_id not in dated]


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
