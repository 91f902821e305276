"""What the builds of eras need: version rows for their runs, and files that can be fetched."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update

from harness.dated import Dated
from harness.in_memory import InMemory
from harness.pushing import File
from pinwheel.core.errors import Conflict, Refused
from pinwheel.core.release.decide import Verb
from pinwheel.core.request import ClearDatedRequest, ClearRequest, EraWish
from pinwheel.core.retention import Keep
from pinwheel.core.run.binding import BoundBy
from pinwheel.core.structure.windows import Segment
from pinwheel.services.release import keeping, variants, whole
from pinwheel.services.release.dated import settle
from pinwheel.services.run.clear import clear
from pinwheel.services.timeline import clear_runs
from pinwheel.store import releases, segments
from pinwheel.store import tables as t

DAY = datetime(2019, 5, 1, tzinfo=UTC)


@pytest.fixture
def dated(world: InMemory) -> Dated:
    """The Dag ``a`` has build 1 and, active, build 2; no timeline."""
    return Dated(world)


def last_binding(dated: Dated, run_id: str) -> Any:
    return [row for row in dated.world.rows(t.binding) if row.run_id == run_id][-1]


def own_rows(dated: Dated, build_id: int) -> list[UUID]:
    """The version rows of the build's releases and trial that Airflow has."""
    rows = dated.host.unit.run(lambda s: releases.rows_of(s, [build_id])).get(build_id, [])
    there = set(dated.world.airflow.tables.versions)
    return [row.dag_version_id for row in rows if row.dag_version_id in there]


# Version rows


def test_runs_of_an_era_over_a_build_that_was_never_released_start_at_once(world: InMemory) -> None:
    world.do(Verb.PIN, "a")
    world.push(a=File(body=7))
    dated = Dated(world)
    dated.set("2027-01-01", "2028-01-01", build=3)
    world.trigger("r", logical_date=datetime(2027, 5, 1, tzinfo=UTC))
    assert last_binding(dated, "r").bound_by == BoundBy.ERA
    assert len(own_rows(dated, 3)) == 1


@pytest.mark.acceptance("dates", 33)
def test_the_version_row_of_an_eras_build_that_db_clean_took_is_made_anew(dated: Dated) -> None:
    dated.set("2025-01-01", "2026-01-01")
    (row,) = own_rows(dated, 1)
    assert whole.make_missing(dated.host) == 0
    del dated.world.airflow.tables.versions[row]
    dated.world.trigger("r", logical_date=datetime(2025, 5, 1, tzinfo=UTC))
    assert dated.check().waiting == 1
    assert whole.make_missing(dated.host) == 1
    assert len(own_rows(dated, 1)) == 1
    assert whole.make_missing(dated.host) == 0


def test_a_build_that_is_written_anew_keeps_the_row_that_its_era_needs(empty: InMemory) -> None:
    empty.push(a=File())
    empty.push(a=File(clock=1))
    dated = Dated(empty)
    build = dated.show().stretches[0].build
    dated.set("2019-01-01", "2020-01-01", build=build)

    def rows() -> list[Any]:
        return [row.dag_version_id for row in empty.rows(t.segment)]

    before = rows()
    for clock in (2, 3):
        empty.airflow.tick(8 * 86400)
        empty.push(a=File(clock=clock))
    assert rows() == [None], "of the content before it is of no use"
    assert variants.make_missing(dated.host) == 1
    assert rows() != before and rows() != [None]


# Data that a bundle's class gives with its versions


def test_a_version_row_of_an_era_has_the_data_of_its_version_or_the_era_is_refused(empty: InMemory) -> None:
    """Build 1 stood in two versions, and was released in the first; then build 2 came."""
    first, second = empty.push(a=File()), empty.push(b=File())
    empty.push(a=File(body=1))
    dated = Dated(empty)
    empty.host.unit.run(lambda s: s.execute(update(t.bundle_version).values(version_data={"is": "its own"})))
    for plan in (True, False):
        with pytest.raises(Refused, match="gives data with each version") as caught:
            dated.set("2019-01-01", "2020-01-01", version=second, plan=plan)
        assert "Name a version in which it was" in caught.value.message
    dated.set("2019-01-01", "2020-01-01", version=first)
    (row,) = [one.dag_version_id for one in empty.rows(t.segment)]
    assert empty.airflow.tables.versions[row].bundle_version == first
    with pytest.raises(Refused, match="gives data with each version"):
        dated.set("2020-01-01", "2021-01-01", version=second)


