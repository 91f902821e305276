"""Wire types of timelines: which builds a Dag's data of which dates is for."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from pinwheel.api.schemas.parts import BaseAnswer, BaseRequest, Moment, Number, Short, Text
from pinwheel.core.request import ClearDatedRequest, EraWish, TimelineRequest
from pinwheel.core.request_values import LARGEST_NUMBER, LONGEST_DATE, MOST_ERAS, MOST_RUNS

Date = Annotated[
    str | None,
    Field(
        min_length=1,
        max_length=LONGEST_DATE,
        description="A date, month, year, or date and time, in the zone of the active release's Dag. "
        "A plain date is the first instant of that local day.",
    ),
]
Verb = Literal["put", "set", "unset"]
DatedBy = Annotated[
    Literal["data_interval", "partition", "logical_date", "asset_events", "run_after"],
    Field(description="Which of a run's dates is that of its data."),
]


class EraBody(BaseRequest):
    """An era; one without `from` or `until` is open on that side."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    starts: Date = Field(None, alias="from")
    until: Date = None
    build: Number | None = Field(None, description="Without: the build that stood in `bundle_version`.")
    bundle_version: Short | None = Field(
        None,
        description="The version of its bundle to take the build from, one in which it stood. Without: the "
        "newest such. It is fixed then, and follows to no other.",
    )


class TimelineBody(BaseRequest):
    """A change of a timeline."""

    verb: Verb = Field(
        "put",
        description="`put`: these eras are the whole timeline. `set`: they take their dates from those that "
        "have them. `unset`: no era is left in their dates; builds do not count.",
    )
    eras: list[EraBody] = Field(max_length=MOST_ERAS)
    reason: Text | None = Field(None, description="Why. A rejected build needs one.")
    expected_revision: Annotated[int, Field(strict=True, ge=0, le=LARGEST_NUMBER)] | None = Field(
        None,
        description="The revision that you saw, 0 for none; when it is another by now, the answer is 409. "
        'The same as the header `If-Match: "<revision>"`.',
    )
    force: bool = Field(False, strict=True, description="Set builds whose file can not be imported now.")
    unchecked: bool = Field(
        False, strict=True, description="Set builds that no Dag processor could look at within 30 seconds."
    )
    now: bool = Field(
        False,
        strict=True,
        description="Set eras for data from now on past windows, freezes and required gates. It needs a "
        "reason and the right `Pinwheel Override`.",
    )
    plan: bool = Field(
        False, strict=True, description="Only say what would change. The same as `?plan=true`."
    )

    def request(self, dag_id: str, **more: Any) -> TimelineRequest:
        eras = tuple(EraWish(**dict(era)) for era in self.eras)
        return TimelineRequest(dag_id=dag_id, **(dict(self) | {"eras": eras} | more))


class ClearByDateBody(BaseRequest):
    """To run again what does not match."""

    run_ids: list[Short] = Field(
        default_factory=list, max_length=MOST_RUNS, description="Only these; none: all that do not match."
    )
    reason: Text | None = None
    plan: bool = Field(False, strict=True, description="Only say what would run again.")

    def request(self, dag_id: str, request_id: str | None) -> ClearDatedRequest:
        return ClearDatedRequest(dag_id=dag_id, request_id=request_id, **dict(self))


class Era(BaseAnswer):
    """A stretch of dates and the place that its runs execute."""

    from_: str | None = Field(alias="from", description="As somebody wrote it; null: it has no beginning.")
    until: str | None = Field(description="The first moment after it; null: it has no end.")
    starts_at: Moment | None
    ends_at: Moment | None
    zone: str
    build: int
    bundle_version: str
    since_revision: int


class RunsOnBuild(BaseAnswer):
    build: int | None = Field(description="Null: nobody knows which.")
    runs: int


class RunCounts(BaseAnswer):
    """How the runs of a stretch stand to what their dates ask for."""

    runs: int
    match: int
    by_hand: int = Field(description="Somebody chose their build: the timeline has no say.")
    waiting: int = Field(description="They have not begun.")
    others: list[RunsOnBuild] = Field(description="Runs on other builds than that of their date.")


class Stretch(BaseAnswer):
    """An era, or a gap in which the active release runs."""

    gap: bool
    from_: str | None = Field(alias="from")
    until: str | None
    starts_at: Moment | None
    ends_at: Moment | None
    build: int | None = Field(description="Of a gap the active build; null as of a time.")
    bundle_version: str | None = Field(description="Null in a gap: new runs follow to newer versions.")
    since_revision: int | None
    actor: str | None
    reason: str | None
    counts: RunCounts | None = Field(
        description="Null when you may not see the Dag's runs, and as of a time."
    )


