"""From views to JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum

from attrs import frozen

from pinwheel.services.show.plain import ABSENT, Sometimes, plain


class Colour(StrEnum):
    RED = "red"


@frozen(kw_only=True)
class Inner:
    from_: int
    at: datetime | None = None


@frozen(kw_only=True)
class Outer:
    inner: Inner
    several: tuple[Inner, ...] = ()
    by_name: Mapping[str, Inner] = {}
    colour: Colour = Colour.RED
    note: Sometimes[str | None] = ABSENT


def test_a_view_becomes_what_json_has() -> None:
    at = datetime(2026, 5, 1, 12, tzinfo=UTC)
    shown = plain(
        Outer(inner=Inner(from_=1, at=at), several=(Inner(from_=2),), by_name={"x_": Inner(from_=3)})
    )
    assert shown == {
        "inner": {"from": 1, "at": "2026-05-01T12:00:00+00:00"},
        "several": [{"from": 2, "at": None}],
        "by_name": {"x_": {"from": 3, "at": None}},
        "colour": "red",
    }
    assert type(shown["colour"]) is str
    assert json.loads(json.dumps(shown)) == shown


def test_what_there_is_nothing_to_say_of_is_left_out_but_none_is_said() -> None:
    assert "note" not in plain(Outer(inner=Inner(from_=1)))
    assert plain(Outer(inner=Inner(from_=1), note=None))["note"] is None
