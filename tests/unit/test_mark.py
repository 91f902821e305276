"""The mark of a bundle version that nothing executes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pinwheel.core.run.mark import Queued, gets_mark, is_marked, loses_mark, marked, without_mark
from pinwheel.core.version_alias import split_version

COMMIT = "a" * 40


def test_a_marked_version_is_known_and_gives_back_what_was_marked() -> None:
    assert is_marked(marked(COMMIT))
    assert without_mark(marked(COMMIT)) == COMMIT
    assert marked(marked(COMMIT)) == marked(COMMIT)


def test_what_carries_no_mark_is_left_as_it_is() -> None:
    assert not is_marked(COMMIT)
    assert not is_marked(None)
    assert without_mark(COMMIT) == COMMIT


def test_no_bundle_of_ours_takes_a_marked_version_for_one_of_its_own() -> None:
    with pytest.raises(ValueError, match="commit id"):
        split_version(marked(COMMIT))


SINCE = datetime(2026, 3, 1, tzinfo=UTC)
LATER = SINCE + timedelta(hours=1)


def queued(**more: Any) -> Queued:
    facts = {"clear_number": 0, "on_active": True, "queued_at": LATER, "bound_by": None, "judged": False}
    return Queued(**{**facts, **more})


@pytest.mark.parametrize("anew", [True, False])
@pytest.mark.parametrize(
    ("gets", "run"),
    [
        (True, queued()),
        (True, queued(on_active=False, queued_at=SINCE - timedelta(hours=1))),
        (True, queued(on_active=False, queued_at=None)),
        # On a row of its own from birth: somebody chose its bundle version in Airflow.
        (False, queued(on_active=False)),
        (False, queued(on_active=False, queued_at=SINCE)),
        # Bound, but not by its date.
        (True, queued(bound_by="active")),
        (True, queued(bound_by="active", on_active=False)),
        (False, queued(bound_by="hand")),
        (False, queued(bound_by="trial", judged=True)),
        # Cleared: on what it was bound to.
        (False, queued(clear_number=1)),
        (False, queued(clear_number=1, bound_by="active")),
    ],
)
def test_a_run_that_waits_gets_the_mark_unless_somebody_chose_its_build_or_it_was_cleared(
    gets: bool, run: Queued, anew: bool
) -> None:
    assert gets_mark(run, since=SINCE, anew=anew) is gets


@pytest.mark.parametrize("clear_number", [0, 1])
@pytest.mark.parametrize("bound_by", ["era", "active"])
def test_a_run_that_was_judged_gets_the_mark_again_only_where_what_it_was_judged_by_changed(
    bound_by: str, clear_number: int
) -> None:
    run = queued(bound_by=bound_by, judged=True, clear_number=clear_number, on_active=False)
    assert gets_mark(run, since=SINCE, anew=True)
    assert not gets_mark(run, since=SINCE, anew=False)


@pytest.mark.parametrize(
    ("gets", "run"),
    [
        (True, queued(bound_by="era", judged=True)),
        (True, queued(bound_by="active", judged=True, on_active=False)),
        (False, queued(bound_by="active", judged=True)),
        (False, queued(bound_by="hand", judged=True, on_active=False)),
        (False, queued(bound_by="active")),
        (False, queued()),
    ],
)
def test_of_a_dag_that_is_dated_no_more_runs_get_the_mark_that_were_bound_to_another_build(
    gets: bool, run: Queued
) -> None:
    assert gets_mark(run, since=None, anew=True) is gets
    assert not gets_mark(run, since=None, anew=False)


@pytest.mark.parametrize(
    ("loses", "run"),
    [
        (True, queued()),
        (False, queued(on_active=False)),
        (False, queued(clear_number=1)),
        (False, queued(bound_by="era", judged=True)),
    ],
)
def test_only_a_run_that_was_never_bound_and_stands_on_the_active_release_loses_the_mark(
    loses: bool, run: Queued
) -> None:
    assert loses_mark(run) is loses
