"""Strictness is a partial order of plans, and no rule makes a plan less strict."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from pinwheel.core.release.loosen import loosens
from pinwheel.core.release.rule import Require, Rule, named, required, with_required
from pinwheel.core.release.serialized import (
    digest,
    plan_from_json,
    plan_to_json,
    rule_from_json,
    rule_to_json,
)
from pinwheel.core.rollout.steps import (
    Approve,
    Check,
    Gate,
    Newer,
    Of,
    OnTimeout,
    Party,
    Plan,
    Release,
    Wait,
    Watch,
)
from pinwheel.core.rollout.way_back import Failures, WayBack, When

SPANS = st.sampled_from([timedelta(hours=1), timedelta(hours=2)])
INSTANTS = st.sampled_from([datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)])
APPROVALS = st.builds(
    Approve,
    count=st.integers(1, 3),
    excludes=st.frozensets(st.sampled_from(list(Party))),
    persons=st.sampled_from([frozenset[str](), frozenset({"amy"})]),
    expires=SPANS,
)
CHECKS = st.builds(Check, name=st.sampled_from(["a", "b"]), of=st.sampled_from(list(Of))) | st.builds(
    Check, name=st.just("a"), timeout=SPANS, on_timeout=st.sampled_from(list(OnTimeout))
)
WAITS = (
    st.builds(Wait, span=SPANS)
    | st.builds(Wait, until=INSTANTS)
    | st.builds(Wait, idle=st.just(True), patience=SPANS)
)
GATES: st.SearchStrategy[list[Gate]] = st.lists(APPROVALS | CHECKS | WAITS, max_size=4, unique_by=named)
RELEASES = st.builds(Release, by_hand=st.booleans())
WATCHES = st.sampled_from(
    [
        Watch(runs=runs, at_least=least, at_most=most)
        for runs in range(3)
        for least in (timedelta(hours=1), timedelta(hours=2))
        for most in (None, timedelta(hours=1), timedelta(hours=2))
        if most is None or most >= least
    ]
)
WAYS_BACK = st.builds(
    WayBack,
    when=st.sampled_from(list(When))
    | st.sampled_from([Failures(failures=1, of=1), Failures(failures=1, of=2), Failures(failures=2, of=2)]),
    slower=st.booleans(),
    also=st.frozensets(st.sampled_from(["a", "b"])),
    rerun_failed=st.booleans(),
)
PLANS = st.builds(
    lambda gates, release, watches, newer, follow, rollback: Plan(
        steps=(*gates, release, *watches), newer=newer, follow=follow, rollback=rollback
    ),
    GATES,
    RELEASES,
    st.lists(WATCHES, max_size=1),
    st.sampled_from(list(Newer)),
    st.booleans(),
    WAYS_BACK | st.just(WayBack()),
)


@st.composite
def stricter(draw: st.DrawFn, plan: Plan) -> Plan:
    """A plan that is this one with steps added and values made stricter."""
    steps = list[object]()
    for step in plan.steps:
        match step:
            case Approve():
                more = draw(st.frozensets(st.sampled_from(list(Party))))
                step = evolve(step, count=step.count + draw(st.integers(0, 1)), excludes=step.excludes | more)
            case Check():
                step = evolve(step, of=draw(st.sampled_from([step.of, Of.VERSION])))
            case Wait(span=span) if span is not None:
                step = evolve(step, span=span * draw(st.integers(1, 2)))
            case Release():
                step = evolve(step, by_hand=step.by_hand or draw(st.booleans()))
            case Watch():
                step = evolve(step, runs=step.runs + draw(st.integers(0, 1)))
        steps.append(step)
    there = {named(step) for step in plan.steps}
    for gate in draw(GATES):
        if named(gate) not in there:
            steps.insert(draw(st.integers(0, plan.release_at)), gate)
    return evolve(plan, steps=tuple(steps), follow=plan.follow and draw(st.booleans()))


@given(plan=PLANS, data=st.data())
def test_steps_that_are_added_and_values_that_are_stricter_never_loosen(
    plan: Plan, data: st.DataObject
) -> None:
    assert loosens(plan, plan) == ()
    once = data.draw(stricter(plan))
    assert loosens(plan, once) == ()
    twice = data.draw(stricter(once))
    assert loosens(once, twice) == () and loosens(plan, twice) == ()
    if once != plan:
        assert loosens(once, plan) != ()


@given(one=PLANS, other=PLANS, data=st.data())
def test_of_two_plans_at_most_one_is_stricter_and_what_is_stricter_than_that_is_too(
    one: Plan, other: Plan, data: st.DataObject
) -> None:
    if data.draw(st.booleans()):
        other = data.draw(stricter(one))
    if loosens(one, other) == loosens(other, one) == ():
        assert one == other and digest(one) == digest(other)
    third = data.draw(PLANS) if data.draw(st.booleans()) else data.draw(stricter(other))
    if loosens(one, other) == loosens(other, third) == ():
        assert loosens(one, third) == ()


@given(plan=PLANS, gates=GATES)
def test_no_policy_weakens_what_a_rule_requires(plan: Plan, gates: list[Gate]) -> None:
    rules = [Rule(name="x", body=Require(gates=tuple(gates)))]
    asked = {named(gate): gate for gate in required(rules)}
    merged = with_required(plan, required(rules))
    for gate in merged.gates:
        if (rule := asked.pop(named(gate), None)) is not None:
            # Its time may only be over sooner.
            alone = Plan(steps=(rule, Release()))
            said = loosens(alone, Plan(steps=(gate, Release())))
            assert all(" is another" in each or "on_timeout" in each for each in said)
    assert asked == {}
    assert merged.steps[merged.release_at :] == plan.steps[plan.release_at :]
    assert with_required(merged, required(rules)) == merged


@given(gates=GATES, more=GATES)
def test_two_rules_require_what_each_does_in_either_order(gates: list[Gate], more: list[Gate]) -> None:
    rules = [Rule(name="x", body=Require(gates=tuple(each))) for each in (gates, more)]
    for both in (rules, rules[::-1]):
        found = {named(gate): gate for gate in required(both)}
        assert set(found) == {named(gate) for gate in (*gates, *more)}
        for gate in (*gates, *more):
            match gate, found[named(gate)]:
                case Approve(), Approve(count=count, excludes=excludes, expires=expires):
                    assert count >= gate.count and excludes >= gate.excludes and expires <= gate.expires
                case Check(), Check(of=of, timeout=timeout):
                    assert of is Of.VERSION or gate.of is not Of.VERSION
                    assert gate.timeout is None or (timeout is not None and timeout <= gate.timeout)
                case Wait(span=span), Wait(span=longest) if span is not None:
                    assert longest is not None and longest >= span


@given(plan=PLANS)
def test_each_plan_is_the_same_after_json(plan: Plan) -> None:
    assert plan_from_json(json.loads(json.dumps(plan_to_json(plan)))) == plan


@given(gates=st.tuples(APPROVALS, CHECKS, WAITS))
def test_each_rule_is_the_same_after_json_in_the_order_of_machines_and_then_persons(
    gates: tuple[Approve, Check, Wait],
) -> None:
    approve, check, wait = gates
    rule = Rule(name="x", body=Require(gates=(check, wait, approve)))
    assert rule_from_json(json.loads(json.dumps(rule_to_json(rule)))) == rule
