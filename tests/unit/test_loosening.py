"""What loosens a plan, and what only makes it stricter."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from attrs import evolve

from pinwheel.core.release.loosen import loosens, spoken
from pinwheel.core.rollout.steps import (
    Approve,
    Check,
    Newer,
    Of,
    OnTimeout,
    Party,
    Plan,
    Release,
    Step,
    Wait,
    Watch,
)
from pinwheel.core.rollout.way_back import Failures, WayBack, When

HOUR = timedelta(hours=1)
NEW_YEAR = datetime(2027, 1, 1, tzinfo=UTC)
AMY = frozenset({"amy"})
BOTH = frozenset({Party.AUTHOR, Party.COMMITTER})
AUTHOR = frozenset({Party.AUTHOR})


def plan(*steps: Step) -> Plan:
    behind: tuple[Step, ...] = tuple(step for step in steps if isinstance(step, Watch))
    before = tuple(step for step in steps if step not in behind)
    if not any(isinstance(step, Release) for step in before):
        before = (*before, Release())
    return Plan(steps=(*before, *behind))


STRICTER = {
    "a step": (plan(), plan(Approve())),
    "a step between": (
        plan(Check(name="a"), Check(name="b")),
        plan(Check(name="a"), Approve(), Check(name="b")),
    ),
    "a watch": (plan(), plan(Watch())),
    "approvals": (plan(Approve()), plan(Approve(count=2))),
    "parties": (plan(Approve(excludes=AUTHOR)), plan(Approve(excludes=BOTH))),
    "an approval by others": (plan(Approve()), plan(Approve(), Approve(persons=AMY))),
    "verdicts of the version only": (plan(Check(name="a")), plan(Check(name="a", of=Of.VERSION))),
    "a longer wait": (plan(Wait(span=HOUR)), plan(Wait(span=2 * HOUR))),
    "a later end": (plan(Wait(until=NEW_YEAR)), plan(Wait(until=NEW_YEAR + HOUR))),
    "a release by hand": (plan(), plan(Release(by_hand=True))),
    "runs": (plan(Watch(runs=5)), plan(Watch(runs=6))),
    "at least": (plan(Watch()), plan(Watch(at_least=HOUR))),
    "nothing replaced": (Plan(newer=Newer.REPLACE), Plan()),
    "no following": (Plan(follow=True), Plan()),
    "a way back": (Plan(rollback=WayBack(when=When.NEVER)), Plan()),
    "a way back at the first failure": (Plan(), Plan(rollback=WayBack(when=When.FIRST_FAILURE))),
    "fewer failures": (
        Plan(rollback=WayBack(when=Failures(failures=2, of=5))),
        Plan(rollback=WayBack(when=Failures(failures=1, of=6))),
    ),
    "failures of more runs": (
        Plan(rollback=WayBack(when=Failures(failures=2, of=5))),
        Plan(rollback=WayBack(when=Failures(failures=2, of=6))),
    ),
    "fewer failures of as many runs": (
        Plan(rollback=WayBack(when=Failures(failures=2, of=5))),
        Plan(rollback=WayBack(when=Failures(failures=1, of=5))),
    ),
    "what is slower": (Plan(), Plan(rollback=WayBack(slower=True))),
    "a deadline": (Plan(), Plan(rollback=WayBack(deadline=True))),
    "what fails early": (Plan(), Plan(rollback=WayBack(early=True))),
    "a check": (Plan(), Plan(rollback=WayBack(also=frozenset({"a"})))),
    "more that fires": (
        Plan(rollback=WayBack(also=frozenset({"a"}))),
        Plan(rollback=WayBack(also=frozenset({"a", "b"}), slower=True, deadline=True, early=True)),
    ),
}
"""By what is added: a plan, and one that is stricter."""
ANOTHER = {
    "the time of an approval": (
        plan(Approve()),
        plan(Approve(expires=HOUR)),
        "expires of approve is another",
    ),
    "the time of a check": (
        plan(Check(name="a")),
        plan(Check(name="a", timeout=HOUR)),
        "timeout of check a is another",
    ),
    "what a check does then": (
        plan(Check(name="a", timeout=HOUR)),
        plan(Check(name="a", timeout=HOUR, on_timeout=OnTimeout.ABORT)),
        "on_timeout of check a is abort, and was pause",
    ),
    "patience": (
        plan(Wait(idle=True)),
        plan(Wait(idle=True, patience=HOUR)),
        "patience of wait idle is another",
    ),
    "the end of a watch": (plan(Watch()), plan(Watch(at_most=HOUR)), "at_most of soak is another"),
    "the persons": (plan(Approve()), plan(Approve(persons=AMY)), "approve is gone"),
    "the name": (plan(Check(name="a")), plan(Check(name="b")), "check a is gone"),
    "the kind of wait": (plan(Wait(idle=True)), plan(Wait(span=HOUR)), "wait idle is gone"),
    "the order": (
        plan(Approve(), Check(name="a")),
        plan(Check(name="a"), Approve()),
        "check a comes earlier",
    ),
    "a queue": (Plan(), Plan(newer=Newer.QUEUE), "newer is queue, and was supersede"),
    "a queue instead of replacing": (
        Plan(newer=Newer.REPLACE),
        Plan(newer=Newer.QUEUE),
        "newer is queue, and was replace",
    ),
    "another count of failures": (
        Plan(),
        Plan(rollback=WayBack(when=Failures(failures=1, of=1))),
        "rollback is weaker, or another",
    ),
    "failures of fewer runs": (
        Plan(rollback=WayBack(when=Failures(failures=2, of=5))),
        Plan(rollback=WayBack(when=Failures(failures=1, of=4))),
        "rollback is weaker, or another",
    ),
    "runs anew": (Plan(), Plan(rollback=WayBack(rerun_failed=True)), "rollback is weaker, or another"),
}
"""By what is another: two plans that hold each other up, and what the second loosens."""
LESS = {
    "a step": "approve is gone",
    "a step between": "approve is gone",
    "a watch": "soak is gone",
    "approvals": "count of approve is 1, and was 2",
    "parties": "committer may approve",
    "an approval by others": "approve (by amy) is gone",
    "verdicts of the version only": "check a takes verdicts of other versions too",
    "a longer wait": "wait for is shorter",
    "a later end": "wait until ends earlier",
    "a release by hand": "the release does not wait for anybody",
    "runs": "runs of soak is 5, and was 6",
    "at least": "at_least of soak is shorter",
    "nothing replaced": "newer is replace, and was supersede",
    "no following": "the Dag follows to newer commits by itself",
}


@pytest.mark.parametrize("added", STRICTER)
def test_only_what_is_taken_away_or_made_less_loosens(added: str) -> None:
    less, more = STRICTER[added]
    assert loosens(less, more) == ()
    assert loosens(more, less) == (LESS.get(added, "rollback is weaker, or another"),)


@pytest.mark.parametrize("case", ANOTHER)
def test_what_can_not_be_compared_loosens_either_way(case: str) -> None:
    one, other, said = ANOTHER[case]
    assert loosens(one, other) == (said,)
    assert len(loosens(other, one)) == 1


def test_all_that_loosens_is_told_in_order() -> None:
    old = evolve(plan(Approve(count=2), Check(name="a"), Wait(span=HOUR), Watch()), newer=Newer.SUPERSEDE)
    new = evolve(plan(Wait(span=HOUR), Approve(excludes=BOTH)), newer=Newer.REPLACE, follow=True)
    assert loosens(old, new) == (
        "count of approve is 1, and was 2",
        "promoter may approve",
        "check a is gone",
        "wait for comes earlier",
        "soak is gone",
        "newer is replace, and was supersede",
        "the Dag follows to newer commits by itself",
    )


def test_each_step_has_its_words() -> None:
    steps = (Approve(), Approve(persons=frozenset({"bob", "amy"})), Check(name="a"), Release(), Watch())
    assert [spoken(step) for step in steps] == [
        *("approve", "approve (by amy, bob)", "check a", "release", "soak"),
    ]
    assert [spoken(step) for step in (Wait(span=HOUR), Wait(until=NEW_YEAR), Wait(idle=True))] == [
        *("wait for", "wait until", "wait idle"),
    ]
