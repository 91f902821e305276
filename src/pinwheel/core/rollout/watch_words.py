"""A watch in words: what rolls a release back, what its runs are compared with, and where it goes back."""

from __future__ import annotations

from typing import assert_never

from attrs import frozen

from pinwheel.core.rollout.before import Before
from pinwheel.core.rollout.comparison import FEW_BEFORE, enough, most_failures
from pinwheel.core.rollout.watched import A_FEW
from pinwheel.core.rollout.way_back import Failures, WayBack, When

SHORT = 8
"""So many characters of a bundle version are enough to tell it."""


@frozen(kw_only=True)
class PlaceNamed:
    """A place as people know it."""

    build: int | None
    """None: its number is not known."""
    bundle_version: str

    @property
    def words(self) -> str:
        at = self.bundle_version[:SHORT]
        return at if self.build is None else f"build {self.build} at {at}"


def fires_when(rules: WayBack) -> tuple[str, ...]:
    """What rolls a watched release back, each as part of a sentence; empty: nothing does."""
    found = [_failures(rules.when)] if rules.when is not When.NEVER else []
    if rules.early and found:
        found[0] += ", counted as soon as a task failed for good"
    if rules.slower:
        found.append("3 runs in a row are each slower than the slowest of the 20 before")
    if rules.deadline:
        found.append("a run misses a deadline, and none of the 20 before did")
    return (*found, *(f"check {name} fails" for name in sorted(rules.also)))


def compared_with(before: Before) -> str:
    """What the runs of a watched release are compared with: the runs before it, as they were then."""
    build = "the build before" if before.build is None else f"build {before.build}"
    of, most = len(before.failed), most_failures(before.failed)
    if not of:
        return f"{build}: no run of it ended"
    if of < FEW_BEFORE:
        return f"{build}: {sum(before.failed)} of {of} failed, too few to tell"
    return f"{build}: never more than {most} of {A_FEW} in {of}" if most else f"{build}: none of {of} failed"


def way_back_words(rules: WayBack, before: Before, back: PlaceNamed | None) -> str:
    """What becomes of a watched release that is worse; *back* is the proven place, None: there is none."""
    if not fires_when(rules):
        return "nothing rolls it back: it is only watched"
    if back is not None:
        return f"goes back to {back.words}"
    return f"no place is proven: {_first(rules.when, before)} will pause"


def _first(when: When | Failures, before: Before) -> str:
    """What would be enough by how runs end."""
    fires = enough(when, before.failed)
    if fires is None or fires[0] > fires[1]:
        return "what would roll it back"
    least, of = fires
    return "the first failure" if least == 1 else f"{least} failures in {of} runs"


def _failures(when: When | Failures) -> str:
    match when:
        case When.FIRST_FAILURE:
            return "a run fails"
        case When.WORSE:
            return f"more of {A_FEW} runs fail than of any {A_FEW} in a row of the 50 before"
        case Failures(failures=failures, of=of):
            return f"{failures} of {of} runs fail"
        case When.NEVER:
            raise ValueError("nothing fires by how runs end")
        case _:
            assert_never(when)
