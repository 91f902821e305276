"""Runs judged by their dates: the facts for ``core.run.resolve``, and what it rules carried out.

One place for both who does it: the scheduler, in a savepoint of its own transaction and without any lock, and
the keeper, ahead of the scheduler and under the Dag's lock.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from attrs import evolve, frozen

from pinwheel.core.build import Build
from pinwheel.core.errors import Refused
from pinwheel.core.records import KnownVersion, ManagedDag
from pinwheel.core.release.follow import plain, taken
from pinwheel.core.run.binding import Binding, Tries
from pinwheel.core.run.dates import RunDates, date_of, remembered
from pinwheel.core.run.mark import is_marked, marked, without_mark
from pinwheel.core.run.resolve import Bind, DagFacts, Place, Ruling, RunFacts, Wait, resolve
from pinwheel.core.run.timeline import Era, Revision, era_at
from pinwheel.services.ports.host import Host
from pinwheel.services.ports.reads import DatedRun
from pinwheel.services.release.projecting import location_for_runs
from pinwheel.store import bindings, builds, dags, releases, segments, start_rules, timelines
from pinwheel.store.bindings import NewBinding
from pinwheel.store.segments import StoredSegment

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@frozen(kw_only=True)
class Case:
    """A run, with all that it is judged by."""

    run: DatedRun
    facts: RunFacts
    dag: DagFacts | None
    """None: Pinwheel has no active build of its Dag."""
    next_part: int
    """Of the ledger's rows for its clear number."""

    def ruling(self, now: datetime) -> Ruling:
        if self.dag is None:
            return Wait(why="its Dag has no active release", until=None)
        return resolve(self.facts, self.dag, now)

    def stands_on(self, ruling: Bind) -> bool:
        """Whether the run's row names what was ruled, so that only the ledger may lack it."""
        ruled = (ruling.dag_version_id, ruling.place.bundle_version)
        return (self.facts.dag_version_id, self.facts.bundle_version) == ruled

    def as_marked(self) -> Case:
        """The case, were the run sent back to the queue with the mark."""
        version = self.dag.in_force.bundle_version if self.dag is not None else None
        version = version or without_mark(self.run.bundle_version or "none")
        new = marked(plain(version))
        return evolve(
            self,
            run=evolve(self.run, bundle_version=new),
            facts=evolve(self.facts, bundle_version=new, marked=True),
        )


def facts_of(host: Host, session: Session, ids: Collection[int]) -> list[Case]:
    """What these runs (by the ids of Airflow's rows) are judged by, in so many statements for all of them."""
    found = host.reads.dated_runs(session, ids)
    ledger = bindings.of_each(session, [(run.dag_id, run.run_id) for run in found])
    runs = [
        evolve(run, dates=remembered(run.dates, ledger.get((run.dag_id, run.run_id), ()))) for run in found
    ]
    dag_ids = {run.dag_id for run in runs}
    known = _builds_of(session, {run.dag_version_id for run in runs})
    bound_to = {one.build_id for rows in ledger.values() for one in rows}
    world = _World.of(host, session, dag_ids, bound_to | set(known.values()))
    return [world.case(run, ledger.get((run.dag_id, run.run_id), ()), known) for run in runs]


def new_run(host: Host, session: Session, dag_id: str, dates: RunDates) -> Case:
    """What a run of the Dag that carries the mark would be judged by, were it made with these dates."""
    unborn = DatedRun(
        id=0,
        dag_id=dag_id,
        run_id="",
        state="queued",
        clear_number=0,
        dag_version_id=None,
        bundle_version=marked("none"),
        dates=dates,
    )
    return _World.of(host, session, {dag_id}, ()).case(unborn, (), {})


def carry_out(host: Host, session: Session, case: Case, ruling: Bind, *, actor: str | None = None) -> None:
    """Put the run on what was ruled, and record it.

    :raises Refused: the run can not be put on that as it stands; what was written is to be undone.
    """
    run, tries = case.run, _tries(host, session, case)  # Before its task instances are of another version.
    host.runs.rebind_run(
        session,
        run.dag_id,
        run.run_id,
        dag_version_id=ruling.dag_version_id,
        bundle_version=ruling.place.bundle_version,
    )
    _record(host, session, case, ruling, tries, actor)


