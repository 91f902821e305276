"""What a plan says is what is done right after: each act on a Dag wherever its rollouts are."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from attrs import evolve

from harness import asked
from harness.in_memory import InMemory
from harness.pushing import File
from harness.rolling import Rolling
from pinwheel.core.errors import PinwheelError
from pinwheel.core.release.decide import Verb
from pinwheel.core.rollout.waiting import OF_ROLLOUTS
from pinwheel.core.rule_request import RolloutRequest
from pinwheel.services import change
from pinwheel.services.release.outcome import Outcome
from pinwheel.services.rollout import acts
from pinwheel.services.rollout.acts import RolloutActed
from pinwheel.services.rules.overriding import Who

CHECKED = "policies: [{name: checked, dags: all, steps: [{check: {name: ci}}, release]}]"
APPROVED = "policies: [{name: approved, dags: all, steps: [{approve: {}}, release]}]"
BY_HAND = "policies: [{name: by hand, dags: all, steps: [{release: by-hand}]}]"
AT_ONCE = "policies: [{name: soon, dags: all, steps: [release]}]"
FREEZE = "rules: [{name: month end, freeze: {reason: month end}}]"


def under(text: str) -> Rolling:
    """Build 1 of ``a`` is active, and this in force."""
    made = Rolling()
    made.push(a=File())
    made.platform(text)
    return made


def on_its_way(text: str) -> Rolling:
    made = under(text)
    made.push(a=File(body=1))
    made.turn()
    return made


def paused() -> Rolling:
    made = under(CHECKED)
    made.say("ci", "error", version=made.push(a=File(body=1)))
    made.turn()
    return made


def rejected() -> Rolling:
    made = under(CHECKED)
    made.say("ci", "failed", version=made.push(a=File(body=1)))
    made.turn()
    return made


def aborted() -> Rolling:
    made = on_its_way(CHECKED)
    acts.act(made.host, RolloutRequest(dag_id="a", verb="abort", reason="no"), Who(actor="ada"))
    return made


def pinned(text: str) -> Rolling:
    """With a newer build behind the pin."""
    made = under(text)
    made.do(Verb.PIN)
    made.push(a=File(body=1))
    return made


def asked_under_a_pin(text: str) -> Rolling:
    made = pinned(CHECKED)
    made.do(Verb.PROMOTE, at=made.now() + timedelta(hours=3))
    made.platform(text)
    return made


def rolled_back(text: str) -> Rolling:
    """Pinned; what it went back from is rejected, and a newer build waits."""
    made = Rolling()
    made.push(a=File())
    made.push(a=File(body=1))
    made.platform(text)
    made.do(Verb.ROLLBACK)
    made.push(a=File(body=2))
    return made


def rejected_by_hand(text: str) -> Rolling:
    """Its newest build is, and was never on its way."""
    made = pinned(text)
    made.do(Verb.REJECT, build=2)
    made.do(Verb.UNPIN)
    return made


def behind() -> Rolling:
    """The active build stands in a newer bundle version."""
    made = under(CHECKED)
    made.push(b=File())
    return made


def gone() -> Rolling:
    made = under(CHECKED)
    made.push(a=File(body=1))
    made.remove("a")
    return made


UNDER = {"checked": CHECKED, "at once": AT_ONCE, "frozen": FREEZE}
HELD: dict[str, Callable[[str], Rolling]] = {
    "pinned": pinned,
    "asked for under a pin": asked_under_a_pin,
    "rolled back": rolled_back,
    "rejected by hand": rejected_by_hand,
}
STATES: dict[str, Callable[[], Rolling]] = {
    "at a check": partial(on_its_way, CHECKED),
    "at an approval": partial(on_its_way, APPROVED),
    "at its release in a freeze": partial(on_its_way, FREEZE),
    "at its release by hand": partial(on_its_way, BY_HAND),
    "paused": paused,
    "rejected": rejected,
    "aborted": aborted,
    "nothing live": partial(under, CHECKED),
    "nothing live in a freeze": partial(under, FREEZE),
    "behind": behind,
    "gone": gone,
    **{f"{held}, {name}": partial(HELD[held], UNDER[name]) for held in HELD for name in UNDER},
}
CHANGES: dict[str, dict[str, Any]] = {
    "promote": {"verb": Verb.PROMOTE},
    "promote for a reason": {"verb": Verb.PROMOTE, "reason": "it is right"},
    "promote --at": {"verb": Verb.PROMOTE, "at": timedelta(hours=1)},
    "promote --now": {"verb": Verb.PROMOTE, "now": True, "reason": "the fix"},
    "pin": {"verb": Verb.PIN},
    "pin --build 2": {"verb": Verb.PIN, "build": 2, "reason": "that one"},
    "pin --build 2 --now": {"verb": Verb.PIN, "build": 2, "now": True, "reason": "that one"},
    "unpin": {"verb": Verb.UNPIN},
    "rollback": {"verb": Verb.ROLLBACK},
    "reject 2": {"verb": Verb.REJECT, "build": 2, "reason": "it is wrong"},
    "lift 2": {"verb": Verb.LIFT, "build": 2, "reason": "it was right"},
}


Answers = dict[str, Any]
"""By what is asked, what becomes of it or why it is refused."""


@pytest.fixture(scope="module", params=STATES)
def state(request: pytest.FixtureRequest) -> Rolling:
    return STATES[request.param]()


def change_it(world: InMemory, what: dict[str, Any], *, plan: bool) -> list[Outcome] | str:
    wanted = {**what, **({"at": world.host.unit.now() + what["at"]} if "at" in what else {})}
    try:
        outcomes = change.apply(world.host, asked.change(dag_ids=["a"], plan=plan, **wanted))
    except PinwheelError as error:
        return str(error)
    # A plan numbers no release, and names the failed runs for whoever decides by them.
    return [evolve(each, release=None if each.kind else each.release, failed_runs=()) for each in outcomes]


def act_on_it(world: InMemory, verb: str, *, plan: bool) -> RolloutActed | str:
    request = RolloutRequest(dag_id="a", verb=verb, reason="because", plan=plan)
    try:
        return evolve(acts.act(world.host, request, Who(actor="grace")), plan=True)
    except PinwheelError as error:
        return str(error)


@pytest.mark.acceptance("rollouts", 66)
def test_the_plan_of_each_change_is_what_is_done(state: Rolling) -> None:
    before = state.everything()
    planned: Answers = {name: change_it(state, what, plan=True) for name, what in CHANGES.items()}
    assert state.everything() == before
    done: Answers = {name: change_it(state.clone(), what, plan=False) for name, what in CHANGES.items()}
    assert done == planned


@pytest.mark.acceptance("rollouts", 66)
def test_the_plan_of_each_act_on_a_rollout_is_what_is_done(state: Rolling) -> None:
    before = state.everything()
    planned: Answers = {verb.value: act_on_it(state, verb.value, plan=True) for verb in OF_ROLLOUTS}
    assert state.everything() == before
    done: Answers = {verb.value: act_on_it(state.clone(), verb.value, plan=False) for verb in OF_ROLLOUTS}
    assert done == planned


def test_of_many_dags_that_go_on_a_plan_does_some_and_says_of_the_others_that_more_follows() -> None:
    world = Rolling()
    many = [f"d{number:02}" for number in range(change.REHEARSED + 1)]
    world.push(**{dag_id: File() for dag_id in many})
    world.platform(CHECKED)
    world.do_all(Verb.PIN, *many)
    world.push(**{dag_id: File(body=1) for dag_id in many})
    before = world.everything()
    *tried, last = world.plan(Verb.UNPIN, *many)
    assert world.everything() == before
    assert {each.message for each in tried} == {"unpinned, the newest place sets out; a newer build"}
    assert last.message == f"unpinned, the newest place sets out; {change.NEXT}"
    assert [each.dag_id for each in (*tried, last)] == many
