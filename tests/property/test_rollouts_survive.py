"""Whatever happens in whatever order, and whatever fails in between: the rules of rollouts hold."""

from __future__ import annotations

import pytest

from harness.rollout_walk import Walk
from harness.soak import many

STEPS = 40


@pytest.mark.acceptance("rollouts", 110)
@pytest.mark.parametrize("seed", many(8, 400, gate=4))
def test_no_rule_of_rollouts_is_broken_by_faults_in_any_order_of_events(seed: int) -> None:
    walk = Walk(seed)
    for _ in range(STEPS):
        walk.step()
    walk.end()
