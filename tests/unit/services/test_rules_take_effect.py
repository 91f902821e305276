"""When a change of a policy, a rule or a bundle takes effect for what is on its way."""

from __future__ import annotations

from datetime import timedelta

import pytest

from harness.in_memory import InMemory
from harness.pushing import File
from harness.ruled import CHECK, Ruled
from pinwheel.core.errors import Refused
from pinwheel.core.release.behind import BehindKind
from pinwheel.core.release.decide import Verb
from pinwheel.core.rollout.gate import Answer
from pinwheel.core.rollout.state import Slot
from pinwheel.services.release.same_build import release_again
from pinwheel.services.upkeep import repair
from pinwheel.store import tables as t


@pytest.fixture
def ruled(world: InMemory) -> Ruled:
    """Build 3 is on its way, and waits for the check ``ci``."""
    made = Ruled(world)
    made.policy(CHECK)
    world.push(a=File(body=2))
    return made


@pytest.mark.acceptance("rollouts", 10)
def test_nothing_is_staged_of_a_dag_whose_runs_execute_whatever_is_newest(world: InMemory) -> None:
    world.push(a=File(body=3, unversioned=True))
    ruled = Ruled(world)
    ruled.policy(CHECK)
    world.push(a=File(body=4, unversioned=True))
    ruled.keep()
    assert ruled.live() == [], "what it runs can not stay"
    assert ruled.world.active()[1] == 4
    at = ruled.host.unit.now() + timedelta(hours=1)
    with pytest.raises(Refused, match="disable_bundle_versioning"):
        ruled.world.do(Verb.PROMOTE, at=at)


@pytest.mark.acceptance("pushes", 40)
@pytest.mark.acceptance("rollouts", 78)
@pytest.mark.parametrize("why", ["a step", "a rollout", "a window"])
def test_other_files_move_no_dag_that_stands_and_it_catches_up_when_that_ends(
    world: InMemory, why: str
) -> None:
    ruled = Ruled(world)
    if why == "a step":
        ruled.policy(CHECK)
    elif why == "a window":
        ruled.window()
    else:
        ruled.policy(CHECK)
        world.push(a=File(body=2))
    _, version, _ = world.airflow_has()
    build = world.status().newest_build
    same = world.pusher.files["a"]
    heads = [world.push(a=same, b=File(body=body)) for body in range(3)]
    assert world.airflow_has()[1] == version
    found = world.status()
    assert found.newest_build == build and found.behind is not None
    assert found.behind.versions >= 3
    assert found.behind.kind is (BehindKind.OTHER_FILES if why != "a rollout" else BehindKind.TRACED)
    ruled.policies()
    ruled.lift()
    if why == "a rollout":
        ruled.says(Answer.PASSED, build=3, version=ruled.live()[0].place.version)
        ruled.keep()
    repair.follow_again(world.host)
    assert world.airflow_has()[1] == heads[-1]
    assert world.status().behind is None


@pytest.mark.acceptance("rollouts", 78)
@pytest.mark.parametrize("stands", ["a step", "a rollout", "a freeze"])
def test_a_version_with_data_is_no_release_for_a_dag_that_stands(world: InMemory, stands: str) -> None:
    ruled = Ruled(world)
    if stands == "a freeze":
        ruled.freeze()
    else:
        ruled.policy(CHECK)
    if stands == "a rollout":
        world.push(a=File(body=2))
    same = world.pusher.files["a"]
    world.push(a=same, b=File())
    ruled.host.unit.run(lambda s: s.execute(t.bundle_version.update().values(version_data={"is": "x"})))
    before = world.ledger()
    assert release_again(ruled.host, "dags") == []
    assert world.ledger() == before
    assert [each.slot for each in ruled.live()] == ([Slot.AHEAD] if stands == "a rollout" else [])
    ruled.lift()
    ruled.policies()
    if stands != "a rollout":
        (again,) = release_again(ruled.host, "dags")
        assert (again.dag_id, again.build, again.changed) == ("a", 2, True)


def test_a_keeper_lets_dags_follow_when_a_rule_has_ended_and_looks_at_none_where_there_is_no_rule(
    world: InMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    ruled, duty = Ruled(world), repair.FollowRuled(world.host)
    duty.look()
    ruled.freeze()
    head = world.push(b=File(body=1))
    duty.look()
    assert world.airflow_has()[1] != head
    ruled.lift()
    duty.look()
    assert world.airflow_has()[1] == head
    monkeypatch.setattr(repair, "follow_again", lambda host: pytest.fail("there is nothing to look at"))
    duty.look()
