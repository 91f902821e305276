"""Rules of the platform: which are about a Dag, what they require together, who may override them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pinwheel.core.release.rule import (
    Forbid,
    Forbidden,
    Require,
    Rule,
    RuleKind,
    Subject,
    about,
    forbidden,
    limits,
    required,
    unknown_author_allowed,
    with_required,
)
from pinwheel.core.rollout.steps import Approve, Check, Gate, Of, OnTimeout, Party, Plan, Release, Wait, Watch
from pinwheel.core.rollout.window import Allow, Deny, Freeze, Limit, Window
from pinwheel.core.selector import Selector

HOUR = timedelta(hours=1)
WINDOW = (Window(zone="UTC"),)
AMY, BOB = frozenset({"amy"}), frozenset({"bob"})


def require(*gates: Gate, allowed: bool = False) -> Rule:
    return Rule(name="x", body=Require(gates=gates, unknown_author_allowed=allowed))


def test_a_rule_selects_by_id_glob_tag_and_bundle_and_all_dags_if_it_names_none() -> None:
    rules = [
        Rule(name="all", body=Freeze()),
        Rule(name="tag", body=Freeze(), dags=Selector(tags=("a", "b"))),
        Rule(name="glob", body=Freeze(), dags=Selector(globs=("sales_*",))),
        Rule(name="bundle", body=Freeze(), dags=Selector(bundle="main")),
    ]
    dag = Subject(dag_id="sales_daily", tags=frozenset({"b"}), bundle="main")
    assert [rule.name for rule in about(rules, dag)] == ["all", "tag", "glob", "bundle"]
    other = Subject(dag_id="x", bundle="other")
    assert [rule.name for rule in about(rules, other)] == ["all"]


def test_each_rule_has_its_kind_and_gives_what_it_says() -> None:
    rules = [
        Rule(name="allow", body=Allow(WINDOW)),
        Rule(name="deny", body=Deny(WINDOW)),
        Rule(name="freeze", body=Freeze()),
        Rule(name="require", body=Require(gates=(Approve(),))),
        Rule(name="forbid", body=Forbid(frozenset({Forbidden.TRIALS}))),
    ]
    assert [rule.kind for rule in rules] == [
        RuleKind.WINDOW,
        RuleKind.WINDOW,
        RuleKind.FREEZE,
        RuleKind.REQUIRE,
        RuleKind.FORBID,
    ]
    assert limits(rules) == (
        Limit("allow", Allow(WINDOW)),
        Limit("deny", Deny(WINDOW)),
        Limit("freeze", Freeze()),
    )
    assert [rule.name for rule in forbidden(rules, Forbidden.TRIALS)] == ["forbid"]
    assert forbidden(rules, Forbidden.RUNS_BY_HAND) == ()
    assert required(rules) == (Approve(),)


def test_whoever_is_not_named_may_not_override() -> None:
    named = Rule(name="x", body=Freeze(), override=("finance-incident", "amy"))
    assert named.lets(["amy", "ops"]) and named.lets({"finance-incident"})
    assert not named.lets(["ci"]) and not named.lets([])
    assert Rule(name="x", body=Freeze()).lets(["ci"])


def test_an_unknown_author_is_let_off_by_a_rule_only() -> None:
    assert unknown_author_allowed([require(Approve()), require(Approve(), allowed=True)])
    assert not unknown_author_allowed([require(Approve()), Rule(name="x", body=Freeze())])
    assert not unknown_author_allowed([])
    assert not unknown_author_allowed([Rule(name="x", body=Require(gates=(Approve(),)))])


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (
            Approve(count=1, excludes=frozenset({Party.AUTHOR}), expires=2 * HOUR),
            Approve(count=2, excludes=frozenset({Party.PROMOTER}), expires=HOUR),
            Approve(count=2, excludes=frozenset({Party.AUTHOR, Party.PROMOTER}), expires=HOUR),
        ),
        (Check(name="a", timeout=HOUR), Check(name="a"), Check(name="a", timeout=HOUR)),
        (
            Check(name="a", of=Of.VERSION),
            Check(name="a", timeout=HOUR, on_timeout=OnTimeout.ABORT),
            Check(name="a", of=Of.VERSION, timeout=HOUR, on_timeout=OnTimeout.ABORT),
        ),
        (
            Check(name="a", timeout=2 * HOUR, on_timeout=OnTimeout.ABORT),
            Check(name="a", timeout=HOUR),
            Check(name="a", timeout=HOUR, on_timeout=OnTimeout.ABORT),
        ),
        (Wait(span=HOUR), Wait(span=2 * HOUR), Wait(span=2 * HOUR)),
        (Wait(idle=True, patience=HOUR), Wait(idle=True), Wait(idle=True, patience=HOUR)),
        (
            Wait(until=datetime(2026, 1, 1, tzinfo=UTC)),
            Wait(until=datetime(2027, 1, 1, tzinfo=UTC)),
            Wait(until=datetime(2027, 1, 1, tzinfo=UTC)),
        ),
    ],
)
def test_a_gate_that_is_named_twice_runs_once_with_the_stricter_values(
    one: Gate, other: Gate, both: Gate
) -> None:
    assert required([require(one), require(other)]) == (both,)
    assert with_required(Plan(steps=(other, Release())), [one]).steps == (both, Release())


def test_gates_of_other_names_persons_and_kinds_of_wait_are_others() -> None:
    gates: tuple[Gate, ...] = (
        Check(name="a"),
        Check(name="b"),
        Approve(),
        Approve(persons=AMY),
        Approve(persons=BOB),
        Wait(span=HOUR),
        Wait(idle=True),
        Wait(until=datetime(2026, 1, 1, tzinfo=UTC)),
    )
    assert required([require(*gates), require(*gates)]) == gates


def test_required_gates_come_first_and_the_rest_of_the_plan_stays() -> None:
    plan = Plan(steps=(Check(name="a"), Approve(), Release(by_hand=True), Watch()), follow=True)
    assert with_required(plan, []) == plan
    found = with_required(plan, [Wait(idle=True), Approve(count=2)])
    assert found.steps == (
        *(Wait(idle=True), Approve(count=2), Check(name="a")),
        *(Release(by_hand=True), Watch()),
    )
    assert found.follow


def test_a_rule_is_the_same_wherever_it_stands() -> None:
    rule = Rule(name="x", body=Freeze())
    assert rule == Rule(name="x", body=Freeze(), line=7)
    assert rule.line == 1 and " line=" not in repr(rule)
