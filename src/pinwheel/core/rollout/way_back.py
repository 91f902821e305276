"""When the watch of a release rolls back by itself: the section ``rollback`` of a policy."""

from __future__ import annotations

from enum import StrEnum

from attrs import field, frozen
from attrs.validators import ge


class When(StrEnum):
    WORSE = "worse"
    """More failures in 5 runs than the build before had in any 5 of its last 50."""
    FIRST_FAILURE = "first-failure"
    NEVER = "never"
    """It is watched only."""


@frozen(kw_only=True)
class Failures:
    """So many failures in so many runs."""

    failures: int = field(validator=ge(1))
    of: int = field(validator=ge(1))

    def __attrs_post_init__(self) -> None:
        if self.failures > self.of:
            raise ValueError("there can not be more failures than runs")


@frozen(kw_only=True)
class WayBack:
    """What rolls a watched release back, and what comes with it."""

    when: When | Failures = When.WORSE
    slower: bool = False
    """Three runs in a row each slower than the slowest of the 20 before."""
    deadline: bool = False
    """A deadline was missed where the 20 runs before missed none."""
    early: bool = False
    """A task that failed for good counts at once."""
    also: frozenset[str] = frozenset()
    """Checks of which the verdict "failed" rolls back."""
    rerun_failed: bool = False
    """What failed is run again on the place that it went back to."""

    def holds_less_than(self, other: WayBack) -> bool:
        """Whether something that rolls back under *other* does not under this one, or differs otherwise."""
        return (
            not _at_least(self.when, other.when)
            or not self._fires >= other._fires
            or self.rerun_failed is not other.rerun_failed
        )

    @property
    def _fires(self) -> set[int | str]:
        """What else rolls back: places of what is said, and names of checks."""
        return {at for at, said in enumerate((self.slower, self.deadline, self.early)) if said} | self.also


def _at_least(now: When | Failures, before: When | Failures) -> bool:
    if now == before or before is When.NEVER or now is When.FIRST_FAILURE:
        return True
    if isinstance(now, Failures) and isinstance(before, Failures):
        return now.failures <= before.failures and now.of >= before.of
    return False
