"""Pieces of a long sequence."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pinwheel.core.chunks import chunks


@given(st.lists(st.integers(), max_size=40), st.integers(min_value=1, max_value=50))
def test_pieces_are_the_whole_in_order_none_empty_and_none_too_long(values: list[int], size: int) -> None:
    pieces = list(chunks(values, size))

    assert [value for piece in pieces for value in piece] == values
    assert all(1 <= len(piece) <= size for piece in pieces)


def test_a_piece_holds_five_hundred_unless_told() -> None:
    assert [len(piece) for piece in chunks(range(1001))] == [500, 500, 1]
