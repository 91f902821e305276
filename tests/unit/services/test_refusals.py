"""Many Dags of which some can not take the change: the plan names all of them, and they can be left out."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest

from harness import asked
from harness.in_memory import InMemory
from harness.pushing import File
from pinwheel.core.errors import Conflict, NotFound, Refused
from pinwheel.core.release.decide import Verb
from pinwheel.services import change

HUNDRED = [f"d{number:03}" for number in range(100)]
TEN = HUNDRED[::10]


def planned(world: InMemory, verb: Verb, *dag_ids: str, **more: Any) -> change.Plan:
    return change.plan(world.host, asked.change(verb, dag_ids, plan=True, **more))


def refused(plan: change.Plan) -> list[str]:
    return [refusal.dag_id for refusal in plan.refused]


@pytest.fixture(scope="module")
def incident() -> InMemory:
    """A hundred Dags, ten of which came with the last push and so have no way back."""
    made = InMemory()
    made.push(**{dag_id: File() for dag_id in HUNDRED if dag_id not in TEN})
    made.push(**{dag_id: File(body=1) for dag_id in HUNDRED})
    return made


def test_of_a_hundred_dags_the_ten_that_refuse_are_left_out_and_the_others_go_back_in_one_transaction(
    incident: InMemory,
) -> None:
    world = incident.clone()
    plan = planned(world, Verb.ROLLBACK, *HUNDRED)
    assert refused(plan) == TEN
    assert {refusal.error.found for refusal in plan.refused} == {
        "no earlier release has another build than the active one"
    }
    assert [outcome.dag_id for outcome in plan.outcomes] == sorted(set(HUNDRED) - set(TEN))
    done = world.do_all(Verb.ROLLBACK, *HUNDRED, reason="platform", skip_refused=refused(plan))
    assert [outcome.dag_id for outcome in done] == [outcome.dag_id for outcome in plan.outcomes]
    assert {outcome.release for outcome in done} == {3}
    assert len({world.events("rollback", dag_id=outcome.dag_id)[0].at for outcome in done}) == 1
    assert [world.active(dag_id) for dag_id in TEN] == [(1, 1)] * 10


def test_a_dag_that_nobody_knows_is_no_refusal_but_a_request_that_can_not_be_answered(
    three: InMemory,
) -> None:
    with pytest.raises(NotFound, match="Cannot find Dag nobody"):
        planned(three, Verb.ROLLBACK, "a", "nobody")


def test_a_refusal_that_the_plan_did_not_show_keeps_all_dags_where_they_are(three: InMemory) -> None:
    three.push(single=File(), other=File())
    before = three.everything()
    with pytest.raises(NotFound, match="other"):
        three.do_all(Verb.ROLLBACK, "a", "b", "single", "other", skip_refused=["single"])
    assert three.everything() == before


def test_what_is_left_out_stays_out_though_it_could_take_the_change_by_now(three: InMemory) -> None:
    done = three.do_all(Verb.ROLLBACK, "a", "b", "c", skip_refused=["b"])
    assert [outcome.dag_id for outcome in done] == ["a", "c"]
    assert three.active("b") == (2, 2)
    request = asked.change(Verb.ROLLBACK, ["a", "b", "c"], skip_refused=["b", "z"]).request
    assert change.left_out(request, ["a", "b", "c"]) == ["b"]


def test_when_every_dag_is_left_out_there_is_nothing_to_do(three: InMemory) -> None:
    with pytest.raises(NotFound, match="every Dag is left out"):
        three.do_all(Verb.ROLLBACK, "a", "b", skip_refused=["a", "b"])


def test_a_request_that_leaves_dags_out_is_another_one_and_its_repeat_changes_nothing(
    three: InMemory,
) -> None:
    first = three.do_all(Verb.ROLLBACK, "a", "b", skip_refused=["b"], request_id="deploy-1")
    again = three.do_all(Verb.ROLLBACK, "a", "b", skip_refused=["b"], request_id="deploy-1")
    assert [(o.dag_id, o.release, o.changed) for o in again] == [(o.dag_id, o.release, False) for o in first]
    with pytest.raises(Conflict, match="stands for another request"):
        three.do_all(Verb.ROLLBACK, "a", "b", request_id="deploy-1")


def test_a_rejected_build_among_many_is_a_refusal_until_somebody_says_why(three: InMemory) -> None:
    three.do(Verb.ROLLBACK, "a", reason="wrong totals")
    plan = planned(three, Verb.PROMOTE, "a", "b")
    assert refused(plan) == ["a"]
    assert plan.refused[0].error.facts["rejected_by"] == "ada"
    assert refused(planned(three, Verb.PROMOTE, "a", "b", reason="it is right")) == []


def test_a_plan_of_one_dag_is_refused_as_the_change_would_be(world: InMemory) -> None:
    world.do(Verb.ROLLBACK)
    with pytest.raises(Refused, match="Cannot promote a to build 2"):
        world.plan(Verb.PROMOTE)
    assert refused(planned(world, Verb.PROMOTE, "a")) == ["a"]


# What failed runs again


def test_the_plan_of_a_rollback_says_what_can_run_again_and_what_each_way_does(world: InMemory) -> None:
    world.push(a=File(body=2, tasks=("first", "second")))
    world.push(a=File(body=3, tasks=("first", "second")))
    world.run("good")
    for run_id in ("bad", "worse"):
        world.trigger(run_id)
        world.airflow.start_run("a", run_id)
        world.airflow.execute("a", run_id, "first", 1, "success")
        world.airflow.execute("a", run_id, "second", 1, "failed")
        world.airflow.tick(60)
        world.airflow.end_run("a", run_id, "failed")
    (plain,) = world.plan(Verb.ROLLBACK)
    assert (plain.failed_runs, plain.rerun, plain.rerun_tasks) == (("bad", "worse"), (), 0)
    (failed,) = world.plan(Verb.ROLLBACK, rerun_failed=True)
    assert (failed.rerun, failed.rerun_tasks, failed.rerun_mixed) == (("bad", "worse"), 2, 2)
    (whole,) = world.plan(Verb.ROLLBACK, rerun_whole=True)
    assert (whole.rerun, whole.rerun_tasks, whole.rerun_mixed) == (("bad", "worse"), 4, 0)
    done = world.do(Verb.ROLLBACK, rerun_whole=True)
    assert (done.rerun, done.rerun_tasks, done.rerun_mixed) == (("bad", "worse"), 4, 0)


def test_who_may_not_see_a_dags_runs_is_told_of_none_and_has_them_run_again_all_the_same(
    world: InMemory,
) -> None:
    def told(outcome: Any) -> tuple[Any, ...]:
        return (outcome.failed_runs, outcome.rerun, outcome.rerun_tasks, outcome.rerun_mixed)

    def blind(dag_ids: Collection[str]) -> set[str]:
        return set(dag_ids) - {"a"}

    world.run("bad", "failed")
    for more in ({}, {"rerun_failed": True}, {"rerun_whole": True}):
        assert told(planned(world, Verb.ROLLBACK, "a", sees_runs=blind, **more).outcomes[0]) == ((), (), 0, 0)
        assert told(world.plan(Verb.ROLLBACK, sees_runs=blind, **more)[0]) == ((), (), 0, 0)
    again = {"rerun_failed": True, "request_id": "deploy-1"}
    done = world.do(Verb.ROLLBACK, sees_runs=blind, **again)
    assert (told(done), done.release) == (((), (), 0, 0), 3)
    assert [event.run_id for event in world.events("clear")] == ["bad"]
    assert told(world.do(Verb.ROLLBACK, sees_runs=blind, **again)) == ((), (), 0, 0), "the repeat"
    assert world.do(Verb.ROLLBACK, **again).rerun == ("bad",), "who may see them by now"


def test_what_runs_again_of_many_dags_is_looked_up_once_for_all_of_them(
    three: InMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pinwheel.store import builds

    for dag_id in "ab":
        three.run(f"bad_{dag_id}", "failed", dag_id=dag_id)
    looked_up: list[int] = []
    load = builds.serialized

    def noted(session: Any, build_ids: Collection[int]) -> Any:
        looked_up.append(len(build_ids))
        return load(session, build_ids)

    monkeypatch.setattr(builds, "serialized", noted)
    found = three.plan(Verb.ROLLBACK, "a", "b", "c", rerun_failed=True)
    assert [(outcome.rerun, outcome.rerun_tasks) for outcome in found] == [
        (("bad_a",), 1),
        (("bad_b",), 1),
        ((), 0),
    ]
    assert looked_up == [2]
    monkeypatch.undo()
    done = three.do_all(Verb.ROLLBACK, "a", "b", "c", rerun_failed=True)
    assert [outcome.rerun for outcome in done] == [("bad_a",), ("bad_b",), ()]


def test_versions_mix_in_a_run_of_which_only_a_new_task_failed(world: InMemory) -> None:
    world.push(a=File(body=2, tasks=("first",)))
    world.push(a=File(body=3, tasks=("first", "new")))
    world.trigger("bad")
    world.airflow.start_run("a", "bad")
    world.airflow.execute("a", "bad", "first", 1, "success")
    world.airflow.execute("a", "bad", "new", 1, "failed")
    world.airflow.end_run("a", "bad", "failed")
    (failed,) = world.plan(Verb.ROLLBACK, rerun_failed=True)
    assert (failed.rerun, failed.rerun_tasks, failed.rerun_mixed) == (("bad",), 0, 1)
    (whole,) = world.plan(Verb.ROLLBACK, rerun_whole=True)
    assert (whole.rerun_tasks, whole.rerun_mixed) == (1, 0)


def test_a_run_that_went_to_and_fro_is_one_that_ran_again_after_its_last_end_there(world: InMemory) -> None:
    from pinwheel.services.show.line import line

    def on() -> dict[int | None, tuple[dict[str, int], dict[str, int]]]:
        shown = line(world.host, "a").releases
        return {one.release: (dict(one.runs or {}), dict(one.run_again_on)) for one in shown}

    world.run("bad", "failed")
    for number, build in enumerate((1, 2, 1), start=2):
        asked.clear(world.host, "a", ["bad"], build=build)
        if build == 2:
            assert on()[2] == ({"queued": 1}, {}), "it goes on there"
        world.finish("bad", "failed", number=number)
    assert on() == {1: ({"failed": 1}, {}), 2: ({"failed": 1}, {"1": 1})}
    asked.clear(world.host, "a", ["bad"], build=2)
    world.finish("bad", "success", number=5)
    assert on() == {1: ({"failed": 1}, {"2": 1}), 2: ({"success": 1}, {})}


def test_what_failed_stays_counted_on_its_release_and_is_said_to_run_again_on_the_other(
    world: InMemory,
) -> None:
    from pinwheel.services.show.line import line

    world.run("bad", "failed")
    world.do(Verb.ROLLBACK, rerun_failed=True)
    shown = line(world.host, "a")
    left, back = (next(one for one in shown.releases if one.release == number) for number in (2, 3))
    assert (left.runs, left.run_again_on) == ({"failed": 1}, {"3": 1})
    assert (back.runs, back.run_again_on) == ({"queued": 1}, {})
    # The red bar stays where it was, beside that of the run as it is now.
    assert sorted((run.release, run.state, run.earlier) for run in shown.runs) == [
        (2, "failed", True),
        (3, "queued", False),
    ]


def test_the_line_says_where_a_rollback_goes(world: InMemory) -> None:
    from pinwheel.services.show.line import WayBack, line

    assert line(world.host, "a").way_back == WayBack(build=1)
    before = world.airflow_has()[1]
    world.push(a=File(body=1), other=File())
    assert line(world.host, "a").way_back == WayBack(build=2, bundle_version=before)
    assert world.do(Verb.ROLLBACK).build == 2
    assert line(world.host, "other").way_back is None


def test_a_rollback_to_an_older_version_of_the_build_says_which_versions_it_rejects(world: InMemory) -> None:
    before = world.airflow_has()[1]
    world.push(a=File(body=1), other=File())
    after = world.airflow_has()[1]
    (planned_,) = world.plan(Verb.ROLLBACK)
    assert (planned_.version, planned_.rejected_after, planned_.rejected_until) == (before, before, after)
