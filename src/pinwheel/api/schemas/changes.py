"""Wire types of promote, pin, unpin, roll back and reject, for one Dag and for many."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field

from pinwheel.api.schemas.parts import (
    MAX_SELECTED,
    BaseAnswer,
    BaseRequest,
    DagId,
    Instant,
    Moment,
    NamedVersion,
    Number,
    Short,
    Text,
)
from pinwheel.api.schemas.problems import DagFacts
from pinwheel.core.release.decide import Verb
from pinwheel.core.request import ChangeRequest, Selection
from pinwheel.core.selector import Selector

EraChoice = Annotated[
    Literal["keep", "replace"] | None,
    Field(
        description="Only with a rollback, and needed where an era of the Dag's timeline holds the present: "
        "`replace` lets it be for the build that is rolled back to, `keep` changes the other dates only."
    ),
]
NotBefore = Annotated[
    Instant | None,
    Field(
        description="Only with a promote: release it not before this instant. What has to pass before it has "
        "to pass all the same; where a window is known to be closed then, the answer is 409."
    ),
]
Now = Annotated[
    bool,
    Field(
        strict=True,
        description="Only with a promote or a pin: at once, past gates, windows and freezes. It needs a "
        "reason, and the right Pinwheel Override.",
    ),
]


class ChangeBody(BaseRequest):
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

    def request(self, verb: Verb, dag_id: str, **more: Any) -> ChangeRequest:
        """What is asked; *more* is what the rest of the HTTP request says."""
        asked = self.model_dump(exclude={"lift"}) | more
        return ChangeRequest(verb=verb, selection=Selection(selector=Selector(ids=(dag_id,))), **asked)


class PromoteBody(ChangeBody):
    build: Number | None = Field(None, description="The build to release; without: the newest one.")
    bundle_version: NamedVersion = None
    to_release: Number | None = Field(None, description="The build of this release, in place of `build`.")
    at: NotBefore = None
    now: Now = False


class PinBody(ChangeBody):
    build: Number | None = Field(None, description="The build to stay on; without: the active one.")
    bundle_version: NamedVersion = None
    to_release: Number | None = Field(None, description="The build of this release, in place of `build`.")
    now: Now = False


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
        description="Also run again, on the older build, what failed in the failed runs of what is rolled "
        "back. What did not fail there stays as it ran, so that such a run has tasks of two builds.",
    )
    rerun_whole: bool = Field(
        False,
        strict=True,
        description="In place of `rerun_failed`: run these runs again from their start, on the older build "
        "alone.",
    )
    to_blame: bool = Field(
        True,
        strict=True,
        description="What is rolled back is at fault: it is rejected, and never released by itself again.",
    )
    eras: EraChoice = None


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


class SelectorBody(BaseRequest):
    """Dags by id, glob, tag and bundle: ids and globs add up, tags and the bundle narrow."""

    ids: list[DagId] = Field(default_factory=list, max_length=MAX_SELECTED)
    globs: list[Short] = Field(default_factory=list, max_length=100, examples=[["sales_*"]])
    tags: list[Short] = Field(default_factory=list, max_length=100)
    bundle: Short | None = None
    everything: bool = Field(
        False, strict=True, description="All Dags that are not retired. Said on purpose."
    )

    def selection(self) -> Selection:
        """The Dags that are meant."""
        return Selection(selector=Selector.of(**self.model_dump()))


class BatchBody(BaseRequest):
    """One change on all Dags of a selector, in one transaction: all of them or none."""

    verb: BatchVerb
    selector: SelectorBody
    reason: Text | None = None
    build: Number | None = Field(None, description="Only with a selector of exactly one Dag.")
    bundle_version: NamedVersion = None
    to_release: Number | None = Field(None, description="Only with a selector of exactly one Dag.")
    expected_release: Number | None = Field(None, description="Only with a selector of exactly one Dag.")
    rerun_failed: bool = Field(False, strict=True, description="Only with `rollback`.")
    rerun_whole: bool = Field(False, strict=True, description="Only with `rollback`.")
    to_blame: bool = Field(
        True, strict=True, description="Only with `rollback`: whether what is rolled back is rejected."
    )
    eras: EraChoice = None
    at: NotBefore = None
    now: Now = False
    skip_refused: list[DagId] | None = Field(
        None,
        max_length=MAX_SELECTED,
        description="Dags that a plan showed as refused: these are left out, whether or not they still are, "
        "and the others change. Any other refusal keeps all Dags as they are.",
    )
    plan: bool = Field(False, strict=True)

    def request(self, **more: Any) -> ChangeRequest:
        """What is asked; *more* is what the rest of the HTTP request says."""
        asked = self.model_dump(exclude={"verb", "selector"}) | more
        return ChangeRequest(verb=Verb(self.verb.value), selection=self.selector.selection(), **asked)


class Outcome(BaseAnswer):
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
    version: str | None = Field(
        description="The bundle version that new runs take, where the change is to a version of the build."
    )
    rejected: int | None = Field(description="The build that is never released by itself again.")
    rejected_after: str | None = Field(
        description="Where only some versions of the build are rejected: the version before these. Null with "
        "`rejected_until`: it is that one alone."
    )
    rejected_until: str | None = Field(description="And the last of these versions.")
    lifted: bool = Field(description="A rejection was taken back.")
    warnings: list[str]
    rerun: list[str] = Field(description="Runs that run again.")
    rerun_tasks: int = Field(description="So many task instances of these runs run again.")
    rerun_mixed: int = Field(
        description="In so many of these runs some tasks stay as they ran: versions mix there."
    )
    failed_runs: list[str] = Field(
        description="In the plan of a rollback of one Dag: the failed runs of what is rolled back, which "
        "can run again."
    )
    not_before: Moment | None = Field(
        description="Of a promote that asked for an instant: it is released then or after it."
    )


class OneOutcome(Outcome):
    plan: bool = Field(description="True: nothing was changed.")
    command: str = Field(description="The command line that does the same.")


class Refusal(BaseAnswer):
    """Why a Dag can not take the change: the problem that a change of it alone would be answered with."""

    dag_id: str
    type: str = Field(examples=["urn:pinwheel:refused"])
    title: str
    status: int
    detail: str = Field(description="What failed, what was found and what to do, in one text.")
    failed: str
    found: str
    remedy: str
    facts: DagFacts


class Changes(BaseAnswer):
    plan: bool = Field(description="True: nothing was changed.")
    outcomes: list[Outcome] = Field(description="One a Dag that changes or stays, in order of Dag id.")
    refused: list[Refusal] = Field(
        description="In a plan: all Dags that can not take the change, in order of Dag id. Carried out, one "
        "refusal is a problem, and no Dag is changed."
    )
    left_out: list[str] = Field(description="The Dags of `skip_refused` that the selector means.")
