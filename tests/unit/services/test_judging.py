"""Runs judged by their dates, on ports in memory: what is read of each, and what a ruling makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from attrs import evolve

from harness.in_memory import InMemory
from harness.pushing import File
from pinwheel.core.errors import Refused
from pinwheel.core.release.decide import Verb
from pinwheel.core.run.binding import BoundBy
from pinwheel.core.run.mark import marked
from pinwheel.core.run.resolve import Bind, Keep, Wait
from pinwheel.core.run.timeline import Era
from pinwheel.core.structure.windows import Segment
from pinwheel.services.run import judging
from pinwheel.services.run.bindings import record_bindings
from pinwheel.services.run.judging import Case
from pinwheel.store import bindings, segments, start_rules, timelines
from pinwheel.store.bindings import NewBinding
from pinwheel.store.start_rules import RuleKind

EDGE = datetime(2020, 1, 1, tzinfo=UTC)
OLD, NEW = datetime(2019, 6, 1, tzinfo=UTC), datetime(2025, 6, 1, tzinfo=UTC)


@pytest.fixture
def world() -> InMemory:
    """Build 1 has x and y, build 2 has y and z and is active."""
    made = InMemory()
    made.push(a=File(tasks=("x", "y")))
    made.push(a=File(tasks=("y", "z"), body=1))
    return made


def dated(world: InMemory, *eras: Era) -> None:
    def work(session: Any) -> None:
        now = world.host.unit.now()
        number = 1 + len(timelines.revisions(session, "a"))
        change = timelines.Change(
            dag_id="a", revision=number, verb="set", actor="ada", reason=None, at=now, request_id=None
        )
        timelines.add(session, change, eras)
        start_rules.add(session, ["a"], RuleKind.DATED, now=now)

    world.host.unit.run(work)


def era(world: InMemory, build: int = 1, **values: Any) -> Era:
    release = world.host.unit.run(lambda s: releases_of(s, build))
    made = Era(
        starts_at=None,
        ends_at=EDGE,
        written_until="2020-01-01",
        build_id=build,
        build=build,
        bundle_version=release.bundle_version,
    )
    return evolve(made, **values)


def releases_of(session: Any, build_id: int) -> Any:
    from pinwheel.store import releases

    return releases.rows_of(session, [build_id])[build_id][0]


def born(world: InMemory, date: datetime, run_id: str = "r", *, mark: bool = True) -> int:
    """A queued run as Airflow makes it of a Dag whose row has the mark."""
    newest = world.airflow.newest("a")
    assert newest is not None and newest.bundle_version is not None
    version = marked(newest.bundle_version) if mark else newest.bundle_version
    made = world.airflow.add_run(newest, run_id, run_type="manual", bundle_version=version, logical_date=date)
    return made.id


def cases(world: InMemory, ids: Sequence[int]) -> list[Case]:
    return world.host.unit.run(lambda s: judging.facts_of(world.host, s, ids))


def ruling(world: InMemory, number: int) -> Any:
    (case,) = cases(world, [number])
    return case.ruling(world.host.unit.now())


def carry_out(world: InMemory, number: int) -> Bind:
    def work(session: Any) -> Bind:
        (case,) = judging.facts_of(world.host, session, [number])
        found = case.ruling(world.host.unit.now())
        assert isinstance(found, Bind), found
        judging.carry_out(world.host, session, case, found)
        return found

    return world.host.unit.run(work)


def ledger(world: InMemory, run_id: str = "r") -> list[Any]:
    return world.host.unit.run(lambda s: bindings.of_runs(s, "a", [run_id]).get(run_id, []))


@pytest.mark.acceptance("dates", 22)
def test_what_is_carried_out_is_kept_then_and_the_ledger_says_by_which_date(world: InMemory) -> None:
    dated(world, era(world))
    number = born(world, OLD)
    found = carry_out(world, number)
    assert isinstance(ruling(world, number), Keep)
    (bound,) = ledger(world)
    assert (bound.seq, bound.part, bound.bound_by, bound.build_id) == (0, 0, BoundBy.ERA, 1)
    assert (bound.date, bound.date_by, bound.revision, bound.segment) == (OLD, "data_interval", 1, 0)
    assert (bound.dag_version_id, bound.release, bound.tries) == (found.dag_version_id, 1, None)
    present = world.host.unit.run(lambda s: world.host.reads.present(s, "a", ["r"]))["r"]
    assert {one.task_id for one in present} == {"x", "y"}


def test_each_of_several_runs_has_its_own_facts(world: InMemory) -> None:
    dated(world, era(world))
    ids = [born(world, OLD, "old"), born(world, NEW, "new")]
    old, new = cases(world, ids)
    now = world.host.unit.now()
    assert [one.run.run_id for one in (old, new)] == ["old", "new"]
    places = [one.ruling(now) for one in (old, new)]
    assert [one.place.build_id for one in places if isinstance(one, Bind)] == [1, 2]


def with_segments(world: InMemory, build: int, *, made: UUID | None) -> None:
    """Build 1 without x until 2020, with all of its tasks since."""

    def work(session: Any) -> None:
        stretches = [Segment(None, frozenset({"x"})), Segment(EDGE, frozenset())]
        segments.add(session, "a", build, stretches)
        if made is not None:
            segments.made(session, build, {1: (-1_000_001, made)})

    world.host.unit.run(work)


def variant(world: InMemory) -> UUID:
    """A version row of build 1 without x."""
    version = world.host.unit.run(lambda s: releases_of(s, 1)).dag_version_id
    tables = world.airflow.tables
    serialized = File(tasks=("y",)).serialized("a", "a.py")
    made = evolve(tables.versions[version], id=uuid4(), number=-1_000_001, serialized=serialized)
    tables.versions[made.id] = made
    return made.id


def test_a_run_takes_the_row_of_its_date_and_where_nothing_is_absent_the_builds_own(
    world: InMemory,
) -> None:
    own, made = world.host.unit.run(lambda s: releases_of(s, 1)).dag_version_id, variant(world)
    with_segments(world, 1, made=made)
    dated(world, era(world, ends_at=None))
    before, after = ruling(world, born(world, OLD)), ruling(world, born(world, NEW, "new"))
    assert (before.segment, before.dag_version_id) == (1, made)
    assert (after.segment, after.dag_version_id) == (2, own)
    carry_out(world, 1)
    assert ledger(world)[0].segment == 1


@pytest.mark.acceptance("dates", 33)
@pytest.mark.parametrize("gone", [False, True])
def test_a_run_whose_row_was_not_made_or_is_gone_waits_for_it(world: InMemory, gone: bool) -> None:
    with_segments(world, 1, made=uuid4() if gone else None)
    dated(world, era(world))
    found = ruling(world, born(world, OLD))
    assert isinstance(found, Wait) and "still to be made" in found.why


@pytest.mark.acceptance("dates", 23)
def test_an_era_takes_the_row_of_all_tasks_where_the_build_needs_one(world: InMemory) -> None:
    world.host.unit.run(lambda s: segments.add_whole(s, "a", 1))
    dated(world, era(world))
    number = born(world, OLD)
    assert isinstance(ruling(world, number), Wait)
    version = world.host.unit.run(lambda s: releases_of(s, 1)).dag_version_id
    tables = world.airflow.tables
    whole = evolve(tables.versions[version], id=uuid4(), number=-1_000_001)
    tables.versions[whole.id] = whole
    world.host.unit.run(lambda s: segments.made(s, 1, {1: (whole.number, whole.id)}))
    assert ruling(world, number).dag_version_id == whole.id


def test_of_releases_of_one_build_the_one_of_the_eras_bundle_version_is_taken(world: InMemory) -> None:
    world.do(Verb.ROLLBACK, build=1)
    world.push(a=File(tasks=("y", "z"), body=2))
    from pinwheel.store import releases

    found = world.host.unit.run(lambda s: releases.rows_of(s, [1]))[1]
    for one in found:
        dated(world, era(world, bundle_version=one.bundle_version))
        taken = ruling(world, born(world, OLD, f"r{one.release}"))
        assert taken.place.bundle_version == one.bundle_version
        same = [each for each in found if each.bundle_version == one.bundle_version]
        assert taken.dag_version_id == same[0].dag_version_id


def test_a_further_binding_is_the_next_part_and_notes_how_far_the_tasks_had_come(world: InMemory) -> None:
    dated(world, era(world))
    number = born(world, OLD)
    carry_out(world, number)
    # Moved while it waits: Airflow's "only new tasks", say.
    newest = world.airflow.newest("a")
    assert newest is not None
    run = world.airflow.tables.runs["a", "r"]
    world.airflow.tables.runs["a", "r"] = evolve(
        run, dag_version_id=newest.id, bundle_version=newest.bundle_version
    )
    carry_out(world, number)
    first, second = ledger(world)
    assert (first.part, second.part, second.seq, second.build_id) == (0, 1, 0, 1)
    assert first.tries is None and second.tries is not None


def test_what_somebody_chose_stays_although_it_was_recorded_with_the_mark(world: InMemory) -> None:
    dated(world)
    number = born(world, NEW)
    chosen = world.host.unit.run(lambda s: releases_of(s, 1))

    def by_hand(session: Any) -> None:
        bindings.add(
            session,
            NewBinding(
                dag_id="a",
                run_id="r",
                seq=0,
                dag_version_id=chosen.dag_version_id,
                bundle_version=marked(chosen.bundle_version),
                bound_by=BoundBy.HAND,
                bound_at=world.host.unit.now(),
                actor="ada",
            ),
            release=1,
            build_id=1,
        )

    world.host.unit.run(by_hand)
    found = ruling(world, number)
    assert (found.place.build_id, found.place.bundle_version) == (1, chosen.bundle_version)
    assert found.bound_by == BoundBy.HAND


def test_a_run_of_a_dag_without_an_active_release_waits(world: InMemory) -> None:
    number = born(world, OLD)
    world.host.unit.run(_forget_dag)
    found = ruling(world, number)
    assert isinstance(found, Wait) and "no active release" in found.why


def _forget_dag(session: Any) -> None:
    from sqlalchemy import delete

    from pinwheel.store import tables as t

    session.execute(delete(t.dag).where(t.dag.c.dag_id == "a"))


def test_an_era_whose_file_no_version_serves_where_airflow_looks_waits_and_says_so(world: InMemory) -> None:
    from sqlalchemy import update

    from pinwheel.store import tables as t

    dated(world, era(world))
    world.airflow.tables.bundles["dags"] = evolve(world.airflow.bundle("dags"), serves_moved_files=False)
    world.host.unit.run(
        lambda s: s.execute(update(t.dag).where(t.dag.c.dag_id == "a").values(stable_fileloc="new/a.py"))
    )
    found = ruling(world, born(world, OLD))
    assert isinstance(found, Wait) and "'a.py'" in found.why and "'new/a.py'" in found.why


def test_a_dag_that_is_not_dated_is_as_airflow_made_it_but_for_the_mark(world: InMemory) -> None:
    plain, with_mark = born(world, OLD, "plain", mark=False), born(world, OLD)
    assert isinstance(ruling(world, plain), Keep)
    found = ruling(world, with_mark)
    assert isinstance(found, Bind) and found.place.build_id == 2


def test_a_case_can_be_asked_what_it_were_with_the_mark(world: InMemory) -> None:
    dated(world, era(world))
    (case,) = cases(world, [born(world, OLD, mark=False)])
    now = world.host.unit.now()
    assert case.as_marked().facts.marked and case.as_marked().ruling(now) == case.ruling(now)
    assert case.as_marked().run.bundle_version == f"{case.run.bundle_version}?unbound"


def test_what_can_not_be_carried_out_is_refused_and_nothing_of_it_stays(world: InMemory) -> None:
    dated(world, era(world))
    number = born(world, OLD)

    def work(session: Any) -> None:
        (case,) = judging.facts_of(world.host, session, [number])
        found = case.ruling(world.host.unit.now())
        assert isinstance(found, Bind)
        judging.carry_out(world.host, session, case, evolve(found, dag_version_id=uuid4()))

    with pytest.raises(Refused, match="the version row of its build and date is gone"):
        world.host.unit.run(work)
    assert ledger(world) == []


def test_a_running_run_that_carries_the_mark_is_not_recorded_as_bound(world: InMemory) -> None:
    dated(world, era(world))
    born(world, OLD)
    world.airflow.start_run("a", "r")
    assert record_bindings(world.host) == 0
    assert ledger(world) == []


@pytest.mark.acceptance("dates", 25)
def test_of_runs_that_were_cleared_while_they_ran_those_are_recorded_that_stand_where_they_are_to(
    world: InMemory,
) -> None:
    """Another one was moved by Airflow: that is no binding, and the keeper moves it back."""
    dated(world, era(world))
    for run_id, date in (("stays", OLD), ("moved", datetime(2019, 7, 1, tzinfo=UTC))):
        carry_out(world, born(world, date, run_id))
        world.airflow.start_run("a", run_id)
        run = world.airflow.tables.runs["a", run_id]
        world.airflow.tables.runs["a", run_id] = evolve(run, clear_number=1)
    newest = world.airflow.newest("a")
    assert newest is not None
    run = world.airflow.tables.runs["a", "moved"]
    world.airflow.tables.runs["a", "moved"] = evolve(
        run, dag_version_id=newest.id, bundle_version=newest.bundle_version
    )
    assert record_bindings(world.host) == 1
    assert [(one.seq, one.bound_by, one.date) for one in ledger(world, "stays")] == [
        (0, BoundBy.ERA, OLD),
        (1, BoundBy.ERA, OLD),
    ]
    assert [one.seq for one in ledger(world, "moved")] == [0]
    found = ruling(world, run.id)
    assert isinstance(found, Bind) and found.place.build_id == 1
