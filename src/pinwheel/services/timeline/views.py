"""What is shown of timelines, and answered when one is changed."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from attrs import asdict, evolve, frozen

from pinwheel.core.json import Json, JsonObject
from pinwheel.core.run.dates import DatedBy
from pinwheel.core.run.fit import Fit
from pinwheel.core.run.timeline import Era
from pinwheel.services import once


@frozen(kw_only=True)
class EraView:
    """A stretch of dates and the place that its runs execute."""

    from_: str | None
    """As somebody wrote it; None: it has no beginning."""
    until: str | None
    """The first moment after it; None: it has no end."""
    starts_at: datetime | None
    ends_at: datetime | None
    zone: str
    build: int
    bundle_version: str
    since_revision: int

    @classmethod
    def of(cls, era: Era) -> Self:
        return cls(
            from_=era.written_from,
            until=era.written_until,
            starts_at=era.starts_at,
            ends_at=era.ends_at,
            zone=era.zone,
            build=era.build,
            bundle_version=era.bundle_version,
            since_revision=era.since_revision,
        )


@frozen(kw_only=True)
class RunsOnBuild:
    """So many runs of a stretch that are on another build than that of their date."""

    build: int | None
    """None: nobody knows which."""
    runs: int


@frozen(kw_only=True)
class RunCounts:
    """How the runs of a stretch stand."""

    runs: int
    match: int
    by_hand: int
    waiting: int
    others: tuple[RunsOnBuild, ...]


@frozen(kw_only=True)
class Stretch:
    """An era or a gap, in the order of dates."""

    gap: bool
    """In which the active release runs."""
    from_: str | None
    """As somebody wrote it, or with its offset, where that is another moment in the Dag's zone now."""
    until: str | None
    starts_at: datetime | None
    ends_at: datetime | None
    build: int | None
    """Of a gap the active build."""
    bundle_version: str | None
    """Of a gap None: new runs follow to newer versions."""
    since_revision: int | None
    actor: str | None
    """Who set it."""
    reason: str | None
    counts: RunCounts | None
    """None: who asks may not see runs."""


@frozen(kw_only=True)
class VariantView:
    """Dates at which some tasks of the active build have no place."""

    from_: str | None
    until: str | None
    starts_at: datetime | None
    ends_at: datetime | None
    absent: tuple[str, ...]


@frozen(kw_only=True)
class Said:
    """What a revision said of one date."""

    revision: int
    """The one that set the era, or left the gap; where there never was an era, the newest."""
    at: datetime
    actor: str
    reason: str | None
    build: int | None
    """None: the date lay in a gap."""
    bundle_version: str | None


@frozen(kw_only=True)
class Answer:
    """Which build one date is for."""

    at: datetime
    as_of: datetime | None
    then: Said | None
    """What was believed as of that time; None: there was no timeline."""
    now: Said | None
    """What is believed now."""


@frozen(kw_only=True)
class TimelineView:
    """The timeline of a Dag."""

    dag_id: str
    zone: str
    dated_by: DatedBy | None
    """Which of its dates decides, of the newest run; None: there is none."""
    dated: bool
    """Runs are judged by their dates: it has eras, or task windows."""
    revision: int
    """0: there never was one."""
    at: datetime | None
    """When that revision was made."""
    actor: str | None
    reason: str | None
    stretches: tuple[Stretch, ...]
    variants: tuple[VariantView, ...] | None
    """Of the active build, oldest first; None: who asks may not see its versions."""
    asked: Answer | None = None


@frozen(kw_only=True)
class RevisionView:
    """A revision, with all its eras."""

    revision: int
    verb: str
    at: datetime
    actor: str
    reason: str | None
    eras: tuple[EraView, ...]


@frozen(kw_only=True)
class DatedRunView:
    """A run and the build of its date."""

    run_id: str
    state: str
    date: datetime
    date_by: DatedBy
    fit: Fit
    build: int | None
    """What it ran on, or runs; None: nobody knows, or it has not begun."""
    wanted: int | None
    """What its date asks for; None: there is no active release."""


@frozen(kw_only=True)
class SensorView:
    """A sensor of some Dag that waits in vain where its data is of certain dates of the Dag that is shown."""

    dag_id: str
    """Whose sensor it is."""
    task_id: str
    waits_for: str
    """A task, or a task group, that the shown Dag does not have at these dates."""
    from_: str | None
    until: str | None
    starts_at: datetime | None
    ends_at: datetime | None


@frozen(kw_only=True)
class CheckView:
    """The runs of a Dag against its timeline."""

    dag_id: str
    revision: int
    runs: int
    match: int
    waiting: int
    differ: tuple[DatedRunView, ...]
    by_hand: tuple[DatedRunView, ...]
    sensors: tuple[SensorView, ...]
    """Of Dags that who asks may read: what they wait for is not there at some dates."""


@frozen(kw_only=True)
class ChangedStretch:
    """What a revision changes of a stretch of dates. A build that is None: a gap."""

    from_: str | None
    until: str | None
    starts_at: datetime | None
    ends_at: datetime | None
    from_build: int | None
    to_build: int | None
    bundle_version: str | None
    """Of the era from now on."""


@frozen(kw_only=True)
class TimelineChange:
    """What became of a timeline, or would."""

    dag_id: str
    changed: bool
    message: str
    revision: int
    from_revision: int
    changes: tuple[ChangedStretch, ...]
    runs: int | None
    """Runs whose dates lie in what is changed. Like the next two None for who may not see runs."""
    differ: int | None
    """So many of them ran on another build than that of their date."""
    queued: int | None
    """Runs that wait to start and take what their dates ask for now."""

    def without_runs(self) -> TimelineChange:
        """As it is told to who may not see runs of the Dag."""
        return evolve(self, runs=None, differ=None, queued=None)

    warnings: tuple[str, ...]


@frozen(kw_only=True)
class ClearedByDate:
    """Runs that run again on the builds of their dates."""

    dag_id: str
    runs: tuple[DatedRunView, ...]
    instances: int
    """So many of their task instances."""
    running: tuple[str, ...]
    """Runs that do not match and are left, since they run."""
    left: tuple[str, ...]
    """Runs that do not match and cannot be cleared as things are; the warnings say why."""
    warnings: tuple[str, ...]


def _change_1(kept: Json) -> TimelineChange:
    one = JsonObject.of(kept)
    return TimelineChange(
        dag_id=one.text("dag_id"),
        changed=one.flag("changed"),
        message=one.text("message"),
        revision=one.number("revision"),
        from_revision=one.number("from_revision"),
        changes=tuple(_stretch_1(each) for each in one.objects("changes")),
        runs=one.number("runs"),
        differ=one.number("differ"),
        queued=one.number("queued"),
        warnings=one.texts("warnings"),
    )


def _stretch_1(one: JsonObject) -> ChangedStretch:
    starts, ends = one.text_or_none("starts_at"), one.text_or_none("ends_at")
    return ChangedStretch(
        from_=one.text_or_none("from_"),
        until=one.text_or_none("until"),
        starts_at=datetime.fromisoformat(starts) if starts is not None else None,
        ends_at=datetime.fromisoformat(ends) if ends is not None else None,
        from_build=one.number_or_none("from_build"),
        to_build=one.number_or_none("to_build"),
        bundle_version=one.text_or_none("bundle_version"),
    )


def _write(change: TimelineChange) -> Json:
    written: Json = asdict(
        change,
        value_serializer=lambda _, __, value: value.isoformat() if isinstance(value, datetime) else value,
    )
    return written


CHANGED: once.Form[TimelineChange] = once.Form(version=1, write=_write, readers={1: _change_1})
