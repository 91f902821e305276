"""Repair of what others wrote, keeping rows asserted, pruning, leases and leaving."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve

from harness.in_memory import InMemory
from harness.pushing import File
from harness.ruled import CHECK, Ruled
from pinwheel.core.errors import Refused
from pinwheel.core.release.decide import Verb
from pinwheel.core.retention import Keep
from pinwheel.services.show.builds import builds
from pinwheel.services.upkeep import health, prune, repair, uninstall


class Broken(Exception):
    """Of the test."""


def airflow(world: InMemory, dag_id: str = "a") -> Any:
    (found,) = world.host.unit.run(lambda s: world.host.reads.airflow_dags(s, [dag_id]))
    return found


def test_a_row_that_another_writer_changed_is_put_back_and_that_is_told(world: InMemory) -> None:
    before = world.airflow_has()
    world.airflow.change_dag("a", None)
    (drift,) = repair.repair_drift(world.host)
    assert (drift.summary, world.airflow_has()) == ("dag.bundle_version is None", before)
    (event,) = world.events("drift")
    assert (event.found, event.repaired) == ({"dag.bundle_version": "None"}, True)
    assert world.side.audit("pinwheel_drift")[0][:2] == ("a", "pinwheel")
    assert repair.repair_drift(world.host) == []


def test_a_foreign_version_that_nothing_uses_is_removed(world: InMemory) -> None:
    foreign = world.airflow.foreign_version("a")
    (drift,) = repair.repair_drift(world.host)
    assert drift.foreign_versions == (foreign,)
    assert (world.airflow_has()[0], world.ledger()[-1]) == (2, (2, 2, "auto"))


def test_above_a_foreign_version_that_runs_use_the_release_is_made_anew(world: InMemory) -> None:
    foreign = world.airflow.foreign_version("a")
    world.airflow.make_run("a", "stock")
    repair.repair_drift(world.host)
    assert world.ledger()[-1] == (4, 2, "auto")
    assert world.airflow_has()[0] == 4
    assert foreign in world.airflow.tables.versions, "it is history"


def test_a_deleted_dag_is_brought_back_as_it_was_released(world: InMemory) -> None:
    world.do(Verb.ROLLBACK)
    before = airflow(world)
    world.airflow.delete_dag("a")
    (drift,) = repair.repair_drift(world.host)
    assert drift.dag_missing
    after = airflow(world)
    assert (after.dag_version_id, after.serialized_hash) == (before.dag_version_id, before.serialized_hash)
    assert after.source_code == before.source_code


def test_a_version_that_was_written_over_is_what_was_released_again(world: InMemory) -> None:
    before = airflow(world)
    versions = world.airflow.tables.versions
    versions[before.dag_version_id] = evolve(versions[before.dag_version_id], code="# another's")
    repair.repair_drift(world.host)
    assert airflow(world).source_code == before.source_code


def test_a_fault_at_one_dag_stops_the_repair_of_no_other(three: InMemory) -> None:
    real = three.host.rows

    class Failing:
        """Rows of which those of ``a`` can not be restored."""

        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

        def restore(self, session: Any, projections: Any) -> Any:
            if [p.dag_id for p in projections] == ["a"]:
                raise Broken
            return real.restore(session, projections)

    for dag_id in ("a", "b"):
        three.airflow.change_dag(dag_id, None)
    with pytest.raises(Broken):
        repair.repair_drift(evolve(three.host, rows=Failing()))
    assert (three.airflow_has("a")[1], three.airflow_has("b")[1]) == (None, three.versions("b")[1])


def test_what_another_writer_changed_in_a_superseded_version_is_put_back_first(world: InMemory) -> None:
    first = airflow(world)
    versions = world.airflow.tables.versions
    versions[first.dag_version_id] = evolve(versions[first.dag_version_id], code="# another's")
    world.push(a=File(body=2))
    assert world.airflow.tables.versions[first.dag_version_id].code == first.source_code
    assert len(world.events("drift")) == 1


def test_rows_that_stand_as_they_were_written_are_only_touched(world: InMemory) -> None:
    seen: dict[str, str] = {}
    assert repair.keep_asserted(world.host, ["a"], seen) == 1
    world.airflow.tick(60)
    assert repair.keep_asserted(world.host, ["a"], seen) == 0
    assert world.side.parsed_at("a") == world.airflow.now
    assert world.row().asserted_at == world.airflow.now


def test_a_row_that_was_changed_by_hand_is_written_again(world: InMemory) -> None:
    seen: dict[str, str] = {}
    repair.keep_asserted(world.host, ["a"], seen)
    dags = world.airflow.tables.dags
    dags["a"] = evolve(dags["a"], tags=("by hand",))
    assert repair.keep_asserted(world.host, ["a"], seen) == 1
    assert world.airflow.tables.dags["a"].tags == ()


def test_dags_whose_rows_were_held_follow_later(world: InMemory) -> None:
    head = world.push(b=File())
    world.airflow.change_dag("a", "behind")
    assert repair.follow_again(world.host) == 0, "the version is the same, only the row was put right"
    assert world.airflow_has()[1] == head


# Pruning


@pytest.fixture
def many(world: InMemory) -> InMemory:
    """Builds 3 to 6 wait behind the pinned build 2."""
    world.do(Verb.PIN)
    for body in range(2, 6):
        world.push(a=File(body=body))
    return world


def test_pruning_removes_builds_that_nobody_released_but_the_newest(many: InMemory) -> None:
    removed = prune.prune(many.host, Keep(builds=1))
    assert removed["pinwheel_build"] == 3
    assert sorted(build.build or 0 for build in builds(many.host, "a")) == [1, 2, 6]
    assert many.do(Verb.ROLLBACK, build=1).build == 1


def test_a_plan_of_pruning_counts_what_is_removed_then_and_changes_nothing(many: InMemory) -> None:
    before = many.everything()
    planned = prune.plan(many.host, Keep(builds=1))
    assert many.everything() == before
    assert prune.prune(many.host, Keep(builds=1)) == planned


def test_a_build_that_was_tried_is_kept(many: InMemory) -> None:
    many.trigger("r", build=3)
    prune.prune(many.host, Keep(builds=1))
    assert {build.build for build in builds(many.host, "a")} >= {3}


def test_bindings_go_a_month_after_their_runs_and_not_before(world: InMemory) -> None:
    world.run("there")
    world.run("gone")
    world.airflow.delete_run("a", "gone")
    assert prune.prune(world.host).get("pinwheel_binding", 0) == 0
    world.airflow.tick(timedelta(days=40).total_seconds())
    removed = prune.prune(world.host)
    assert (removed["pinwheel_binding"], removed["pinwheel_outcome"]) == (1, 1)


def test_as_much_is_kept_as_the_deployment_says(many: InMemory) -> None:
    assert prune.plan(many.host)["pinwheel_build"] == 0
    many.airflow.keep = Keep(builds=2)
    assert prune.plan(many.host)["pinwheel_build"] == 2


def test_pruning_stops_where_its_lease_is_lost(many: InMemory) -> None:
    def lost(_: Any) -> None:
        raise Broken

    before = many.everything()
    with pytest.raises(Broken):
        prune.prune(many.host, Keep(builds=1), hold=lost)
    assert many.everything() == before


# Leaving


def test_leaving_is_refused_while_a_processor_is_alive(world: InMemory) -> None:
    world.airflow.processors.append("host-1")
    with pytest.raises(Refused, match="a Dag processor is alive on host-1"):
        uninstall.uninstall(world.host)
    assert health.missing_tables(world.host) == []


def test_leaving_drops_our_tables_and_leaves_airflows_rows(world: InMemory) -> None:
    world.do(Verb.ROLLBACK)
    before = world.airflow_has()
    left = uninstall.uninstall(world.host)
    assert (left.pinned, left.held) == (("a",), ("a",))
    assert "pinwheel_dag" in health.missing_tables(world.host)
    assert world.airflow_has() == before


@pytest.mark.acceptance("rollouts", 76)
def test_what_is_on_its_way_is_withdrawn_by_an_uninstall_and_what_runs_stays(world: InMemory) -> None:
    ruled = Ruled(world)
    ruled.policy(CHECK)
    world.push(a=File(body=2))
    before, airflow_before = world.everything(), world.airflow_has()
    planned = uninstall.plan(world.host)
    assert world.everything() == before, "a plan changes nothing"
    left = uninstall.uninstall(world.host)
    assert left == planned
    assert (left.rolling, left.held, left.pinned) == (("a",), ("a",), ())
    assert any("on its way of 1 Dags is withdrawn" in said for said in left.remains)
    *_, (dag_id, actor, details) = world.side.audit("pinwheel_rollout")
    assert (dag_id, actor, details["state"]) == ("a", "pinwheel", "withdrawn")
    assert world.airflow_has() == airflow_before
    assert "pinwheel_rollout" in health.missing_tables(world.host)
