"""What the keeper does for runs: binds them ahead, tells which wait, mends those that run elsewhere.

Each run is bound in a transaction of its own, under the lock of its Dag and its own, so that it is bound once
whatever else goes on: a release or a timeline changes what it is judged by before or after, a scheduler that
starts it has it to itself, and what fails of one run is undone with nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from pinwheel.core.chunks import chunks
from pinwheel.core.errors import PinwheelError
from pinwheel.core.event import EventKind
from pinwheel.core.json import Json
from pinwheel.core.run.binding import BoundBy
from pinwheel.core.run.mark import is_marked
from pinwheel.core.run.resolve import Bind, Wait
from pinwheel.services.audit import Told, tell
from pinwheel.services.ports.host import Host
from pinwheel.services.ports.reads import JudgedRun
from pinwheel.services.release.dated import settle_mark
from pinwheel.services.release.outcome import ACTOR
from pinwheel.services.run.by_date import ruled
from pinwheel.services.run.judging import Case, carry_out, facts_of, record_as_it_stands
from pinwheel.store import bindings, events, start_rules
from pinwheel.store.bindings import NewBinding
from pinwheel.store.locking import lock_dags

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

A_TURN = 25
"""So many runs are bound in one turn."""
RETRY = 30.0
"""Seconds after which a run that waits is looked at again."""
SOON = 1.0
"""The same of a running run that can not be bound at once, since its tasks fail meanwhile: twice as long each
time, up to :data:`RETRY`."""
_SEEN = 2000
_REMEMBERED = 10_000
MARKED_AGAIN = timedelta(seconds=60)
"""So long after a Dag's runs began to be judged some may be born unmarked: made by who read it before."""
NEWEST = 10_000
"""So many of the newest runs of all Dags are looked at for those that ended unbound."""
LATELY = timedelta(minutes=10)
"""Runs that ended so long ago with the mark were told, or nobody was there to tell it."""


@frozen(kw_only=True)
class _Next:
    """When something is looked at again, so many seconds after the last time."""

    at: float
    after: float


