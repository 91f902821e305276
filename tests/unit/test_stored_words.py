"""The words of enumerations, as rows and answers hold them: another breaks what is stored, and the API."""

from __future__ import annotations

from enum import StrEnum

import pytest

from pinwheel.core.parse.plan import Why
from pinwheel.core.parse.verify import Verdict
from pinwheel.core.release.behind import BehindKind
from pinwheel.core.release.decide import Verb
from pinwheel.core.release.policy import Source
from pinwheel.core.release.rule import Forbidden, RuleKind
from pinwheel.core.release.state import Kind, Track
from pinwheel.core.rollout.hold import HoldKind
from pinwheel.core.rollout.way_back import When
from pinwheel.core.run.binding import BoundBy
from pinwheel.core.run.fit import Fit


@pytest.mark.parametrize(
    ("words", "stored"),
    [
        (BehindKind, {"traced", "other files"}),
        (BoundBy, {"active", "hand", "trial", "era", "canary"}),
        (
            HoldKind,
            {
                *("pin", "rejected", "era", "paused", "aborted", "freeze", "window", "gate"),
                *("watch", "queue", "at", "by-hand", "loosened", "behind"),
            },
        ),
        (Fit, {"matches", "differs", "by_hand", "waits"}),
        (Kind, {"adopt", "auto", "pin", "unpin", "promote", "rollback", "retire"}),
        (Forbidden, {"runs-by-hand", "trials"}),
        (RuleKind, {"window", "freeze", "require", "forbid"}),
        (Source, {"locked", "repository", "platform", "built-in"}),
        (Track, {"auto", "pinned"}),
        (When, {"worse", "first-failure", "never"}),
        (Verb, {"promote", "pin", "unpin", "rollback", "arrive", "retire", "reject", "lift"}),
        (Verdict, {"same", "again", "missed", "unstable"}),
        (
            Why,
            {
                "never parsed",
                "other runtime",
                "changed",
                "result is gone",
                "waits",
                "not registered",
                "impure",
            },
        ),
    ],
)
def test_each_word_is_stored_as_it_always_was(words: type[StrEnum], stored: set[str]) -> None:
    assert {word.value for word in words} == stored
