"""What a run on another build than the active one needs, and what it must leave alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from harness import asked, auth_manager
from harness.asked import clear as clear_runs
from harness.prebuilt import finish_run
from harness.seed import Seeder
from pinwheel.core.release.decide import Verb
from pinwheel.services import change


@pytest.fixture
def seeder(airflow_database: Any, tmp_path: Path) -> Seeder:
    return Seeder(tmp_path)


def dag(arguments: str = "", tasks: str = "") -> dict[str, str]:
    """The file of the Dag `d`: what `DAG` is called with, and lines in its `with` block."""
    return {
        "d.py": f"""
    import datetime
    from airflow.sdk import DAG, Asset, DeadlineAlert, DeadlineReference, task
    from airflow.sdk.definitions.callback import AsyncCallback

    HOUR = datetime.timedelta(hours=1)

    with DAG("d", schedule=None, start_date=datetime.datetime(2024, 1, 1), {arguments}):
        @task
        def always(): ...
        always()
        {tasks}
"""
    }


def apply(seeder: Seeder, verb: Verb, **more: Any) -> None:
    change.apply(seeder.host, asked.change(verb=verb, dag_ids=["d"], actor="ada", **more))


def held(seeder: Seeder, *files: dict[str, str]) -> None:
    """The first is active and pinned; each other one is a held build."""
    seeder.push(files[0])
    apply(seeder, Verb.PIN)
    for each in files[1:]:
        seeder.push(each)


def start(seeder: Seeder, build: int, run_id: str) -> str:
    return asked.trigger(seeder.host, "d", actor="ada", build=build, run_id=run_id).run_id


def trials(session: Any) -> list[Any]:
    """The ids of versions that were made for trials."""
    from airflow.models.dag_version import DagVersion

    return list(session.scalars(sa.select(DagVersion.id).where(DagVersion.version_number < 0)))


def access(*roles: str) -> str:
    return f"access_control={ {role: {'DAGs': ['can_read']} for role in roles} }"


def roles(told: list[tuple[str, Any]]) -> list[set[str]]:
    assert {dag_id for dag_id, _ in told} <= {"d"}
    return [set(given) for _, given in told]


def airflow(work: Callable[[Any], Any]) -> Any:
    """What it gives in a transaction of Airflow's own session."""
    from airflow.utils.session import create_session

    with create_session() as session:
        return work(session)


# Permissions


