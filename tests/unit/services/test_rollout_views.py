"""What is seen of rollouts: steps, what is waited for, who said what, and what could be done."""

from __future__ import annotations

import pytest

from harness.in_memory import InMemory
from harness.pushing import File
from harness.rolling import Rolling
from pinwheel.core.errors import InvalidInput, NotFound
from pinwheel.core.release.decide import Verb
from pinwheel.core.rollout.waiting import Awaited, Reached
from pinwheel.services.rollout import show
from pinwheel.services.rollout.show import Asked, RolloutView

CAREFUL = """
policies:
  - name: careful
    dags: all
    steps: [{check: {name: ci, timeout: 4h}}, {approve: {}}, release]
"""


@pytest.fixture
def rolling() -> Rolling:
    """The Dag ``a`` has build 1, which is active, and build 2 on its way under the policy *careful*."""
    made = Rolling()
    made.push(a=File(body=1))
    made.platform(CAREFUL)
    made.push(a=File(body=2))
    return made


def seen(world: InMemory, dag_id: str = "a") -> RolloutView:
    return show.of_dag(world.host, dag_id)


def possible(view: RolloutView) -> set[str]:
    return {each.verb for each in view.acts if each.problem is None}


def test_a_rollout_tells_its_steps_and_what_it_waits_for(rolling: Rolling) -> None:
    view = seen(rolling)
    assert (view.build, view.policy, view.revision, view.state) == (2, "careful", 1, "waiting")
    assert [(step.kind, step.name, step.where) for step in view.steps] == [
        ("check", "ci", Reached.HERE),
        ("approve", None, Reached.AHEAD),
        ("release", None, Reached.AHEAD),
    ]
    assert view.steps[0].words == "check ci passes; it pauses after 4h"
    assert (view.waits_for.kind, view.waits_for.words) == (Awaited.CHECK, "check ci")
    assert view.waits_for.until is not None and (view.waits_for.until - view.since).seconds == 4 * 3600
    assert [(hold.kind, hold.reason) for hold in view.holds] == [("gate", "check ci")]
    assert view.approvals is None and view.verdicts == ()


def test_a_rollout_tells_how_many_approvals_are_missing_and_what_was_said(rolling: Rolling) -> None:
    rolling.say("ci", "passed", version=rolling.last.place.version)
    rolling.turn()
    rolling.say("approve", "passed", rollout=rolling.last, by="grace")
    view = seen(rolling)
    assert [step.where for step in view.steps] == [Reached.PASSED, Reached.HERE, Reached.AHEAD]
    assert view.waits_for.kind is Awaited.PERSON
    # Nobody knows who wrote it: that costs one more.
    assert view.authors is None and view.approvals is not None
    assert (view.approvals.needed, view.approvals.given, view.approvals.missing) == (2, ("grace",), 1)
    said = [(each.name, each.verdict, each.actor, each.of, each.step) for each in view.verdicts]
    assert said == [("ci", "passed", "ci", "version", None), ("approve", "passed", "grace", "place", 1)]


def test_a_page_names_the_acts_that_are_possible_and_says_why_others_are_not(rolling: Rolling) -> None:
    view = seen(rolling)
    assert possible(view) == {"reject", "pause", "skip", "restart", "abort", "promote", "promote --now"}
    problems = {each.verb: each.problem for each in view.acts if each.problem is not None}
    assert problems == {"approve": "not-asked", "resume": "not-paused", "retry": "under-way"}


def test_an_approval_is_possible_for_whoever_may(rolling: Rolling) -> None:
    rolling.say("ci", "passed", version=rolling.last.place.version)
    rolling.turn()
    assert "approve" in possible(seen(rolling))


def test_a_rollout_that_ended_waits_for_nobody(rolling: Rolling) -> None:
    rolling.do(Verb.PIN, reason="audit")
    view = seen(rolling)
    assert (view.state, view.slot, view.waits_for.kind) == ("withdrawn", None, Awaited.NOBODY)
    assert (view.holds, view.acts) == ((), ())


def test_of_a_list_those_come_first_that_wait_for_a_person(rolling: Rolling) -> None:
    rolling.push(b=File(body=1))
    rolling.say("ci", "passed", version=rolling.last.place.version)
    rolling.turn()
    rolling.push(b=File(body=2))
    page = show.listed(rolling.host, Asked(), limit=10)
    assert [(each.dag_id, each.waits_for.kind) for each in page.rollouts] == [
        ("a", Awaited.PERSON),
        ("b", Awaited.CHECK),
    ]
    assert page.next_before_id is None


def test_rollouts_are_asked_for_by_dag_state_version_and_what_they_wait_for(rolling: Rolling) -> None:
    rolling.push(b=File(body=1))
    rolling.push(b=File(body=2))
    version = rolling.rollouts("b")[0].place.version

    def found(**asked: object) -> list[str]:
        return [each.dag_id for each in show.listed(rolling.host, Asked(**asked), limit=10).rollouts]  # type: ignore[arg-type]

    assert found() == found(states=frozenset({"live"})) == found(waiting_for="check:ci") == ["b", "a"]
    assert found(dag_ids=frozenset({"a"})) == ["a"]
    assert found(version=version) == ["b"]
    assert (
        found(waiting_for="person")
        == found(waiting_for="check:other")
        == found(states=frozenset({"proven"}))
        == []
    )
    rolling.do(Verb.PIN, "a", reason="audit")
    assert found(waiting_for="nobody") == found(states=frozenset({"withdrawn"})) == ["a"]


def test_a_page_ends_at_its_limit_and_says_how_to_go_on(rolling: Rolling) -> None:
    rolling.push(b=File(body=1))
    rolling.push(b=File(body=2))
    page = show.listed(rolling.host, Asked(), limit=1)
    rest = show.listed(rolling.host, Asked(), limit=1, before_id=page.next_before_id)
    assert [each.dag_id for each in (*page.rollouts, *rest.rollouts)] == ["b", "a"]


@pytest.mark.parametrize("asked", [Asked(states=frozenset({"gone"})), Asked(waiting_for="godot")])
def test_a_word_that_there_is_not_is_refused(rolling: Rolling, asked: Asked) -> None:
    with pytest.raises(InvalidInput, match="Give one of"):
        show.listed(rolling.host, asked, limit=1)


def test_what_is_not_there_is_not_found(rolling: Rolling) -> None:
    rolling.push(b=File(body=1))
    for look in (
        lambda: show.one(rolling.host, 99),
        lambda: show.of_dag(rolling.host, "b"),
        lambda: show.of_dag(rolling.host, "nope"),
    ):
        with pytest.raises(NotFound):
            look()
    assert show.one(rolling.host, 1) == seen(rolling)