# Files


def grow_old(dated: Dated) -> None:
    """Let all but the newest release go out of what is kept."""
    dated.world.airflow.keep = Keep(releases=1, releases_days=1)
    for body in (3, 4, 5):
        dated.world.airflow.tick(3 * 86400)
        dated.world.push(a=File(body=body))
    dated.world.airflow.tick(9 * 86400)


def test_the_build_of_an_era_can_be_fetched_however_old_its_release_is(dated: Dated) -> None:
    dated.world.trigger("old", logical_date=DAY)
    dated.world.finish("old")
    dated.set("2019-01-01", "2020-01-01")
    grow_old(dated)
    assert [each.run_id for each in dated.clear().runs] == ["old"]
    assert dated.set("2018-01-01", "2020-01-01").changed


def test_what_runs_are_on_by_a_row_for_dates_can_be_fetched(dated: Dated) -> None:
    first = dated.world.versions()[0]
    dated.set("2019-01-01", "2020-01-01")
    dated.world.trigger("r", logical_date=DAY)
    dated.world.finish("r")
    assert last_binding(dated, "r").dag_version_id not in own_rows(dated, 1)
    dated.unset(None, None)
    grow_old(dated)
    assert first in dated.host.unit.run(lambda s: keeping.protected(dated.host, s, "dags"))


# Clearing what does not match


def ended(dated: Dated, run_id: str, at: datetime, dag_id: str = "a") -> None:
    dated.world.trigger(run_id, logical_date=at, dag_id=dag_id)
    dated.world.finish(run_id, dag_id=dag_id)


@pytest.mark.parametrize("plan", [True, False])
def test_a_run_that_cannot_be_cleared_is_left_and_named_and_stops_no_other(
    dated: Dated, monkeypatch: pytest.MonkeyPatch, plan: bool
) -> None:
    for number in range(4):
        ended(dated, f"r{number}", DAY + timedelta(days=number))
    dated.set("2019-01-01", "2020-01-01")
    ours = clear_runs._clear_one

    def one(*args: Any) -> int:
        if args[4].run.run_id == "r1":
            raise Refused("Cannot bind", found="its files are gone", remedy="Choose another")
        return ours(*args)

    monkeypatch.setattr(clear_runs, "_clear_one", one)
    done = dated.clear(plan=plan)
    assert [each.run_id for each in done.runs] == ["r0", "r2", "r3"]
    assert "left r1: its files are gone" in done.warnings
    assert done.instances == 3
    assert len(dated.check().differ) == (4 if plan else 1)


def test_a_plan_of_many_runs_holds_the_dags_lock_for_some_at_a_time(
    dated: Dated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clear_runs, "AT_ONCE", 2)
    for number in range(5):
        ended(dated, f"r{number}", DAY + timedelta(days=number))
    dated.set("2019-01-01", "2020-01-01")
    ours, asked = clear_runs._clear, []

    def some(*args: Any, **more: Any) -> Any:
        asked.append(len(more["run_ids"]))
        return ours(*args, **more)

    monkeypatch.setattr(clear_runs, "_clear", some)
    assert len(dated.clear(plan=True).runs) == 5
    assert asked == [2, 2, 1]


@pytest.mark.acceptance("dates", 20)
def test_the_key_of_a_clear_stands_for_its_dag_and_runs(empty: InMemory) -> None:
    empty.push(a=File(), b=File())
    empty.push(a=File(body=1), b=File(body=1))
    dated = Dated(empty)
    for dag_id in "ab":
        ended(dated, "scheduled__1", DAY, dag_id)
        dated.ask("set", EraWish(starts="2019-01-01", until="2020-01-01", build=1), dag_id=dag_id)
    assert len(dated.clear(request_id="k").runs) == 1
    for other in ({"dag_id": "b"}, {"dag_id": "a", "run_ids": ["scheduled__1"]}):
        with pytest.raises(Conflict, match="stands for another request"):
            clear_runs.clear(empty.host, ClearDatedRequest(request_id="k", **other), actor="ada")
    again = ClearDatedRequest(request_id="k", dag_id="b")
    assert len(clear_runs.clear(empty.host, again, actor="ben").runs) == 1