class Variant(BaseAnswer):
    """Dates at which some tasks of the active build have no place."""

    from_: str | None = Field(alias="from")
    until: str | None = Field(description="The first moment after it; a task's end date is a moment before.")
    starts_at: Moment | None
    ends_at: Moment | None
    absent: list[str] = Field(description="The ids of the tasks that runs of these dates do not have.")


class Said(BaseAnswer):
    """What a revision said of one date."""

    revision: int
    at: Moment
    actor: str
    reason: str | None
    build: int | None = Field(description="Null: the date lay in a gap.")
    bundle_version: str | None


class DateAnswer(BaseAnswer):
    """Which build one date is for."""

    at: Moment
    as_of: Moment | None
    then: Said | None = Field(description="As of that time; null: there was no timeline.")
    now: Said | None


class Timeline(BaseAnswer):
    dag_id: str
    zone: str = Field(description="In which dates are written.")
    dated_by: DatedBy | None = Field(description="Of the newest run; null: none that you may see.")
    dated: bool = Field(
        description="Whether runs for which nobody names a build take that of their date: there are eras, or "
        "the active build has tasks with dates of their own."
    )
    revision: int = Field(description="0: there was no timeline.")
    at: Moment | None
    actor: str | None
    reason: str | None
    stretches: list[Stretch] = Field(description="All dates, oldest first.")
    variants: list[Variant] | None = Field(
        description="Dates at which tasks of the active build have no place, oldest first; null when you may "
        "not see the Dag's versions."
    )
    asked: DateAnswer | None = Field(description="What `at` asked for.")


class TimelineRevision(BaseAnswer):
    revision: int
    verb: str
    at: Moment
    actor: str
    reason: str | None
    eras: list[Era]


class TimelineHistory(BaseAnswer):
    """Every revision, newest first."""

    revisions: list[TimelineRevision]


class DatedRun(BaseAnswer):
    """A run and the build of its date."""

    run_id: str
    state: str
    date: Moment
    date_by: DatedBy
    fit: Literal["matches", "differs", "by_hand", "waits"]
    build: int | None = Field(description="What it ran on; null: nobody knows, or it has not begun.")
    wanted: int | None = Field(description="What its date asks for.")


class WaitingSensor(BaseAnswer):
    """A sensor that waits until its timeout where the data is of these dates."""

    dag_id: str = Field(description="Whose sensor it is: one that you may read.")
    task_id: str
    waits_for: str = Field(description="A task, or a task group, that is not there at these dates.")
    from_: str | None = Field(alias="from")
    until: str | None
    starts_at: Moment | None
    ends_at: Moment | None


class TimelineCheck(BaseAnswer):
    """The runs of a Dag against its timeline."""

    dag_id: str
    revision: int
    runs: int
    match: int
    waiting: int
    differ: list[DatedRun]
    by_hand: list[DatedRun]
    sensors: list[WaitingSensor] = Field(
        description="Sensors of other Dags on tasks that are not there at all dates, as serialized Dags say."
    )


class ChangedStretch(BaseAnswer):
    """What changes of a stretch of dates. A build that is null: a gap."""

    from_: str | None = Field(alias="from")
    until: str | None
    starts_at: Moment | None
    ends_at: Moment | None
    from_build: int | None
    to_build: int | None
    bundle_version: str | None


class TimelineChange(BaseAnswer):
    dag_id: str
    changed: bool
    message: str
    revision: int
    from_revision: int
    changes: list[ChangedStretch]
    runs: int | None = Field(
        description="Runs whose dates lie in what changes; null, as the next two, for who may not see runs."
    )
    differ: int | None = Field(description="So many of them ran on another build than that of their date.")
    queued: int | None = Field(description="Runs that wait to start, and take what their dates ask for now.")
    warnings: list[str]


class ClearedByDate(BaseAnswer):
    """Runs that run again on the builds of their dates."""

    dag_id: str
    runs: list[DatedRun] = Field(description="As they were, oldest date first.")
    instances: int
    running: list[str] = Field(description="Runs that do not match and are left, since they run.")
    left: list[str] = Field(
        description="Runs that do not match and cannot be cleared as things are; `warnings` say why."
    )
    warnings: list[str]
