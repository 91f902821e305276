"""How runs of one build compare with those before: by numbers that fit in a head, and by Fisher's test."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb
from typing import assert_never

from pinwheel.core.rollout.watched import A_FEW
from pinwheel.core.rollout.way_back import Failures, When

FEW_BEFORE = 10
"""With fewer runs than these to compare with, one failure says nothing."""
LIKELY = 0.05
"""What is this likely by chance is no difference."""


def most_failures(failed: Sequence[bool]) -> int:
    """The most failures in any five of these in a row."""
    return max((sum(failed[at : at + A_FEW]) for at in range(len(failed))), default=0)


def tolerated(before: Sequence[bool]) -> int:
    """So many failures in five runs are no more than those before had: of few, that one is chance."""
    return most_failures(before) if len(before) >= FEW_BEFORE else 1


def enough(when: When | Failures, before: Sequence[bool]) -> tuple[int, int] | None:
    """So many failures in so many runs fire; None: none do. More of them than runs: none ever will."""
    match when:
        case When.NEVER:
            return None
        case When.FIRST_FAILURE:
            return 1, 1
        case When.WORSE:
            return tolerated(before) + 1, A_FEW
        case Failures(failures=least, of=of):
            return least, of
        case _:
            assert_never(when)


def fisher(failed: int, of: int, others_failed: int, others_of: int) -> float:
    """How likely it is by chance that so many of these fail, or more, if they fail as often as the others.

    Fisher's exact test, one-sided.
    """
    both = failed + others_failed
    first = max(failed, both - others_of)
    ways = term = comb(of, first) * comb(others_of, both - first)
    for more in range(first, of):
        term = term * (of - more) * (both - more) // ((more + 1) * (others_of - both + more + 1))
        ways += term
    return ways / comb(of + others_of, both)
