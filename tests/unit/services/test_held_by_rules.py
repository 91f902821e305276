"""Why a Dag is held by rules, policies and rollouts, alike wherever it is shown."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from harness.in_memory import InMemory
from harness.pushing import File
from harness.ruled import CHECK, Ruled
from pinwheel.core.release.decide import Verb
from pinwheel.core.request import States
from pinwheel.core.rollout.gate import Answer
from pinwheel.core.rollout.hold import Hold
from pinwheel.core.rollout.state import Cause, State, ended, paused
from pinwheel.core.rollout.steps import Approve, Newer
from pinwheel.services.show import fleet, status
from pinwheel.services.upkeep import uninstall
from pinwheel.store import rollouts
from pinwheel.store.policies import PolicySource

pytestmark = pytest.mark.acceptance("rollouts", 95)


@pytest.fixture
def ruled(world: InMemory) -> Ruled:
    return Ruled(world)


def holds(world: InMemory, dag_id: str = "a") -> tuple[Hold, ...]:
    """As status says; the fleet, the filters and an uninstall agree."""
    found = world.status(dag_id)
    page = fleet.fleet(world.host, fleet.Wish(), lambda: [dag_id])
    (line,) = page.dags
    assert line.holds == found.holds
    assert (found.held, line.held, page.counts.held) == (bool(found.holds), found.held, int(found.held))
    every = {view.dag_id: view.holds for view in status.status(world.host)}
    assert every[dag_id] == found.holds
    filtered = [view.dag_id for view in status.status(world.host, states=States(held=True))]
    assert (dag_id in filtered) == found.held
    assert (dag_id in uninstall.plan(world.host).held) == found.held
    return found.holds


def test_a_freeze_holds_what_arrives_and_says_who_why_and_until_when(ruled: Ruled) -> None:
    ruled.freeze(hours=2)
    ruled.world.push(a=File(body=2))
    (hold,) = holds(ruled.world)
    assert (hold.kind, hold.by, hold.since is not None) == ("freeze", "ada", True)
    assert hold.reason is not None and "month-end" in hold.reason
    assert hold.until is not None and hold.until > ruled.host.unit.now()
    ruled.world.airflow.tick(7200)
    assert holds(ruled.world) == ()
    ruled.keep()
    assert ruled.world.active() == (3, 3)


def test_a_closed_window_holds_what_arrives_after_a_freeze_is_told(ruled: Ruled) -> None:
    ruled.window()
    ruled.freeze()
    ruled.world.push(a=File(body=2))
    assert [hold.kind.value for hold in holds(ruled.world)] == ["freeze", "window"]


def test_a_gate_says_whom_it_waits_for(ruled: Ruled) -> None:
    ruled.policy(Approve(count=2), CHECK)
    ruled.world.push(a=File(body=2))
    (hold,) = holds(ruled.world)
    assert hold.kind == "gate" and hold.reason is not None and "approval" in hold.reason
    assert hold.until is not None


def test_a_paused_rollout_says_who_paused_it_and_why(ruled: Ruled) -> None:
    ruled.policy(CHECK)
    ruled.world.push(a=File(body=2))
    move(ruled, lambda each, now: paused(each, Cause.PERSON, "numbers look odd", now, by="bob"))
    (hold,) = holds(ruled.world)
    assert (hold.kind, hold.by, hold.reason) == ("paused", "bob", "numbers look odd")


def test_an_aborted_place_stays_held_and_says_why(ruled: Ruled) -> None:
    ruled.policy(CHECK)
    ruled.world.push(a=File(body=2))
    move(ruled, lambda each, now: ended(each, State.ABORTED, "not this week", now))
    (hold,) = holds(ruled.world)
    assert (hold.kind, hold.reason) == ("aborted", "not this week")


def test_what_was_asked_for_later_waits_until_then(ruled: Ruled) -> None:
    ruled.freeze()
    ruled.world.push(a=File(body=2))
    ruled.lift()
    at = ruled.host.unit.now() + timedelta(hours=3)
    ruled.world.do(Verb.PROMOTE, at=at)
    (hold,) = holds(ruled.world)
    assert (hold.kind, hold.by, hold.until) == ("at", "ada", at)


def test_a_release_by_hand_waits_for_somebody(ruled: Ruled) -> None:
    ruled.policy(by_hand=True)
    ruled.world.push(a=File(body=2))
    assert [hold.kind.value for hold in holds(ruled.world)] == ["by-hand"]


def test_a_newer_build_queues_behind_the_one_on_its_way(ruled: Ruled) -> None:
    ruled.policy(CHECK, newer=Newer.QUEUE)
    ruled.world.push(a=File(body=2))
    ruled.world.push(a=File(body=3))
    assert [hold.kind.value for hold in holds(ruled.world)] == ["gate", "queue"]


def test_a_pin_is_told_before_what_else_holds(ruled: Ruled) -> None:
    ruled.world.do(Verb.PIN, reason="month end")
    ruled.world.push(a=File(body=2))
    ruled.freeze()
    (hold,) = holds(ruled.world)
    assert (hold.kind, hold.by, hold.reason) == ("pin", "ada", "month end")


@pytest.mark.acceptance("rollouts", 78)
def test_a_gated_dag_stands_in_its_version_and_says_that_it_is_behind(ruled: Ruled) -> None:
    _, version, _ = ruled.world.airflow_has()
    ruled.policy(CHECK)
    ruled.world.push(a=File(body=1), b=File())
    assert ruled.world.airflow_has()[1] == version
    (hold,) = holds(ruled.world)
    assert hold.kind == "behind" and hold.reason is not None and "a step comes before" in hold.reason
    assert ruled.world.status().behind is not None


@pytest.mark.acceptance("rollouts", 78)
def test_a_dag_that_stands_for_a_freeze_names_it_and_follows_when_it_is_lifted(ruled: Ruled) -> None:
    ruled.freeze(hours=2)
    ruled.world.push(a=File(body=1), b=File())
    freeze, behind = holds(ruled.world)
    assert (freeze.kind, behind.kind) == ("freeze", "behind")
    assert behind.until == freeze.until and behind.reason is not None and "month-end" in behind.reason
    ruled.lift()
    assert holds(ruled.world) == ()
    head = ruled.world.push(a=File(body=1), b=File(body=1))
    assert ruled.world.airflow_has()[1] == head
    assert holds(ruled.world) == ()


def test_a_policy_that_holds_less_waits_for_the_next_release_and_says_so(ruled: Ruled) -> None:
    ruled.policy(CHECK, source=PolicySource.REPOSITORY)
    ruled.world.push(a=File(body=2))
    ruled.policies(source=PolicySource.REPOSITORY)
    gate, loosened = holds(ruled.world)
    assert (gate.kind, loosened.kind) == ("gate", "loosened")
    assert loosened.reason is not None and "critical" in loosened.reason
    ruled.says(build=3, version=ruled.live()[0].place.version)
    ruled.keep()
    assert holds(ruled.world) == ()


def test_without_anything_that_waits_neither_freeze_nor_policy_holds_a_dag(ruled: Ruled) -> None:
    ruled.freeze()
    ruled.policy(CHECK)
    assert holds(ruled.world) == ()


def test_a_failed_check_rejects_and_that_is_told(ruled: Ruled) -> None:
    ruled.policy(CHECK)
    ruled.world.push(a=File(body=2))
    ruled.says(Answer.FAILED, build=3, version=ruled.live()[0].place.version)
    ruled.keep()
    assert [hold.kind.value for hold in holds(ruled.world)] == ["rejected"]


def move(ruled: Ruled, how: Any) -> None:
    """What a person does to the rollout ahead."""

    def work(session: Any) -> None:
        now = ruled.host.unit.now()
        (ahead,) = [each for each in rollouts.of_dags(session, ["a"])["a"] if each.live]
        done = how(ahead, now)
        rollouts.save(session, done, next_at=now if done.live else None)

    ruled.host.unit.run(work)
