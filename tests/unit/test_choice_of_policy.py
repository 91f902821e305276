"""Which policy is a Dag's, and why the others are not."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pinwheel.core.release.policy import AT_ONCE, Choice, Offered, Policy, Source, choose
from pinwheel.core.release.rule import ALL, Require, Rule, Subject
from pinwheel.core.rollout.steps import Approve, Check, Plan, Release
from pinwheel.core.selector import SelectedBy, Selector

DAG = Subject(dag_id="sales_daily", tags=frozenset({"critical", "sox"}), bundle="main")
CHECK = Check(name="ci")


def policy(name: str, dags: Selector = ALL, *, locked: bool = False) -> Policy:
    return Policy(name=name, dags=dags, locked=locked, plan=Plan(steps=(CHECK, Release())))


def platform(name: str, dags: Selector = ALL, *, locked: bool = False) -> Offered:
    return Offered(policy=policy(name, dags, locked=locked))


def repository(name: str, dags: Selector = ALL, bundle: str = "main") -> Offered:
    return Offered(policy=policy(name, dags), bundle=bundle)


def told(choice: Choice) -> list[str]:
    assert [each.chosen for each in choice.chain] == [True] + [False] * (len(choice.chain) - 1)
    assert choice.chain[0].name == choice.policy.name and choice.chain[0].source is choice.source
    return [f"{each.name} ({each.source}): {each.why}" for each in choice.chain]


def test_without_a_policy_each_new_build_is_released_at_once() -> None:
    choice = choose([], [], DAG)
    assert choice.policy is AT_ONCE and choice.source is Source.BUILT_IN and choice.rules == ()
    assert choice.plan == Plan() and choice.plan.at_once
    assert told(choice) == ["at-once (built-in): no other policy selects the Dag"]


@pytest.mark.acceptance("rollouts", 2)
def test_the_strongest_source_wins_and_then_the_most_specific_selector_and_then_the_first() -> None:
    offered = [
        platform("everything"),
        platform("all of main", Selector(bundle="main")),
        platform("critical", Selector(tags=("critical",))),
        platform("sox", Selector(tags=("sox",))),
        platform("by glob", Selector(globs=("sales_*",))),
        platform("by id", Selector(ids=("sales_daily",))),
        repository("the repository's"),
        platform("bank", Selector(bundle="main"), locked=True),
    ]
    assert told(choose(offered, [], DAG)) == [
        "bank (locked): it selects the Dag by its bundle",
        "the repository's (repository): bank is locked by the platform, which is stronger",
        "by id (platform): bank is locked by the platform, which is stronger",
        "by glob (platform): bank is locked by the platform, which is stronger",
        "critical (platform): bank is locked by the platform, which is stronger",
        "sox (platform): bank is locked by the platform, which is stronger",
        "all of main (platform): bank is locked by the platform, which is stronger",
        "everything (platform): bank is locked by the platform, which is stronger",
        "at-once (built-in): bank is locked by the platform, which is stronger",
    ]
    del offered[-1]
    assert told(choose(offered, [], DAG))[:2] == [
        "the repository's (repository): it selects the Dag with all others",
        "by id (platform): the repository's is of the repository, which is stronger",
    ]
    del offered[-1]
    assert told(choose(offered, [], DAG)) == [
        "by id (platform): it selects the Dag by its id",
        "by glob (platform): by id selects the Dag by its id, this one by a glob only",
        "critical (platform): by id selects the Dag by its id, this one by a tag only",
        "sox (platform): by id selects the Dag by its id, this one by a tag only",
        "all of main (platform): by id selects the Dag by its id, this one by its bundle only",
        "everything (platform): by id selects the Dag by its id, this one with all others only",
        "at-once (built-in): by id is of the platform, which is stronger",
    ]
    for order in (1, -1):
        two = [platform("sox", Selector(tags=("sox",))), platform("critical", Selector(tags=("critical",)))][
            ::order
        ]
        first, second = (each.policy.name for each in two)
        assert (
            told(choose(two, [], DAG))[1]
            == f"{second} (platform): {first} comes before it, and selects the Dag by a tag too"
        )


def test_of_several_ways_to_name_a_dag_the_most_specific_counts() -> None:
    for dags, by in (
        (Selector(ids=("sales_daily",), globs=("x*",), tags=("sox",), bundle="main"), SelectedBy.ID),
        (Selector(ids=("other",), globs=("sales_*",), tags=("sox",)), SelectedBy.GLOB),
        (Selector(tags=("none", "sox"), bundle="main"), SelectedBy.TAG),
        (Selector(bundle="main"), SelectedBy.BUNDLE),
        (ALL, SelectedBy.ALL),
        (Selector(), None),
        (Selector(ids=("sales_daily",), tags=("none",)), None),
        (Selector(everything=True, bundle="other"), None),
        (Selector(globs=("Sales_*",)), None),
    ):
        assert dags.selected_by(DAG.dag_id, tags=DAG.tags, bundle=DAG.bundle) is by, dags


@pytest.mark.acceptance("rollouts", 97)
def test_a_repositorys_policies_select_dags_of_its_bundle_only() -> None:
    others = [
        repository("theirs", Selector(ids=("sales_daily",)), bundle="other"),
        repository("named", Selector(bundle="main"), bundle="other"),
    ]
    choice = choose(others, [], DAG)
    assert choice.policy is AT_ONCE and choice.bundle is None
    assert told(choice)[1:] == [
        "theirs (repository): it is of the repository of bundle other, and the Dag of bundle main",
        "named (repository): it is of the repository of bundle other, and the Dag of bundle main",
    ]
    ours = choose([*others, repository("ours")], [], DAG)
    assert (ours.policy.name, ours.source, ours.bundle) == ("ours", Source.REPOSITORY, "main")


def test_why_a_policy_does_not_select_a_dag_is_told_last() -> None:
    offered = [
        platform("names", Selector(ids=("a",), globs=("b*",))),
        platform("bundle", Selector(bundle="other", tags=("none",))),
        platform("tags", Selector(tags=("x", "y"))),
        platform("everything"),
    ]
    assert told(choose(offered, [], DAG)) == [
        "everything (platform): it selects the Dag with all others",
        "at-once (built-in): everything is of the platform, which is stronger",
        "names (platform): it names other Dags",
        "bundle (platform): it selects Dags of bundle other, and the Dag is of bundle main",
        "tags (platform): it selects Dags tagged x or y, and what is active has no such tag",
    ]
    assert [each.selected_by for each in choose(offered, [], DAG).chain] == [
        *(SelectedBy.ALL, SelectedBy.ALL),
        *(None, None, None),
    ]


def test_required_gates_come_before_the_steps_of_whatever_policy_is_chosen() -> None:
    strict = Check(name="ci", timeout=timedelta(hours=1))
    rules = [
        Rule(name="four-eyes", dags=Selector(tags=("sox",)), body=Require(gates=(Approve(count=2),))),
        Rule(name="other", dags=Selector(tags=("other",)), body=Require(gates=(Approve(count=9),))),
        Rule(name="ci", body=Require(gates=(strict,))),
    ]
    choice = choose([repository("ours")], rules, DAG)
    assert [rule.name for rule in choice.rules] == ["four-eyes", "ci"]
    assert choice.plan.steps == (Approve(count=2), strict, Release())
    bare = choose([], rules, DAG)
    assert bare.policy is AT_ONCE and bare.plan.steps == (Approve(count=2), strict, Release())
    assert not bare.plan.at_once


def test_a_policy_is_the_same_wherever_it_stands_and_not_locked_by_itself() -> None:
    policy = Policy(name="x", dags=ALL)
    assert policy == Policy(name="x", dags=ALL, line=7) != Policy(name="x", dags=ALL, locked=True)
    assert policy.line == 1 and " line=" not in repr(policy)
    assert Offered(policy=policy).source is Source.PLATFORM
