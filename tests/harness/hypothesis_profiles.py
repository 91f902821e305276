"""How far the state machines go: ``PINWHEEL_HYPOTHESIS=large`` for a search, the same small one in CI."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

LARGE = os.environ.get("PINWHEEL_HYPOTHESIS") == "large"


def machine(*, examples: int, steps: int, factor: int = 20) -> settings:
    """Settings of a state machine: derandomized, or ``factor`` times as many random examples."""
    return settings(
        max_examples=examples * (factor if LARGE else 1),
        stateful_step_count=steps,
        derandomize=not LARGE,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
