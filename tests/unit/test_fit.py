"""Does a run stand on the build of its date?"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from attrs import evolve

from pinwheel.core.run.binding import BoundBy
from pinwheel.core.run.fit import Fit, Standing, absent_at, fit
from pinwheel.core.run.timeline import Era
from pinwheel.core.structure.windows import Segment

EDGE = datetime(2020, 1, 1, tzinfo=UTC)
BEFORE, AFTER = datetime(2019, 5, 1, tzinfo=UTC), datetime(2021, 5, 1, tzinfo=UTC)
ERAS = (Era(starts_at=None, ends_at=EDGE, build_id=11, build=1, bundle_version="v1"),)
SEGMENTS = {11: [Segment(None, frozenset()), Segment(BEFORE, frozenset({"x"}))]}
ON = Standing(build_id=11, bound_by=BoundBy.ACTIVE, segment=None, waits=False)


def found(at: datetime, on: Standing, segments: dict[int, list[Segment]] | None = None) -> Fit:
    return fit(at, on, ERAS, segments or {}, active_build_id=12)


@pytest.mark.parametrize("by", list(BoundBy))
def test_in_an_era_its_build_matches_and_no_other_unless_somebody_chose_it(by: BoundBy) -> None:
    chosen = by in (BoundBy.HAND, BoundBy.TRIAL)
    on = evolve(ON, bound_by=by)
    assert found(BEFORE, on) is (Fit.BY_HAND if chosen else Fit.MATCHES)
    for other in (12, None):
        wrong = found(BEFORE, evolve(on, build_id=other))
        assert wrong is (Fit.BY_HAND if chosen else Fit.DIFFERS)


def test_in_a_gap_each_build_matches_but_one_of_an_era_that_is_gone() -> None:
    for build_id in (11, 12, 13, None):
        assert found(AFTER, evolve(ON, build_id=build_id)) is Fit.MATCHES
    of_era = evolve(ON, bound_by=BoundBy.ERA)
    assert found(AFTER, of_era) is Fit.DIFFERS
    assert found(AFTER, evolve(of_era, build_id=12)) is Fit.MATCHES, "the active build is right there"


def test_the_tasks_have_to_be_those_of_the_date_too() -> None:
    assert found(BEFORE, evolve(ON, segment=2), SEGMENTS) is Fit.MATCHES
    for segment in (None, 0, 1):
        assert found(BEFORE, evolve(ON, segment=segment), SEGMENTS) is Fit.DIFFERS
    early = datetime(2018, 1, 1, tzinfo=UTC)
    for segment in (None, 0, 1):
        assert found(early, evolve(ON, segment=segment), SEGMENTS) is Fit.MATCHES
    assert found(AFTER, evolve(ON, segment=1), SEGMENTS) is Fit.DIFFERS, "in a gap by its own build"
    assert found(BEFORE, evolve(ON, segment=9), SEGMENTS) is Fit.DIFFERS


@pytest.mark.parametrize("there", [{"x", "y"}, {"y"}, {"x"}, {"y", "z"}, set()], ids=str)
def test_where_no_segment_is_noted_its_task_instances_tell(there: set[str]) -> None:
    on = evolve(ON, tasks=frozenset(there))
    for at, wanted in ((BEFORE, {"y"}), (datetime(2018, 1, 1, tzinfo=UTC), {"x", "y"})):
        came = fit(at, on, ERAS, SEGMENTS, active_build_id=12, tasks={11: frozenset("xy")})
        assert came is (Fit.MATCHES if there == wanted else Fit.DIFFERS)
    assert found(BEFORE, on, SEGMENTS) is Fit.DIFFERS, "nobody knows all tasks of the build: as without"
    noted = evolve(on, segment=2)
    assert found(BEFORE, noted, SEGMENTS) is Fit.MATCHES, "what is noted holds"


def test_a_run_that_has_not_begun_waits_whatever_it_is_on() -> None:
    assert found(BEFORE, evolve(ON, waits=True, build_id=12)) is Fit.WAITS


def test_without_segments_no_task_is_absent() -> None:
    assert absent_at((), BEFORE) == frozenset()
    assert absent_at(SEGMENTS[11], BEFORE) == {"x"}
