"""Text and dates from outside."""

from __future__ import annotations

import json
import subprocess
import sys
import unicodedata
from datetime import UTC, datetime

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pinwheel.cli import output
from pinwheel.core import text
from pinwheel.core.errors import HostError

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


SEEN = "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"
"""Of the formatting characters these are drawn: signs around numbers and words; so are hieroglyphs' own."""


def test_every_control_and_unseen_character_is_escaped() -> None:
    for code in range(sys.maxunicode + 1):
        letter = chr(code)
        hidden = unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Zl", "Zp")
        if hidden and letter not in SEEN and not 0x13430 <= code <= 0x1343F:
            for between in (f"a{letter}b", letter, f"{letter}\U0001f600"):
                assert letter not in text.visible(between), hex(code)
                assert letter == "\n" or letter not in text.visible_json(between), hex(code)
                assert letter == "\n" or letter not in text.shell_word(between), hex(code)


def test_what_can_be_seen_stays_as_it_is() -> None:
    for said in (
        "Zoë Åström",
        "混沌",
        "سلام ۱۲",
        "\U0001f469\u200d\U0001f4bb \U0001f3f3\ufe0f\u200d\U0001f308",
        "a  b",
    ):
        assert text.visible(said) == said
    assert text.visible("a\nb\tc", keep="\n\t") == "a\nb\tc"
    assert text.visible("\x1b]0;x\x07\u202e\U000e0041\r\n") == r"\x1b]0;x\x07\u202e\U000e0041\r\n"


hostile = st.text(
    st.sampled_from(
        "\x00\x07\x1b\x7f\x85\x9b\u200b\u200d\u2028\u202e\ufeff\U000e0041\U0001f600\\'\"\n\t\r :#-é"
    ),
    max_size=12,
)


@given(
    st.recursive(
        hostile | anything | st.none(), lambda inner: st.dictionaries(hostile, inner) | st.lists(inner)
    )
)
def test_json_and_yaml_hold_nothing_to_obey_and_say_the_same(value: object) -> None:
    as_json, as_yaml = output.as_json(value, indent=2), output._as_yaml(value)
    assert json.loads(as_json) == yaml.safe_load(as_yaml) == value
    for written in (as_json, as_yaml):
        assert text.visible(written, keep="\n") == written
        written.encode()


@pytest.mark.parametrize(
    "letter", ["\x1b[31m", "\x9b31m", "\u202e", "\n", "\t", "\r", "\x7f", "\U000e0041", "\u200d1"]
)
def test_a_shell_reads_back_what_was_quoted(letter: str) -> None:
    said = [f"{letter}x'\\n\\{letter}7!$(id)`id`\"é\U0001f600", letter, f"--reason={letter} "]
    words = " ".join(text.shell_word(word) for word in said)
    assert text.visible(words, keep="\n") == words
    for locale in ("C", "C.UTF-8"):
        read = subprocess.run(
            ["bash", "-c", f"printf '%s\\0' {words}"], capture_output=True, check=True, env={"LC_ALL": locale}
        )
        assert read.stdout.decode().split("\0")[:-1] == said


def test_an_error_that_quotes_others_can_be_logged_as_it_is() -> None:
    error = HostError("Cannot fetch", found="git said \x1b]0;x\x07", remedy="Look\nthere")
    assert str(error) == "Cannot fetch: git said \\x1b]0;x\\x07. Look\nthere."
    assert "\x1b" in error.message
