"""Which of two builds is newer: the one that a head showed last, not the one with the higher number."""

from __future__ import annotations

import pytest

from harness.builds import build
from pinwheel.core.release.newer import is_newer


@pytest.mark.parametrize(
    ("one", "other", "newest", "shown", "newer"),
    [
        pytest.param(2, 1, None, {1: 1, 2: 2}, True, id="the order of the heads is that of the numbers"),
        pytest.param(2, 1, 1, {1: 3, 2: 2}, False, id="the older number came back and is the newest"),
        pytest.param(2, 1, 3, {1: 3, 2: 2}, False, id="the older number came back, then another came"),
        pytest.param(2, 1, 1, {1: 1, 2: 1}, False, id="one head gave both, the newest wins"),
        pytest.param(2, 1, 3, {1: 1, 2: 1}, True, id="one head gave both, the higher number wins"),
        pytest.param(2, 1, None, {1: 0, 2: 0}, True, id="no head showed either, the higher number wins"),
        pytest.param(2, 1, 2, {1: 9}, True, id="the Dag moved to another bundle, the newest is there"),
        pytest.param(2, 1, 3, {1: 9}, True, id="the Dag's bundle showed only one of them"),
        pytest.param(2, 1, 3, {}, True, id="the Dag's bundle showed neither"),
        pytest.param(3, 2, 2, {2: 2, 3: 1}, False, id="a late result of an older head has a higher number"),
        pytest.param(1, 1, 1, {1: 1}, False, id="the same build"),
    ],
)
def test_of_two_builds_the_newer_one_is_what_a_head_showed_last(
    one: int, other: int, newest: int | None, shown: dict[int, int], newer: bool
) -> None:
    known = {"newest": build(newest) if newest else None, "shown": {100 + n: s for n, s in shown.items()}}
    assert is_newer(build(one), build(other), **known) is newer
    assert is_newer(build(other), build(one), **known) is (one != other and not newer)
