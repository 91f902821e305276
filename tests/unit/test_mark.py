"""The mark of a bundle version that nothing executes."""

from __future__ import annotations

import pytest

from pinwheel.core.run.mark import is_marked, marked, without_mark
from pinwheel.core.version_alias import split_version

COMMIT = "a" * 40


def test_a_marked_version_is_known_and_gives_back_what_was_marked() -> None:
    assert is_marked(marked(COMMIT))
    assert without_mark(marked(COMMIT)) == COMMIT
    assert marked(marked(COMMIT)) == marked(COMMIT)


def test_what_carries_no_mark_is_left_as_it_is() -> None:
    assert not is_marked(COMMIT)
    assert not is_marked(None)
    assert without_mark(COMMIT) == COMMIT


def test_no_bundle_of_ours_takes_a_marked_version_for_one_of_its_own() -> None:
    with pytest.raises(ValueError, match="commit id"):
        split_version(marked(COMMIT))
