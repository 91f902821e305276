"""Text and dates from outside."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinwheel.core import text

anything = st.text(st.characters(codec=None, exclude_categories=()), max_size=300)


@given(anything, st.integers(min_value=1, max_value=250))
def test_what_is_fitted_is_short_enough_and_can_be_stored(said: str, most: int) -> None:
    for fitted in (text.fit(said, most), text.fit_end(said, most)):
        assert len(fitted) <= most
        assert "\x00" not in fitted
        fitted.encode()


@given(st.text(st.characters(exclude_characters="\x00", exclude_categories=("Cs",)), max_size=50))
def test_text_that_fits_stays_as_it_is(said: str) -> None:
    assert text.fit(said, 50) == text.fit_end(said, 50) == said


def test_what_was_cut_says_so_where_it_was_cut() -> None:
    assert text.fit("abcdef", 4) == "abc…"
    assert text.fit_end("abcdef", 4) == "…def"


def test_nul_and_surrogates_are_replaced_by_what_shows_them() -> None:
    assert text.storable("a\x00b\udce9") == "a␀b�"


@pytest.mark.parametrize("seconds", [-(10**30), -62135596800, 253402300800, 10**30])
def test_a_date_off_the_calendar_is_clamped_and_survives_every_time_zone(seconds: int) -> None:
    found = text.instant(seconds)
    assert found.tzinfo is UTC
    assert datetime(1, 1, 2, tzinfo=UTC) <= found <= datetime(9999, 12, 30, tzinfo=UTC)


def test_an_ordinary_date_is_exact() -> None:
    assert text.instant(0) == datetime(1970, 1, 1, tzinfo=UTC)
    assert text.instant(-1) == datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)
