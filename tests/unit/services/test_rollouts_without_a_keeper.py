"""Without a keeper nothing goes on by itself: that is told, and what persons release is released."""

from __future__ import annotations

import pytest

from harness.pushing import File
from harness.rolling import Rolling
from pinwheel.services.upkeep.beat import Beat
from pinwheel.services.upkeep.health import health
from pinwheel.services.upkeep.keeper_status import keeper_status
from pinwheel.store import leases

APPROVE = "policies: [{name: approved, dags: all, steps: [{approve: {}}, release]}]"
TOLD = (
    "No keeper for 60 s, and 1 rollout on the way: nothing goes on by itself. "
    "Start one: pinwheel dag-processor, or pinwheel keeper"
)


@pytest.fixture
def rolling() -> Rolling:
    made = Rolling()
    made.platform(APPROVE)
    made.push(a=File(body=0))
    return made


def test_nothing_is_told_of_keepers_where_no_rollout_is_on_its_way(rolling: Rolling) -> None:
    assert health(rolling.host).problems == ()


@pytest.mark.acceptance("rollouts", 101)
def test_a_rollout_without_a_keeper_for_a_minute_is_told(rolling: Rolling) -> None:
    rolling.push(a=File(body=1))
    assert health(rolling.host).problems == (TOLD,)
    keeper = Beat(rolling.host, "m:1")
    keeper.beat()
    assert health(rolling.host).problems == ()
    assert keeper_status(rolling.host).keepers[0].process == "m:1"
    a_minute_ago = -1.0
    rolling.host.unit.run(lambda session: leases.say(session, keeper.name, keeper.holder, a_minute_ago))
    assert health(rolling.host).problems == (TOLD,)
    assert keeper_status(rolling.host).problems == (TOLD,)


def test_a_rollout_that_has_ended_needs_no_keeper(rolling: Rolling) -> None:
    rolling.push(a=File(body=1))
    rolling.push(a=File(body=0))
    assert rolling.states() == ["superseded"]
    assert health(rolling.host).problems == ()
