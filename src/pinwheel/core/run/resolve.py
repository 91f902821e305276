"""Which place a run executes: the one decision, for every kind of run, from facts alone.

By hand goes before what the run was bound to, that before its era, that before a canary, and that before the
active release. Whatever build comes out, the run's date then says which of its tasks have a place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from attrs import evolve, field, frozen

from pinwheel.core.run.binding import Binding, BoundBy
from pinwheel.core.run.dates import Dated, DatedBy, RunDates, date_of
from pinwheel.core.run.timeline import Era, era_at
from pinwheel.core.structure.windows import Segment, segment_at


@frozen(kw_only=True)
class Place:
    """A build at a bundle version: what a run executes."""

    build_id: int
    bundle_version: str


@frozen(kw_only=True)
class RunFacts:
    """A run as Airflow's rows and the ledger have it."""

    dates: RunDates
    clear_number: int
    dag_version_id: UUID | None
    """Of its row, as it stands."""
    bundle_version: str | None
    """Of its row; with the mark, for one that was born unbound."""
    marked: bool
    """Whether its row carries the mark."""
    build_id: int | None
    """The build of its version row; None: the row is none of ours, or gone."""
    present: Binding | None = None
    """The ledger's last row for this clear number."""
    before: Binding | None = None
    """The ledger's last row for an earlier one."""
    mended: Place | None = None
    """Where its build does not stand in its bundle version: a place where it does."""


@frozen(kw_only=True)
class Canary:
    """A share of new runs that goes to another place, while a rollout is on."""

    place: Place
    chosen: bool | None
    """Whether this run is one of them; None: it was not counted yet."""
    patience_ends: datetime
    """From then on an uncounted run takes the place in force."""


@frozen(kw_only=True)
class DagFacts:
    """What a Dag's runs are judged by."""

    in_force: Place
    """The active build, at the bundle version that new runs take."""
    active_version_id: UUID | None
    """The version row of the active release."""
    dated: bool = False
    """It has eras, or a build with task windows: its runs are judged by their dates."""
    eras: tuple[Era, ...] = ()
    revision: int | None = None
    canary: Canary | None = None
    segments: Mapping[int, Sequence[Segment]] = field(factory=dict)
    """By build: when which of its tasks are absent. A build without windows may lack."""
    rows: Mapping[tuple[int, int], UUID] = field(factory=dict)
    """By build and position of the segment, 0 for a build without: its version row, where there is one."""
    whole: Mapping[int, UUID | None] = field(factory=dict)
    """Of builds whose own dates would leave out tasks that have a place: the row of all of them, without
    these dates; None: not made."""
    may_be_chosen: bool = True
    """Whether Airflow lets whoever makes a run name its bundle version, as it does from 3.4 on."""
    unable: Mapping[int, str] = field(factory=dict)
    """Of builds that no run can execute as things are: why."""

    def row_of(self, build_id: int, position: int) -> UUID | None:
        """The version row of a build in one of its segments; None: still to be made."""
        if self._takes_whole(build_id, position):
            return self.whole[build_id]
        return self.rows.get((build_id, position))

    def with_row(self, build_id: int, position: int, made: UUID) -> DagFacts:
        """With the row that was made for a build in one of its segments."""
        if self._takes_whole(build_id, position):
            return evolve(self, whole={**self.whole, build_id: made})
        return evolve(self, rows={**self.rows, (build_id, position): made})

    def _takes_whole(self, build_id: int, position: int) -> bool:
        has_all = not position or not self.segments[build_id][position - 1].absent
        return has_all and build_id in self.whole


@frozen
class Keep:
    """The run is to execute what its row says."""

    why: str


@frozen(kw_only=True)
class Bind:
    """The run is to execute this."""

    place: Place
    dag_version_id: UUID
    segment: int
    """Its position, from 1 on; 0: the build has none."""
    bound_by: BoundBy | str
    date: Dated
    revision: int | None
    """Of the timeline that was asked; None: none had a say."""
    why: str


@frozen(kw_only=True)
class Wait:
    """The run is not to start yet."""

    why: str
    until: datetime | None
    """None: until what it waits for is there."""
    lacks: tuple[int, int] | None = None
    """Build and position of the segment whose version row is all that it waits for."""


Ruling: TypeAlias = Keep | Bind | Wait


@frozen
class _Chosen:
    place: Place
    bound_by: BoundBy | str
    why: str
    revision: int | None = None


