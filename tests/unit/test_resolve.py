"""Which place a run executes, over the full product of what there may be."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from uuid import UUID

import pytest
from attrs import evolve

from pinwheel.core.run.binding import Binding, BoundBy
from pinwheel.core.run.dates import DatedBy, RunDates
from pinwheel.core.run.resolve import (
    Bind,
    Canary,
    DagFacts,
    Keep,
    Place,
    Ruling,
    RunFacts,
    Wait,
    resolve,
)
from pinwheel.core.run.timeline import Era
from pinwheel.core.structure.windows import Segment

NOW = datetime(2026, 5, 1, tzinfo=UTC)
DATE = datetime(2019, 6, 1, tzinfo=UTC)
EDGE = datetime(2020, 1, 1, tzinfo=UTC)
ACTIVE, ERA, CANARY, CHOSEN, FORMER, OTHER = (
    Place(build_id=number, bundle_version=f"commit{number}") for number in range(1, 7)
)
PLACES = (ACTIVE, ERA, CANARY, CHOSEN, FORMER, OTHER)
SEGMENTS = (Segment(None, frozenset({"cloud"})), Segment(EDGE, frozenset()))


def row(place: Place, segment: int = 0) -> UUID:
    return UUID(int=place.build_id * 10 + segment)


def bound(place: Place, by: BoundBy, *, seq: int = 0) -> Binding:
    return Binding(
        dag_id="d",
        run_id="r",
        seq=seq,
        dag_version_id=row(place),
        bundle_version=place.bundle_version,
        bound_by=by,
        actor=None,
        bound_at=NOW,
        release=None,
        build_id=place.build_id,
        tries=None,
    )


def run(at: Place | None = ACTIVE, *, marked: bool = False, **values: object) -> RunFacts:
    """A run whose row names this place; None: it was made without any version."""
    named = at.bundle_version if at is not None else None
    return RunFacts(
        **{
            "dates": RunDates(logical_date=DATE, run_after=NOW),
            "clear_number": 0,
            "dag_version_id": row(at) if at is not None else None,
            "bundle_version": f"{named}?unbound" if marked else named,
            "marked": marked,
            "build_id": at.build_id if at is not None else None,
            **values,
        }
    )


def era(place: Place = ERA, *, holds: bool = True) -> Era:
    starts, ends = (None, EDGE) if holds else (EDGE, None)
    return Era(
        starts_at=starts,
        ends_at=ends,
        build_id=place.build_id,
        build=place.build_id,
        bundle_version=place.bundle_version,
        written_until="2020-01-01" if holds else None,
    )


def canary(chosen: bool | None, *, patient: bool = True) -> Canary:
    return Canary(place=CANARY, chosen=chosen, patience_ends=NOW + timedelta(seconds=5 if patient else -5))


def dag(**values: object) -> DagFacts:
    return DagFacts(
        **{
            "in_force": ACTIVE,
            "active_version_id": row(ACTIVE),
            "dated": True,
            "revision": 7,
            "segments": {place.build_id: SEGMENTS for place in PLACES},
            "rows": {
                (place.build_id, position): row(place, max(position - 1, 0))
                for place in PLACES
                for position in (0, 1, 2)
            },
            **values,
        }
    )


PRESENT = {
    "none": None,
    "hand": bound(CHOSEN, BoundBy.HAND),
    "trial": bound(CHOSEN, BoundBy.TRIAL),
    "active": bound(OTHER, BoundBy.ACTIVE),
    "era": bound(OTHER, BoundBy.ERA),
    "nowhere": evolve(bound(CHOSEN, BoundBy.HAND), build_id=None),
}
BEFORE = {"none": None, "former": bound(FORMER, BoundBy.ACTIVE), "hand": bound(FORMER, BoundBy.HAND)}
ROWS = {"active": (ACTIVE, False), "marked": (ACTIVE, True), "former": (FORMER, False), "gone": (None, False)}
ERAS = {"none": (), "holds": (era(),), "other dates": (era(holds=False),)}
CANARIES = {
    "none": None,
    "chosen": canary(True),
    "not chosen": canary(False),
    "uncounted": canary(None),
    "impatient": canary(None, patient=False),
}
ALL = [PRESENT, BEFORE, ROWS, ERAS, CANARIES]


def expected(present: str, before: str, at: str, eras: str, shares: str) -> Place | None:
    """The place by the order of precedence, one line a rule; None: the run waits."""
    stands_on_former = at == "former"
    rules = [
        (present in ("hand", "trial"), CHOSEN),
        # Airflow 3.4: the row of another release, and nothing in the ledger.
        (present == before == "none" and at == "former", FORMER),
        (present == "none" and before != "none" and stands_on_former, FORMER),
        (eras == "holds", ERA),
        (shares == "chosen", CANARY),
        (shares == "uncounted", None),
        (True, ACTIVE),
    ]
    return next(place for holds, place in rules if holds)


def products() -> Iterator[tuple[str, str, str, str, str]]:
    yield from product(*ALL)  # type: ignore[misc]


def facts(present: str, before: str, at: str, eras: str, shares: str) -> tuple[RunFacts, DagFacts]:
    place, marked = ROWS[at]
    return (
        run(place, marked=marked, present=PRESENT[present], before=BEFORE[before]),
        dag(eras=ERAS[eras], canary=CANARIES[shares]),
    )


def carried_out(facts: RunFacts, ruling: Bind) -> RunFacts:
    ledger = evolve(
        bound(ruling.place, BoundBy.ACTIVE), dag_version_id=ruling.dag_version_id, bound_by=ruling.bound_by
    )
    return evolve(
        facts,
        dag_version_id=ruling.dag_version_id,
        bundle_version=ruling.place.bundle_version,
        build_id=ruling.place.build_id,
        marked=False,
        present=ledger,
    )


@pytest.mark.acceptance("dates", 22)
def test_hand_goes_before_what_was_bound_then_the_era_then_the_canary_then_the_active_release() -> None:
    seen = 0
    for names in products():
        asked, judged = facts(*names)
        ruling, place = resolve(asked, judged, NOW), expected(*names)
        if place is None:
            assert isinstance(ruling, Wait), names
            assert ruling.until == NOW + timedelta(seconds=5)
        else:
            assert isinstance(ruling, Bind), names
            assert ruling.place == place, names
            assert ruling.dag_version_id == row(place, 0), names
        seen += 1
    assert seen == 6 * 3 * 4 * 3 * 5


@pytest.mark.acceptance("dates", 22)
def test_a_ruling_that_was_carried_out_is_kept_whatever_is_set_later() -> None:
    for names in products():
        asked, judged = facts(*names)
        ruling = resolve(asked, judged, NOW)
        if isinstance(ruling, Bind):
            after = carried_out(asked, ruling)
            for eras, share in product(ERAS.values(), CANARIES.values()):
                assert isinstance(resolve(after, evolve(judged, eras=eras, canary=share), NOW), Keep), names


@pytest.mark.acceptance("dates", 22)
def test_eras_that_do_not_hold_the_date_change_nothing_but_the_revision_that_is_told() -> None:
    def without_revision(ruling: Ruling) -> Ruling:
        return evolve(ruling, revision=None) if isinstance(ruling, Bind) else ruling

    for present, before, at, shares in product(PRESENT, BEFORE, ROWS, CANARIES):
        none, other = (
            resolve(*facts(present, before, at, eras, shares), NOW) for eras in ("none", "other dates")
        )
        assert without_revision(none) == without_revision(other)


@pytest.mark.acceptance("dates", 22)
def test_what_an_era_says_depends_on_its_dates_alone() -> None:
    rulings = {
        (ruling.place, ruling.dag_version_id, ruling.revision)
        for names in products()
        if names[3] == "holds" and expected(*names) == ERA
        if isinstance(ruling := resolve(*facts(*names), NOW), Bind)
    }
    assert rulings == {(ERA, row(ERA), 7)}


@pytest.mark.parametrize(
    ("at", "position"),
    [
        (DATE, 1),
        (EDGE - timedelta(microseconds=1), 1),
        (EDGE, 2),
        (datetime(2030, 1, 1, tzinfo=UTC), 2),
    ],
)
def test_a_build_runs_without_the_tasks_that_have_no_place_at_the_date(at: datetime, position: int) -> None:
    ruling = resolve(run(marked=True, dates=RunDates(data_interval_start=at, run_after=NOW)), dag(), NOW)
    assert isinstance(ruling, Bind)
    assert (ruling.segment, ruling.dag_version_id) == (position, row(ACTIVE, position - 1))
    assert (ruling.date.at, ruling.date.by) == (at, DatedBy.DATA_INTERVAL)


@pytest.mark.acceptance("dates", 27)
def test_the_row_of_another_release_is_a_choice_only_where_airflow_lets_somebody_choose() -> None:
    born = run(FORMER)
    for may_be_chosen, place in ((True, FORMER), (False, ERA)):
        ruling = resolve(born, dag(eras=(era(),), may_be_chosen=may_be_chosen), NOW)
        assert isinstance(ruling, Bind)
        assert (ruling.place, ruling.bound_by) == (place, BoundBy.HAND if may_be_chosen else BoundBy.ERA)


@pytest.mark.acceptance("dates", 27)
def test_a_cleared_run_of_before_pinwheel_was_chosen_by_nobody() -> None:
    ruling = resolve(run(FORMER, clear_number=1), dag(eras=(era(),)), NOW)
    assert isinstance(ruling, Bind)
    assert (ruling.place, ruling.bound_by) == (ERA, BoundBy.ERA)


@pytest.mark.parametrize("by", [BoundBy.HAND, BoundBy.TRIAL])
@pytest.mark.acceptance("dates", 11)
def test_what_somebody_chose_runs_without_the_tasks_of_other_dates_too(by: BoundBy) -> None:
    later = RunDates(logical_date=EDGE, run_after=NOW)
    ruling = resolve(run(marked=True, present=bound(CHOSEN, by), dates=later), dag(eras=(era(),)), NOW)
    assert isinstance(ruling, Bind)
    assert (ruling.place, ruling.segment, ruling.bound_by) == (CHOSEN, 2, by)


def test_a_run_whose_version_row_is_still_to_be_made_waits_for_it_without_end() -> None:
    for missing in ({}, {(ERA.build_id, 2): row(ERA, 1)}):
        ruling = resolve(run(marked=True), dag(eras=(era(),), rows=missing), NOW)
        assert isinstance(ruling, Wait)
        assert ruling.until is None
        assert "version row" in ruling.why


def test_a_run_of_a_build_that_no_run_can_execute_waits_and_says_why() -> None:
    ruling = resolve(run(marked=True), dag(eras=(era(),), unable={ERA.build_id: "it moved"}), NOW)
    assert ruling == Wait(why="it moved", until=None)
    others = resolve(run(marked=True), dag(eras=(era(),), unable={ACTIVE.build_id: "it moved"}), NOW)
    assert isinstance(others, Bind) and others.place == ERA


def test_a_build_without_windows_has_one_row_for_all_dates() -> None:
    ruling = resolve(run(marked=True), dag(segments={}), NOW)
    assert isinstance(ruling, Bind)
    assert (ruling.segment, ruling.dag_version_id) == (0, row(ACTIVE))


@pytest.mark.parametrize("segments", [{}, {ERA.build_id: (Segment(None, frozenset()),)}])
@pytest.mark.acceptance("dates", 23)
def test_where_a_builds_own_dates_would_leave_tasks_out_its_runs_take_the_row_of_all_tasks(
    segments: dict[int, tuple[Segment, ...]],
) -> None:
    whole = UUID(int=99)
    facts = dag(eras=(era(),), segments=segments, whole={ERA.build_id: whole})
    ruling = resolve(run(marked=True), facts, NOW)
    assert isinstance(ruling, Bind)
    assert ruling.dag_version_id == whole
    assert isinstance(resolve(run(marked=True), evolve(facts, whole={ERA.build_id: None}), NOW), Wait)
    in_gap = evolve(facts, eras=(), whole={ACTIVE.build_id: whole, ERA.build_id: None})
    ruling = resolve(run(marked=True), in_gap, NOW)
    assert isinstance(ruling, Bind)
    assert (ruling.bound_by, ruling.dag_version_id) == (BoundBy.ACTIVE, whole)


def test_what_waits_for_a_version_row_names_it_and_takes_it_once_it_is_made() -> None:
    made, build_id = UUID(int=98), ACTIVE.build_id
    absent = (Segment(None, frozenset({"t"})),)
    for segments, whole, lacks in (
        ({build_id: absent}, {build_id: UUID(int=97)}, (build_id, 1)),
        ({build_id: (Segment(None, frozenset()),)}, {build_id: None}, (build_id, 1)),
        ({}, {build_id: None}, (build_id, 0)),
        ({}, {}, (build_id, 0)),
    ):
        facts = evolve(dag(segments=segments, whole=whole), rows={})
        waits = resolve(run(marked=True), facts, NOW)
        assert isinstance(waits, Wait) and waits.lacks == lacks
        ruling = resolve(run(marked=True), facts.with_row(*lacks, made), NOW)
        assert isinstance(ruling, Bind) and ruling.dag_version_id == made


@pytest.mark.parametrize("marked", [True, False])
def test_a_run_that_airflow_made_on_the_active_release_is_nobodys_choice(marked: bool) -> None:
    ruling = resolve(run(marked=marked), dag(eras=(era(),)), NOW)
    assert isinstance(ruling, Bind)
    assert (ruling.place, ruling.bound_by) == (ERA, BoundBy.ERA)


def test_a_run_made_without_any_version_is_bound_like_others() -> None:
    ruling = resolve(run(None), dag(eras=(era(),)), NOW)
    assert isinstance(ruling, Bind)
    assert ruling.place == ERA


@pytest.mark.acceptance("dates", 12)
def test_a_run_of_asset_events_of_two_eras_takes_the_earliest_and_the_ledger_says_so() -> None:
    dates = RunDates(event_dates=(EDGE, DATE), run_after=NOW)
    ruling = resolve(run(marked=True, dates=dates), dag(eras=(era(),)), NOW)
    assert isinstance(ruling, Bind)
    assert (ruling.place, ruling.date.at, ruling.date.by) == (ERA, DATE, DatedBy.ASSET_EVENTS)
    assert "its asset events have dates up to 2020-01-01" in ruling.why


@pytest.mark.acceptance("dates", 8)
def test_a_run_of_a_dag_without_eras_and_windows_is_as_airflow_made_it() -> None:
    for present, before, at in product(PRESENT, BEFORE, ROWS):
        place, marked = ROWS[at]
        asked = run(place, marked=marked, present=PRESENT[present], before=BEFORE[before])
        assert isinstance(resolve(asked, dag(dated=False), NOW), Keep)


def test_a_run_whose_build_does_not_stand_in_its_version_is_put_right_without_a_timeline_too() -> None:
    mended = evolve(ACTIVE, bundle_version="commit where it stands")
    ruling = resolve(run(mended=mended), dag(dated=False), NOW)
    assert isinstance(ruling, Bind)
    assert (ruling.place, ruling.dag_version_id, ruling.revision) == (mended, row(ACTIVE), None)
    asked = carried_out(run(mended=mended), ruling)
    assert isinstance(resolve(asked, dag(dated=False), NOW), Keep)