def record_as_it_stands(
    host: Host, session: Session, case: Case, ruling: Bind, *, late: bool = False, sure: bool = True
) -> None:
    """Record a run that stands on what was ruled already. ``late`` and ``sure`` are those of its tries."""
    _record(host, session, case, ruling, _tries(host, session, case, late=late, sure=sure), None)


def _tries(
    host: Host, session: Session, case: Case, *, late: bool = False, sure: bool = True
) -> Tries | None:
    """How far the run's tasks have come, where it was bound before."""
    run = case.run
    if not case.next_part and not run.clear_number:
        return None
    present = host.reads.present(session, run.dag_id, [run.run_id]).get(run.run_id, ())
    return Tries.of(present, late=late, sure=sure)


def _record(
    host: Host, session: Session, case: Case, ruling: Bind, tries: Tries | None, actor: str | None
) -> None:
    """Note in the ledger that the run is bound to what was ruled."""
    run = case.run
    row = releases.by_dag_version(session, [ruling.dag_version_id]).get(ruling.dag_version_id)
    bindings.add(
        session,
        NewBinding(
            dag_id=run.dag_id,
            run_id=run.run_id,
            seq=run.clear_number,
            part=case.next_part,
            dag_version_id=ruling.dag_version_id,
            bundle_version=ruling.place.bundle_version,
            bound_by=ruling.bound_by,
            bound_at=host.unit.now(),
            actor=actor,
            tries=tries,
            date=ruling.date.at,
            date_by=ruling.date.by.value,
            revision=ruling.revision,
            segment=ruling.segment,
        ),
        release=row.release if row is not None else None,
        build_id=ruling.place.build_id,
    )


def _builds_of(session: Session, dag_version_ids: Collection[UUID | None]) -> dict[UUID, int]:
    ids = {one for one in dag_version_ids if one is not None}
    known = releases.by_dag_version(session, ids)
    found = {version_id: version.build_id for version_id, version in known.items()}
    missing = ids - set(found)
    return found | (segments.builds_of(session, missing) if missing else {})