@define
class Keeping:
    """The duties, with what a keeper remembers between turns. Another one starts without, and is right."""

    host: Host
    clock: Callable[[], float]
    leaves: timedelta = timedelta(0)
    """So long a queued run is left to whoever makes it, and to the scheduler, which binds what it starts. On
    SQLite Airflow's backfills are visible run by run while they are made, and fail when another one writes.
    """
    _queued: dict[int, _Next] = field(factory=dict, init=False)
    """By row id of a queued run that waits: when it is looked at next."""
    _running: dict[int, _Next] = field(factory=dict, init=False)
    """The same of running ones that can not be bound."""
    _told: set[tuple[int, int, str]] = field(factory=set, init=False)
    """Row id, clear number and reason or kind of what this keeper saw told."""

    def bind_ahead(self) -> int:
        """Bind runs that wait in the queue; how many are bound."""
        now = self.clock()
        limit = min(_SEEN, A_TURN + len(self._queued))
        found = self.host.unit.run(lambda s: self.host.reads.unbound_runs(s, ["queued"], limit))
        _forget(self._queued, found, limit)
        before = self.host.unit.now() - self.leaves
        due = [
            run
            for run in found
            if _is_due(self._queued, run, now) and (run.queued_at is None or run.queued_at <= before)
        ][:A_TURN]
        return self._each(due, self._bind_queued, self._queued, first=RETRY)

    def mend_running(self) -> int:
        """Bind running runs that stand elsewhere than they were bound to; how many were."""
        now = self.clock()
        limit = min(_SEEN, A_TURN * 4 + len(self._running))
        found = self.host.unit.run(lambda s: self.host.reads.astray_runs(s, limit))
        _forget(self._running, found, limit)
        due = [run for run in found if _is_due(self._running, run, now)][: A_TURN * 4]
        return self._each(due, self._mend, self._running, first=SOON)

    def tell_ended(self) -> int:
        """Tell of runs that ended without ever having been bound; how many are told for the first time."""
        found = self.host.unit.run(self._ended)
        new = [run for run in found if (run.id, run.clear_number, _UNBOUND) not in self._told]

        def work(session: Session) -> int:
            lock_dags(session, {run.dag_id for run in new})
            return sum(self._tell_unbound(session, run) for run in new)

        told = self.host.unit.run(work) if new else 0
        self._told |= {(run.id, run.clear_number, _UNBOUND) for run in new}
        return told

    def _ended(self, session: Session) -> list[JudgedRun]:
        dated = start_rules.dated(session)
        if not dated:
            return []
        since = self.host.unit.now() - LATELY
        return self.host.reads.ended_unbound(session, dated, _SEEN, since, NEWEST)

    def mark_again(self) -> None:
        """Mark runs of Dags whose runs are judged since a moment ago: some may have been born without."""
        since = self.host.unit.now() - MARKED_AGAIN
        dag_ids = sorted(self.host.unit.run(lambda s: start_rules.dated_since(s, since)))
        for some in chunks(dag_ids, A_TURN):
            self.host.unit.run(partial(self._settle_marks, some))

    def _settle_marks(self, dag_ids: Sequence[str], session: Session) -> None:
        lock_dags(session, dag_ids)
        settle_mark(self.host, session, dag_ids)
        self.host.runs.mark_waiting(session, dag_ids, marked=True)

    def _each(
        self,
        runs: Sequence[JudgedRun],
        work: Callable[[JudgedRun, Session], str | None],
        again: dict[int, _Next],
        *,
        first: float,
    ) -> int:
        """Do *work* for each run, which gives why it waits, or None; how many do not.

        One that waits is looked at again *first* seconds later.

        Raises the first fault when all is done that can be.
        """
        done, faults = 0, []
        for run in runs:
            try:
                why = self._one(run, work)
            except Exception as error:
                error.add_note(f"run {run.run_id} of Dag {run.dag_id}")
                faults.append(error)
                self._later(run, again, first)
                continue
            if why is None:
                again.pop(run.id, None)
                done += 1
            else:
                self._remember(run, why)
                self._later(run, again, first)
        if faults:
            raise faults[0]
        return done

    def _later(self, run: JudgedRun, again: dict[int, _Next], first: float) -> None:
        after = min(again[run.id].after * 2, RETRY) if run.id in again else first
        again[run.id] = _Next(at=self.clock() + after, after=after)

    def _one(self, run: JudgedRun, work: Callable[[JudgedRun, Session], str | None]) -> str | None:
        try:
            return self.host.unit.run(partial(work, run))
        except PinwheelError as error:
            # What could not be done is undone, what is told of it is not.
            return self.host.unit.run(partial(self._refused, run, error.found or error.failed))

    def _refused(self, run: JudgedRun, why: str, session: Session) -> str:
        lock_dags(session, [run.dag_id])
        if not self.host.runs.hold_runs(session, [run.id], run.state):
            return why
        if run.state == "running" and any(_is_unbound(one) for one in facts_of(self.host, session, [run.id])):
            self._tell_unbound(session, run)
        return self._waits(run, why, session)

    def _bind_queued(self, run: JudgedRun, session: Session) -> str | None:
        lock_dags(session, [run.dag_id])
        if not self.host.runs.hold_runs(session, [run.id], "queued"):
            return "a scheduler has it"
        for found in facts_of(self.host, session, [run.id]):
            case, ruling = ruled(self.host, session, found)
            if isinstance(ruling, Wait):
                return self._waits(run, ruling.why, session)
            if isinstance(ruling, Bind) and not case.stands_on(ruling):
                carry_out(self.host, session, case, ruling)
            elif is_marked(run.bundle_version):
                # Its Dag is not judged by dates any more.
                self.host.runs.mark_waiting(session, [run.dag_id], marked=False)
            else:
                return "it stands where it is to stand, and is bound as it starts"
        return None

    def _mend(self, run: JudgedRun, session: Session) -> str | None:
        lock_dags(session, [run.dag_id])
        if not self.host.runs.hold_runs(session, [run.id], "running"):
            return "a scheduler has it"
        for case in facts_of(self.host, session, [run.id]):
            if not case.facts.marked and case.facts.present is None and self._began_before(session, run):
                self._record(session, run)
                continue
            if _is_unbound(case):
                self._tell_unbound(session, run)
            case, ruling = ruled(self.host, session, case)
            if isinstance(ruling, Wait):
                return self._waits(run, ruling.why, session)
            if isinstance(ruling, Bind) and case.stands_on(ruling):
                # Cleared while it ran, say: only the ledger lacks it.
                record_as_it_stands(self.host, session, case, ruling, late=True, sure=False)
            elif isinstance(ruling, Bind):
                self._bind_running(session, run, case, ruling)
        return None

    def _began_before(self, session: Session, run: JudgedRun) -> bool:
        rules = start_rules.of_dags(session, [run.dag_id]).get(run.dag_id, [])
        since = min((rule.since for rule in rules), default=None)
        if since is None or run.started_at is None:
            return since is None
        return run.started_at < since and not run.clear_number

    def _record(self, session: Session, run: JudgedRun) -> None:
        """Note that a run which began before its Dag was judged by dates is to stay as it stands."""
        bindings.add_all(
            session,
            [
                NewBinding(
                    dag_id=run.dag_id,
                    run_id=run.run_id,
                    seq=run.clear_number,
                    dag_version_id=run.dag_version_id,
                    bundle_version=run.bundle_version,
                    bound_by=BoundBy.ACTIVE,
                    bound_at=min(run.queued_at or self.host.unit.now(), self.host.unit.now()),
                )
            ],
        )

    def _bind_running(self, session: Session, run: JudgedRun, case: Case, ruling: Bind) -> None:
        carry_out(self.host, session, case, ruling)
        again = 0
        if case.facts.marked and (began := run.queued_at or run.started_at) is not None:
            # They were handed out with the mark, which no worker executes.
            again = self.host.runs.run_failed_again(session, run.dag_id, run.run_id, began)
        details: dict[str, Json] = {
            "bundle_version": ruling.place.bundle_version,
            "cleared": again,
        }
        self._tell(session, EventKind.RUN_BOUND_LATE, run, ruling.why, details)

    # What is told

    def _waits(self, run: JudgedRun, why: str, session: Session) -> str:
        """Note that a run waits: once a run and reason, whichever keeper it is; and let others pass it."""
        if run.backfill_id is not None and run.state == "queued":
            self.host.runs.move_behind(session, [run.id])
        key = (run.id, run.clear_number, why)
        if key not in self._told and not _was_told(session, EventKind.RUN_WAITS, run, why):
            self._tell(session, EventKind.RUN_WAITS, run, why, {})
        return why

    def _remember(self, run: JudgedRun, why: str) -> None:
        """That it was told, once that is in the database; whoever forgets looks there."""
        if len(self._told) > _REMEMBERED:
            self._told.clear()
        self._told.add((run.id, run.clear_number, why))

    def _tell_unbound(self, session: Session, run: JudgedRun) -> bool:
        if _was_told(session, EventKind.RUN_STARTED_UNBOUND, run):
            return False
        jobs: list[Json] = [*self.host.reads.jobs_of(session, [run.id]).get(run.id, ())]
        words = f"job {', '.join(str(job) for job in jobs)}" if jobs else "a scheduler"
        reason = f"{words} started it without Pinwheel's plugin"
        self._tell(session, EventKind.RUN_STARTED_UNBOUND, run, reason, {"jobs": jobs})
        return True

    def _tell(
        self, session: Session, kind: EventKind, run: JudgedRun, why: str, details: dict[str, Json]
    ) -> None:
        about: dict[str, Json] = {"run_id": run.run_id, "clear_number": run.clear_number, **details}
        told = Told(kind=kind, actor=ACTOR, dag_id=run.dag_id, reason=why, details=about)
        tell(self.host, session, [told], now=self.host.unit.now())


_UNBOUND = str(EventKind.RUN_STARTED_UNBOUND)


def _is_unbound(case: Case) -> bool:
    """Whether the run has the mark, and was never bound."""
    return case.facts.marked and (case.facts.present or case.facts.before) is None


def _is_due(again: Mapping[int, _Next], run: JudgedRun, now: float) -> bool:
    return run.id not in again or again[run.id].at <= now


def _forget(again: dict[int, _Next], found: Sequence[JudgedRun], limit: int) -> None:
    """Forget those that are there no longer, where all that are there were found."""
    if len(found) < limit:
        there = {run.id for run in found}
        for run_id in again.keys() - there:
            del again[run_id]


def _was_told(session: Session, kind: EventKind, run: JudgedRun, why: str | None = None) -> bool:
    return any(
        (event.details.get("run_id"), event.details.get("clear_number")) == (run.run_id, run.clear_number)
        and (why is None or event.reason == why)
        for event in events.of_kind(session, run.dag_id, kind, since=run.queued_at)
    )
