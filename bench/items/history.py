"""(h) The history's grid and the line of releases of a Dag with a million task instances.

Over HTTP, from an API server, on PostgreSQL. A page is what the browser asks for until cells stand in the
grid: the runs, the rows and the first block of cells. Airflow's own grid asks for its runs, its structure
and the states of all tasks of each run.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

from bench.inprocess import add_run, bound, newest_dag
from bench.meter import percentile, summary
from bench.report import Row
from bench.seed import seed
from bench.setting import PINWHEEL, Setting
from harness.airflow_env import API_SERVER, AirflowEnv

TITLE = "history of a Dag with a million task instances"
PER_SIDE = False
TARGET = 0.100
TARGET_PAINT = 1.0
RUNS_ON_A_PAGE, BLOCK = 25, 60
DAG = "seeded_00000"

WIDE = """
from datetime import datetime, timezone
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, TaskGroup

with DAG("template_of_all", schedule=None, start_date=datetime(2024, 1, 1, tzinfo=timezone.utc)):
    for group in range(@GROUPS@):
        with TaskGroup(f"group_{group:03d}"):
            before = None
            for number in range(50):
                task = EmptyOperator(task_id=f"step_{number:02d}")  # REVISION
                if before is not None:
                    before >> task
                before = task
"""


def measure(setting: Setting) -> dict[str, Any]:
    runs, groups = setting.options.grid_runs, setting.options.grid_tasks // 50
    with setting.database("history") as database:
        began = time.perf_counter()
        with bound(database):
            seed(setting.folder("seed"), 1, revisions=2, template=WIDE.replace("@GROUPS@", str(groups)))
            _first_run()
        for statement in _MULTIPLY:
            setting.server.execute(statement.replace("@RUNS@", str(runs)), database.name)
        setting.server.execute("VACUUM ANALYZE", database.name)
        seeded = time.perf_counter() - began
        with setting.deployment(PINWHEEL, database) as (env, _):
            env.start(API_SERVER, timeout=300)
            return {
                "seconds": _ask(env, runs),
                "paint": _paint(env),
                "instances": env.scalar("SELECT count(*) FROM task_instance"),
                "runs": runs,
                "tasks": groups * 50,
                "seed_seconds": seeded,
            }


def _first_run() -> None:
    from airflow.utils.session import create_session

    with create_session() as session:
        add_run(session, newest_dag(session, DAG), "run_0000")


def _ask(env: AirflowEnv, runs: int) -> dict[str, Any]:
    api, pick = env.api(), random.Random(1)
    api.timeout = 120

    def timed(send: Callable[[], Any]) -> tuple[float, Any]:
        start = time.perf_counter()
        reply = send()
        assert reply.status_code == 200, reply.text
        return time.perf_counter() - start, reply

    ours = f"/pinwheel/api/v1/dags/{DAG}"
    found: dict[str, list[float]] = {
        name: [] for name in ("page", "runs", "rows", "cells", "line", "airflow")
    }
    task_ids: list[str] = []
    for turn in range(5 + 60):
        until = f"run_{pick.randrange(runs // 2, runs):04d}"
        seconds, page = timed(lambda until=until: api.get(f"{ours}/history?limit=25&until={until}"))
        body = page.json()
        keys = sorted({key for run in body["runs"] for key in run["versions"]} | {body["active"]})
        seconds_rows, rows = timed(
            lambda keys=keys: api.get(f"{ours}/history/rows", params={"version": keys})
        )
        if not task_ids:
            task_ids = [row["id"] for row in rows.json()["rows"] if not row["is_group"]]
        start = pick.randrange(0, max(1, len(task_ids) - BLOCK))
        wanted = {
            "run_ids": [run["run_id"] for run in body["runs"]],
            "task_ids": task_ids[start : start + BLOCK],
        }
        seconds_cells, _ = timed(lambda wanted=wanted: api.post(f"{ours}/history/cells", json=wanted))
        seconds_line, _ = timed(lambda: api.get(f"{ours}/line"))
        if turn < 5:
            continue
        for name, value in (
            ("page", seconds + seconds_rows + seconds_cells),
            ("runs", seconds),
            ("rows", seconds_rows),
            ("cells", seconds_cells),
            ("line", seconds_line),
        ):
            found[name].append(value)
    ids = [run["run_id"] for run in api.get(f"/ui/grid/runs/{DAG}?limit={RUNS_ON_A_PAGE}").json()]
    for _ in range(10):
        first, _reply = timed(lambda: api.get(f"/ui/grid/runs/{DAG}?limit={RUNS_ON_A_PAGE}"))
        second, _reply = timed(lambda: api.get(f"/ui/grid/structure/{DAG}?limit={RUNS_ON_A_PAGE}"))
        third, _reply = timed(lambda: api.get(f"/ui/grid/ti_summaries/{DAG}", params={"run_ids": ids}))
        found["airflow"].append(first + second + third)
    return {name: summary(values, 5) for name, values in found.items()}


def _paint(env: AirflowEnv) -> list[float] | None:
    """Seconds from the click on the tab until cells are there, in a Chromium; None without one."""
    with _browser() as browser:
        if browser is None:
            return None
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        context.add_cookies([{"name": "_token", "value": env.token("admin"), "url": env.url}])
        page = context.new_page()
        times = []
        for _ in range(6):
            page.goto(f"{env.url}/dags/{DAG}/code")
            tab = page.get_by_role("link", name="Dag History")
            tab.wait_for()
            page.wait_for_load_state("networkidle")
            times.append(
                page.evaluate(
                    """async () => {
                        const links = [...document.querySelectorAll("a")];
                        const tab = links.find(a => a.textContent.includes("Dag History"));
                        const start = performance.now();
                        tab.click();
                        while (!document.querySelector("[data-testid=history-grid] .cell .box"))
                            await new Promise(requestAnimationFrame);
                        await new Promise(requestAnimationFrame);
                        return (performance.now() - start) / 1000;
                    }"""
                )
            )
        context.close()
        return [round(value, 3) for value in times[1:]]


@contextlib.contextmanager
def _browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    from harness.browser import _FLAGS, chromium_executable

    executable = chromium_executable()
    if executable is None:
        yield None
        return
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=_FLAGS)
        try:
            yield browser
        finally:
            browser.close()


_COPY = """
DO $$
DECLARE names text; chosen text;
BEGIN
    SELECT string_agg(quote_ident(column_name), ', '), string_agg(
        CASE column_name {overrides} ELSE 't.' || quote_ident(column_name) END, ', ')
    INTO names, chosen FROM information_schema.columns
    WHERE table_name = '{table}' AND table_schema = 'public' AND is_generated = 'NEVER';
    EXECUTE format(
        'INSERT INTO {table} (%s) SELECT %s FROM {table} t, generate_series(1, @RUNS@ - 1) n',
        names, chosen);