@frozen(kw_only=True)
class _World:
    """What is known of the Dags of the runs that are judged."""

    host: Host
    session: Session
    rows: Mapping[str, ManagedDag]
    rules: Collection[str]
    """Dags that have the rule to be judged by dates."""
    timelines: Mapping[str, Revision]
    builds: Mapping[int, Build]
    segments: Mapping[int, Sequence[StoredSegment]]
    versions: Mapping[int, Sequence[KnownVersion]]
    existing: Collection[UUID]

    @classmethod
    def of(
        cls, host: Host, session: Session, dag_ids: Collection[str], of_runs: Collection[int | None]
    ) -> _World:
        rows = dags.rows(session, dag_ids)
        found = timelines.newest(session, dag_ids)
        wanted = {row.active_build_id for row in rows.values()} | set(of_runs)
        wanted |= {era.build_id for timeline in found.values() for era in timeline.eras}
        build_ids = {one for one in wanted if one is not None}
        stretches, versions = segments.of_builds(session, build_ids), releases.rows_of(session, build_ids)
        ids = {one.dag_version_id for rows_ in stretches.values() for one in rows_ if one.dag_version_id}
        ids |= {one.dag_version_id for rows_ in versions.values() for one in rows_}
        return cls(
            host=host,
            session=session,
            rows=rows,
            rules=start_rules.dated(session, dag_ids),
            timelines=found,
            builds=builds.by_ids(session, build_ids),
            segments=stretches,
            versions=versions,
            existing=host.reads.existing_version_ids(session, ids) if ids else set(),
        )

    def case(self, run: DatedRun, ledger: Sequence[Binding], known: Mapping[UUID, int]) -> Case:
        # One that was recorded with the mark names what the run is bound to all the same.
        plainly = [
            evolve(one, bundle_version=without_mark(one.bundle_version)) if one.bundle_version else one
            for one in ledger
        ]
        present = [one for one in plainly if one.seq == run.clear_number]
        before = [one for one in plainly if one.seq < run.clear_number]
        version_id = run.dag_version_id
        facts = RunFacts(
            dates=run.dates,
            clear_number=run.clear_number,
            dag_version_id=version_id,
            bundle_version=run.bundle_version,
            marked=is_marked(run.bundle_version),
            build_id=known.get(version_id) if version_id is not None else None,
            present=present[-1] if present else None,
            before=before[-1] if before else None,
        )
        return Case(
            run=run,
            facts=facts,
            dag=self._dag(run, facts, plainly),
            next_part=max((one.part for one in present), default=-1) + 1,
        )

    def _dag(self, run: DatedRun, facts: RunFacts, ledger: Sequence[Binding]) -> DagFacts | None:
        row = self.rows.get(run.dag_id)
        version = taken(row.follow_version, row.released_version) if row is not None else None
        if row is None or row.active_build_id is None or version is None:
            return None
        timeline = self.timelines.get(run.dag_id)
        unable: dict[int, str] = {}

        def placed(build_id: int, bundle_version: str) -> str:
            """The version under which runs find the build's file where Airflow looks for it."""
            try:
                return self._placed(row, build_id, bundle_version)
            except Refused as error:
                unable[build_id] = error.found
                return bundle_version

        eras: tuple[Era, ...] = timeline.eras if timeline is not None else ()
        era = era_at(eras, date_of(run.dates).at)
        if era is not None:
            # Only the one that holds its date can have a say.
            eras = (evolve(era, bundle_version=placed(era.build_id, era.bundle_version)),)
        asked = {row.active_build_id, facts.build_id, *(one.build_id for one in ledger)}
        asked |= {era.build_id} if era is not None else set()
        build_ids = {one for one in asked if one is not None}
        rows: dict[tuple[int, int], UUID] = {}
        for build_id in build_ids:
            wanted = era.bundle_version if era is not None and era.build_id == build_id else None
            rows |= self._rows(row, build_id, wanted)
        return DagFacts(
            in_force=Place(build_id=row.active_build_id, bundle_version=placed(row.active_build_id, version)),
            active_version_id=row.dag_version_id,
            # A run with the mark was born while its Dag was, and must not start with it.
            dated=run.dag_id in self.rules or facts.marked,
            eras=eras,
            revision=timeline.number if timeline is not None else None,
            segments={
                build_id: [one.segment for one in self.segments[build_id] if one.stretch]
                for build_id in build_ids
                if build_id in self.segments
            },
            rows=rows,
            whole={
                one.build_id: one.dag_version_id if one.dag_version_id in self.existing else None
                for build_id in build_ids
                if build_id in self.segments
                for one in self.segments[build_id]
                if not one.stretch
            },
            may_be_chosen=self.host.deployment.runs_may_choose(),
            unable=unable,
        )

    def _placed(self, row: ManagedDag, build_id: int, bundle_version: str) -> str:
        build = self.builds.get(build_id)
        here = (row.stable_bundle, row.stable_fileloc)
        if build is None or here in ((None, None), (build.bundle_name, build.relative_fileloc)):
            return plain(bundle_version)
        wanted = evolve(build, bundle_version=plain(bundle_version))
        return location_for_runs(self.host, self.session, row, wanted).bundle_version or bundle_version

    def _rows(
        self, row: ManagedDag, build_id: int, bundle_version: str | None
    ) -> dict[tuple[int, int], UUID]:
        """By build and position: the version row for it, where Airflow has it still."""
        own = self._own_row(row, build_id, bundle_version)
        found: dict[tuple[int, int], UUID | None] = {}
        stretches = [one for one in self.segments.get(build_id, ()) if one.stretch]
        for one in stretches:
            made = one.dag_version_id
            found[build_id, one.position] = made if made is not None or one.absent else own
        if not stretches:
            found[build_id, 0] = own
        return {key: made for key, made in found.items() if made is not None and made in self.existing}

    def _own_row(self, row: ManagedDag, build_id: int, bundle_version: str | None) -> UUID | None:
        """The build's own: of a release of that bundle version, else of its newest one, else its trial's."""
        versions = [one for one in self.versions.get(build_id, ()) if one.dag_version_id in self.existing]
        if build_id == row.active_build_id and bundle_version is None:
            versions.sort(key=lambda one: one.dag_version_id != row.dag_version_id)
        elif bundle_version is not None:
            wanted = plain(bundle_version)
            versions.sort(key=lambda one: one.release is None or plain(one.bundle_version or "") != wanted)
        return versions[0].dag_version_id if versions else None
