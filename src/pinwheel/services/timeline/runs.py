"""The runs of a Dag, each with its date and how it stands to what that asks for."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from pinwheel.core.chunks import chunks
from pinwheel.core.run.binding import Binding, BoundBy, in_force
from pinwheel.core.run.dates import Dated, DatedBy, date_of, remembered
from pinwheel.core.run.fit import Fit, Standing, fit
from pinwheel.core.run.timeline import Era, era_at
from pinwheel.core.structure.diff import tasks_of
from pinwheel.core.structure.windows import Segment
from pinwheel.services.ports.host import Host
from pinwheel.services.ports.reads import DatedRun
from pinwheel.services.timeline.known import Known
from pinwheel.services.timeline.views import DatedRunView
from pinwheel.store import bindings, builds, releases, segments

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


REMOVED = "removed"
"""The state of an instance whose task its run has no more."""


@frozen(kw_only=True)
class Judged:
    """A run against a timeline."""

    run: DatedRun
    date: Dated
    fit: Fit
    era: Era | None
    on: Standing


@frozen(kw_only=True)
class AllJudged:
    """Runs by their dates, with the numbers of the builds that are named, and the segments of those."""

    runs: tuple[Judged, ...]
    numbers: Mapping[int, int]
    stretches: Mapping[int, Sequence[Segment]]
    active_build: int | None

    def number(self, judged: Judged) -> int | None:
        """The build that a run is on."""
        return self.numbers.get(judged.on.build_id) if judged.on.build_id is not None else None

    def wanted(self, judged: Judged) -> int | None:
        return judged.era.build if judged.era is not None else self.active_build

    def view(self, judged: Judged) -> DatedRunView:
        return DatedRunView(
            run_id=judged.run.run_id,
            state=judged.run.state,
            date=judged.date.at,
            date_by=judged.date.by,
            fit=judged.fit,
            build=self.number(judged) if judged.fit is not Fit.WAITS else None,
            wanted=self.wanted(judged),
        )


def judge_all(
    host: Host,
    session: Session,
    known: Known,
    eras: Sequence[Era],
    *,
    run_ids: Collection[str] | None = None,
) -> AllJudged:
    """Judge the runs of a Dag (or these) against *eras*, oldest date first."""
    row_ids = (
        host.reads.all_row_ids(session, known.dag_id)
        if run_ids is None
        else host.reads.row_ids(session, known.dag_id, run_ids).values()
    )
    runs = host.reads.dated_runs(session, list(row_ids))
    bound = bindings.of_runs(session, known.dag_id, [run.run_id for run in runs])
    last = {run.run_id: in_force(bound.get(run.run_id, ()), run.clear_number) for run in runs}
    unbound = {
        run.dag_version_id
        for run in runs
        if run.dag_version_id and ((row := last[run.run_id]) is None or row.build_id is None)
    }
    versions = releases.by_dag_version(session, unbound) if unbound else {}
    standings = {}
    for run in runs:
        version = versions.get(run.dag_version_id) if run.dag_version_id else None
        standings[run.run_id] = _standing(
            run, bound.get(run.run_id, ()), last[run.run_id], version.build_id if version else None
        )
    ids = {era.build_id for era in eras} | {
        on.build_id for on in standings.values() if on.build_id is not None
    }
    if known.active is not None:
        ids.add(known.active.id)
    stretches = segments.stretches_of(session, ids)
    dates = {run.run_id: _date(run, bound.get(run.run_id, ()), last[run.run_id]) for run in runs}
    unnoted = _unnoted(standings, dates, eras, stretches)
    standings |= _with_tasks(host, session, known, {run_id: standings[run_id] for run_id in unnoted})
    contents = builds.serialized(session, set(unnoted.values())) if unnoted else {}
    tasks = {build_id: frozenset(tasks_of(content["dag"])) for build_id, content in contents.items()}
    active = known.active.id if known.active is not None else None
    judged = []
    for run in runs:
        on, date = standings[run.run_id], dates[run.run_id]
        judged.append(
            Judged(
                run=run,
                date=date,
                fit=fit(date.at, on, eras, stretches, active_build_id=active, tasks=tasks),
                era=era_at(eras, date.at),
                on=on,
            )
        )
    return AllJudged(
        runs=tuple(sorted(judged, key=lambda each: (each.date.at, each.run.run_id))),
        numbers={build.id: build.build for build in builds.by_ids(session, ids).values()},
        stretches=stretches,
        active_build=known.active.build if known.active is not None else None,
    )


def _standing(
    run: DatedRun, bound: Sequence[Binding], binding: Binding | None, build_id: int | None
) -> Standing:
    waits = run.state == "queued" and not _stays(run, bound)
    if binding is None:
        return Standing(build_id=build_id, bound_by=BoundBy.ACTIVE, segment=None, waits=waits)
    if binding.build_id is not None:
        build_id = binding.build_id
    return Standing(build_id=build_id, bound_by=binding.bound_by, segment=binding.segment, waits=waits)


def _unnoted(
    standings: Mapping[str, Standing],
    dates: Mapping[str, Dated],
    eras: Sequence[Era],
    stretches: Mapping[int, Sequence[Segment]],
) -> dict[str, int]:
    """Runs of which nobody noted with which tasks they began, as of before Pinwheel, where some have none at
    some dates; each with the build of its date.
    """
    found = {}
    for run_id, on in standings.items():
        era = era_at(eras, dates[run_id].at)
        build_id = era.build_id if era is not None else on.build_id
        if build_id is not None and on.segment is None and not on.waits and stretches.get(build_id):
            found[run_id] = build_id
    return found


def _with_tasks(
    host: Host, session: Session, known: Known, standings: Mapping[str, Standing]
) -> dict[str, Standing]:
    """These runs with the tasks of which they have instances."""
    found = {}
    for chunk in chunks(sorted(standings)):
        present = host.reads.present(session, known.dag_id, chunk)
        for run_id in chunk:
            there = {one.task_id for one in present.get(run_id, ()) if one.state != REMOVED}
            found[run_id] = evolve(standings[run_id], tasks=frozenset(there))
    return found


def _stays(run: DatedRun, bound: Sequence[Binding]) -> bool:
    """Whether no date is asked as the run begins: somebody chose, or it was cleared and not moved."""
    if not bound:
        return False
    last = bound[-1]
    if last.seq == run.clear_number:
        by_hand = last.bound_by in (BoundBy.HAND, BoundBy.TRIAL)
        return by_hand or bool(run.clear_number and last.date is None)
    return (last.dag_version_id, last.bundle_version) == (run.dag_version_id, run.bundle_version)


def _date(run: DatedRun, bound: Sequence[Binding], binding: Binding | None) -> Dated:
    """What the ledger says it was judged by: a run's asset events may be gone since."""
    date = date_of(remembered(run.dates, bound))
    if binding is None or binding.date is None or binding.date_by is None:
        return date
    if binding.date_by not in {each.value for each in DatedBy}:
        return date
    return Dated(binding.date, DatedBy(binding.date_by), date.latest)
