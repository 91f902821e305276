"""What may be paths in a text, or in a value that a Dag holds."""

from __future__ import annotations

import pytest

from pinwheel.core.parse.references import text_references, value_references

FOLDER = "x" * 250
LONGEST = f"{FOLDER}/a.py"
"""255 letters."""


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("", (), id="nothing"),
        pytest.param("select 1", (), id="no dot"),
        pytest.param("run sql/load.sql now", ("sql/load.sql",), id="a file"),
        pytest.param("b.sql, a.sql; b.sql", ("a.sql", "b.sql"), id="sorted and once"),
        pytest.param("see load.sql...", ("load.sql",), id="the end of a sentence"),
        pytest.param("{% include '/part.sql' %}", ("part.sql",), id="from the root"),
        pytest.param("a.b", ("a.b",), id="three letters are enough"),
        pytest.param(".b", (), id="an extension alone"),
        pytest.param("version 1.5", (), id="a number"),
        pytest.param("https://example.org/x.csv", (), id="an address"),
        pytest.param("X.pyX", ("X.pyX",), id="no letter is cut off"),
        pytest.param("X.py.", ("X.py",), id="but a dot at the end"),
        pytest.param("/X/a.py", ("X/a.py",), id="and slashes at the beginning"),
        pytest.param(LONGEST, (LONGEST,), id="as long as a path can be"),
        pytest.param(f"x{LONGEST}", (), id="longer than a path can be"),
    ],
)
def test_of_a_text_what_has_an_extension_may_be_a_path(text: str, found: tuple[str, ...]) -> None:
    assert text_references(text) == found


def test_a_folder_has_a_slash_at_its_end() -> None:
    assert "sql/parts/" in text_references("all of sql/parts/ is read")
    assert "sql/parts/" in value_references("sql/parts/")
    assert not [piece for piece in text_references("all of sql/parts is read") if piece.endswith("/")]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        pytest.param("load.sql", {"load.sql"}, id="a file"),
        pytest.param("bash 'scripts/run' --now", {"scripts/run"}, id="a file without an extension"),
        pytest.param("bash scripts/X/ > x", {"scripts/X"}, id="no letter is cut off"),
        pytest.param("/scripts/X", {"scripts/X"}, id="from the root"),
        pytest.param("run a/b > x", {"a/b"}, id="three letters are enough"),
        pytest.param("run a/ > x", set(), id="one name"),
        pytest.param(".env", {".env"}, id="a file that begins with a dot"),
        pytest.param(".e", set(), id="too short for one"),
        pytest.param("x.env y", {"x.env"}, id="a word"),
        pytest.param("queries", {"queries"}, id="a plain name"),
        pytest.param("abc", {"abc"}, id="a plain name of three letters"),
        pytest.param("ab", set(), id="too short for a name"),
        pytest.param("a" * 64, {"a" * 64}, id="a plain name of 64 letters"),
        pytest.param("a" * 65, set(), id="too long for a name"),
        pytest.param("two words", set(), id="two words"),
        pytest.param("my file.sql", {"file.sql", "my file.sql"}, id="a blank in a name"),
        pytest.param("my dir/X/", {"dir/X", "my dir/X"}, id="a blank in a folder"),
        pytest.param(" a b/c.d ", {"b/c.d", "a b/c.d"}, id="blanks around it"),
        pytest.param("//host/share.txt", set(), id="a share"),
        pytest.param("s3://bucket/key", set(), id="an address"),
        pytest.param("*.sql", set(), id="a pattern"),
        pytest.param("a/b?c", {"a/b"}, id="a letter that no name has"),
        pytest.param("/a", set(), id="too short for a path"),
        pytest.param("run /a > x", set(), id="too short for a path in a command"),
        pytest.param("run /X/a > x", {"X/a"}, id="from the root in a command"),
        pytest.param(f"{FOLDER}/abcd > x", {f"{FOLDER}/abcd"}, id="as long as a path can be in a command"),
        pytest.param(f"x {FOLDER}/ab", {f"x {FOLDER}/ab", f"{FOLDER}/ab"}, id="a blank in a long one"),
        pytest.param(LONGEST, {LONGEST}, id="as long as a path can be"),
        pytest.param(f"x{LONGEST}", set(), id="longer than a path can be"),
    ],
)
def test_of_a_value_a_plain_name_may_be_a_path_too(value: str, found: set[str]) -> None:
    assert {piece for piece in value_references(value) if not piece.endswith("/")} == found


def test_a_value_says_its_paths_sorted_and_once() -> None:
    assert value_references("run b/c a/b b/c") == ("a/b", "b/c", "run b/c a/b b/c")


@pytest.mark.parametrize(("letters", "looked_into"), [(9_999, True), (10_000, False)])
def test_a_value_that_is_longer_than_a_command_is_not_looked_into_for_plain_paths(
    letters: int, looked_into: bool
) -> None:
    value = "scripts/run ".ljust(letters)
    assert ("scripts/run" in value_references(value)) is looked_into
    assert "scripts/run.sh" in value_references("scripts/run.sh ".ljust(letters))