def resolve(run: RunFacts, dag: DagFacts, now: datetime) -> Ruling:
    """What a run is to execute. Carried out, and asked again, it answers :class:`Keep`."""
    if run.present is not None and _stands_on(run, run.present):
        return Keep("it stands on what it was bound to")
    date = date_of(run.dates)
    if not dag.dated and dag.canary is None:
        return _as_airflow_made_it(run, dag, date)
    chosen = _chosen(run, dag, date, now)
    if isinstance(chosen, Wait):
        return chosen
    return _bound(chosen, dag, date)


def _as_airflow_made_it(run: RunFacts, dag: DagFacts, date: Dated) -> Ruling:
    """Nothing judges the Dag's runs, but a build runs only in a bundle version in which it stands."""
    if run.mended is None or run.dag_version_id is None:
        return Keep("nothing but the active release decides")
    return Bind(
        place=run.mended,
        dag_version_id=run.dag_version_id,
        segment=0,
        bound_by=run.present.bound_by if run.present is not None else BoundBy.ACTIVE,
        date=date,
        revision=None,
        why="its build does not stand in the bundle version that its row names",
    )


def _chosen(run: RunFacts, dag: DagFacts, date: Dated, now: datetime) -> _Chosen | Wait:
    if (hand := _by_hand(run, dag)) is not None:
        return hand
    if run.present is None and run.before is not None and _stands_on(run, run.before):
        place = _place(run.before)
        if place is not None:
            return _Chosen(place, run.before.bound_by, "it was cleared, and stays on what it was bound to")
    era = era_at(dag.eras, date.at)
    if era is not None:
        place = Place(build_id=era.build_id, bundle_version=era.bundle_version)
        return _Chosen(place, BoundBy.ERA, f"its date lies in {era.words}", dag.revision)
    canary = dag.canary
    if canary is not None:
        if canary.chosen:
            return _Chosen(canary.place, BoundBy.CANARY, "it is one of the canary's")
        if canary.chosen is None and now < canary.patience_ends:
            return Wait(why="it is to be counted for the canary first", until=canary.patience_ends)
    return _Chosen(dag.in_force, BoundBy.ACTIVE, "the active release", dag.revision if dag.eras else None)


def _by_hand(run: RunFacts, dag: DagFacts) -> _Chosen | None:
    """What somebody chose: in the ledger, or through Airflow, which can name a bundle version from 3.4 on.

    It can where a run is made, not where one is cleared: such a run may be older than Pinwheel.
    """
    if run.present is not None and run.present.bound_by in (BoundBy.HAND, BoundBy.TRIAL):
        place = _place(run.present)
        return _Chosen(place, run.present.bound_by, "somebody chose it") if place is not None else None
    if (
        dag.may_be_chosen
        and run.present is None
        and run.before is None
        and not run.clear_number
        and not run.marked
        and run.bundle_version is not None
        and run.build_id is not None
        and run.dag_version_id != dag.active_version_id
    ):
        place = Place(build_id=run.build_id, bundle_version=run.bundle_version)
        return _Chosen(place, BoundBy.HAND, "somebody chose its bundle version in Airflow")
    return None


def _bound(chosen: _Chosen, dag: DagFacts, date: Dated) -> Ruling:
    """The chosen build, without the tasks that have no place at the run's date."""
    build_id, segments = chosen.place.build_id, dag.segments.get(chosen.place.build_id, ())
    if (why := dag.unable.get(build_id)) is not None:
        return Wait(why=why, until=None)
    position = segment_at(segments, date.at) + 1 if segments else 0
    row = dag.row_of(build_id, position)
    if row is None:
        why = "the version row of its build and date is still to be made"
        return Wait(why=why, until=None, lacks=(build_id, position))
    why = chosen.why
    if date.by is DatedBy.ASSET_EVENTS and date.latest is not None:
        why += f"; its asset events have dates up to {date.latest.isoformat()}, the earliest counts"
    return Bind(
        place=chosen.place,
        dag_version_id=row,
        segment=position,
        bound_by=chosen.bound_by,
        date=date,
        revision=chosen.revision,
        why=why,
    )


def _stands_on(run: RunFacts, binding: Binding) -> bool:
    return (run.dag_version_id, run.bundle_version) == (binding.dag_version_id, binding.bundle_version)


def _place(binding: Binding) -> Place | None:
    """None: the ledger does not know the build or the bundle version."""
    if binding.build_id is None or binding.bundle_version is None:
        return None
    return Place(build_id=binding.build_id, bundle_version=binding.bundle_version)
