"""Wire types of rollouts, of acts on them, and of what checks say."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field

from pinwheel.api.schemas.dags import Hold, PauseCause, Watch
from pinwheel.api.schemas.parts import (
    BaseAnswer,
    BaseRequest,
    DagId,
    Instant,
    Moment,
    Number,
    Short,
    Text,
)
from pinwheel.core.request_values import LONGEST_URL
from pinwheel.core.rule_request import CheckRequest, RolloutRequest

RolloutState = Literal[
    "waiting",
    "watching",
    "paused",
    "proven",
    "released",
    "rejected",
    "rolled_back",
    "aborted",
    "superseded",
    "withdrawn",
]
RolloutId = Annotated[int, Field(strict=True, ge=1, le=2**53)]


class RolloutVerb(StrEnum):
    """What somebody does to a rollout."""

    APPROVE = "approve"
    REJECT = "reject"
    PAUSE = "pause"
    RESUME = "resume"
    RETRY = "retry"
    SKIP = "skip"
    RESTART = "restart"
    ABORT = "abort"


class RolloutStep(BaseAnswer):
    kind: Literal["approve", "check", "wait", "release", "soak"]
    name: str | None = Field(description="Of the check.")
    words: str = Field(description="What happens at it, as part of a sentence.")
    where: Literal["passed", "skipped", "here", "ahead"] = Field(
        description="`skipped`: a person went past it; `here`: the rollout is at it, or ended at it."
    )


class WaitsFor(BaseAnswer):
    kind: Literal["person", "check", "time", "runs", "nobody"] = Field(
        description="`nobody`: it has ended, or goes on within seconds."
    )
    words: str
    until: Moment | None = Field(description="When that is over by itself; null: never, or nobody knows.")


class Verdict(BaseAnswer):
    """What a check or a person said; nothing changes it, a newer one takes its place."""

    name: str = Field(description="Of the check; of what a person said: the verb.")
    verdict: Literal["passed", "failed", "inconclusive", "error", "skipped"]
    actor: str
    at: Moment
    reason: str | None
    url: str | None
    of: Literal["place", "version", "digest"] = Field(
        description="What it names: a build at a bundle version, a bundle version, or the content of builds."
    )
    step: int | None = Field(
        description="At which step a person said it, from 0 on; null: it came from outside."
    )
    expires_at: Moment | None


class Approvals(BaseAnswer):
    needed: int
    missing: int
    given: list[str] = Field(description="Whose approvals count.")
    why_more: str | None = Field(
        description="Why more are needed than its plan says, as part of a sentence; null: not more are."
    )


class RolloutAct(BaseAnswer):
    verb: Literal[
        "approve",
        "reject",
        "pause",
        "resume",
        "retry",
        "skip",
        "restart",
        "abort",
        "promote",
        "promote --now",
    ]
    problem: str | None = Field(description="Why it would be refused now; null: it would not be.")
    words: str = Field(description="What it would do, or what stands in its way.")


class RolloutMay(BaseAnswer):
    """What the user may do about it, so that no page offers what the server would refuse."""

    edit: bool = Field(description="Pause, resume, retry, restart, abort, promote.")
    approve: bool = Field(description="Approve and reject.")
    override: bool = Field(description="Skip a gate, and promote past gates and rules.")


class Rollout(BaseAnswer):
    """One place of a Dag, a build at a bundle version, on its way; or how its way ended."""

    id: int
    dag_id: str
    bundle: str | None
    build: int | None
    bundle_version: str
    policy: str | None = Field(description="Null: the one that is built in.")
    revision: int | None = Field(description="Of the policy. The rollout keeps it to its end.")
    state: RolloutState
    slot: Literal["ahead", "watched"] | None = Field(
        description="Which of the two rollouts that a Dag may have on their way; null: it has ended."
    )
    generation: int = Field(description="Counts its changes: give the one that you saw as `If-Match`.")
    steps: list[RolloutStep]
    attempt: int = Field(description="Of the step at which it is.")
    holds: list[Hold] = Field(
        description="Why its place is not in force, the first to be shown; empty for one that is watched or "
        "has ended."
    )
    waits_for: WaitsFor
    watch: Watch | None = Field(description="Of one that is, or was, watched.")
    cause: PauseCause | None = Field(description="Why it is paused.")
    why: str | None = Field(description="In words: why it is paused, or ended as it did.")
    paused_by: str | None
    asked_by: str | None = Field(description="Who asked for the release.")
    asked_at: Moment | None
    not_before: Moment | None = Field(
        description="It is released at this instant or after it; `released_at` says when it was."
    )
    authors: list[str] | None = Field(
        description="Who wrote or committed a part of it; null: nobody knows, which costs one more approval."
    )
    approvals: Approvals | None = Field(description="Where it is at an approval.")
    verdicts: list[Verdict] = Field(description="What was said of it, in the order in which it was.")
    acts: list[RolloutAct] = Field(
        description="What each act would be answered with now, for somebody who may."
    )
    may: RolloutMay
    began_at: Moment
    since: Moment = Field(description="When its step began, or was taken up again.")
    released_at: Moment | None
    ended_at: Moment | None


class RolloutPage(BaseAnswer):
    rollouts: list[Rollout] = Field(description="Those that wait for a person first, else the newest first.")
    next_before_id: int | None = Field(
        description="Give it as `before_id` to go on; null at the end. A page may have fewer than `limit`, "
        "and not be the last."
    )


class ActBody(BaseRequest):
    """What every act on a rollout takes."""

    reason: Text | None = Field(
        None, description="Why. Kept with the event. `reject`, `skip` and `abort` need one."
    )
    expected_generation: Number | None = Field(
        None,
        description="That of the rollout that you saw; when it has moved since, the answer is 409. The same "
        'as the header `If-Match: "<generation>"`.',
    )
    plan: bool = Field(
        False, strict=True, description="Only say what would be done. The same as `?plan=true`."
    )

    def request(self, dag_id: str, verb: RolloutVerb, **more: Any) -> RolloutRequest:
        """What is asked; *more* is what the rest of the HTTP request says."""
        return RolloutRequest(dag_id=dag_id, verb=verb.value, **(self.model_dump() | more))


class DagActBody(ActBody):
    watched: bool = Field(
        False,
        strict=True,
        description="On the rollout that is watched, where another one is ahead of it.",
    )


class RolloutActed(BaseAnswer):
    """What became of a Dag's rollout, or would become of it."""

    dag_id: str
    plan: bool = Field(description="True: nothing was changed.")
    changed: bool
    message: str
    rollout: Rollout | None = Field(
        description="As it is since then; after a restart the new one. Null: the Dag has none, since its "
        "newest place was released at once."
    )
    command: str = Field(description="The command line that does the same.")


