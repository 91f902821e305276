"""Wire types of the audit trail."""

from __future__ import annotations

from pydantic import Field

from pinwheel.api.schemas.parts import BaseAnswer, Moment
from pinwheel.core.event import EventKind


class Alike(BaseAnswer):
    """The events of one batch and kind, of those that are asked for."""

    events: int
    dags: int = Field(description="How many Dags they are of.")
    first_at: Moment = Field(description="When the oldest of them was.")
    paths: int | None = Field(
        description="Of broken builds: how many files they are of; null for those of more than 1,000 Dags."
    )


class EventCommit(BaseAnswer):
    version: str
    url: str | None = Field(description="Where it can be looked at, when the bundle knows it.")
    author: str | None


class Event(BaseAnswer):
    """One entry of the audit trail: the first nine fields, and those of the others that its kind has."""

    id: int
    at: Moment
    kind: EventKind | str = Field(description="A word that you do not know is of a later version.")
    dag_id: str | None
    bundle: str | None
    actor: str
    reason: str | None
    batch: str | None = Field(
        description="What it belongs to: one change, or what one bundle version brought; null for an event "
        "of before this was kept."
    )

    commit: EventCommit | None = Field(
        description="The bundle version that it is about: the one that it names, else the one of its build."
    )

    alike: Alike | None = Field(None, description="With `fold`: the events that this one stands for.")

    verb: str | None = Field(None, description="Of a release, or of a change of the track: what was asked.")
    release: int | None = None
    build: int | None = None
    from_release: int | None = None
    from_build: int | None = None
    track: str | None = None
    message: str | None = Field(
        None,
        description="Of a release, or of a change of the track: what was done; of a freeze: which Dags, and "
        "from when until when.",
    )
    replaced: bool | None = Field(None, description="The release was written anew: nothing had run on it.")
    rejected: int | None = Field(None, description="The build that is never released by itself again.")
    lifted: bool | None = Field(None, description="A rejection was taken back.")
    overrides: list[str] | None = Field(
        None, description="The rules, and the policy, past which somebody released it."
    )

    rollout: int | None = Field(None, description="Its id; null for a verdict from outside.")
    state: str | None = Field(None, description="Of a rollout: where it is since then.")
    step: str | int | None = Field(
        None, description="Of a rollout: what it is at; of what a person said: the number of the step."
    )
    policy: str | None = None
    cause: str | None = Field(None, description="Why a rollout is paused.")
    said: str | None = Field(None, description="The same in words, or why it ended as it did.")
    not_before: Moment | None = None
    name: str | None = Field(None, description="Of a verdict: the check's, or what the person did.")
    verdict: str | None = None
    attempt: int | None = None
    url: str | None = None

    run_id: str | None = None
    cleared: int | None = Field(
        None, description="Of a clear: so many task instances run again; of a backfill: so many dates."
    )

    backfill: int | None = Field(None, description="Airflow's id of it.")
    from_date: Moment | None = None
    to_date: Moment | None = None
    max_active_runs: int | None = None
    run_backwards: bool | None = None
    reprocess_behavior: str | None = None
    new: int | None = Field(None, description="Of a backfill: so many dates got a run.")
    skipped: int | None = Field(None, description="Of a backfill: so many dates were left out.")

    bundle_version: str | None = None
    dags: int | None = Field(None, description="How many Dags follow to the version.")
    path: str | None = None
    error: str | None = Field(
        None,
        description="The last line of what made a build broken; null when you may not see import errors, and "
        "when you may not read all Dags of the file, a sentence that says so.",
    )
    digest: str | None = None
    replaced_digest: str | None = Field(None, description="Of a folded build: what its content was before.")
    attributes: list[str] | None = Field(
        None,
        description="Of an unstable Dag: what differs at each parse; of a missed dependency: what differs "
        "since.",
    )
    paths: list[str] | None = Field(
        None,
        description="Of a missed dependency: what changed in the bundle since the file was last parsed or "
        "verified, at most 20 paths; none for whoever may not read all Dags of the bundle.",
    )
    changed: int | None = Field(None, description="How many paths that are in all.")
    count: int | None = Field(
        None, description="Of a folded build: so often another parse of the same files gave another Dag."
    )
    last_at: Moment | None = Field(None, description="Of a folded build: when that last was so.")
    rewritten_at: Moment | None = Field(None, description="Of a folded build: when it last was written anew.")
    owner: str | None = Field(None, description="Of a duplicate: the place that the Dag stays with.")
    place: str | None = Field(None, description="Of a fault: where it was caught.")

    revision: int | None = Field(None, description="Of a Dag's timeline, or of a policy.")
    changes: list[str] | None = Field(
        None, description="What a revision of a timeline changes, a sentence for each stretch of dates."
    )

    rule: str | None = Field(None, description="The name of a freeze.")
    document: str | None = Field(
        None, description="Of rules or policies that changed: the platform's document; null: a repository's."
    )
    policies: list[str] | None = Field(None, description="Names of those that changed, came or went.")
    rules_added: list[str] | None = None
    rules_lifted: list[str] | None = None

    clear_number: int | None = Field(
        None, description="Of a run that waits, or was bound late or never: how often it had been cleared."
    )
    jobs: list[str] | None = Field(
        None, description="Of a run that was started unbound: the scheduler jobs that may have done so."
    )
    found: dict[str, str] | None = Field(
        None, description="Of drift: by Airflow's `table.column` what stood there."
    )
    foreign_versions: list[str] | None = Field(
        None, description="Of drift: ids of Airflow's versions above the active release that others wrote."
    )
    repaired: bool | None = None


class EventPage(BaseAnswer):
    events: list[Event]
    next_before_id: int | None = Field(description="Give it as `before_id` to go on; null at the end.")
