"""Verification: parsing a file that was judged unchanged, to see whether it is. When, which, what follows.

What a parse asked in a way that nobody sees can change without a parse
(:mod:`pinwheel.core.parse.inputs`). So the files of the newest version that nobody parsed in its tree are
parsed in the background, one at a time, from a budget of CPU seconds: :class:`Bucket` says when,
:func:`in_turn` which, :func:`judge` what the result means.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from attrs import evolve, field, frozen

from pinwheel.core.digest import normalized

MOST_SAVED = 30.0
"""CPU seconds that may be saved up: the most that is used in one go."""
OVERDUE = timedelta(hours=1)
"""Files that have not been verified for so long come first, whatever changed meanwhile."""
MOST_PATHS = 20
"""Changed paths that are told of a missed dependency."""


@frozen(kw_only=True)
class Bucket:
    """CPU seconds that verification may use. Below zero after a parse, which is charged when it has ended."""

    share: float
    """CPU seconds that come in per second; 0: no verification."""
    level: float = 0.0
    at: float = 0.0
    """When the level was this, on a clock that only goes forward."""

    def filled(self, now: float) -> Bucket:
        """As it is at this time."""
        level = min(MOST_SAVED, self.level + max(0.0, now - self.at) * self.share)
        return evolve(self, level=level, at=max(now, self.at))

    def may_start(self, now: float) -> bool:
        """Whether a parse may begin. Its cost is not known before: it may take the level below zero."""
        return self.share > 0 and self.filled(now).level >= 0

    def charged(self, now: float, cpu_seconds: float) -> Bucket:
        filled = self.filled(now)
        return evolve(filled, level=filled.level - max(0.0, cpu_seconds))

    def taken_over(self, level: float, now: float) -> Bucket:
        """That of another process, or of one before this: its debt is taken over, what it saved is not."""
        return evolve(self, level=min(0.0, level), at=now)


@frozen(kw_only=True)
class Unverified:
    """A file that nobody has parsed in the tree of the newest version."""

    bundle_name: str
    path: str
    verified_at: datetime
    """When it was last parsed or verified."""
    near: bool = False
    """Whether the newest version changed something in its folder, or below that: see :func:`folders_of`."""


def folders_of(paths: Iterable[str]) -> frozenset[str]:
    """All folders that these paths are in, up to the root, which is empty."""
    found = {""}
    for path in paths:
        folder = path.rpartition("/")[0]
        while folder not in found:
            found.add(folder)
            folder = folder.rpartition("/")[0]
    return frozenset(found)


def in_turn(files: Iterable[Unverified], now: datetime) -> list[Unverified]:
    """The files in the order in which they are to be verified.

    Overdue ones come first, then those near a change; of these the longest unverified.
    """
    return sorted(files, key=lambda file: _rank(file, now))


def _rank(file: Unverified, now: datetime) -> tuple[bool, bool, datetime, str, str]:
    overdue = now - file.verified_at >= OVERDUE
    return (not overdue, not overdue and not file.near, file.verified_at, file.bundle_name, file.path)


class Verdict(StrEnum):
    """What a verification says of a file."""

    SAME = "same"
    """It gives what it was believed to give."""
    AGAIN = "again"
    """It gives something else: the same tree is to be parsed once more, to tell why."""
    MISSED = "missed"
    """Something that it depends on has changed unseen: it gives the same other thing twice."""
    UNSTABLE = "unstable"
    """It gives something else each time."""


@frozen(kw_only=True)
class Gave:
    """What a parse of a file gave."""

    builds: Mapping[str, str]
    """By Dag the digest of its build."""
    broken: bool = False
    order: Mapping[str, object] = field(factory=dict, eq=False, repr=False)
    """By Dag what :func:`without_order` makes of its serialized form."""

    def differs_in_order_only(self, other: Gave) -> bool:
        """Whether lists stand in another order, and that is all: of one that was made from a set.

        Parsers are forks of one process and share its seed, so only a restart shows it.
        """
        changed = {d for d in self.builds.keys() & other.builds.keys() if self.builds[d] != other.builds[d]}
        return (
            self.builds.keys() == other.builds.keys()
            and self.broken == other.broken
            and bool(changed)
            and all(d in self.order and self.order[d] == other.order.get(d) for d in changed)
        )


def judge(known: Gave, found: Gave, first: Gave | None = None) -> Verdict:
    """What a verification that found this says of a file that was known to give that.

    *first* is what the verification before found, of the same tree, when it differed.
    """
    if first is None or first == known:
        # What differed may have been registered meanwhile: by a parse of the file, or by another processor.
        return Verdict.SAME if found == known else Verdict.AGAIN
    if found == known:
        # A parse may fail once, for want of memory say; one that gives two things does so again.
        return Verdict.SAME if first.broken else Verdict.UNSTABLE
    if found != first and not (found.broken and first.broken):
        return Verdict.UNSTABLE
    return Verdict.UNSTABLE if found.differs_in_order_only(known) else Verdict.MISSED


def without_order(serialized: Mapping[str, Any]) -> Any:
    """The serialized Dag with all its lists in one order, for :class:`Gave`."""
    return _sorted_lists(normalized(serialized))


def _sorted_lists(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _sorted_lists(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return sorted((_sorted_lists(item) for item in value), key=repr)
    return value


def changed_paths(one: Mapping[str, str], other: Mapping[str, str]) -> list[str]:
    """Paths that differ between two manifests, in order."""
    return sorted(path for path in one.keys() | other.keys() if one.get(path) != other.get(path))


@frozen(kw_only=True)
class Outlook:
    """How far the verification of a bundle's newest version is."""

    files: int
    """Dag files that nobody has parsed in its tree."""
    seconds: float | None
    """So long it takes yet, at the pace of the budget; None: the budget is 0."""

    @classmethod
    def of(cls, files: int, *, mean: float, share: float, level: float) -> Outlook:
        """*mean*: CPU seconds that one takes; *level*: what is in the bucket."""
        if share <= 0:
            return cls(files=files, seconds=None)
        return cls(files=files, seconds=max(0.0, files * mean - level) / share)
