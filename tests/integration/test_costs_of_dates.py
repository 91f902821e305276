"""What dates cost, by its cause: statements, and the rows that they read."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from harness.eras import DATES, Dated
from harness.faults import airflow_engine
from harness.inprocess import bound_airflow
from harness.operations import World
from harness.prebuilt import Text
from harness.statements import Counted
from pinwheel.core.run.resolve import Bind
from pinwheel.core.run.timeline import Era
from pinwheel.services.release.revise import revise
from pinwheel.store import builds
from pinwheel.store.locking import lock_dags

pytestmark = pytest.mark.postgres


@pytest.fixture
def world(postgres: Any) -> Iterator[World]:
    database = postgres.create()
    with bound_airflow(database):
        yield World()
    database.drop()


class Read(Counted):
    """Counts the rows too that were read."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = 0

    def __enter__(self) -> Read:
        super().__enter__()
        sa.event.listen(airflow_engine(), "after_cursor_execute", self._done)
        return self

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        sa.event.remove(airflow_engine(), "after_cursor_execute", self._done)

    def _done(self, conn: Any, cursor: Any, statement: str, *_: Any) -> None:
        if statement.lstrip().startswith(("SELECT", "WITH")):
            self.rows += cursor.rowcount

    @property
    def statements(self) -> int:
        return len(self.own) + len(self.airflows)

    @property
    def cost(self) -> tuple[int, int]:
        return self.statements, self.rows


def date(world: World, *dag_ids: str) -> None:
    """Let data of all dates of these Dags be for their first build."""

    def work(session: Any) -> None:
        lock_dags(session, dag_ids)
        for dag_id in dag_ids:
            build = builds.by_number(session, dag_id, 1)
            assert build is not None
            era = Era(
                starts_at=None, ends_at=None, build_id=build.id, build=1, bundle_version=build.bundle_version
            )
            more = {"verb": "set", "actor": "ada", "reason": None, "bundle_name": "prebuilt"}
            revise(world.host, session, dag_id, [era], **more)

    world.host.unit.run(work)


def follow(world: World) -> Read:
    """A version comes in which changes no Dag file."""
    from pinwheel.services.ingest import take_version
    from pinwheel.store import bundles, files

    world.pusher.pushes += 1
    _, seq, _ = world.host.unit.run(lambda s: bundles.head(s, "prebuilt"))
    known = world.host.unit.run(lambda s: files.known(s, "prebuilt"))
    incoming = take_version.Incoming(
        bundle_name="prebuilt",
        version=world.pusher.version(),
        path="/bundles",
        about={},
        files=frozenset(known),
        unchanged={path: row.parse_id for path, row in known.items() if row.parse_id},
    )
    with Read() as read:
        assert take_version.take_in(world.host, incoming, expected_seq=seq) is not None
    return read


def idle(world: World) -> Read:
    """A turn of a keeper in which nothing is to be done."""
    from pinwheel.airflow3.keeper.duties import duties_of
    from pinwheel.services.upkeep.beat import Beat

    duties = duties_of(world.host, Beat(world.host))
    for duty in duties:  # What the last pushes left to do
        duty.work()
    with Read() as read:
        for duty in duties:
            duty.work()
    return read


@pytest.mark.acceptance("dates", 38)
def test_neither_a_follow_nor_an_idle_turn_asks_more_for_more_dags_that_are_not_dated(world: World) -> None:
    """A turn reads what is dated. A follow reads each Dag and each file of its bundle once, dated or not, and
    writes all of them with the same few statements.
    """
    date(world, "a", "b")
    follow(world)  # What the last push left to do
    followed, turned = follow(world), idle(world)
    world.pusher.push({f"d{number:02}": Text("plain") for number in range(30)})
    follow(world)
    followed_many, turned_many = follow(world), idle(world)
    assert turned_many.cost == turned.cost, "\n".join(turned_many.own)
    assert followed_many.statements == followed.statements, "\n".join(followed_many.own)
    assert followed_many.rows - followed.rows == 2 * 30, "a row of a Dag and one of a file"
    assert followed_many.writes == followed.writes
    date(world, "c", *(f"d{number:02}" for number in range(10)))
    assert follow(world).cost == followed_many.cost, "what is dated costs a follow nothing more"
    assert idle(world).statements == turned.statements, "nor a turn any statement"


SIZES = (3, 200)


@pytest.fixture
def dated(postgres: Any, tmp_path: Path) -> Iterator[dict[int, Dated]]:
    """By number of its tasks: a Dag with eras, of which each build has tasks of its own."""
    database = postgres.create()
    with bound_airflow(database):
        yield {size: _of_size(tmp_path / str(size), size) for size in SIZES}
    database.drop()


def _of_size(root: Path, size: int) -> Dated:
    names = {build: ["start", *(f"of_{build}_{n}" for n in range(size - 1))] for build in (1, 2, 3)}
    return Dated(root, f"blog{size}", by_build={build: {"names": names[build]} for build in names})


def carried_out(blog: Dated, run_id: str) -> Read:
    """The run is judged and put on what was ruled, as in the savepoint of a scheduler."""
    from airflow.models.dagrun import DagRun

    from pinwheel.services.run import judging

    def work(session: Any) -> Read:
        number = session.scalar(sa.select(DagRun.id).where(DagRun.run_id == run_id))
        with Read() as read:
            (case,) = judging.facts_of(blog.host, session, [number])
            ruling = case.ruling(blog.host.unit.now())
            assert isinstance(ruling, Bind)
            judging.carry_out(blog.host, session, case, ruling)
            session.flush()
        return read

    return blog.host.unit.run(work)


@pytest.mark.acceptance("dates", 37)
def test_a_bind_and_a_rebind_ask_no_more_for_200_tasks_than_for_3(dated: dict[int, Dated]) -> None:
    """What grows are rows: of a bind the tasks that are there are read once, of a rebind twice. They are made
    by one statement of Airflow's.
    """
    bound, rebound = {}, {}
    for size, blog in dated.items():
        for day in range(2):  # The first has the version's Dag to load
            bound[size] = carried_out(blog, blog.run(DATES[3] + timedelta(day)))
            rebound[size] = carried_out(blog, run_id := blog.run(DATES[1] + timedelta(day)))
        assert len(blog.came(run_id).present) == size
    few, many = SIZES
    for found, rows in ((bound, 1), (rebound, 2)):
        assert found[many].statements == found[few].statements, "\n".join(found[many].own)
        assert found[many].writes == found[few].writes
        assert found[many].rows - found[few].rows == rows * (many - few)
    assert "task_instance" not in bound[many].writes
    assert rebound[many].writes["task_instance"] == 2, "those of before are taken away, the others made"
