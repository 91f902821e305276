"""Policies as they are written, in YAML and in JSON: one notation for files, requests and rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, WrapValidator, model_validator

from pinwheel.core.release.notation import (
    DagsOrAll,
    Duration,
    Instant,
    Name,
    Names,
    Strict,
    duration_text,
    or_text,
    unset,
    wrong,
)
from pinwheel.core.rollout.steps import FORTNIGHT, NO_TIME, PATIENCE

MOST_STEPS = 20
MOST_APPROVALS = 20
MOST_RUNS = 1000


class ApproveStep(Strict):
    """So many persons with the right approve this place."""

    model_config = ConfigDict(title="approve")

    count: int = Field(default=1, ge=1, le=MOST_APPROVALS, description="How many persons.")
    excludes: list[Literal["author", "committer", "promoter"]] = Field(
        default=["author", "committer", "promoter"], alias="not", description="Who may not approve."
    )
    persons: Names = Field(default_factory=list, description="Only these may, besides having the right.")
    expires: Duration = Field(
        default=FORTNIGHT,
        description="After this time without enough approvals it pauses.",
        json_schema_extra={"default": duration_text(FORTNIGHT)},
    )


class CheckStep(Strict):
    """An external verdict of this name on the place, its bundle version, or the digest of its build."""

    model_config = ConfigDict(title="check")

    name: Name = Field(examples=["ci/regression"])
    of: Literal["place", "version"] = Field(
        default="place", description="version: a verdict on the bundle version counts, and no other."
    )
    timeout: Duration = Field(default_factory=unset, description="How long it waits; without one: for ever.")
    on_timeout: Literal["pause", "abort"] = Field(default="pause", description="What happens then.")

    @model_validator(mode="after")
    def _times_out(self) -> CheckStep:
        if "on_timeout" in self.model_fields_set and "timeout" not in self.model_fields_set:
            raise wrong("has on_timeout, and no timeout", "Add timeout: 4h, or as long as it may wait")
        return self


class WaitStep(Strict):
    """A time goes by, an instant is reached, or no run of the Dag is active: one of the three."""

    model_config = ConfigDict(title="wait")

    span: Duration = Field(default_factory=unset, alias="for", description="So long.")
    until: Instant = Field(default_factory=unset, description="Until then.")
    idle: Literal[True] = Field(default_factory=unset, description="Until no run of the Dag is active.")
    patience: Duration = Field(
        default=PATIENCE,
        description="Of idle: after this time it pauses.",
        json_schema_extra={"default": duration_text(PATIENCE)},
    )

    @model_validator(mode="after")
    def _one(self) -> WaitStep:
        if len(self.given("span", "until", "idle")) != 1:
            raise wrong("waits for none or several of for, until and idle", "Give it one of the three")
        if "patience" in self.model_fields_set and "idle" not in self.model_fields_set:
            raise wrong("has patience, which only idle has", "Remove it")
        return self


class SoakStep(Strict):
    """The release is watched until so many runs and so much time were well."""

    model_config = ConfigDict(title="soak")

    runs: int = Field(default=5, ge=0, le=MOST_RUNS, description="So many runs have to end.")
    at_least: Duration = Field(
        default=NO_TIME, description="It is watched for so long.", json_schema_extra={"default": "0s"}
    )
    at_most: Duration = Field(
        default_factory=unset,
        description="Then fewer runs are enough, and none at all pauses; without it: until the runs came.",
    )

    @model_validator(mode="after")
    def _can_end(self) -> SoakStep:
        if "at_most" in self.model_fields_set and self.at_most < self.at_least:
            remedy = "Raise at_most, or lower at_least"
            raise wrong("has an at_most that is shorter than its at_least", remedy)
        if not self.runs and self.at_least == NO_TIME:
            raise wrong("waits for no run and for no time", "Give it runs: 5, or at_least: 1d")
        return self


GATES = ("approve", "check", "wait")


class Step(Strict):
    """One step of a policy."""

    model_config = ConfigDict(title="Step", json_schema_extra={"minProperties": 1, "maxProperties": 1})

    approve: ApproveStep = Field(default_factory=unset, description="Persons approve.")
    check: CheckStep = Field(default_factory=unset, description="Something outside says that it is well.")
    wait: WaitStep = Field(default_factory=unset, description="It waits.")
    release: Literal["by-hand"] = Field(
        default_factory=unset,
        description="New runs take the place. by-hand: when somebody asks (pinwheel promote).",
    )
    soak: SoakStep = Field(default_factory=unset, description="The release is watched.")

    @model_validator(mode="after")
    def _one(self) -> Step:
        if len(self.model_fields_set) != 1:
            raise wrong(
                f"is {len(self.model_fields_set) or 'no'} steps",
                "Begin each with '- ', and give it one key",
            )
        return self

    @property
    def kind(self) -> str:
        return next(iter(self.model_fields_set))


RELEASE = Step.model_construct(_fields_set={"release"})
"""Written as the text ``release``."""


def _release_or(value: Any, handler: Callable[[Any], Step]) -> Step:
    return RELEASE if value == "release" else handler(value)


def _in_order(steps: list[Step]) -> list[Step]:
    released = [at for at, step in enumerate(steps) if step.kind == "release"]
    if not released:
        raise wrong("has no release", "Add it where new runs shall take the place: - release")
    if len(released) > 1:
        raise wrong("is a second release", "Leave one", released[1])
    for at, step in enumerate(steps):
        if step.kind == "soak" and at < released[0]:
            raise wrong("is a soak before the release", "Put it behind that: a release is watched", at)
        if step.kind in GATES and at > released[0]:
            raise wrong(f"is {step.kind} behind the release", "Put it before: it would hold nothing", at)
        first = next(place for place, other in enumerate(steps) if _same(step, other))
        if first != at:
            raise wrong(f"is {step.kind} like steps[{first}]", "Leave one, with the stricter values", at)
    return steps


def _same(one: Step, other: Step) -> bool:
    """Whether two steps are of one name (:func:`pinwheel.core.release.rule.named`)."""
    if one.kind != other.kind:
        return False
    match one.kind:
        case "approve":
            return set(one.approve.persons) == set(other.approve.persons)
        case "check":
            return one.check.name == other.check.name
        case "wait":
            return one.wait.given("span", "until", "idle") == other.wait.given("span", "until", "idle")
        case _:
            return True


# Policies


class Failures(Strict):
    """So many failures in so many runs."""

    failures: int = Field(ge=1, le=MOST_RUNS)
    of: int = Field(ge=1, le=MOST_RUNS)

    @model_validator(mode="after")
    def _can_be(self) -> Failures:
        if self.failures > self.of:
            raise wrong("has more failures than runs", "Lower failures, or raise of: it would never fire")
        return self


class AlsoCheck(Strict):
    check: Name = Field(description="Of this name.")


class RollbackSection(Strict):
    """When the watch of a release rolls back."""

    model_config = ConfigDict(title="rollback")

    when: Literal["worse", "first-failure", "never"] | Failures = Field(
        default="worse",
        description="worse: more failures in 5 runs than the build before had in any 5 of its last 50.",
    )
    slower: bool = Field(
        default=False, description="Three runs in a row, each slower than the slowest of the 20 before."
    )
    deadline: Literal["missed"] = Field(
        default_factory=unset, description="A run missed a deadline, and none of the 20 before did."
    )
    early: bool = Field(default=False, description="A task that failed for good counts before its run ends.")
    also: list[AlsoCheck] = Field(
        default_factory=list, max_length=MOST_STEPS, description="Checks of which the verdict failed does it."
    )
    rerun_failed: bool = Field(
        default=False, description="What failed is run again on the place to which it went back."
    )


class PlanSection(Strict):
    """What a policy says of each of its Dags."""

    steps: Annotated[
        list[Annotated[Step, WrapValidator(_release_or)]],
        Field(min_length=1, max_length=MOST_STEPS, json_schema_extra=or_text("release", of_items=True)),
        AfterValidator(_in_order),
    ] = Field(description="In order: gates, one release.")
    newer: Literal["supersede", "replace", "queue"] = Field(
        default="supersede", description="What a newer build does to one that is on its way."
    )
    follow: bool = Field(
        default=False,
        description="Also with gates, the Dags follow to newer commits of the build that is active.",
    )
    rollback: RollbackSection = Field(
        default_factory=RollbackSection, description="When the watch of a release rolls back."
    )


class Named(Strict):
    name: Name = Field(description="Its own among the policies of this file.")
    dags: DagsOrAll = Field(description="The Dags that it is about.", json_schema_extra=or_text("all"))


class RepositoryPolicy(PlanSection, Named):
    """The steps on which places of some Dags are released."""

    model_config = ConfigDict(title="Policy")


class PlatformPolicy(RepositoryPolicy):
    locked: bool = Field(default=False, description="No policy of a repository takes its place.")
