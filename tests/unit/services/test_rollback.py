"""The way back: of one Dag, of many in one transaction, repeated, planned and failing halfway."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from harness import asked
from harness.in_memory import InMemory
from harness.pushing import File
from pinwheel.core.errors import Conflict, InvalidInput, NotFound, Refused
from pinwheel.core.release.decide import Verb
from pinwheel.services import change


class Broken(Exception):
    """Of the test."""


def test_a_rollback_is_a_new_release_of_the_build_before(world: InMemory) -> None:
    outcome = world.do(Verb.ROLLBACK, reason="wrong totals")
    assert (outcome.kind, outcome.release, outcome.build) == ("rollback", 3, 1)
    assert (outcome.from_release, outcome.from_build) == (2, 2)
    assert world.ledger() == [(1, 1, "auto"), (2, 2, "auto"), (3, 1, "rollback")]
    assert world.active() == (3, 1)


def test_airflows_newest_version_is_the_release_rolled_back_to(world: InMemory) -> None:
    world.do(Verb.ROLLBACK)
    number, version, stale = world.airflow_has()
    assert (number, version, stale) == (3, world.versions()[0], False)
    (dag,) = world.host.unit.run(lambda s: world.host.reads.airflow_dags(s, ["a"]))
    assert dag.source_code == File().source.decode()


def test_a_rollback_holds_the_dag_and_rejects_what_it_leaves(world: InMemory) -> None:
    outcome = world.do(Verb.ROLLBACK, reason="wrong totals")
    assert (outcome.track, outcome.rejected) == ("pinned", 2)
    assert world.rejected() == {2: "wrong totals"}
    assert [hold.kind for hold in world.status().holds] == ["pin", "rejected"]


def test_what_is_not_to_blame_is_not_rejected_and_comes_back_with_an_unpin(world: InMemory) -> None:
    outcome = world.do(Verb.ROLLBACK, to_blame=False)
    assert (outcome.rejected, world.rejected()) == (None, {})
    assert world.do(Verb.UNPIN).build == 2


def test_after_a_rollback_an_unpin_stays_on_what_was_good(world: InMemory) -> None:
    world.do(Verb.ROLLBACK)
    assert (world.do(Verb.UNPIN).kind, world.active()) == (None, (3, 1))
    world.push(a=File(body=2))
    assert world.active() == (4, 3)


def test_a_push_after_a_rollback_waits(world: InMemory) -> None:
    world.do(Verb.ROLLBACK)
    world.push(a=File(body=2))
    assert (world.active(), world.status().newest_build) == ((3, 1), 3)


def test_a_second_rollback_goes_on_to_the_build_before_that(world: InMemory) -> None:
    world.push(a=File(body=2))
    assert [world.do(Verb.ROLLBACK).build for _ in range(2)] == [2, 1]
    with pytest.raises(NotFound, match="no earlier release has another build"):
        world.do(Verb.ROLLBACK)


def test_the_way_back_passes_over_what_is_rejected(world: InMemory) -> None:
    world.push(a=File(body=2))
    world.do(Verb.REJECT, build=2)
    assert world.do(Verb.ROLLBACK).build == 1


def test_a_rollback_to_a_rejected_build_asks_for_a_reason(world: InMemory) -> None:
    world.do(Verb.ROLLBACK, reason="wrong totals")
    with pytest.raises(Refused, match="wrong totals"):
        world.do(Verb.ROLLBACK, build=2)
    outcome = world.do(Verb.ROLLBACK, build=2, reason="they were right")
    assert (outcome.build, outcome.lifted, world.rejected().get(2)) == (2, True, None)


def test_a_rollback_to_a_release_is_one_to_its_build(world: InMemory) -> None:
    world.push(a=File(body=2))
    assert world.do(Verb.ROLLBACK, to_release=1).build == 1


def test_a_rollback_to_what_is_active_only_holds_it(world: InMemory) -> None:
    outcome = world.do(Verb.ROLLBACK, build=2)
    assert (outcome.kind, outcome.track, world.active(), world.rejected()) == (None, "pinned", (2, 2), {})


def test_the_second_to_roll_back_is_who_holds_the_dag(world: InMemory) -> None:
    world.push(a=File(body=2))
    world.do(Verb.ROLLBACK, actor="ada", reason="first")
    world.do(Verb.ROLLBACK, actor="bob", reason="second")
    assert (world.status().actor, world.status().reason) == ("bob", "second")


def test_new_runs_that_only_followed_go_back_to_the_version_before(world: InMemory) -> None:
    before = world.airflow_has()[1]
    world.push(a=File(body=1), other=File())
    outcome = world.do(Verb.ROLLBACK)
    assert (outcome.build, world.airflow_has()[1]) == (2, before)


def test_failed_runs_run_again_on_what_was_good_and_others_stay(world: InMemory) -> None:
    world.run("good")
    world.run("bad", "failed")
    outcome = world.do(Verb.ROLLBACK, rerun_failed=True)
    assert outcome.rerun == ("bad",)
    runs = world.host.unit.run(lambda s: world.host.reads.some_runs(s, "a", ["good", "bad"]))
    assert {run_id: (run.state, run.clear_number) for run_id, run in runs.items()} == {
        "good": ("success", 0),
        "bad": ("queued", 1),
    }
    assert runs["bad"].bundle_version == world.versions()[0]


# Many Dags


def test_many_dags_are_rolled_back_in_one_transaction(three: InMemory) -> None:
    outcomes = three.do_all(Verb.ROLLBACK, "c", "a", "b")
    assert [(o.dag_id, o.build, o.release) for o in outcomes] == [("a", 1, 3), ("b", 1, 3), ("c", 1, 3)]
    assert len({three.events("rollback", dag_id=d)[0].at for d in ("a", "b", "c")}) == 1


def test_one_dag_that_can_not_be_rolled_back_keeps_all_others_where_they_are(three: InMemory) -> None:
    three.push(single=File())
    before = three.everything()
    with pytest.raises(NotFound, match="no earlier release"):
        three.do_all(Verb.ROLLBACK, "a", "b", "single")
    assert three.everything() == before


def test_an_error_in_the_middle_of_the_writing_leaves_nothing(three: InMemory) -> None:
    class Failing:
        """Rows that fail after the releases were written."""

        def __getattr__(self, name: str) -> Any:
            return getattr(three.host.rows, name)

        def audit(self, *_: object, **__: object) -> None:
            raise Broken

    before = three.everything()
    host = evolve(three.host, rows=Failing())
    wanted = asked.change(verb=Verb.ROLLBACK, dag_ids=["a", "b"], actor="ada", rerun_failed=True)
    with pytest.raises(Broken):
        change.apply(host, wanted)
    assert three.everything() == before
    assert three.do_all(Verb.ROLLBACK, "a", "b")[1].release == 3, "and it can be repeated"


def test_a_failed_change_is_not_announced(three: InMemory) -> None:
    three.push(single=File())
    three.airflow.announced.clear()
    with pytest.raises(NotFound):
        three.do_all(Verb.ROLLBACK, "a", "single")
    assert three.airflow.announced == []


@pytest.mark.parametrize("number", ["build", "to_release", "expected_release"])
def test_numbers_count_per_dag_so_they_go_with_one(three: InMemory, number: str) -> None:
    with pytest.raises(InvalidInput, match="numbers count per Dag"):
        three.do_all(Verb.ROLLBACK, "a", "b", **{number: 1})


def test_no_dag_is_nothing_to_roll_back(world: InMemory) -> None:
    wanted = evolve(asked.change(verb=Verb.ROLLBACK, dag_ids=["a"]), dag_ids=[])
    with pytest.raises(NotFound, match="no Dag matches"):
        change.apply(world.host, wanted)


# Plans


@pytest.mark.parametrize("verb", [Verb.ROLLBACK, Verb.PIN, Verb.PROMOTE])
def test_a_plan_says_what_is_done_then_and_changes_nothing(three: InMemory, verb: Verb) -> None:
    three.do_all(Verb.PIN, "a", "b")
    three.push(a=File(body=7), b=File(body=7))
    before, told = three.everything(), list(three.airflow.announced)
    planned = three.plan(verb, "a", "b")
    assert (three.everything(), three.airflow.announced) == (before, told)
    done = three.do_all(verb, "a", "b")
    assert [evolve(o, release=None) for o in done] == [evolve(o, release=None) for o in planned]


def test_a_plan_names_the_runs_that_would_run_again(world: InMemory) -> None:
    world.run("bad", "failed")
    before = world.everything()
    (planned,) = world.plan(Verb.ROLLBACK, rerun_failed=True)
    assert planned.rerun == ("bad",)
    assert world.everything() == before


def test_a_plan_is_refused_as_the_change_would_be(world: InMemory) -> None:
    with pytest.raises(Conflict, match="its active release is 2, not 1"):
        world.plan(Verb.ROLLBACK, expected_release=1)


# Repeats


def test_a_request_with_an_id_is_carried_out_once(world: InMemory) -> None:
    world.push(a=File(body=2))
    first = world.do(Verb.ROLLBACK, request_id="deploy-1")
    again = world.do(Verb.ROLLBACK, request_id="deploy-1")
    assert (again.changed, again.build, again.release) == (False, first.build, first.release)
    assert again.message == "this request was carried out before"
    assert world.ledger()[-1] == (4, 2, "rollback")


def test_an_id_stands_for_one_request(world: InMemory) -> None:
    world.do(Verb.PIN, request_id="deploy-1")
    with pytest.raises(Conflict, match="stands for another request of ada") as refused:
        world.do(Verb.ROLLBACK, request_id="deploy-1")
    assert refused.value.facts["first"]["verb"] == "pin"
    assert world.active() == (2, 2)


def test_the_same_id_of_somebody_else_is_another_request(world: InMemory) -> None:
    world.push(a=File(body=2))
    world.do(Verb.ROLLBACK, request_id="deploy-1", actor="ada")
    assert world.do(Verb.ROLLBACK, request_id="deploy-1", actor="bob").build == 1


def test_a_request_that_failed_may_be_repeated(world: InMemory) -> None:
    with pytest.raises(Conflict):
        world.do(Verb.ROLLBACK, request_id="deploy-1", expected_release=1)
    assert world.do(Verb.ROLLBACK, request_id="deploy-1").changed
