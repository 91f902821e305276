"""How far the state machines go: ``PINWHEEL_HYPOTHESIS=large`` for a search, the same small one in CI.

What the small one finds is not shortened, which could take the rest of CI's time; the large one does that.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings

LARGE = os.environ.get("PINWHEEL_HYPOTHESIS") == "large"


def machine(*, examples: int, steps: int, factor: int = 20) -> settings:
    """Settings of a state machine: derandomized, or ``factor`` times as many random examples."""
    return settings(
        max_examples=examples * (factor if LARGE else 1),
        stateful_step_count=steps,
        derandomize=not LARGE,
        phases=list(Phase) if LARGE else [Phase.explicit, Phase.generate],
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
