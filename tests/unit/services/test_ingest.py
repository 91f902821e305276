"""What a push makes: builds, releases, errors, moves, retirements, duplicates; and Dags from before."""

from __future__ import annotations

from uuid import uuid4

import pytest

from harness.in_memory import InMemory
from harness.pushing import BROKEN, File, Pusher
from pinwheel.core.errors import NotFound
from pinwheel.core.release.decide import Verb
from pinwheel.services.ingest import adopt, register
from pinwheel.services.ports.memory.airflow import DagRow, VersionRow
from pinwheel.services.show.builds import BuildView, builds


def newest(world: InMemory, dag_id: str = "a") -> BuildView:
    return builds(world.host, dag_id)[0]


def test_the_first_push_makes_a_build_a_release_and_airflows_rows(empty: InMemory) -> None:
    head = empty.push(a=File(tags=("version:2.0",)))
    assert empty.ledger() == [(1, 1, "auto")]
    assert empty.airflow_has() == (1, head, False)
    build = newest(empty)
    assert (build.build, build.bundle_version, build.label, build.author) == (1, head, "2.0", "Ada")
    assert (build.message, build.path, build.status, build.releases) == ("push 1", "a.py", "good", (1,))


def test_a_push_of_one_dag_leaves_the_others_and_they_follow(empty: InMemory) -> None:
    empty.push(a=File(), b=File())
    head = empty.push(a=File(body=1))
    assert empty.ledger("b") == [(1, 1, "auto")]
    assert empty.airflow_has("b") == (1, head, False)
    assert empty.status("b").bundle_version == head


def test_the_same_parse_twice_changes_nothing(world: InMemory) -> None:
    parsed = world.pusher.parsed("a", version=world.versions()[1] or "", seq=2)
    before = world.ledger(), world.airflow_has(), len(world.events())
    assert [outcome.changed for outcome in register.register(world.host, parsed)] == [False]
    assert (world.ledger(), world.airflow_has(), len(world.events())) == before


def test_a_late_parse_of_an_older_version_makes_a_build_and_no_release(world: InMemory) -> None:
    version, seq = world.pusher.advance(["a"])
    world.pusher.files["a"] = File(body=5)
    late = world.pusher.parsed("a", version=version, seq=seq)
    world.push(a=File(body=6))
    assert register.register(world.host, late) == []
    assert world.active() == (3, world.status().newest_build)
    assert sorted(build.build or 0 for build in builds(world.host, "a")) == [1, 2, 3, 4]


def test_new_runs_stay_on_the_version_before_until_a_changed_file_is_known(world: InMemory) -> None:
    before = world.airflow_has()
    version, seq = world.pusher.advance(["a"])
    assert world.airflow_has() == before
    world.pusher.register("a", version=version, seq=seq)
    assert world.airflow_has() == (2, version, False)


def test_content_that_comes_back_is_the_build_that_it_was_and_a_release(world: InMemory) -> None:
    world.push(a=File())
    assert world.ledger() == [(1, 1, "auto"), (2, 2, "auto"), (3, 1, "auto")]


def test_a_version_that_comes_back_brings_its_builds_back(world: InMemory) -> None:
    first = world.versions()[0]
    world.pusher.push({"a": File()}, version=first)
    assert (world.active()[1], world.airflow_has()[1]) == (1, first)


# Broken


def test_a_broken_push_changes_nothing_that_runs_and_is_shown(world: InMemory) -> None:
    before = world.airflow_has()
    head = world.push(a=BROKEN)
    assert (world.airflow_has(), world.active()) == (before, (2, 2))
    broken = world.status().broken
    assert broken is not None and (broken.path, broken.bundle_version) == ("a.py", head)
    assert world.side.errors("dags") == {"a.py": f"SyntaxError: broken in {head[:8]}"}
    assert (newest(world).build, newest(world).status) == (None, "broken")


def test_a_good_push_after_a_broken_one_takes_the_error_away(world: InMemory) -> None:
    world.push(a=BROKEN)
    world.push(a=File(body=2))
    assert (world.side.errors("dags"), world.status().broken) == ({}, None)
    assert world.active() == (3, 3)


def test_a_broken_file_does_not_hold_the_others_back(world: InMemory) -> None:
    world.push(a=BROKEN, b=File())
    assert world.active("b") == (1, 1)


def test_a_new_file_that_is_broken_makes_no_dag(empty: InMemory) -> None:
    empty.push(a=BROKEN)
    with pytest.raises(NotFound):
        empty.status()
    assert list(empty.side.errors("dags")) == ["a.py"]


# Retired, moved, held twice


def test_a_dag_that_leaves_its_bundle_is_retired(world: InMemory) -> None:
    world.remove("a")
    assert world.ledger()[-1] == (3, 2, "retire")
    assert (world.status().retired, world.airflow_has()[2]) == (True, True)


def test_a_retired_dag_that_comes_back_is_released_again(world: InMemory) -> None:
    world.remove("a")
    world.push(a=File(body=1))
    assert (world.status().retired, world.airflow_has()[2], world.active()) == (False, False, (4, 2))


