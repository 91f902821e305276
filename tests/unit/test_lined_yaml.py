"""YAML with lines: its values, its limits to the last byte, and where what is not taken stands."""

from __future__ import annotations

import pytest
import yaml

from pinwheel.core.parse import lined_yaml
from pinwheel.core.parse.lined_yaml import (
    MOST_BYTES,
    MOST_DEEP,
    MOST_VALUES,
    Document,
    NotReadable,
    Wrong,
    load,
)


def wrong_of(data: bytes) -> Wrong:
    with pytest.raises(NotReadable) as refused:
        load(data)
    return refused.value.wrong


def test_values_are_texts_lists_and_mappings_and_what_is_odd_is_told() -> None:
    document = load(b"a: text\nb: [x, 2024-01-01]\nc: yes\nd: 7\ne: 2.5\nf: ~\ng:\n'h': ! x\n")
    expected = {
        "a": "text",
        "b": ["x", "2024-01-01"],
        "c": True,
        "d": 7,
        "e": 0.0,
        "f": None,
        "g": None,
        "h": "x",
    }
    assert document.value == expected
    assert [type(value) for value in document.value.values()] == [type(value) for value in expected.values()]
    assert document.odd == {
        ("c",): "a truth value (yes)",
        ("d",): "a number (7)",
        ("e",): "a number (2.5)",
        ("f",): "nothing (~)",
        ("g",): "nothing",
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("-5", -5),
        ("1_000", 1000),
        ("0x10", 16),
        ("010", 8),
        ("9:30", 570),
        ("9" * 18, int("9" * 18)),
        ("true", True),
        ("On", True),
        ("no", False),
        ("FALSE", False),
        ("off", False),
    ],
)
def test_a_number_and_a_truth_value_are_what_yaml_takes_them_for(text: str, value: object) -> None:
    found = load(f"a: {text}".encode()).value["a"]
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize("text", ["9" * 19, "0x_", "0b_"])
def test_a_number_that_is_none_or_too_long_is_refused(text: str) -> None:
    wrong = wrong_of(f"a: b\nc: {text}".encode())
    assert wrong.line == 2 and "no number that is taken" in wrong.found and "quotes" in wrong.remedy


def test_each_key_and_item_has_its_line_and_any_other_place_that_of_what_holds_it() -> None:
    document = load(b"\n# x\na:\n  - b\n  - c: d\n    e: f\n")
    assert document.lines == {
        (): 3,
        ("a",): 3,
        ("a", 0): 4,
        ("a", 1): 5,
        ("a", 1, "c"): 5,
        ("a", 1, "e"): 6,
    }
    assert document.line(("a", 1, "e", "none", 7)) == 6
    assert document.line(("none",)) == 3
    assert Document(value=None, lines={}).line(("none",)) == 1


def test_an_empty_document_is_nothing() -> None:
    assert load(b"").value is None and load(b"# x\n").value is None
    assert load(b"\xef\xbb\xbfa: b").value == {"a": "b"}


def test_what_a_file_holds_stands_in_no_line_of_a_log() -> None:
    assert "lines" not in repr(load(b"a: 1")) and "odd" not in repr(load(b"a: 1"))


def test_a_file_may_be_as_long_as_the_limit() -> None:
    full = b"a: b\n#".ljust(MOST_BYTES, b"x")
    assert load(full).value == {"a": "b"}
    assert wrong_of(full + b"x").line == 1


def test_a_file_may_hold_as_many_values_as_the_limit() -> None:
    full = b"[" + b"a," * (MOST_VALUES - 1) + b"]"
    assert len(load(full).value) == MOST_VALUES - 1
    assert wrong_of(full[:-1] + b"a]").found == "it holds more than 20,000 values"


def test_a_file_may_be_as_deep_as_the_limit() -> None:
    assert load(b"[" * MOST_DEEP + b"]" * MOST_DEEP).value
    assert wrong_of(b"[" * (MOST_DEEP + 1) + b"]" * (MOST_DEEP + 1)).found == "it is more than 12 levels deep"


@pytest.mark.parametrize(
    ("data", "line", "found"),
    [
        pytest.param(b"a: b\n\nc: *d\n", 3, "the alias *d is not taken", id="an alias of nothing"),
        pytest.param(b"a: b\n@c: d\n", 2, "it is no YAML: while scanning", id="a letter that begins nothing"),
        pytest.param(b"\n\n[a}\n", 3, "it is no YAML: while parsing a flow sequence", id="the wrong bracket"),
        pytest.param(b"\n\n\x00", 3, "it is no YAML: ", id="a letter that is none, after empty lines"),
        pytest.param(b"a: b\n\xff", 2, "it is not UTF-8: ", id="a byte that is no letter"),
    ],
)
@pytest.mark.parametrize("loader", ["CSafeLoader", "SafeLoader"])
def test_what_is_not_taken_is_told_with_its_line(
    data: bytes, line: int, found: str, loader: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not hasattr(yaml, loader):
        pytest.skip("PyYAML was built without it")
    monkeypatch.setattr(lined_yaml, "_Loader", getattr(yaml, loader))
    wrong = wrong_of(data)
    assert wrong.line == line
    assert wrong.found.startswith(found)


def test_what_is_wrong_at_no_place_is_told_of_the_first_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(text: str) -> None:
        raise yaml.MarkedYAMLError(problem="it broke")

    monkeypatch.setattr(lined_yaml, "_Loader", broken)
    assert wrong_of(b"a: b") == Wrong(1, "it is no YAML: it broke", "Correct it there")


def test_what_is_wrong_is_told_in_sentences() -> None:
    assert str(Wrong(3, "it is empty", "Fill it")) == "line 3: it is empty. Fill it."
    assert str(Wrong(3, "it is empty")) == "line 3: it is empty."


def test_a_text_that_no_database_keeps_is_refused() -> None:
    assert wrong_of(b'a: x\nb: "y\\0z"\n') == Wrong(2, "it holds a NUL", "Remove it")
