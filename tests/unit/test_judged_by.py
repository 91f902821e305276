"""By which policy a Dag is judged while its repository's waits, or does not."""

from __future__ import annotations

from datetime import timedelta

from pinwheel.core.release.judged_by import Judged, Revision, judged_by, newest_for
from pinwheel.core.release.policy import AT_ONCE, Offered, Policy, Source
from pinwheel.core.release.rule import ALL, Require, Rule, Subject
from pinwheel.core.rollout.steps import Approve, Check, Gate, Plan, Release, Wait
from pinwheel.core.selector import Selector

DAG = Subject(dag_id="sales", tags=frozenset({"critical"}), bundle="main")
CI, LINT = Check(name="ci"), Check(name="lint")
HOUR = timedelta(hours=1)


def revision(
    number: int,
    *gates: Gate,
    name: str = "own",
    bundle: str | None = "main",
    dags: Selector = ALL,
    locked: bool = False,
) -> Revision:
    """A repository's unless told otherwise; its id is a hundred more than its number."""
    policy = Policy(name=name, dags=dags, plan=Plan(steps=(*gates, Release())), locked=locked)
    return Revision(id=100 + number, revision=number, offered=Offered(policy=policy, bundle=bundle))


def told(judged: Judged) -> tuple[int | None, int | None, Source, tuple[Gate, ...]]:
    """The revision in force, the newest, and the source and the gates of the policy."""
    in_force, newest = judged.in_force, judged.newest
    return (
        in_force.revision if in_force is not None else None,
        newest.revision if newest is not None else None,
        judged.choice.source,
        judged.choice.plan.gates,
    )


def test_without_any_policy_a_dag_is_judged_by_the_built_in_one() -> None:
    judged = judged_by([], [], DAG, None)
    assert told(judged) == (None, None, Source.BUILT_IN, ())
    assert judged.choice.policy is AT_ONCE and judged.loosened == ()


def test_the_platforms_policy_is_in_force_at_once_and_is_none_of_a_repository() -> None:
    judged = judged_by([revision(1, CI, bundle=None)], [], DAG, None)
    assert told(judged) == (1, None, Source.PLATFORM, (CI,))
    assert judged.loosened == ()


def test_the_first_policy_of_a_repository_is_in_force_at_once_where_the_platform_has_none() -> None:
    judged = judged_by([revision(1, CI)], [], DAG, None)
    assert told(judged) == (1, 1, Source.REPOSITORY, (CI,))
    assert judged.loosened == ()


def test_the_first_policy_of_a_repository_that_holds_no_less_than_the_platforms_is_in_force_at_once() -> None:
    judged = judged_by([revision(1, LINT, CI), revision(2, LINT, bundle=None)], [], DAG, None)
    assert told(judged) == (1, 1, Source.REPOSITORY, (LINT, CI))
    assert judged.loosened == ()


def test_the_first_policy_of_a_repository_drops_no_gate_of_the_platforms_for_its_own_commit() -> None:
    revisions = [revision(1, CI), revision(2, LINT, bundle=None)]
    judged = judged_by(revisions, [], DAG, None)
    assert told(judged) == (2, 1, Source.PLATFORM, (LINT,))
    assert judged.loosened == ("check lint is gone",)
    newest = newest_for(revisions, [], DAG)
    assert newest is not None and newest.revision == 1, "it is in force from the next release on"
    assert newest_for([revision(2, LINT, bundle=None)], [], DAG) is None


def test_a_policy_that_holds_more_replaces_the_former_at_once() -> None:
    judged = judged_by([revision(2, CI, Approve())], [], DAG, revision(1, CI))
    assert told(judged) == (2, 2, Source.REPOSITORY, (CI, Approve()))
    assert judged.loosened == ()


def test_a_policy_that_holds_less_waits_and_the_former_is_kept_with_what_is_missing() -> None:
    judged = judged_by([revision(2, CI)], [], DAG, revision(1, CI, Approve()))
    assert told(judged) == (1, 2, Source.REPOSITORY, (CI, Approve()))
    assert judged.loosened == ("approve is gone",)
    assert judged.choice.bundle == "main"
    assert judged.choice.policy.plan.gates == (CI, Approve())


def test_of_several_that_select_the_dag_the_chosen_one_is_held_against_the_former() -> None:
    by_id = revision(3, LINT, name="by id", dags=Selector(ids=("sales",)))
    judged = judged_by([revision(2, CI), by_id], [], DAG, revision(1, CI))
    assert told(judged) == (1, 3, Source.REPOSITORY, (CI,))
    assert judged.loosened == ("check ci is gone",)