# Runs that are cleared otherwise


def test_a_run_that_is_cleared_as_it_is_stays_on_the_tasks_of_its_date(empty: InMemory) -> None:
    empty.push(a=File(tasks=("x", "y")))
    dated = Dated(empty)

    def with_windows(session: Any) -> None:
        edge = datetime(2025, 1, 1, tzinfo=UTC)
        segments.add(session, "a", 1, [Segment(None, frozenset({"x"})), Segment(edge, frozenset())])
        settle(dated.host, session, ["a"], dated.host.unit.now())

    dated.host.unit.run(with_windows)
    variants.make_missing(dated.host)
    ended(dated, "r", datetime(2024, 5, 1, tzinfo=UTC))
    before = last_binding(dated, "r")
    dated.world.airflow.tick(60)
    clear(dated.host, ClearRequest(dag_id="a", run_ids=("r",)), actor="ada")
    dated.world.finish("r", number=2)
    after = last_binding(dated, "r")
    assert (before.segment, after.seq) == (1, 1)
    judged_by = [(one.date, one.date_by, one.revision, one.segment) for one in (before, after)]
    assert judged_by[0] == judged_by[1]
    assert dated.check().differ == ()


@pytest.mark.acceptance("dates", 17)
def test_a_rollback_that_replaces_an_era_runs_its_failed_runs_again_without_the_tasks_of_other_dates(
    empty: InMemory,
) -> None:
    empty.push(a=File(tasks=("x", "y")))
    empty.push(a=File(tasks=("x", "y"), body=1))
    dated = Dated(empty)
    edge = datetime(2025, 1, 1, tzinfo=UTC)
    windows = [Segment(None, frozenset({"x"})), Segment(edge, frozenset())]
    dated.host.unit.run(lambda s: segments.add(s, "a", 1, windows))
    dated.set("2020-01-01", None, build=2)
    for run_id, at in (("early", edge - timedelta(days=9)), ("late", edge)):
        dated.world.trigger(run_id, logical_date=at)
        dated.world.finish(run_id, "failed")
    done = dated.world.do(Verb.ROLLBACK, eras="replace", rerun_whole=True)
    assert set(done.rerun) == {"early", "late"}
    found = [last_binding(dated, run_id) for run_id in ("early", "late")]
    assert [(one.bound_by, one.build_id, one.segment) for one in found] == [("era", 1, 1), ("era", 1, 2)]
    # No keeper made the row that the early one is on.
    assert found[0].dag_version_id not in own_rows(dated, 1)


def test_by_date_means_the_active_build_where_the_dag_is_not_judged_by_dates(dated: Dated) -> None:
    dated.set("2019-01-01", "2020-01-01")
    ended(dated, "r", DAY)
    dated.unset(None, None)
    (done,) = clear(dated.host, ClearRequest(dag_id="a", run_ids=("r",), by_date=True), actor="ada")
    assert done.build == 2
    assert last_binding(dated, "r").bound_by == BoundBy.ACTIVE, "nobody chose it"


def test_a_triggered_run_that_waits_for_its_era_names_the_build_of_that(dated: Dated) -> None:
    dated.set("2025-01-01", "2026-01-01")
    (row,) = own_rows(dated, 1)
    del dated.world.airflow.tables.versions[row]
    waits = dated.world.trigger("r", logical_date=datetime(2025, 5, 1, tzinfo=UTC))
    assert (waits.build, waits.release, waits.bundle_version) == (1, None, None)
    gap = dated.world.trigger("now", logical_date=datetime(2026, 5, 1, tzinfo=UTC))
    assert (gap.build, gap.bundle_version) == (2, dated.world.versions()[1])


@pytest.mark.acceptance("dates", 16)
def test_what_a_dag_processor_said_days_ago_does_not_stand_for_a_look_now(dated: Dated) -> None:
    dated.set("2019-01-01", "2020-01-01")
    dated.unset(None, None)
    dated.world.airflow.processors, dated.looking.dead = [], True
    dated.world.airflow.tick(5 * 86400)
    with pytest.raises(Refused, match="no Dag processor is alive"):
        dated.set("2019-01-01", "2020-01-01")
    made = dated.set("2019-01-01", "2020-01-01", unchecked=True)
    assert any("was not looked at" in said for said in made.warnings)
