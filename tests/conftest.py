"""Fixtures for all tests. Start at ``harness/__init__.py``."""

from __future__ import annotations

import atexit
import itertools
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from harness.budget import Meter
from harness.processes import SESSION_ID, SESSION_VARIABLE, Reaper, kill_all, processes_with
from harness.soak import size
from harness.sqlite import memory

# A folder with short path that another user (PostgreSQL's, when we are root) can enter; pytest's own is
# closed to others.
_ROOT = Path(tempfile.mkdtemp(prefix="pinwheel-test-"))
_ROOT.chmod(0o755)
_IN_MEMORY = Path(tempfile.mkdtemp(prefix="pinwheel-test-", dir=memory()))
"""For SQLite's files: each commit waits for the disk three times, a hundred times as long as it works."""
for _folder_of_session in (_ROOT, _IN_MEMORY):
    atexit.register(shutil.rmtree, _folder_of_session, ignore_errors=True)

# Before anything imports Airflow: no test may touch the user's own AIRFLOW_HOME, database or configuration.
for _name in [name for name in os.environ if name.startswith("AIRFLOW")]:
    del os.environ[_name]
os.environ["AIRFLOW_HOME"] = str(_ROOT / "inprocess")
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = f"sqlite:///{_IN_MEMORY / 'inprocess.db'}"