END $$
"""
_RUN_ID = "WHEN 'run_id' THEN '''run_'' || lpad(n::text, 4, ''0'')'"
_MULTIPLY = (
    "UPDATE dag_run SET state = 'success', run_after = '2024-01-01T00:00:00Z', "
    "start_date = '2024-01-01T00:00:00Z', end_date = '2024-01-01T00:10:00Z', "
    "queued_at = '2024-01-01T00:00:00Z'",
    "UPDATE task_instance SET "
    "state = CASE WHEN hashtext(task_id) % 20 = 0 THEN 'failed' ELSE 'success' END, "
    "try_number = 1, start_date = '2024-01-01T00:00:01Z', end_date = '2024-01-01T00:00:02Z'",
    _COPY.format(
        table="dag_run",
        overrides=f"WHEN 'id' THEN 'n + (SELECT max(id) FROM dag_run)' {_RUN_ID} "
        "WHEN 'logical_date' THEN 'NULL' "
        "WHEN 'run_after' THEN 't.run_after + n * interval ''1 hour''' "
        "WHEN 'start_date' THEN 't.start_date + n * interval ''1 hour''' "
        "WHEN 'end_date' THEN 't.end_date + n * interval ''1 hour'''",
    ),
    _COPY.format(
        table="task_instance",
        overrides=f"WHEN 'id' THEN 'gen_random_uuid()' {_RUN_ID} "
        "WHEN 'start_date' THEN 't.start_date + n * interval ''1 hour''' "
        "WHEN 'end_date' THEN 't.end_date + n * interval ''1 hour'''",
    ),
    # The releases in turn, some twenty runs each; and every fiftieth run was cleared onto the other one.
    "INSERT INTO pinwheel_binding "
    "(dag_id, run_id, seq, dag_version_id, bundle_version, bound_by, bound_at) "
    "SELECT r.dag_id, r.run_id, 0, v.dag_version_id, v.bundle_version, 'default', r.start_date "
    "FROM dag_run r "
    "JOIN pinwheel_release v ON v.dag_id = r.dag_id AND v.release = 1 + (substr(r.run_id, 5)::int / 20) % 2",
    "INSERT INTO pinwheel_binding "
    "(dag_id, run_id, seq, dag_version_id, bundle_version, bound_by, bound_at) "
    "SELECT b.dag_id, b.run_id, 1, v.dag_version_id, v.bundle_version, 'hand', "
    "b.bound_at + interval '1 second' FROM pinwheel_binding b "
    "JOIN pinwheel_release v ON v.dag_id = b.dag_id AND v.dag_version_id <> b.dag_version_id "
    "WHERE substr(b.run_id, 5)::int % 50 = 0",
)


def rows(found: dict[str, Any]) -> list[Row]:
    def p95(name: str) -> float:
        return percentile(found["seconds"][name]["values"], 95)

    size = f"{found['runs']} runs x {found['tasks']} tasks"
    result = [
        Row(
            item="h",
            what=f"a page of the history, {RUNS_ON_A_PAGE} runs, {size}",
            target=f"p95 {TARGET * 1000:g} ms",
            stock=f"p95 {p95('airflow') * 1000:.0f} ms (its grid)",
            pinwheel=f"p95 {p95('page') * 1000:.0f} ms: runs {p95('runs') * 1000:.0f}, "
            f"rows {p95('rows') * 1000:.0f}, cells {p95('cells') * 1000:.0f}",
            met=p95("page") <= TARGET,
        ),
        Row(
            item="h",
            what=f"the line of releases, {size}",
            target=f"p95 {TARGET * 1000:g} ms",
            pinwheel=f"p95 {p95('line') * 1000:.0f} ms",
            met=p95("line") <= TARGET,
        ),
    ]
    if found["paint"]:
        slowest = max(found["paint"])
        result.append(
            Row(
                item="h",
                what=f"the history on the screen, from the click on its tab, {size}",
                target=f"{TARGET_PAINT:g} s",
                pinwheel=f"{slowest:.2f} s, slowest of {len(found['paint'])}",
                met=slowest <= TARGET_PAINT,
            )
        )
    return result