def test_a_pinned_dag_that_leaves_its_bundle_stays(world: InMemory) -> None:
    world.do(Verb.PIN)
    world.remove("a")
    assert (world.status().retired, world.airflow_has()[2], world.active()) == (False, False, (2, 2))


def test_a_retired_dag_is_brought_back_by_a_pin_only(world: InMemory) -> None:
    world.remove("a")
    assert world.do(Verb.PIN, build=1).build == 1
    assert (world.status().retired, world.airflow_has()[2]) == (False, False)


def test_a_dag_whose_file_vanishes_before_the_version_settles_is_not_retired_yet(world: InMemory) -> None:
    world.pusher.push(removed=["a"], settle=False)
    assert not world.status().retired


def test_a_dag_whose_file_moves_goes_with_it(world: InMemory) -> None:
    world.pusher.folders["a"] = "team/"
    world.push(a=File(body=1))
    assert (world.status().path, world.status().retired) == ("team/a.py", False)
    (dag,) = world.host.unit.run(lambda s: world.host.reads.airflow_dags(s, ["a"]))
    assert dag.relative_fileloc == "team/a.py", "it has no runs that know the old place"


def test_a_dag_with_runs_whose_file_moves_is_served_where_its_runs_know_it(world: InMemory) -> None:
    world.run("r")
    world.pusher.folders["a"] = "team/"
    head = world.push(a=File(body=1))
    (dag,) = world.host.unit.run(lambda s: world.host.reads.airflow_dags(s, ["a"]))
    assert dag.relative_fileloc == "a.py"
    assert dag.bundle_version is not None and dag.bundle_version.startswith(f"{head}+")


def test_one_dag_in_two_bundles_stays_where_it_is_and_that_is_told_once(world: InMemory) -> None:
    world.side.add_bundle("other")
    other = Pusher(world.host, "other")
    other.push({"a": File(body=8)})
    other.push({"a": File(body=9)})
    assert (world.status().bundle, world.active()) == ("dags", (2, 2))
    (event,) = world.events("duplicate")
    assert (event.path, event.owner) == ("a.py", "dags: a.py")


def test_a_dag_that_another_bundle_holds_too_moves_there_when_it_leaves_its_own(world: InMemory) -> None:
    world.side.add_bundle("other")
    Pusher(world.host, "other").push({"a": File(body=8)})
    world.remove("a")
    assert (world.status().bundle, world.status().retired) == ("other", False)
    assert world.active()[1] == 3


# Parses that differ


@pytest.fixture
def unstable(empty: InMemory) -> InMemory:
    """Of the same file each parse of ``a`` gives another task."""
    for clock in (1, 2):
        empty.airflow.tick(60)
        empty.pusher.push({"a": File(clock=clock)}, impure=["a"])
    return empty


def tasks(world: InMemory) -> list[str]:
    (dag,) = world.host.unit.run(lambda s: world.host.reads.airflow_dags(s, ["a"]))
    return sorted(task["__var"]["task_id"] for task in dag.serialized["dag"]["tasks"])


def test_a_dag_that_differs_at_each_parse_is_written_anew_under_its_number(unstable: InMemory) -> None:
    assert unstable.ledger() == [(1, 1, "auto")]
    assert tasks(unstable) == ["at_2", "only"]
    assert unstable.status().unstable != ()


def test_what_runs_of_such_a_dag_use_is_not_written_over(unstable: InMemory) -> None:
    unstable.trigger("r")
    unstable.pusher.push({"a": File(clock=3)}, impure=["a"])
    assert tasks(unstable) == ["at_3", "only"]
    used = unstable.host.unit.run(lambda s: unstable.host.reads.some_runs(s, "a", ["r"]))["r"].dag_version_id
    (kept,) = unstable.host.unit.run(lambda s: unstable.host.reads.serialized(s, [used])).values()
    assert sorted(task["__var"]["task_id"] for task in kept["dag"]["tasks"]) == ["at_2", "only"]


# Taking over


def test_dags_from_before_are_adopted_as_they_run(empty: InMemory) -> None:
    file, version = File(tags=("version:1",)), uuid4()
    tables = empty.airflow.tables
    tables.dags["a"] = DagRow(dag_id="a", bundle_name="dags", bundle_version="v7", relative_fileloc="a.py")
    tables.versions[version] = VersionRow(
        id=version,
        dag_id="a",
        number=7,
        bundle_name="dags",
        bundle_version="v7",
        version_data=None,
        created_at=empty.airflow.now,
        serialized=file.serialized("a", "a.py"),
        code=file.source.decode(),
    )
    before = tables.copy()
    assert (adopt.adopt(empty.host), adopt.adopt(empty.host)) == (["a"], [])
    assert empty.airflow.tables == before, "only our own tables are written"
    assert (empty.ledger(), empty.status().label) == ([(7, 1, "adopt")], "1")
    empty.push(a=File(body=1))
    assert empty.ledger()[-1] == (8, 2, "auto")
    assert empty.do(Verb.ROLLBACK).build == 1
