"""How far the state machines go: a search for ``make soak``, a small one in CI, a third of it in `make test`.

What the small one finds is not shortened, which could take the rest of CI's time; the large one does that.
"""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, settings

from harness.soak import SOAK as LARGE
from harness.soak import size


def machine(*, examples: int, steps: int, factor: int = 20) -> settings:
    """Settings of a state machine: derandomized, or ``factor`` times as many random examples."""
    return settings(
        max_examples=examples * factor if LARGE else size(examples, gate=max(examples // 3, 4)),
        stateful_step_count=steps,
        derandomize=not LARGE,
        phases=list(Phase) if LARGE else [Phase.explicit, Phase.generate],
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
