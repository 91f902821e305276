"""How a side of a comparison is written."""

from __future__ import annotations

import pytest

from pinwheel.core.errors import InvalidInput
from pinwheel.core.side import Side, side


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (3, Side(3)),
        ("3", Side(3)),
        ("b3", Side(3)),
        ("t3", Side(3)),
        ("r4", Side(4, release=True)),
        (Side(2), Side(2)),
    ],
)
def test_builds_and_releases_are_told_apart_by_a_letter(written: str | int | Side, meant: Side) -> None:
    assert side(written) == meant


@pytest.mark.parametrize("written", ["", "x3", "r", "r-1", "3 ", "R4", "rr4", "12345678901", "٣"])
def test_what_is_neither_is_refused_in_words(written: str) -> None:
    with pytest.raises(InvalidInput, match=r"names neither a build nor a release. Write 3 or b3"):
        side(written)


@pytest.mark.parametrize("written", [0, "b0", "r0", "2147483648"])
def test_a_number_that_no_build_has_is_refused(written: str | int) -> None:
    with pytest.raises(InvalidInput, match="Numbers go from 1 to 2147483647"):
        side(written)
