"""Several at once on one Dag: one after the other, or a conflict; never a merge of two views."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa

from harness import faults, invariants
from harness.faults import TRIED
from harness.inprocess import bound_airflow, stock_run
from harness.operations import DAGS, World
from harness.prebuilt import BROKEN, Prebuilt, Text, start_run
from harness.races import ROUNDS, at_once, in_processes
from pinwheel.core.errors import Conflict, NotFound, PinwheelError, Refused
from pinwheel.core.release.decide import Verb
from pinwheel.services.upkeep import repair


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest) -> Iterator[Any]:
    made = request.getfixturevalue(request.param).create()
    with bound_airflow(made):
        yield made
    made.drop()


@pytest.fixture
def world(database: Any) -> World:
    return World()


def releases_of(database: Any, dag_id: str = "a") -> list[tuple[int, str, int]]:
    with database.engine().connect() as connection:
        rows = connection.execute(
            sa.text(
                "SELECT r.release, r.kind, b.build FROM pinwheel_release r"
                " JOIN pinwheel_build b ON b.id = r.build_id WHERE r.dag_id = :d ORDER BY r.release"
            ),
            {"d": dag_id},
        )
        return [(row[0], row[1], row[2]) for row in rows]


def test_two_promoters_from_the_same_view_make_one_release(database: Any, world: World) -> None:
    for _ in range(ROUNDS):
        world.hold_first()
        seen = releases_of(database)[-1][0]
        promote = lambda seen=seen: world.change(Verb.PROMOTE, expected_release=seen)  # noqa: E731
        outcomes = at_once(promote, promote, promote)
        conflicts = [each for each in outcomes if isinstance(each, Conflict)]
        done = [each for each in outcomes if isinstance(each, list)]
        assert (len(done), len(conflicts)) == (1, 2), outcomes
        assert releases_of(database)[-1][0] == seen + 1 == done[0][0].release
        invariants.check(database.engine())


def test_two_promoters_without_a_view_make_one_release_too(database: Any, world: World) -> None:
    for _ in range(ROUNDS):
        world.hold_first()
        before = len(releases_of(database))
        outcomes = at_once(*[lambda: world.change(Verb.PROMOTE)] * 3)
        assert sorted(each[0].changed for each in outcomes) == [False, False, True], outcomes
        assert len(releases_of(database)) == before + 1
        invariants.check(database.engine())


def test_one_request_sent_twice_at_once_is_done_once(database: Any, world: World) -> None:
    for number in range(ROUNDS):
        world.change(Verb.UNPIN)
        before = len(releases_of(database))
        back = {"to_blame": False, "request_id": f"request-{number}"}
        repeat = lambda back=back: world.change(Verb.ROLLBACK, **back)  # noqa: E731
        outcomes = at_once(repeat, repeat)
        assert sorted(each[0].changed for each in outcomes) == [False, True], outcomes
        assert outcomes[0][0].release == outcomes[1][0].release
        assert len(releases_of(database)) == before + 1
        invariants.check(database.engine())


def test_anything_against_anything_is_serialized(database: Any, world: World) -> None:
    engine = database.engine()
    choice = random.Random(109)
    for _ in range(ROUNDS):
        world.arrive(world.next_text())
        works: list[Callable[[], Any]] = [
            lambda: world.change(Verb.PROMOTE, DAGS),
            lambda: world.change(Verb.ROLLBACK),
            lambda: world.change(Verb.PIN, build=1),
            lambda: world.change(Verb.UNPIN, tuple(reversed(DAGS))),
            world.register,
            lambda: repair.reassert(world.host, DAGS),
            lambda: repair.repair_drift(world.host),
            lambda: world.change(Verb.PIN, ("b", "c")),
        ]
        before = invariants.ledger(engine)
        outcomes = at_once(*choice.sample(works, 4))
        errors = [each for each in outcomes if isinstance(each, Exception)]
        # A refusal is an answer (promote of an older build than the active one, no build to go back to);
        # anything else is not.
        assert all(isinstance(each, (Refused, NotFound)) for each in errors), errors
        invariants.check(engine)
        invariants.check_appended(before, invariants.ledger(engine))
    assert invariants.dump(engine)["import_error"] == []


def test_promote_rollback_and_registration_in_processes_of_their_own(database: Any, world: World) -> None:
    for _ in range(max(ROUNDS // 3, 2)):
        world.arrive(world.next_text())

        def tolerant(verb: Verb, **more: Any) -> Callable[[], Any]:
            def work() -> Any:
                try:
                    return world.change(verb, **more)
                except PinwheelError as error:
                    return error

            return work

        works = [tolerant(Verb.PROMOTE), tolerant(Verb.ROLLBACK), world.register, tolerant(Verb.UNPIN)]
        assert in_processes(database, works) == [0, 0, 0, 0]
        invariants.check(database.engine())


def test_one_parse_registered_by_two_processors_at_once_makes_one_build(database: Any, world: World) -> None:
    world.change(Verb.UNPIN)
    for _ in range(max(ROUNDS // 3, 2)):
        world.arrive(world.next_text())
        before = len(releases_of(database))
        assert in_processes(database, [world.register] * 3) == [0, 0, 0]
        assert len(releases_of(database)) == before + 1
        invariants.check(database.engine())


def test_a_dag_that_nobody_knew_can_arrive_twice_at_once(database: Any, world: World) -> None:
    from pinwheel.services.ingest import register

    for number in range(max(ROUNDS // 3, 2)):
        dag_id = f"new{number}"
        world.pusher.files[dag_id] = Text("daily", number)
        version, seq = world.pusher.advance()
        parsed = world.pusher.parsed(dag_id, version=version, seq=seq)
        arrive = lambda parsed=parsed: register.register(world.host, parsed)  # noqa: E731
        assert in_processes(database, [arrive] * 3) == [0, 0, 0]
        assert releases_of(database, dag_id) == [(1, "auto", 1)]
        invariants.check(database.engine())


def test_two_processors_that_find_a_version_at_once_agree_on_its_place(database: Any, world: World) -> None:
    from pinwheel.store import bundles

    host, name = world.host, world.pusher.bundle_name
    for number in range(ROUNDS):
        seq = host.unit.run(lambda s: bundles.head(s, name))[1]
        advance = lambda seq=seq, number=number: host.unit.run(  # noqa: E731
            lambda s: bundles.advance(s, name, f"version-{number}", expected_seq=seq, now=host.unit.now())
        )
        places = at_once(advance, advance, advance)
        # None: somebody was quicker, look again.
        assert seq + 1 in places
        assert set(places) <= {seq + 1, None}, places
        assert advance() == seq + 1


@pytest.mark.parametrize("late", [Text("daily", 900), BROKEN], ids=["good", "broken"])
def test_the_late_result_of_an_older_version_changes_nothing(
    database: Any, world: World, late: Text | None
) -> None:
    """Whether it comes after the newer one, or is half done when the newer one comes."""
    from pinwheel.services.ingest import register

    pusher = world.pusher
    for overtaken in (False, True):
        version, seq = pusher.advance()
        older = pusher.parsed("a", version=version, seq=seq, text=late)
        world.arrive(world.next_text())
        TRIED["late result"] += 1
        if overtaken:
            _overtaken(partial(register.register, pusher.host, older), world.register)
        else:
            world.register()
            register.register(pusher.host, older)
        invariants.check(database.engine())
        with database.engine().connect() as connection:
            row = connection.execute(
                sa.text("SELECT seq, error FROM pinwheel_file WHERE relative_fileloc = 'a.py'")
            ).one()
            errors = connection.scalar(sa.text("SELECT count(*) FROM import_error"))
        newer = world.arriving
        assert (row.seq, row.error, errors) == (newer.seq, None, 0)
        digest = newer.contents[0].digest
        with database.engine().connect() as connection:
            assert digest == connection.scalar(
                sa.text(
                    "SELECT b.digest FROM pinwheel_dag d JOIN pinwheel_build b ON b.id = d.active_build_id"
                    " WHERE d.dag_id = 'a' AND d.newest_build_id = d.active_build_id"
                )
            )


def _overtaken(slow: Callable[[], Any], quick: Callable[[], Any]) -> None:
    """*quick* is done between the first read of *slow* and its first write."""
    reached, go_on = threading.Event(), threading.Event()
    thread = threading.get_ident()

    def before(conn: Any, cursor: Any, statement: str, *_: Any) -> None:
        writes = statement.startswith(("INSERT", "UPDATE", "DELETE")) or "FOR UPDATE" in statement
        if writes and threading.get_ident() != thread and not reached.is_set():
            reached.set()
            assert go_on.wait(60)

    engine = faults.airflow_engine()
    sa.event.listen(engine, "before_cursor_execute", before)
    try:
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(slow)
            assert reached.wait(60)
            quick()
            go_on.set()
            future.result()
    finally:
        go_on.set()
        sa.event.remove(engine, "before_cursor_execute", before)


def test_registrations_during_releases_lose_nothing(database: Any, world: World) -> None:
    """A stream of pushes against a stream of changes: each push's build is there, in order."""
    engine = database.engine()
    pushed: list[str] = []

    def pushes() -> None:
        for _ in range(ROUNDS * 2):
            world.arrive(world.next_text())
            world.register()
            pushed.append(world.arriving.contents[0].digest)

    def changes() -> None:
        for _ in range(ROUNDS):
            world.change(Verb.ROLLBACK, to_blame=False)
            for verb in (Verb.PROMOTE, Verb.UNPIN):
                world.change(verb)

    outcomes = at_once(pushes, changes)
    assert outcomes == [None, None], outcomes
    invariants.check(engine)
    with engine.connect() as connection:
        rows = connection.execute(
            sa.text("SELECT digest FROM pinwheel_build WHERE dag_id = 'a' ORDER BY build")
        )
        assert list(rows.scalars())[2:] == pushed


