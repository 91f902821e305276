"""What can hold a Dag's newest place, and how it is told."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pinwheel.core.rollout.hold import ORDER, Hold, HoldKind


def test_what_holds_longest_is_told_first() -> None:
    assert sorted(HoldKind, key=ORDER.__getitem__) == [
        HoldKind.PIN,
        HoldKind.REJECTED,
        HoldKind.ERA,
        HoldKind.PAUSED,
        HoldKind.ABORTED,
        HoldKind.FREEZE,
        HoldKind.WINDOW,
        HoldKind.GATE,
        HoldKind.WATCH,
        HoldKind.QUEUE,
        HoldKind.AT,
        HoldKind.BY_HAND,
        HoldKind.LOOSENED,
        HoldKind.BEHIND,
    ]
    assert sorted(ORDER.values()) == list(range(len(HoldKind)))


@pytest.mark.parametrize("kind", HoldKind)
def test_a_hold_is_told_by_its_reason_and_without_one_by_its_kind(kind: HoldKind) -> None:
    assert Hold(kind=kind, reason="wrong totals").said == "wrong totals"
    assert Hold(kind=kind, reason=None).said == Hold(kind=kind, reason="").said == kind.value


def test_nobody_and_no_time_are_behind_a_hold_unless_told() -> None:
    hold = Hold(kind=HoldKind.GATE, reason="check ci")
    assert (hold.since, hold.until, hold.by) == (None, None, None)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    told = Hold(kind=HoldKind.ERA, reason=None, since=at, until=at, by="ada")
    assert (told.since, told.until, told.by) == (at, at, "ada")
