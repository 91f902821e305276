"""Wire types of a Dag's line."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pinwheel.api.schemas.dags import Build, Release
from pinwheel.api.schemas.parts import BaseAnswer, CommitUrl, Moment
from pinwheel.api.schemas.rollouts import RolloutState

Counts = dict[str, int]
"""Number of runs by Airflow's state of a run; states without runs are left out."""


Newer = Annotated[
    bool,
    Field(
        description="Whether its build is newer than the active one: a commit showed it later. Then promote "
        "leads to it, else rollback."
    ),
]


class WatchOfRelease(BaseAnswer):
    """How the watch of a release stands, or how it ended."""

    rollout: int
    state: RolloutState
    words: str = Field(description="How far it is; else why it is paused, or ended as it did.")


class LineRelease(Release):
    url: CommitUrl
    message: str | None
    author: str | None
    until: Moment | None = Field(description="When the next release was made; null: there is none.")
    runs: Counts = Field(description="How many runs came to what on it, by their outcomes, or are at work.")
    run_again_on: dict[str, int] = Field(
        description="How many of those that failed were run again on which other release."
    )
    newer: Newer
    watch: WatchOfRelease | None = Field(description="Of one that is, or was, watched.")


class LineBuild(Build):
    url: CommitUrl
    error: str | None = Field(
        description="The end of a broken build's error; null when you may not see import errors, and when "
        "you may not read all Dags of the file, a sentence that says so."
    )
    runs: Counts = Field(
        description="How many runs came to what on it, by their outcomes, or are at work; released or not."
    )
    newer: Newer


class LineRun(BaseAnswer):
    run_id: str
    state: str
    run_type: str
    at: Moment = Field(description="When it began; of one that has not: when it was queued or made.")
    logical_date: Moment | None
    start_date: Moment | None
    end_date: Moment | None
    release: int | None = Field(description="What it runs on; null: never released, or before Pinwheel.")
    build: int | None = Field(description="Null: it ran before Pinwheel.")
    bound_by: str | None
    earlier: bool = Field(
        description="What it came to before it was run again or removed from Airflow; `at` is its end then."
    )


class WayBack(BaseAnswer):
    """Where a rollback without a target goes."""

    build: int
    bundle_version: str | None = Field(
        description="Of the active build: the older version of its bundle. Null: of another build the newest."
    )


class May(BaseAnswer):
    """What the user may do with the Dag, so that no page offers what the server would refuse."""

    edit: bool = Field(description="Promote, roll back, pin, unpin.")
    create_runs: bool
    edit_runs: bool = Field(description="Clear: needed to run failed runs again.")
    read_code: bool
    read_runs: bool
    override: bool = Field(description="Promote past gates and rules.")


class Line(BaseAnswer):
    dag_id: str
    since: Moment | None = Field(
        description="The page goes back to here: `before` of the next one. Null: there is no more."
    )
    before: Moment | None
    releases: list[LineRelease]
    in_force: LineRelease | None = Field(description="The release that was active when the page begins.")
    builds: list[LineBuild]
    runs: list[LineRun] = Field(
        description="The newest 1,000 runs of the page's time; empty when you may not see runs."
    )
    more_runs: bool = Field(description="Whether there are runs that are not listed; the numbers count all.")
    runs_before_pinwheel: Counts
    way_back: WayBack | None = Field(description="Null: there is none.")
    may: May
