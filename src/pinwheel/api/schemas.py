"""Wire types: what the API takes and gives, as OpenAPI shows it.

Requests refuse unknown fields, NUL characters and broken Unicode. Answers hold the fields that are declared
here and no others; later versions may add some, so clients should ignore those that they do not know.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from math import isfinite
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

MAX_NUMBER = 2**31 - 1
MAX_SELECTED = 10_000
MAX_DEPTH = 50
MIN_INTEGER, MAX_INTEGER = -(2**63), 2**64 - 1
"""What Airflow's messages to its tasks can carry (msgpack)."""

Number = Annotated[int, Field(strict=True, ge=1, le=MAX_NUMBER)]
"""A build or release number."""
DagId = Annotated[str, Field(min_length=1, max_length=250)]
Short = Annotated[str, Field(min_length=1, max_length=250)]
Text = Annotated[str, Field(max_length=10_000)]


def _representable(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("is outside of what a date can be") from error


Instant = Annotated[AwareDatetime, AfterValidator(_representable)]


def clean(value: Any, depth: int = 0) -> Any:
    """Refuse what not every database can hold and give back, and absurd nesting, anywhere in a JSON value."""
    if depth > MAX_DEPTH:
        raise ValueError(f"is nested more than {MAX_DEPTH} levels deep")
    if isinstance(value, str):
        if "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
            raise ValueError("contains a NUL character or broken Unicode")
    elif isinstance(value, (int, float)):
        if not (MIN_INTEGER <= value <= MAX_INTEGER if isinstance(value, int) else isfinite(value)):
            raise ValueError("contains a number that 64 bits do not hold")
    elif isinstance(value, dict):
        for key, inner in value.items():
            clean(key, depth + 1)
            clean(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            clean(inner, depth + 1)
    return value


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _clean(cls, value: Any) -> Any:
        return clean(value)


NamedVersion = Annotated[
    Annotated[str, Field(min_length=1, max_length=250)] | None,
    Field(
        description="The version of its bundle (a commit id) to take the build from, one in which it stood; "
        "without `build`: the build that stood there. Without: the newest in which it stands. Of one Dag."
    ),
]


class _Answer(BaseModel):
    """What is shown comes from a view of the services with the very same fields."""


Moment = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
"""ISO 8601 in UTC, written by ``services.show.plain``: the same text for API and CLI."""


ReleaseKind = Literal["adopt", "auto", "pin", "unpin", "promote", "rollback", "retire"]


# Requests


class ChangeBody(_Request):
    """Fields that every change of one Dag takes."""

    reason: Text | None = Field(
        None,
        description="Why. Kept in the release, the events and Airflow's audit log. To release a rejected "
        "build it is needed, in a plan too, and lifts the rejection.",
    )
    expected_release: Number | None = Field(
        None,
        description="The active release that you saw; when it is another one by now, the answer is 409. "
        'The same as the header `If-Match: "<release>"`.',
    )
    plan: bool = Field(
        False, strict=True, description="Only say what would change. The same as `?plan=true`."
    )


class PromoteBody(ChangeBody):
    build: Number | None = Field(None, description="The build to release; without: the newest one.")
    bundle_version: NamedVersion = None
    to_release: Number | None = Field(None, description="The build of this release, in place of `build`.")


class PinBody(ChangeBody):
    build: Number | None = Field(None, description="The build to stay on; without: the active one.")
    bundle_version: NamedVersion = None
    to_release: Number | None = Field(None, description="The build of this release, in place of `build`.")


class UnpinBody(ChangeBody):
    pass


class RollbackBody(ChangeBody):
    build: Number | None = Field(
        None,
        description="The build to go back to; without: that of the release before, but no rejected one.",
    )
    bundle_version: NamedVersion = None
    to_release: Number | None = Field(None, description="The release to go back to, in place of `build`.")
    rerun_failed: bool = Field(
        False,
        strict=True,
        description="Also clear the failed runs of what is rolled back, on the older build.",
    )
    to_blame: bool = Field(
        True,
        strict=True,
        description="What is rolled back is at fault: it is rejected, and never released by itself again.",
    )


class RejectBody(ChangeBody):
    build: Number = Field(description="The build that is never to be released by itself again.")
    lift: bool = Field(False, strict=True, description="Take the rejection back.")


class BatchVerb(StrEnum):
    PROMOTE = "promote"
    ROLLBACK = "rollback"
    PIN = "pin"
    UNPIN = "unpin"
    REJECT = "reject"
    LIFT = "lift"


class SelectorBody(_Request):
    """Dags by id, glob, tag and bundle: ids and globs add up, tags and the bundle narrow."""

    ids: list[DagId] = Field(default_factory=list, max_length=MAX_SELECTED)
    globs: list[Short] = Field(default_factory=list, max_length=100, examples=[["sales_*"]])
    tags: list[Short] = Field(default_factory=list, max_length=100)
    bundle: Short | None = None
    everything: bool = Field(
        False, strict=True, description="All Dags that are not retired. Said on purpose."
    )


class BatchBody(_Request):
    """One change on all Dags of a selector, in one transaction: all of them or none."""

    verb: BatchVerb
    selector: SelectorBody
    reason: Text | None = None
    build: Number | None = Field(None, description="Only with a selector of exactly one Dag.")
    bundle_version: NamedVersion = None
    to_release: Number | None = Field(None, description="Only with a selector of exactly one Dag.")
    expected_release: Number | None = Field(None, description="Only with a selector of exactly one Dag.")
    rerun_failed: bool = Field(False, strict=True, description="Only with `rollback`.")
    to_blame: bool = Field(
        True, strict=True, description="Only with `rollback`: whether what is rolled back is rejected."
    )
    plan: bool = Field(False, strict=True)


class TriggerBody(_Request):
    build: Number | None = Field(None, description="Released or not; without: the active build.")
    bundle_version: NamedVersion = None
    run_id: Annotated[str, Field(min_length=1, max_length=250)] | None = Field(
        None, description="Makes a repeated request harmless: the second one answers 409."
    )
    logical_date: Instant | None = None
    conf: dict[str, Any] | None = None
    note: Annotated[str, Field(max_length=1000)] | None = None
    reason: Text | None = None
    plan: bool = Field(False, strict=True, description="Only say which run would be made.")


class ClearBody(_Request):
    build: Number | None = Field(
        None, description="Run again on this build; without: on the one it is bound to."
    )
    bundle_version: NamedVersion = None
    only_failed: bool = Field(False, strict=True)
    task_ids: list[Short] | None = Field(None, max_length=1000)
    reason: Text | None = None
    plan: bool = Field(False, strict=True, description="Only say what would run again.")


class ClearRunsBody(ClearBody):
    """One clear of several runs of a Dag, in one transaction: all of them or none."""

    run_ids: list[Short] = Field(min_length=1, max_length=1000)


class Reprocess(StrEnum):
    NONE = "none"
    FAILED = "failed"
    COMPLETED = "completed"


class BackfillBody(_Request):
    """The fields of Airflow's own backfills, and the build."""

    from_date: Instant
    to_date: Instant
    build: Number | None = Field(
        None, description="All runs use this build, released or not; without: Airflow's own backfill."
    )
    bundle_version: NamedVersion = None
    max_active_runs: Number = 10
    run_backwards: bool = Field(False, strict=True)
    reprocess_behavior: Reprocess = Field(
        Reprocess.NONE, description="Dates that have a run: leave it, or run it again (when it failed)."
    )
    dag_run_conf: dict[str, Any] | None = None
    reason: Text | None = None
    plan: bool = Field(False, strict=True, description="Only say what would run.")


# Answers


class Broken(_Answer):
    bundle_version: str | None
    error: str | None = Field(
        description="None when you may not see import errors; when you may not read all Dags of the file, "
        "a sentence that says so."
    )
    at: Moment | None
    path: str | None = Field(description="The Dag's file in the bundle.")


class Hold(_Answer):
    kind: Literal["pin", "rejected"]
    reason: str | None
    since: Moment | None
    until: Moment | None = Field(description="When it ends by itself; null: it does not.")
    by: str | None


class Behind(_Answer):
    versions: int = Field(description="So many bundle versions were shown after the one that new runs take.")
    kind: Literal["traced", "other files"] = Field(
        description="`traced`: a newer build, or a file that is broken or not known yet; `other files`: the "
        "same build in later versions, only other files of the bundle changed."
    )


class DagStatus(_Answer):
    dag_id: str
    bundle: str | None
    active_release: int | None
    active_build: int | None
    newest_build: int | None
    track: Literal["auto", "pinned"]
    held: bool
    holds: list[Hold] = Field(
        description="Why new runs do not take the newest build where that stands, the first to be shown; "
        "empty: nothing holds the Dag."
    )
    behind: Behind | None = Field(
        description="How far new runs are behind what the bundle shows; null: they take that."
    )
    label: str | None
    broken: Broken | None = Field(
        description="What is wrong with the newest bundle version's file, whether or not anything runs "
        "differently for it."
    )
    retired: bool
    reason: str | None = Field(description="Of the pin for a pinned Dag, else of the active release.")
    actor: str | None = Field(description="Whose pin it is, else who made the active release.")
    since: Moment | None = Field(
        description="Since when it is pinned, else when the active release was made."
    )
    unstable: list[str] = Field(
        description="Attributes of the newest build that differ at each parse of the same files; empty for "
        "a stable Dag."
    )
    bundle_version: str | None = Field(description="The one that new runs take.")
    kind: ReleaseKind | None = Field(description="Why the active release was made.")
    released_at: Moment | None
    path: str | None = Field(description="The Dag's file in the bundle.")


class Rejected(_Answer):
    """Why a build is never released by itself."""

    actor: str
    reason: str | None
    at: Moment


class Build(_Answer):
    dag_id: str
    build: int | None = Field(description="None for a broken build.")
    digest: str | None
    bundle_version: str | None
    created_at: Moment | None
    author: str | None
    message: str | None
    label: str | None
    status: Literal["good", "broken"]
    releases: list[int] = Field(description="Numbers of the releases of it.")
    error: str | None = Field(
        description="Of a broken build; null when you may not see import errors, and when you may not read "
        "all Dags of the file, a sentence that says so."
    )
    pure: bool = Field(description="Its parse depended on files of the bundle only.")
    adopted: bool = Field(description="Airflow had it before Pinwheel: which files it used was never traced.")
    unstable: list[str] = Field(description="Attributes that differ at each parse of the same files.")
    unread: list[str] = Field(
        description="What could not be read of the Dag's object, so that all files that its Dag file reads "
        "decide its content; empty: what its object reaches does."
    )
    bundle: str
    path: str = Field(description="The Dag's file in the bundle.")
    committed_at: Moment | None
    rejected: Rejected | None = Field(
        description="It was rolled back or rejected, and is never released by itself; null: it is not."
    )


class Release(_Answer):
    dag_id: str
    release: int
    build: int | None
    kind: ReleaseKind | Literal["before"] = Field(
        description="Why it was made; `before`: one of Airflow's versions from before Pinwheel."
    )
    actor: str | None
    reason: str | None
    created_at: Moment | None
    active: bool
    bundle_version: str | None
    label: str | None
    previous_release: int | None
    fetchable: bool = Field(description="Its files are kept, so that it can be rolled back to.")


class Try(_Answer):
    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    try_number: int
    state: str | None
    release: int | None
    build: int | None
    bundle_version: str | None
    bound_by: str | None = Field(
        description="`active` (nobody chose), `hand`, or `trial` (by hand, a build that was never released); "
        "null: Pinwheel did not see it begin."
    )
    start_date: Moment | None
    end_date: Moment | None
    label: str | None = Field(description="That of the build.")


class Outcome(_Answer):
    """What became of one Dag, or would become of it."""

    dag_id: str
    changed: bool
    message: str
    kind: str | None
    release: int | None
    build: int | None
    from_release: int | None
    from_build: int | None
    track: str
    rejected: int | None = Field(description="The build that is never released by itself again.")
    lifted: bool = Field(description="A rejection was taken back.")
    warnings: list[str]
    rerun: list[str]


class OneOutcome(Outcome):
    plan: bool = Field(description="True: nothing was changed.")
    command: str = Field(description="The command line that does the same.")


class Run(_Answer):
    """A run and the build that it is bound to; ``release`` is null for a build that was never released."""

    dag_id: str
    run_id: str
    build: int
    release: int | None
    bundle_version: str | None


class TriggeredRun(Run):
    plan: bool | None = Field(None, description="True: nothing was changed.")
    command: str | None = Field(None, description="In a plan: the command line that does the same.")


class ClearedRun(Run):
    cleared: int = Field(description="So many task instances run again.")
    changed: bool = Field(description="False: nothing in the run fits; it stays as it was, on its build.")


class ClearedRuns(_Answer):
    plan: bool = Field(description="True: nothing was changed.")
    runs: list[ClearedRun]


class BackfilledRun(_Answer):
    run_id: str | None
    logical_date: Moment | None
    partition_key: str | None
    outcome: str = Field(
        description="`new`, `cleared`, or why the date was left out: `already exists`, `in flight`."
    )


class Backfill(_Answer):
    dag_id: str
    backfill: int | None = Field(description="Airflow's id of it; null in a plan.")
    build: int | None
    release: int | None
    bundle_version: str | None
    plan: bool = Field(description="True: nothing was changed.")
    new: int
    cleared: int
    skipped: int
    runs: list[BackfilledRun] = Field(description="The dates in the order in which they run.")


BundleState = Annotated[
    Literal["ok", "refused", "failing", "cannot_be_made", "not_configured"],
    Field(
        description="`refused`: its newest version was not taken; `failing`: something else of it does not "
        "work; `cannot_be_made`: its entry in Airflow's configuration gives no bundle; `not_configured`: it "
        "has none."
    ),
]
Told = Annotated[
    str | None,
    Field(
        description="Null when you may not see import errors; when you may not read all Dags of the bundle, "
        "a sentence that says so."
    ),
]


class BundleProblem(_Answer):
    reason: Told
    version: str | None
    since: Moment | None


class TroubledBundle(_Answer):
    """A bundle whose state is not ok."""

    name: str
    state: BundleState
    problem: BundleProblem


class _Page(_Answer):
    total_entries: int = Field(description="How many there are without `limit` and `offset`.")


class DagPage(_Page):
    dags: list[DagStatus]
    bundles: list[TroubledBundle] = Field(
        description="Bundles whose state is not `ok`, of those that you may know of."
    )


class BuildPage(_Page):
    builds: list[Build]


class ReleasePage(_Page):
    releases: list[Release]


class TryPage(_Page):
    tries: list[Try]


class Changes(_Answer):
    plan: bool = Field(description="True: nothing was changed.")
    outcomes: list[Outcome] = Field(description="One a Dag, in order of Dag id.")


class News(_Answer):
    last_event_id: int = Field(description="Give it as `after` next time. 0 before the first event.")
    dag_ids: list[str] = Field(
        description="Dags that you may read of which something changed, at most 1,000."
    )


class Health(_Answer):
    status: Literal["healthy", "unhealthy"]
    version: str
    missing_tables: list[str] = Field(description="Empty when `airflow db migrate` has made all of them.")


class InvalidPart(_Answer):
    loc: list[str] = Field(description="Where in the request.")
    message: str


class EarlierRequest(_Answer):
    """The request that a request id or key stands for, with those of its Dags that you may see."""

    verb: str
    dag_ids: list[str]
    actor: str
    at: Moment


class Facts(_Answer):
    """What an error is about, for programs. Each problem has those that fit it."""

    dag_id: str | None = None
    dag_ids: list[str] | None = None
    build: int | None = None
    release: int | None = None
    run_id: str | None = None
    task_id: str | None = None
    version: str | None = Field(None, description="A version key, or a bundle version.")
    path: str | None = None
    bundle: str | None = None
    bundle_name: str | None = None
    backfill: int | None = Field(None, description="Airflow's id of the backfill in the way.")
    expected_release: int | None = None
    active_release: int | None = None
    active_build: int | None = None
    rejected_by: str | None = Field(None, description="Who rejected the build that was asked for.")
    request_id: str | None = None
    first: EarlierRequest | None = Field(None, description="What was asked under this request id before.")
    errors: list[InvalidPart] | None = Field(None, description="What is wrong with the request, at most 20.")


class Problem(_Answer):
    """RFC 9457 problem details."""

    type: str = Field(examples=["urn:pinwheel:conflict"])
    title: str
    status: int
    detail: str = Field(description="What failed, what was found and what to do, in one text.")
    failed: str | None = None
    found: str | None = None
    remedy: str | None = None
    facts: Facts | None = None