@pytest.mark.postgres
@pytest.mark.acceptance("pushes", 16)
def test_a_thousand_runs_made_and_started_during_releases_have_versions_in_which_their_builds_stand(
    postgres: Any,
) -> None:
    """Airflow's own trigger reads the Dag's version and its newest version row in two statements."""
    threads, each = 4, 250
    database = postgres.create()
    with bound_airflow(database):
        pusher = Prebuilt()
        pusher.push({"a": Text(), "b": Text()})
        made = threading.Semaphore(0)

        def trigger(thread: int) -> None:
            for number in range(each):
                run_id = f"run-{thread}-{number}"
                stock_run("a", run_id)
                start_run("a", run_id)
                made.release()

        def push() -> int:
            pushes = 0
            for _ in range(threads * each // 10):
                for _ in range(10):
                    assert made.acquire(timeout=60)
                pushes += 1
                # Some make a release, others are followed to.
                pusher.push({"a": Text(body=pushes)} if pushes % 4 else {})
            return pushes

        outcomes = at_once(push, *(partial(trigger, thread) for thread in range(threads)))
        invariants.check(database.engine())
        with database.engine().connect() as connection:
            runs = connection.execute(
                sa.text(
                    "SELECT r.build_id, s.build_id, d.bundle_version FROM dag_run d"
                    " JOIN pinwheel_release r ON r.dag_version_id = d.created_dag_version_id"
                    " JOIN pinwheel_bundle_version v ON v.version = d.bundle_version"
                    " LEFT JOIN pinwheel_stand s ON s.dag_id = d.dag_id AND s.first_seq <= v.seq"
                    " AND (s.last_seq IS NULL OR s.last_seq >= v.seq)"
                )
            ).all()
    database.drop()
    assert outcomes == [threads * each // 10, *[None] * threads]
    assert len(runs) == threads * each
    assert [run for run in runs if run[0] != run[1]] == []
    assert len({run[0] for run in runs}) > 40, "they were made while there were releases"
