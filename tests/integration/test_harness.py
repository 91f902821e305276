"""The harness really runs stock Airflow, and leaves nothing running."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from textwrap import dedent

import pytest
import sqlalchemy as sa

from harness import bundles, dags
from harness.airflow_env import AIRFLOW_VERSION
from harness.gitrepo import GitRepo
from harness.processes import processes_with, wait_for
from harness.quiet_git import refs_of

pytestmark = pytest.mark.airflow


@pytest.mark.full
@pytest.mark.slow
@pytest.mark.postgres
def test_a_run_triggered_over_rest_succeeds_on_stock_airflow(make_airflow, tmp_path, record_property):
    dags.write(tmp_path, dags.dag("harness_one", "m1", tasks=("a", "b")))
    env = make_airflow(bundles=[bundles.local("local", tmp_path)], processor="stock")
    env.start("api-server", "scheduler", "dag-processor", "triggerer")
    print(f"Airflow {AIRFLOW_VERSION} ready after {env.start_seconds}")
    record_property("start_seconds", str(env.start_seconds))

    env.wait_dag("harness_one")
    began = time.monotonic()
    run = env.trigger_and_wait("harness_one")
    print(f"run took {time.monotonic() - began:.1f} s")

    assert [task["state"] for task in env.tasks("harness_one", run["dag_run_id"])] == ["success", "success"]
    marks = env.marks("harness_one", run["dag_run_id"], "b")
    assert marks == {"EXEC_MARK": "m1", "EXEC_FILE": str(tmp_path / "harness_one.py"), "EXEC_TRY": "1"}
    assert env.scalar("SELECT count(*) FROM dag_run WHERE dag_id = 'harness_one'") == 1
    assert env.api("viewer").get("/api/v2/dags/harness_one").status_code == 200
    assert (
        env.api("viewer").post("/api/v2/dags/harness_one/dagRuns", json={"logical_date": None}).status_code
        == 403
    )
    assert env.api(None).get("/api/v2/dags/harness_one").status_code == 401
    assert "harness_one" in env.cli("airflow", "dags", "list", "--output", "plain", check=True).stdout

    env.kill("scheduler", signal.SIGKILL)
    assert not env.is_running("scheduler")
    env.start("scheduler")
    env.trigger_and_wait("harness_one")

    env.close()
    assert env.leftovers() == []


@pytest.mark.postgres
def test_postgres_serves_both_drivers_and_survives_a_restart(own_postgres):
    import asyncio

    import asyncpg

    database = own_postgres.create("plain", migrated=False)
    with database.engine().begin() as connection:
        connection.execute(sa.text("CREATE TABLE kept (n int)"))
        connection.execute(sa.text("INSERT INTO kept VALUES (7)"))
    own_postgres.restart()
    own_postgres.restart("immediate")

    async def read() -> int:
        connection = await asyncpg.connect(own_postgres.url(database.name, "asyncpg").replace("+asyncpg", ""))
        try:
            return await connection.fetchval("SELECT n FROM kept")
        finally:
            await connection.close()

    assert asyncio.run(read()) == 7


def test_a_database_is_a_migrated_copy(database_source):
    first, second = database_source.create(), database_source.create()
    began = time.monotonic()
    third = database_source.create()
    print(f"{third.backend}: copy in {time.monotonic() - began:.2f} s")
    with first.engine().begin() as connection:
        connection.execute(sa.text("DELETE FROM alembic_version"))
    with second.engine().connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM alembic_version")).scalar() == 1
    for database in (first, second, third):
        database.drop()


def test_airflow_in_this_process_uses_the_tests_database(airflow_database):
    from airflow.models import Pool
    from airflow.utils.session import create_session

    with create_session() as session:
        session.add(Pool(pool="mine", slots=1, include_deferred=False))
    with airflow_database.engine().connect() as connection:
        assert connection.execute(sa.text("SELECT slots FROM slot_pool WHERE pool = 'mine'")).scalar() == 1


_INTERRUPTED = dedent(
    """
    import time
    from pathlib import Path
    import pytest
    from harness import bundles
    from harness.processes import SESSION_ID

    pytestmark = pytest.mark.airflow

    def test_hangs(make_airflow, tmp_path):
        env = make_airflow(bundles=[bundles.local("local", tmp_path)], processor="stock")
        env.start("api-server", "scheduler", "dag-processor")
        Path({ready!r}).write_text(SESSION_ID)
        time.sleep(300)
    """
)


@pytest.mark.postgres
@pytest.mark.full
@pytest.mark.slow
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_when_pytest_is_interrupted(tmp_path, signum):
    ready = tmp_path / "ready"
    here = Path(__file__).parents[1]
    # A folder of its own: killed, this test would leave one in the checkout that the next pytest takes up.
    suite = tmp_path / "tests"
    (suite / "integration").mkdir(parents=True)
    shutil.copy(here / "conftest.py", suite)
    test = suite / "integration" / "test_interrupted.py"
    test.write_text(_INTERRUPTED.format(ready=str(ready)))
    settings = ["-c", str(here.parent / "pyproject.toml"), f"--rootdir={tmp_path}", "-p", "no:cacheprovider"]
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-q", *settings, str(test)],
        cwd=tmp_path,
        # Whichever part of the tests this one is of, that one is of none.
        env={**os.environ, "PINWHEEL_TEST_PART": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    wait_for(
        lambda: (ready.exists() and ready.read_text()) or process.poll() is not None,
        120,
        "components to start",
    )
    assert process.poll() is None, process.communicate()[0]
    session = ready.read_text()
    assert len(processes_with("PINWHEEL_TEST_SESSION", session)) >= 3
    process.send_signal(signum)
    process.communicate(timeout=60)
    wait_for(lambda: not processes_with("PINWHEEL_TEST_SESSION", session), 20, "all processes to end")


def test_the_refs_of_a_repository_tell_each_push_and_else_stay(tmp_path):
    repo = GitRepo(tmp_path / "r")
    first = repo.commit({"a.py": "1"})
    repo.commit({"a.py": "2"})
    seen = [refs_of(repo.bare)]
    for push in (
        lambda: repo.commit({"a.py": "3"}),
        lambda: repo.force_push({"a.py": "4"}),
        lambda: repo.reset_to(first),
        lambda: repo.branch("feature"),
        lambda: repo.tag("v1"),
        lambda: repo.delete_branch("feature"),
        lambda: repo.delete_branch("main"),
        # Where it was before it was deleted.
        repo.push,
        repo.hide,
    ):
        push()
        seen.append(refs_of(repo.bare))
        assert seen[-1] == refs_of(repo.bare) and seen[-1] not in seen[:-1]
    assert seen[-1] == {}
    repo.unhide()
    assert refs_of(repo.bare) == seen[-2]


def test_git_repo_moves(tmp_path):
    repo = GitRepo(tmp_path / "r")
    first = repo.commit({"a.py": "1"}, message="One", author="Eve Editor <eve@example.org>")
    second = repo.commit({"a.py": None, "b/c.py": "2"})
    replaced = repo.force_push({"d.py": "3"})
    assert len({first, second, replaced}) == 3
    assert repo._git("rev-parse", "main", cwd=repo.bare) == replaced
    assert repo.git("log", "-1", "--format=%an <%ae> %s", first) == "Eve Editor <eve@example.org> One"
    repo.branch("feature", first)
    assert repo._git("rev-parse", "feature", cwd=repo.bare) == first
    repo.delete_branch("feature")
    repo.prune()
    with pytest.raises(RuntimeError):
        repo._git("cat-file", "-e", second, cwd=repo.bare)
