"""What is read back from JSON has the types that its reader says, or nothing is read."""

from __future__ import annotations

import pytest

from pinwheel.core.json import Json, JsonObject

KEPT: Json = {
    "text": "a",
    "number": 3,
    "flag": True,
    "flags": [True],
    "none": None,
    "texts": ["a", "b"],
    "numbers": [1, 2],
    "floats": [1.5, None, 2],
    "objects": [{"number": 1}, {"number": 2}],
}


def test_each_field_is_read_as_what_it_is() -> None:
    kept = JsonObject.of(KEPT)
    assert (kept.text("text"), kept.number("number"), kept.flag("flag")) == ("a", 3, True)
    assert (kept.text_or_none("text"), kept.text_or_none("none")) == ("a", None)
    assert (kept.number_or_none("number"), kept.number_or_none("none")) == (3, None)
    assert kept.texts("texts") == ("a", "b")
    assert kept.numbers("numbers") == (1, 2)
    assert kept.floats_or_none("floats") == (1.5, None, 2.0)
    assert [one.number("number") for one in kept.objects("objects")] == [1, 2]


@pytest.mark.parametrize(
    ("reader", "name"),
    [
        ("text", "number"),
        ("text", "none"),
        ("text_or_none", "flag"),
        ("number", "text"),
        ("number", "flag"),
        ("number", "none"),
        ("number_or_none", "flag"),
        ("flag", "number"),
        ("texts", "text"),
        ("texts", "objects"),
        ("numbers", "texts"),
        ("numbers", "number"),
        ("floats_or_none", "texts"),
        ("floats_or_none", "flags"),
        ("floats_or_none", "number"),
        ("objects", "texts"),
        ("objects", "none"),
    ],
)
def test_a_field_of_another_type_is_not_read(reader: str, name: str) -> None:
    with pytest.raises(ValueError, match=r"^(Field \w+ (is|has)|Not a JSON)"):
        getattr(JsonObject.of(KEPT), reader)(name)


@pytest.mark.parametrize(
    "reader",
    [
        "text",
        "text_or_none",
        "number",
        "number_or_none",
        "flag",
        "texts",
        "numbers",
        "floats_or_none",
        "objects",
    ],
)
def test_a_field_that_is_missing_is_not_read_as_none(reader: str) -> None:
    with pytest.raises(ValueError, match=r"^No field nope, only flag, flags, floats, none"):
        getattr(JsonObject.of(KEPT), reader)("nope")


@pytest.mark.parametrize("value", [None, "text", 3, ["text"]])
def test_what_is_no_object_has_no_fields(value: Json) -> None:
    with pytest.raises(ValueError, match=r"^Not a JSON object"):
        JsonObject.of(value)
