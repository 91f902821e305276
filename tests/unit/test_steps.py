"""What a decision consists of: each kind of step is told in the plan and carried out, none is passed over."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from attrs import fields, frozen

from harness.builds import build
from pinwheel.core.records import ManagedDag
from pinwheel.core.release.decide import Decision, Lift, Reject, Release, SetTrack, Step
from pinwheel.core.release.rejection import Rejection
from pinwheel.core.release.state import DagState, Kind, Track
from pinwheel.services.release.carry_out import carry_out
from pinwheel.services.release.outcome import Act, outcome_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BUILD = build(1)
REJECTION = Rejection(id=1, dag_id="sales", build_id=BUILD.id, actor="bob", reason=None, at=NOW)
ROW = {"dag_id": "sales", "bundle_name": "dags", "relative_fileloc": "sales.py", "track": "auto"}
STEPS: dict[type, Any] = {
    SetTrack: SetTrack(track=Track.PINNED),
    Reject: Reject(build=BUILD),
    Lift: Lift(rejections=(REJECTION,)),
    Release: Release(build=BUILD, kind=Kind.PROMOTE),
}


@frozen
class StartRollout:
    """A kind of step that nobody knows yet."""


def act(*steps: Any) -> Act:
    return Act(
        dag=ManagedDag.from_row({**dict.fromkeys(column.name for column in fields(ManagedDag)), **ROW}),
        state=DagState(dag_id="sales"),
        decision=Decision(steps=steps, reason="asked"),
        verb="promote",
        actor="ada",
    )


class Touched(Exception):
    """The database was asked or written to."""


class Database:
    """In place of the session, and of the port that is handed one."""

    def execute(self, *_: Any) -> Any:
        raise Touched

    observe = execute

    @property
    def rows(self) -> Database:
        return self


def carried_out(what: Act) -> object:
    host: Any = Database()
    return carry_out(host, Database(), [what], now=NOW)


@pytest.mark.parametrize(
    "reads",
    [lambda what: what.decision.release, outcome_of, carried_out],
    ids=["release", "plan", "carry_out"],
)
def test_a_step_without_a_handler_is_never_passed_over(reads: Callable[[Act], object]) -> None:
    for steps in ([StartRollout()], [SetTrack(track=Track.PINNED), StartRollout()]):
        # Before the database is touched.
        with pytest.raises(AssertionError, match="StartRollout"):
            reads(act(*steps))


@pytest.mark.parametrize("kind", get_args(Step))
def test_each_kind_of_step_is_told_in_the_plan_and_carried_out(kind: type) -> None:
    step = STEPS[kind]
    assert outcome_of(act(step)) != outcome_of(act())
    with pytest.raises(Touched):
        carried_out(act(step))


def test_a_decision_has_at_most_one_step_of_a_kind() -> None:
    with pytest.raises(ValueError, match="two steps of one kind: Release, Release"):
        act(STEPS[Release], STEPS[Release])
