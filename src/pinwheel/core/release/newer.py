"""Which of two builds of a Dag is newer: the one that a head of its bundle showed last.

Not the one with the higher number: what a commit brings back (``git revert``) keeps the number that it had.
"""

from __future__ import annotations

from collections.abc import Mapping

from pinwheel.core.build import Build


def is_newer(one: Build, other: Build, *, newest: Build | None, shown: Mapping[int, int]) -> bool:
    """Whether *one* is newer than *other*. Nothing is newer than *newest*, the Dag's newest build.

    ``shown`` has, by id of the build, the place of the last head of the Dag's bundle that showed it. Where
    that does not tell (the same head, since two parses of it may differ; or that bundle showed only one of
    them, since the Dag came from another), the higher number is newer.
    """
    if one.build == other.build or _same(other, newest):
        return False
    if _same(one, newest):
        return True
    places = shown.get(one.id), shown.get(other.id)
    if None in places or places[0] == places[1]:
        return one.build > other.build
    return shown[one.id] > shown[other.id]


def _same(build: Build, other: Build | None) -> bool:
    return other is not None and build.build == other.build