def test_a_policy_of_the_same_name_in_another_repository_is_another_revision() -> None:
    other = revision(7, CI, bundle="other")
    own = Revision(id=108, revision=8, offered=Offered(policy=other.offered.policy, bundle="main"))
    assert told(judged_by([other, own], [], DAG, None)) == (8, 8, Source.REPOSITORY, (CI,))


def test_two_policies_written_alike_are_two_revisions() -> None:
    """What is chosen is found again as what it is, not by what it says."""
    general, narrow = revision(1, CI), revision(2, CI, name="narrow", dags=Selector(ids=("sales",)))
    assert told(judged_by([general, narrow], [], DAG, None))[:2] == (2, 2)


def test_the_revision_that_is_in_force_is_not_held_against_itself() -> None:
    """Of two waits, which no file can have, as old and new plan one were shorter than the other."""
    same = revision(1, Wait(span=2 * HOUR), Wait(span=HOUR))
    judged = judged_by([same], [], DAG, same)
    assert judged.in_force == judged.newest == same
    assert judged.loosened == ()


def test_where_the_repositorys_policy_is_gone_the_former_is_kept_for_it_held_more() -> None:
    judged = judged_by([], [], DAG, revision(1, CI))
    assert told(judged) == (1, None, Source.REPOSITORY, (CI,))
    assert judged.loosened == ("check ci is gone",)
    assert judged.choice.bundle == "main"


def test_where_it_is_gone_and_held_no_more_than_the_platforms_that_is_in_force() -> None:
    judged = judged_by([revision(5, CI, LINT, bundle=None)], [], DAG, revision(1, CI))
    assert told(judged) == (5, None, Source.PLATFORM, (CI, LINT))
    assert judged.loosened == () and judged.choice.bundle is None


def test_where_it_is_gone_and_held_more_than_the_platforms_it_is_kept() -> None:
    judged = judged_by([revision(5, LINT, bundle=None)], [], DAG, revision(1, CI))
    assert told(judged) == (1, None, Source.REPOSITORY, (CI,))


def test_where_it_is_gone_and_held_nothing_the_built_in_one_is_in_force() -> None:
    assert told(judged_by([], [], DAG, revision(1))) == (None, None, Source.BUILT_IN, ())


def test_what_the_platform_locks_is_in_force_at_once_whatever_the_former_held() -> None:
    locked = revision(5, LINT, bundle=None, locked=True)
    judged = judged_by([revision(2, CI), locked], [], DAG, revision(1, CI, Approve()))
    assert told(judged) == (5, None, Source.LOCKED, (LINT,))
    assert judged.loosened == ()


def test_a_dag_that_moved_to_another_bundle_leaves_the_policy_of_the_one_before_behind() -> None:
    judged = judged_by([revision(2)], [], DAG, revision(1, CI, bundle="other"))
    assert told(judged) == (2, 2, Source.REPOSITORY, ())
    assert judged.loosened == ()


def test_a_former_policy_is_kept_with_the_gates_that_rules_require_in_front() -> None:
    rules = [
        Rule(name="lint", body=Require(gates=(LINT,))),
        Rule(name="others", dags=Selector(ids=("stock",)), body=Require(gates=(Approve(),))),
    ]
    judged = judged_by([revision(2)], rules, DAG, revision(1, CI))
    assert told(judged) == (1, 2, Source.REPOSITORY, (LINT, CI))
    assert judged.choice.policy.plan.gates == (CI,), "they are the rules', not the policy's"


def test_gates_of_rules_do_not_make_a_looser_policy_hold_as_much() -> None:
    """A rule that requires what a commit drops may be lifted on another day."""
    rules = [Rule(name="ci", body=Require(gates=(CI,)))]
    judged = judged_by([revision(2)], rules, DAG, revision(1, CI))
    assert judged.loosened == ("check ci is gone",)
    assert judged.choice.plan.gates == (CI,)


def test_a_repositorys_policy_selects_by_the_tags_of_what_is_active() -> None:
    tagged = revision(2, CI, name="critical", dags=Selector(tags=("critical",)))
    assert told(judged_by([tagged], [], DAG, None))[:2] == (2, 2)
    plain = Subject(dag_id="sales", bundle="main")
    assert told(judged_by([tagged], [], plain, None)) == (None, None, Source.BUILT_IN, ())
    kept = judged_by([tagged], [], plain, revision(1, CI))
    assert told(kept) == (1, None, Source.REPOSITORY, (CI,)), "a tag that went away drops no gate either"
