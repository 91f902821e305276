"""Runs that somebody makes or runs again on a Dag whose runs are judged by dates: put on what that asks for.

At once where that can be; what can not be bound yet waits with the mark, and the keeper binds it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from attrs import evolve, frozen

from pinwheel.core.build import Build
from pinwheel.core.run.binding import Binding
from pinwheel.core.run.dates import Dated, RunDates, date_of, remembered
from pinwheel.core.run.resolve import Bind, Ruling, Wait
from pinwheel.core.run.timeline import era_at
from pinwheel.core.structure.windows import segment_at
from pinwheel.services.ports.host import Host
from pinwheel.services.release import variants
from pinwheel.services.run.judging import Case, carry_out, facts_of, new_run
from pinwheel.store import bindings, builds, releases, segments, start_rules

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@frozen(kw_only=True)
class OnDate:
    """What a run was bound to by its date."""

    build: int
    release: int | None
    bundle_version: str


@frozen(kw_only=True)
class Waits:
    """That a run can not be bound by its date yet."""

    build: int | None
    """Which it waits for; None: its Dag has no active release."""
    why: str


@frozen(kw_only=True)
class Variant:
    """The version row that runs of a build have at a run's date."""

    dag_version_id: UUID
    date: datetime
    date_by: str
    segment: int


def is_dated(session: Session, dag_id: str) -> bool:
    """Whether runs of the Dag for which nobody names a build are judged by their dates."""
    return bool(start_rules.dated(session, [dag_id]))


def ruled(host: Host, session: Session, case: Case) -> tuple[Case, Ruling]:
    """What a run is to execute, and the case with the version row that was all it lacked.

    Rows of superseded builds are made only where a run needs one: what somebody chose, or an earlier binding.
    The caller holds the Dag's lock.

    :raises Refused: no bundle version serves the build's file where the Dag's runs look for it.
    """
    ruling = case.ruling(host.unit.now())
    if case.dag is None or not isinstance(ruling, Wait) or ruling.lacks is None:
        return case, ruling
    build_id, position = ruling.lacks
    build = builds.by_ids(session, [build_id]).get(build_id)
    made = variants.make_row(host, session, build, position) if build is not None else None
    if made is None:
        return case, ruling
    case = evolve(case, dag=case.dag.with_row(build_id, position, made))
    return case, case.ruling(host.unit.now())


def version_at(host: Host, session: Session, dag_id: str, dates: RunDates) -> UUID | None:
    """The version row that a new run of these dates would be bound to; None: it could not be bound yet.

    The caller holds the Dag's lock.
    """
    _, ruling = ruled(host, session, new_run(host, session, dag_id, dates))
    return ruling.dag_version_id if isinstance(ruling, Bind) else None


def bind(
    host: Host, session: Session, dag_id: str, run_id: str, *, actor: str, anew: bool = False
) -> OnDate | Waits:
    """Bind a run by its date, if it can be bound yet. The caller holds the Dag's lock.

    *anew*: whatever it was bound to before.

    :raises Refused: it can not be on that as it stands.
    """
    row_id = host.reads.row_ids(session, dag_id, [run_id])[run_id]
    (case,) = facts_of(host, session, [row_id])
    if anew:
        case = case.as_marked()
        case = evolve(case, facts=evolve(case.facts, present=None, before=None))
    case, ruling = ruled(host, session, case)
    if not isinstance(ruling, Bind):
        return Waits(build=_waits_for(session, case), why=ruling.why)
    carry_out(host, session, case, ruling, actor=actor)
    known = releases.by_dag_version(session, [ruling.dag_version_id])[ruling.dag_version_id]
    return OnDate(build=known.build, release=known.release, bundle_version=ruling.place.bundle_version)


def _waits_for(session: Session, case: Case) -> int | None:
    if case.dag is None:
        return None
    era = era_at(case.dag.eras, date_of(case.run.dates).at)
    build_id = case.dag.in_force.build_id
    return era.build if era is not None else builds.by_ids(session, [build_id])[build_id].build


def dates_of(
    host: Host,
    session: Session,
    dag_id: str,
    run_ids: Collection[str],
    ledger: Mapping[str, Sequence[Binding]] | None = None,
) -> dict[str, Dated]:
    """By run, of those that exist: the date of its data, by its rows and what its bindings say of its events.

    ``ledger`` are the bindings, where the caller has them at hand.
    """
    ledger = bindings.of_runs(session, dag_id, run_ids) if ledger is None else ledger
    ids = host.reads.row_ids(session, dag_id, run_ids).values()
    return {
        run.run_id: date_of(remembered(run.dates, ledger.get(run.run_id, ())))
        for run in host.reads.dated_runs(session, ids)
    }


def variant_of(host: Host, session: Session, dag_id: str, run_id: str, build: Build) -> Variant | None:
    """The row that a run by hand has of a build with task windows, or with a row of all its tasks without
    their own dates; None: the build's own.

    It is made if need be. The caller holds the Dag's lock.
    """
    known = segments.of_builds(session, [build.id]).get(build.id, ())
    if not known:
        return None
    date = dates_of(host, session, dag_id, [run_id])[run_id]
    stretches = [one.segment for one in known if one.stretch]
    position = segment_at(stretches, date.at) + 1 if stretches else 0
    made = variants.make_row(host, session, build, position)
    if made is None:
        return None
    return Variant(dag_version_id=made, date=date.at, date_by=date.by.value, segment=position)