class CheckBody(BaseRequest):
    """What a check found, of one subject: a bundle version, a build of a Dag, or a digest."""

    verdict: Literal["passed", "failed", "inconclusive", "error"] = Field(
        description="`inconclusive`: it was found out, and is neither; `error`: it could not be found out."
    )
    bundle: Short | None = Field(
        None, description="Of the bundle version; without: the only bundle that there is."
    )
    bundle_version: Short | None = Field(
        None,
        description="A commit id, for a git bundle; it need not be known yet. With `dag_id` and `build`: the "
        "version at which the build is meant; without: the newest in which it stands.",
    )
    dag_id: DagId | None = None
    build: Number | None = None
    digest: Annotated[str, Field(min_length=1, max_length=64)] | None = Field(
        None, description="Of builds, whatever commit they come from; it need not be known yet."
    )
    url: Annotated[str, Field(max_length=LONGEST_URL)] | None = Field(
        None, description="Where the check says more: http or https."
    )
    reason: Text | None = None
    expires_at: Instant | None = Field(None, description="From then on it counts no more.")

    def request(self, name: str, request_id: str | None) -> CheckRequest:
        """What is said; the name stands in the path."""
        return CheckRequest(name=name, request_id=request_id, **self.model_dump())


class CheckSet(BaseAnswer):
    """A verdict that was noted."""

    id: int
    name: str
    verdict: Literal["passed", "failed", "inconclusive", "error"]
    actor: str
    at: Moment
    dag_id: str | None
    build: int | None
    bundle: str | None
    bundle_version: str | None
    digest: str | None
    url: str | None
    reason: str | None
    expires_at: Moment | None
    rollouts: list[int] = Field(
        description="Those on their way for which it counts, of Dags that you may read. None need be."
    )