_PART = os.environ.get("PINWHEEL_TEST_PART", "")
"""Only tests of this part; empty: all. ``main`` are those that are of no other."""
_APART = {
    "test_celery.py",
    "test_fab.py",
    "test_hanging_sources.py",
    "test_harness.py",
    "test_hostile_commits.py",
    "test_sameness.py",
    "test_truth.py",
}
"""Files with long tests on deployments of their own, so that a part without them loses nothing."""
_DEPLOYED = {
    "test_boundaries.py",
    "test_broken_commit.py",
    "test_dates_in_deployment.py",
    "test_declared_inputs.py",
    "test_drift.py",
    "test_files_that_move.py",
    "test_hostile_text.py",
    "test_invariants.py",
    "test_keeper_process.py",
    "test_life_of_places.py",
    "test_reached.py",
    "test_replayed_repositories.py",
    "test_rollouts_in_deployment.py",
    "test_watches_in_deployment.py",
}
"""Files with processes of Airflow's, or its loop, so that no part is much longer than the others."""
_PARTS = {
    "migration": "schema",
    "chart": "schema",
    "reconcile": "schema",
    "faults": "faults",
    "acceptance": "faults",
    "bundles": "faults",
    "browser": "pages",
}
_ALIKE = {"unit", "property", "contract", "chart", "bundles"}
"""Folders whose tests can not differ between versions of Airflow, but for :data:`_OF_PORTS`. Part ``second``
are all others."""
_OURS = {
    "test_leases.py",
    "test_policy_documents.py",
    "test_policy_file.py",
    "test_restarts.py",
    "test_rollouts_at_once.py",
}
"""Files about our own tables, locks and documents, which no version of Airflow has a part in: not of part
``second`` either.
"""
_OF_PORTS = "test_ports_"
"""Files of sentences that Airflow's side of the ports is held to, on each version."""
_ONE_DATABASE = {"integration": "sqlite", "faults": "postgres", "migration": "postgres"}
"""On the second version tests in these folders that take each database take this one: the two do not differ
otherwise there than on the first, where both are tested."""
_GATE_ON_SECOND = {
    # What is Airflow's behind the ports, and its private names
    "test_ports_reads.py",
    "test_ports_rows.py",
    "test_ports_runs.py",
    "test_ports_unit.py",
    "test_plugin.py",
    "test_private_names.py",
    # Its tables
    "test_adoption.py",
    "test_tables.py",
    "test_rows_after_rollback.py",
    "test_refused_rows.py",
    # What its processor reads
    "test_bundles.py",
    "test_registration.py",
    "test_trial_parses.py",
    # What its scheduler does with runs
    "test_all_tasks_at_a_date.py",
    "test_backfill.py",
    "test_bindings.py",
    "test_bound_by_date.py",
    "test_callbacks_of_followers.py",
    "test_clear.py",
    "test_keeping_runs.py",
    "test_late_binding.py",
    "test_runs_by_date.py",
    "test_task_windows.py",
    "test_windows_in_runs.py",
    "test_words_of_airflow.py",
    # What it shows
    "test_api.py",
    "test_cli.py",
    "test_grid.py",
    "test_pages.py",
    # Its processes
    "test_invariants.py",
    "test_standalone.py",
}
"""Files that `make test` runs on the second version: that each seam holds there, and a walk of each side of
Airflow. Of the others, which ask more of what stands on these, it tells least: `make test-all` runs them.
"""
_ONE_OF_LONG = {
    "test_an_error_between_any_two_statements_changes_nothing": "sqlite",
    "test_a_lost_connection_is_retried_and_the_act_done_exactly_once": "postgres",
    "test_a_process_killed_between_any_two_statements_leaves_all_or_nothing": "postgres",
    "test_after_a_year_the_tables_are_flat_and_every_release_rolls_back": "sqlite",
}
"""The longest tests of faults and rows, and the database on which `make test` runs them; `make test-all` on
both."""
_ORDER = (
    "unit",
    "property",
    "contract",
    "migration",
    "bundles",
    "integration",
    "acceptance",
    "browser",
    "faults",
)
_DIALECTS = {
    "test_backfill.py",
    "test_bindings.py",
    "test_late_binding.py",
    "test_leases.py",
    "test_outcomes.py",
    "test_pruning.py",
    "test_refused_rows.py",
    "test_registration.py",
    "test_repeats.py",
}
"""Files that a database's locks and types matter to most: `make test` runs them on PostgreSQL too, the others
that take each database on SQLite only; `make test-all` runs all on both.
"""
# How long an example takes says how busy the machine is.
settings.register_profile(
    "tests",
    max_examples=size(100, gate=25),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("tests")
_counter = itertools.count(1)
_meter = Meter()


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Note the CPU seconds of each file: see ``harness/budget.py``."""
    yield
    _meter.charge(str(Path(item.path).relative_to(Path(__file__).parent)))


def pytest_sessionfinish(session: pytest.Session) -> None:
    if _meter.over() and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if sum(_meter.used.values()) > 60:
        terminalreporter.section("CPU seconds by file, with all processes, of their budgets")
        for line in _meter.lines():
            terminalreporter.write_line(line)
    for line in _meter.over():
        terminalreporter.write_line(f"FAILED: over twice its budget: {line}", red=True)


def _folder(path: Path) -> str:
    return path.relative_to(Path(__file__).parent).parts[0]


def _in_part(path: Path) -> bool:
    """Whether a test file may have tests of this part."""
    if not _PART:
        return True
    if _PART == "second":
        alike = _folder(path) in _ALIKE or path.name in _OURS
        return not alike or path.name.startswith(_OF_PORTS)
    of_files = "apart" if path.name in _APART else "deployed" if path.name in _DEPLOYED else None
    return (of_files or _PARTS.get(_folder(path), "main")) == _PART


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Of suites side by side each imports only its own files."""
    mine = collection_path.name.startswith("test_") and collection_path.is_relative_to(Path(__file__).parent)
    return True if mine and collection_path.is_file() and not _in_part(collection_path) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Quick tests first, last those on the shared deployment, which has no quiet second from its start on."""

    def of_second(item: pytest.Item) -> bool:
        values = getattr(getattr(item, "callspec", None), "params", {}).values()
        parameters = {each for each in values if isinstance(each, str)}
        databases = {"sqlite", "postgres"} & parameters
        only = _ONE_DATABASE.get(_folder(item.path))
        # The ports in memory are of no version of Airflow.
        return (only is None or databases <= {only}) and "memory" not in parameters

    # Whole files, so that what a file's tests share is made once.
    deployed = {item.path for item in items if "shared_airflow" in getattr(item, "fixturenames", ())}

    def place(item: pytest.Item) -> tuple[bool, int]:
        folder = _folder(item.path)
        return item.path in deployed, _ORDER.index(folder) if folder in _ORDER else len(_ORDER)

    items.sort(key=place)
    for item in items:
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        if parameters.get("database_source") == "postgres" and item.path.name not in _DIALECTS:
            item.add_marker(pytest.mark.full)
        if _PART == "second" and item.path.name not in _GATE_ON_SECOND:
            item.add_marker(pytest.mark.full)
        quick = _ONE_OF_LONG.get(getattr(item, "originalname", ""))
        if quick is not None and quick not in parameters.values():
            item.add_marker(pytest.mark.full)
    if _PART == "second":
        sides: dict[bool, list[pytest.Item]] = {True: [], False: []}
        for item in items:
            sides[of_second(item)].append(item)
        config.hook.pytest_deselected(items=sides[False])
        items[:] = sides[True]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Add the ends of the component logs to a failed test's report."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if report.failed:
        from harness.airflow_env import AirflowEnv

        for name, value in getattr(item, "funcargs", {}).items():
            if isinstance(value, AirflowEnv):
                report.sections.append((f"components of {name}", value.tails()))


@pytest.fixture(scope="session", autouse=True)
def reaper() -> Iterator[Reaper]:
    """Ends what tests leave behind, however pytest ends."""
    watcher = Reaper()
    watcher.remove(_ROOT)
    watcher.remove(_IN_MEMORY)
    yield watcher
    kill_all(processes_with(SESSION_VARIABLE, SESSION_ID))
    watcher.close()


@pytest.fixture(autouse=True)
def configured_bundles_are_read_anew() -> None:
    """Airflow 3.4 reads ``dag_bundle_config_list`` once a process; each test may have its own."""
    manager = sys.modules.get("airflow.dag_processing.bundles.manager")
    clear = getattr(getattr(manager, "_load_bundle_config_snapshot", None), "cache_clear", None)
    if clear is not None:
        clear()


@pytest.fixture(scope="session")
def session_root(reaper: Reaper) -> Path:
    """A folder for this session; short, and readable by other users."""
    return _ROOT


@pytest.fixture(scope="session")
def postgres(session_root: Path, reaper: Reaper) -> Iterator[Any]:
    """The session's PostgreSQL server, harness.postgres.PostgresServer; to stop one take ``own_postgres``."""
    from harness.postgres import PostgresServer

    root = session_root / "postgres"
    root.mkdir(mode=0o755)
    server = PostgresServer(root, reaper)
    server.start()
    yield server
    server.close()


@pytest.fixture(scope="session")
def sqlite(reaper: Reaper) -> Any:
    """SQLite files: harness.sqlite.SqliteFiles."""
    from harness.sqlite import SqliteFiles

    root = _IN_MEMORY / "sqlite"
    root.mkdir()
    return SqliteFiles(root)


@pytest.fixture
def own_postgres(session_root: Path, reaper: Reaper) -> Iterator[Any]:
    """A PostgreSQL server for one test that stops and restarts it."""
    if os.environ.get("PINWHEEL_TEST_POSTGRES_URL"):
        pytest.skip("needs a PostgreSQL server of its own")
    from harness.postgres import PostgresServer

    root = session_root / f"postgres-{next(_counter)}"
    root.mkdir(mode=0o755)
    server = PostgresServer(root, reaper)
    server.start()
    yield server
    server.close()


@pytest.fixture(scope="session")
def redis_server(session_root: Path, reaper: Reaper) -> Iterator[Any]:
    """A Redis server: harness.redis.RedisServer."""
    from harness.redis import RedisServer, redis_server_executable

    if redis_server_executable() is None:
        pytest.skip("no redis-server for this Python: neither a wheel nor on PATH")
    root = session_root / "redis"
    root.mkdir()
    server = RedisServer(root)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
def database_source(request: pytest.FixtureRequest) -> Any:
    """Each database in turn; ``database_source.create()`` gives a migrated database."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def airflow_database(database_source: Any) -> Iterator[Any]:
    """A migrated database (SQLite, then PostgreSQL) to which Airflow in this process is bound."""
    from harness.inprocess import bound_airflow

    database = database_source.create()
    with bound_airflow(database):
        yield database
    database.drop()


@pytest.fixture(scope="module")
def make_airflow(request: pytest.FixtureRequest, session_root: Path) -> Iterator[Callable[..., Any]]:
    """Makes deployments for a module: ``make_airflow(backend="postgres", **arguments of AirflowEnv)``."""
    from harness.airflow_env import AirflowEnv

    made: list[AirflowEnv] = []

    def make(*, backend: str = "postgres", database: Any = None, **kwargs: Any) -> AirflowEnv:
        source = None if database else request.getfixturevalue(backend)
        env = AirflowEnv(session_root / f"env{next(_counter)}", database or source.create(), **kwargs)
        made.append(env)
        return env

    yield make
    for env in made:
        env.close()
        env.database.drop()


@pytest.fixture
def git_repo(tmp_path: Path) -> Any:
    """An empty git repository: harness.gitrepo.GitRepo."""
    from harness.gitrepo import GitRepo

    return GitRepo(tmp_path / "repo")


@pytest.fixture(scope="session")
def shared_airflow(session_root: Path, postgres: Any) -> Iterator[Any]:
    """One running deployment for all tests that only need Dags of their own: harness.shared."""
    from harness.shared import SharedAirflow

    with SharedAirflow(session_root / "shared", postgres.create("shared")) as shared:
        shared.start()
        yield shared