@pytest.mark.filterwarnings("ignore:.*deprecated_permissions:UserWarning")
def test_a_trial_never_touches_permissions(
    seeder: Seeder, airflow_database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with auth_manager.noting(monkeypatch) as told:
        held(seeder, dag(access("one")), dag(access("one", "two")))
        assert roles(told) and roles(told)[-1] == {"one"}
        told.clear()
        start(seeder, 2, "tried")
        # `airflow db clean` may take a trial's version when its runs are gone; the next trial makes it again.
        with airflow_database.engine().begin() as connection:
            connection.execute(sa.text("DELETE FROM task_instance"))
            connection.execute(sa.text("DELETE FROM dag_run"))
        assert seeder.host.unit.run(
            lambda session: seeder.host.rows.delete_unused_versions(session, trials(session))
        )
        start(seeder, 2, "tried-again")
        assert roles(told) == []
        apply(seeder, Verb.PROMOTE)
        assert roles(told)[-1] == {"one", "two"}
        told.clear()
        start(seeder, 1, "on-the-release-before")
        assert roles(told) == []


# Deadlines


def deadline(hours: int, reference: str = "DAGRUN_QUEUED_AT") -> dict[str, str]:
    return dag(
        f"deadline=DeadlineAlert(reference=DeadlineReference.{reference}, interval={hours} * HOUR,"
        ' callback=AsyncCallback("some.module.late")),'
    )


def deadlines(run_id: str) -> list[tuple[int, float, bool]]:
    """Of a run: number of the version that each is of, hours from when the run was queued, and if missed."""
    from airflow.models.dag_version import DagVersion
    from airflow.models.dagrun import DagRun
    from airflow.models.deadline import Deadline
    from airflow.models.deadline_alert import DeadlineAlert
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.utils.session import create_session

    with create_session() as session:
        rows = session.execute(
            sa.select(DagVersion.version_number, Deadline.deadline_time, DagRun.queued_at, Deadline.missed)
            .join(DagRun, DagRun.id == Deadline.dagrun_id)
            .join(DeadlineAlert, DeadlineAlert.id == Deadline.deadline_alert_id)
            .join(SerializedDagModel, SerializedDagModel.id == DeadlineAlert.serialized_dag_id)
            .join(DagVersion, DagVersion.id == SerializedDagModel.dag_version_id)
            .where(DagRun.run_id == run_id)
        )
        return sorted(
            (number, round((at - queued).total_seconds() / 3600, 2), missed)
            for number, at, queued, missed in rows
        )


def callbacks(airflow_database: Any) -> int:
    with airflow_database.engine().connect() as connection:
        return int(connection.execute(sa.text("SELECT count(*) FROM callback")).scalar_one())


def failed(seeder: Seeder, build: int, run_id: str) -> str:
    start(seeder, build, run_id)
    finish_run("d", run_id, "failed")
    return run_id


def clear(seeder: Seeder, run_id: str, build: int | None = None) -> None:
    (cleared,) = clear_runs(seeder.host, "d", [run_id], actor="ada", build=build)
    assert cleared.changed


def test_a_trial_has_the_deadlines_of_its_build(seeder: Seeder, airflow_database: Any) -> None:
    held(seeder, deadline(1), deadline(2), dag())
    assert [deadlines(start(seeder, build, f"on-{build}")) for build in (1, 2, 3)] == [
        [(1, 1.0, False)],
        [(-2, 2.0, False)],
        [],
    ]
    assert callbacks(airflow_database) == 2


def test_a_run_that_is_bound_again_has_the_deadlines_of_that_build(
    seeder: Seeder, airflow_database: Any
) -> None:
    held(seeder, deadline(1), deadline(2), dag())
    run = failed(seeder, 1, "again")
    for build, expected in ((2, [(-2, 2.0, False)]), (3, []), (1, [(1, 1.0, False)])):
        clear(seeder, run, build)
        assert deadlines(run) == expected
        assert callbacks(airflow_database) == len(expected)
        finish_run("d", run, "failed")
    # On the build that it has: as Airflow's own clear does it.
    clear(seeder, run)
    assert deadlines(run) == [(1, 1.0, False)]


def test_a_run_that_has_none_of_its_tasks_left_gets_the_deadlines_of_its_build_too(seeder: Seeder) -> None:
    held(seeder, deadline(1), {"d.py": deadline(2)["d.py"].replace("always", "other")})
    run = failed(seeder, 1, "again")
    (cleared,) = clear_runs(seeder.host, "d", [run], actor="ada", build=2, only_failed=True)
    assert cleared.changed and not cleared.cleared
    assert deadlines(run) == [(-2, 2.0, False)]


def test_no_alarm_is_set_for_a_time_that_had_passed_when_a_run_is_bound_again(
    seeder: Seeder, airflow_database: Any
) -> None:
    held(seeder, deadline(1, "DAGRUN_LOGICAL_DATE"), deadline(2, "DAGRUN_LOGICAL_DATE"))
    run = asked.trigger(
        seeder.host, "d", actor="ada", run_id="old", logical_date=datetime(2024, 5, 1, tzinfo=UTC)
    ).run_id
    ((number, _, _),) = deadlines(run)
    assert number == 1
    with airflow_database.engine().begin() as connection:
        connection.execute(sa.text("UPDATE deadline SET missed = :yes"), {"yes": True})
    finish_run("d", run, "failed")
    clear(seeder, run, 2)
    # What the run missed stays told; that it can not keep an hour of that day again is not told twice.
    assert [(number, missed) for number, _, missed in deadlines(run)] == [(1, True)]
    assert callbacks(airflow_database) == 1


def test_a_deadline_whose_alert_is_gone_stays_until_the_run_gets_another_build(
    seeder: Seeder, airflow_database: Any
) -> None:
    held(seeder, deadline(1), dag())
    run = failed(seeder, 1, "again")
    with airflow_database.engine().begin() as connection:
        connection.execute(sa.text("UPDATE deadline SET deadline_alert_id = NULL"))
    clear(seeder, run)
    assert callbacks(airflow_database) == 1
    finish_run("d", run, "failed")
    clear(seeder, run, 2)
    assert callbacks(airflow_database) == 0


def test_a_deadline_that_lies_ahead_is_set_whatever_it_goes_by(seeder: Seeder) -> None:
    ahead = (
        deadline(2).pop("d.py").replace("DAGRUN_QUEUED_AT", "FIXED_DATETIME(datetime.datetime(2099, 1, 1))")
    )
    held(seeder, deadline(1), {"d.py": ahead})
    run = failed(seeder, 1, "again")
    clear(seeder, run, 2)
    ((number, hours, missed),) = deadlines(run)
    assert (number, missed) == (-2, False) and hours > 100_000


# Assets


def asset(*names: str, uri: str | None = None, port: str = "outlets") -> dict[str, str]:
    """The Dag with a task that writes, or reads, these assets."""
    uris = [uri or f"x://kept/{name}" for name in names]
    assets = ", ".join(f"Asset({name!r}, {each!r})" for name, each in zip(names, uris, strict=True))
    return dag(
        tasks=f"""
        @task({port}=[{assets}])
        def ported(): ...
        ported()"""
    )


def turn(seeder: Seeder) -> None:
    """What a Dag processor's duty does in one turn, and then a scheduler's regular look at assets."""
    from airflow.jobs.job import Job
    from airflow.jobs.scheduler_job_runner import SchedulerJobRunner

    from pinwheel.airflow3.rows import kept_assets

    if seeder.host.unit.run(kept_assets.unsettled):
        seeder.host.unit.run(kept_assets.settle)
    assert not seeder.host.unit.run(kept_assets.unsettled)
    airflow(lambda session: SchedulerJobRunner(Job())._update_asset_orphanage(session=session))


def active() -> set[str]:
    from airflow.models.asset import AssetActive

    return airflow(lambda session: set(session.scalars(sa.select(AssetActive.name))))


def of_the_active_build(airflow_database: Any) -> dict[str, list[Any]]:
    """What Airflow's rows say of the Dag's assets and schedule, and of assets that it has: all columns."""
    tables = (
        "dag_schedule_asset_reference",
        "dag_schedule_asset_alias_reference",
        "task_outlet_asset_reference",
        "task_inlet_asset_reference",
    )
    with airflow_database.engine().connect() as connection:
        found = {
            table: sorted(map(str, connection.execute(sa.text(f"SELECT * FROM {table}")))) for table in tables
        }
        schedule = sa.text("SELECT asset_expression, timetable_summary FROM dag")
        found["dag"] = list(map(str, connection.execute(schedule).all()))
        found["asset"] = sorted(
            map(str, connection.execute(sa.text("SELECT * FROM asset WHERE name = 'here'")).all())
        )
    return found


@pytest.mark.parametrize("port", ["outlets", "inlets"])
def test_a_trials_assets_are_active_while_it_lives(seeder: Seeder, airflow_database: Any, port: str) -> None:
    held(seeder, asset("here", port=port), asset("here", "new", "newer", port=port))
    turn(seeder)
    before = of_the_active_build(airflow_database)
    assert active() == {"here"}
    runs = [start(seeder, 2, f"tried-{n}") for n in (1, 2)]
    assert active() == {"here", "new", "newer"}
    for run in runs:
        turn(seeder)
        assert active() == {"here", "new", "newer"}
        assert of_the_active_build(airflow_database) == before
        finish_run("d", run)
    turn(seeder)
    assert active() == {"here"}
    assert of_the_active_build(airflow_database) == before


def test_before_airflow_3_3_2_they_are_made_active_again_by_the_dag_processor(
    seeder: Seeder, airflow_database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pinwheel.airflow3 import compat
    from pinwheel.airflow3.rows import kept_assets

    held(seeder, asset("here"), asset("here", "new"))
    run = start(seeder, 2, "tried")
    with airflow_database.engine().begin() as connection:
        # Its scheduler asks no alias.
        connection.execute(sa.text("DELETE FROM asset_active WHERE name = 'new'"))
    assert not seeder.host.unit.run(kept_assets.unsettled)
    monkeypatch.setattr(compat, "aliases_keep_assets_active", lambda: False)
    assert seeder.host.unit.run(kept_assets.unsettled)
    seeder.host.unit.run(kept_assets.settle)
    assert active() == {"here", "new"}
    turn(seeder)
    finish_run("d", run)
    turn(seeder)
    assert active() == {"here"}


def test_what_the_active_build_has_stays_active_when_a_trial_is_gone(seeder: Seeder) -> None:
    held(seeder, asset("here"), asset("here", "new"))
    run = start(seeder, 2, "tried")
    apply(seeder, Verb.PROMOTE)
    finish_run("d", run)
    turn(seeder)
    assert active() == {"here", "new"}


@pytest.mark.parametrize("by", ["pinwheel", "airflow"])
def test_a_run_of_an_old_release_has_its_assets_when_it_is_run_again(seeder: Seeder, by: str) -> None:
    from airflow.models.taskinstance import TaskInstance, clear_task_instances

    seeder.push(asset("old"))
    run = failed(seeder, 1, "old-one")
    seeder.push(asset("here"))
    turn(seeder)
    assert active() == {"here"}
    if by == "pinwheel":
        clear(seeder, run)
        assert active() == {"here", "old"}
    else:
        airflow(lambda s: clear_task_instances(list(s.scalars(sa.select(TaskInstance))), s))
    turn(seeder)
    assert active() == {"here", "old"}
    finish_run("d", run)
    turn(seeder)
    assert active() == {"here"}


def test_a_run_goes_on_with_its_assets_when_another_build_is_released(seeder: Seeder) -> None:
    seeder.push(asset("old"))
    run = start(seeder, 1, "slow")
    seeder.push(asset("here"))
    turn(seeder)
    assert active() == {"here", "old"}
    finish_run("d", run)
    turn(seeder)
    assert active() == {"here"}


def test_the_assets_of_builds_that_eras_name_are_active_before_a_run_is_on_them(seeder: Seeder) -> None:
    from datetime import UTC, datetime

    from pinwheel.core.run.timeline import Era
    from pinwheel.services.release.revise import revise

    first = seeder.push(asset("old"))
    seeder.push(asset("here"))

    def revision(*eras: Era) -> None:
        def work(session: Any) -> None:
            revise(seeder.host, session, "d", eras, bundle_name="code", verb="set", actor="ada", reason=None)

        seeder.host.unit.run(work)

    revision(
        Era(
            starts_at=None,
            ends_at=datetime(2020, 1, 1, tzinfo=UTC),
            written_from=None,
            written_until="2020-01-01",
            build_id=1,
            build=1,
            bundle_version=first,
        )
    )
    turn(seeder)
    assert active() == {"here", "old"}
    revision()
    turn(seeder)
    assert active() == {"here"}


def test_the_assets_of_a_run_that_was_deleted_are_not_kept(seeder: Seeder, airflow_database: Any) -> None:
    held(seeder, asset("here"), asset("here", "new"))
    start(seeder, 2, "tried")
    with airflow_database.engine().begin() as connection:
        connection.execute(sa.text("DELETE FROM task_instance"))
        connection.execute(sa.text("DELETE FROM dag_run"))
    turn(seeder)
    assert active() == {"here"}


def test_a_trial_that_is_only_planned_makes_no_asset_active(seeder: Seeder) -> None:
    held(seeder, asset("here"), asset("here", "new"))
    asked.trigger(seeder.host, "d", actor="ada", build=2, plan=True)
    assert active() == {"here"}


def test_a_trial_takes_no_name_and_no_uri_from_an_asset_of_a_released_build(seeder: Seeder) -> None:
    held(seeder, asset("here", uri="x://kept/one"), asset("renamed", uri="x://kept/one"))
    start(seeder, 2, "tried")
    assert active() == {"here"}
    turn(seeder)
    assert active() == {"here"}


@pytest.mark.parametrize(
    "released", [("renamed", "x://kept/one"), ("new", "x://kept/two")], ids=["uri", "name"]
)
def test_a_trials_asset_gives_way_to_one_that_is_released(seeder: Seeder, released: tuple[str, str]) -> None:
    name, uri = released
    held(seeder, asset("here"), asset("new", uri="x://kept/one"), asset(name, uri=uri))
    start(seeder, 2, "tried")
    assert active() == {"here", "new"}
    apply(seeder, Verb.PROMOTE, build=3)
    assert uris() == {"x://kept/here", uri}
    turn(seeder)
    assert uris() == {uri}


def uris() -> set[str]:
    from airflow.models.asset import AssetActive

    return airflow(lambda session: set(session.scalars(sa.select(AssetActive.uri))))


def test_uninstalling_leaves_no_alias_of_ours(seeder: Seeder, airflow_database: Any) -> None:
    held(seeder, asset("here"), asset("here", "new"))
    start(seeder, 2, "tried")
    count = sa.text("SELECT (SELECT count(*) FROM asset_alias) + (SELECT count(*) FROM asset_alias_asset)")
    with airflow_database.engine().connect() as connection:
        assert connection.execute(count).scalar() == 1 + 2
    seeder.host.unit.run(seeder.host.deployment.drop_own_tables)
    with airflow_database.engine().connect() as connection:
        assert connection.execute(count).scalar() == 0
