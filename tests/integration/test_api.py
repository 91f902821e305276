"""The REST API: on PostgreSQL in a real API server with Airflow's own login, on SQLite in this process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from harness import asked, bundles
from harness.airflow_env import AirflowEnv
from harness.inprocess import bound_airflow
from harness.inprocess_server import InProcessServer
from harness.seed import Seeder
from pinwheel.cli.backend.remote import RemoteBackend
from pinwheel.cli.main import main
from pinwheel.core.errors import HostError, Refused
from pinwheel.core.release.decide import Verb

pytestmark = pytest.mark.airflow

API = "/pinwheel/api/v1"
PROBLEM = "application/problem+json"

SOURCE = """
    from airflow.sdk import DAG, task

    with DAG({name!r}, schedule={schedule!r}, tags={tags!r}):
        @task
        def first():
            print({mark!r})
        first()
"""
NAMES = [
    *("read_1", "read_2", "verbs", "stale", "race", "keys", "runs", "cli_1", "cli_2", "cli_runs", "other"),
    *("daily_1", "daily_2"),
    *("batch_1", "batch_2", "batch_3"),
]


def sources(mark: str, names: list[str] = NAMES) -> dict[str, str]:
    return {
        f"{name}.py": SOURCE.format(
            name=name,
            mark=mark,
            schedule="@daily" if name.startswith("daily") else None,
            tags=["batch"] if name.startswith("batch") else [],
        )
        for name in names
    }


class Deployment:
    """The API over a database with two builds and two releases of each Dag."""

    def __init__(self, env: AirflowEnv | InProcessServer, seeder: Seeder) -> None:
        self.env = env
        self.seeder = seeder

    def get(self, path: str, user: str | None = "admin", **kwargs: Any) -> httpx.Response:
        return self.env.api(user).get(API + path, **kwargs)

    def post(self, path: str, json: Any = None, user: str | None = "admin", **kwargs: Any) -> httpx.Response:
        return self.env.api(user).post(API + path, json={} if json is None else json, **kwargs)

    def status(self, dag_id: str) -> dict[str, Any]:
        return ok(self.get(f"/dags/{dag_id}"))


def ok(reply: httpx.Response) -> Any:
    assert reply.is_success, f"{reply.request.method} {reply.request.url}: {reply.status_code} {reply.text}"
    return reply.json()


def problem(reply: httpx.Response, status: int) -> dict[str, Any]:
    assert reply.status_code == status, f"{reply.request.url}: {reply.status_code} {reply.text}"
    assert reply.headers["content-type"] == PROBLEM
    body: dict[str, Any] = reply.json()
    assert body["status"] == status
    assert {"type", "title", "detail"} <= body.keys()
    assert "Traceback" not in reply.text
    return body


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def api(request: Any, tmp_path_factory: Any) -> Iterator[Deployment]:
    root: Path = tmp_path_factory.mktemp("api")
    database = request.getfixturevalue(request.param).create()
    with bound_airflow(database):
        seeder = Seeder(root)
        seeder.push(sources("one"))
        seeder.push(sources("two"))
        if request.param == "sqlite":
            yield Deployment(InProcessServer(seeder.host, database), seeder)
        else:
            (root / "folder").mkdir()
            entries = [bundles.folder("seed", root / "folder")]
            with AirflowEnv(root / "airflow", database, bundles=entries) as env:
                yield Deployment(env.start("api-server"), seeder)
    database.drop()


real_server = pytest.mark.parametrize("api", ["postgres"], indirect=True)
"""For what is Airflow's part: the login, its own routes, a command that is told an address."""


# Who may do what.

READS = [
    "/dags",
    "/dags/read_1",
    "/dags/read_1/builds",
    "/dags/read_1/builds/1",
    "/dags/read_1/releases",
    "/dags/read_1/diff",
    "/dags/read_1/line",
    "/dags/read_1/compare",
    "/dags/read_1/compare/file?path=read_1.py",
    "/dags/read_1/runs",
    "/fleet",
    "/changes",
    "/events",
    "/health",
    "/openapi.json",
]
CHANGES: list[tuple[str, Any, int]] = [
    ("/dags/{dag}/promote", {"plan": True}, 200),
    ("/dags/{dag}/rollback", {"plan": True}, 200),
    ("/dags/{dag}/pin", {"plan": True}, 200),
    ("/dags/{dag}/unpin", {"plan": True}, 200),
    ("/changes", {"verb": "pin", "selector": {"ids": ["{dag}"]}, "plan": True}, 200),
    ("/dags/{dag}/runs", {"build": 1}, 201),
    ("/dags/{dag}/runs/seeded/clear", {}, 200),
    ("/dags/{dag}/clear", {"run_ids": ["seeded"], "plan": True}, 200),
]


@real_server
@pytest.mark.parametrize("path", READS)
def test_reading_needs_a_login_and_is_open_to_viewers(api: Deployment, path: str) -> None:
    assert problem(api.get(path, user=None), 401)["type"] == "urn:pinwheel:unauthenticated"
    for user in ("viewer", "editor", "admin"):
        ok(api.get(path, user=user))
    forged = httpx.get(api.env.url + API + path, headers={"Authorization": "Bearer forged"})
    problem(forged, 403)
    cookie = httpx.get(api.env.url + API + path, headers={"Cookie": f"_token={api.env.token('viewer')}"})
    ok(cookie)


@real_server
@pytest.mark.parametrize(("path", "body", "status"), CHANGES, ids=[c[0] for c in CHANGES])
def test_changing_needs_the_right_to_edit(api: Deployment, path: str, body: Any, status: int) -> None:
    ran = api.post("/dags/other/runs", {"run_id": "seeded"})
    assert ran.status_code in (201, 409)

    def send(dag: str, user: str | None) -> httpx.Response:
        return api.post(path.format(dag=dag), json.loads(json.dumps(body).replace("{dag}", dag)), user=user)

    problem(send("other", None), 401)
    assert "viewer" in problem(send("other", "viewer"), 403)["found"]
    assert send("other", "editor").status_code == status
    assert send("other", "admin").status_code == status
    # Whether the Dag exists makes no difference to somebody who may not change it anyway.
    problem(send("no_such_dag", None), 401)
    problem(send("no_such_dag", "viewer"), 403)
    assert problem(send("no_such_dag", "admin"), 404)["failed"] == "Cannot find Dag no_such_dag"


@pytest.mark.parametrize("path", [p for p in READS if "read_1" in p])
def test_a_dag_that_does_not_exist_answers_404(api: Deployment, path: str) -> None:
    problem(api.get(path.replace("read_1", "no_such_dag"), user=None), 401)
    body = problem(api.get(path.replace("read_1", "no_such_dag"), user="viewer"), 404)
    assert body["failed"] == "Cannot find Dag no_such_dag"


INVALID = [
    ("GET", "/dags?limit=0", None),
    ("GET", "/dags/read_1/builds?limit=x", None),
    ("GET", "/dags/read_1/builds/0", None),
    ("GET", "/dags/read_1/releases?offset=-1", None),
    ("GET", "/dags/read_1/diff?from=0", None),
    ("GET", "/dags/read_1/line?limit=501", None),
    ("GET", "/dags/read_1/line?before=yesterday", None),
    ("GET", "/dags/read_1/compare?to=0", None),
    ("GET", "/dags/read_1/compare?to=x1", None),
    ("GET", "/dags/read_1/compare?from=1&from_run=one", None),
    ("GET", "/dags/read_1/compare/file", None),
    ("GET", "/dags/read_1/compare/file?path=%00", None),
    ("GET", "/dags/read_1/runs?limit=0", None),
    ("GET", "/events?before_id=0", None),
    ("GET", "/dags/a%00b", None),
    ("POST", "/dags/read_1/promote", {"build": 0}),
    ("POST", "/dags/read_1/promote", {"build": 1, "to_release": 1}),
    ("POST", "/dags/read_1/rollback", {"actor": "somebody else"}),
    ("POST", "/dags/read_1/pin", {"reason": "a\0b"}),
    ("POST", "/dags/read_1/unpin", {"build": 1}),
    ("POST", "/changes", {"verb": "pin", "selector": {}}),
    ("POST", "/changes", {"verb": "retire", "selector": {"ids": ["read_1"]}}),
    ("POST", "/changes", {"verb": "pin", "selector": {"globs": ["read_*"]}, "build": 1}),
    ("POST", "/changes", {"verb": "pin", "selector": {"ids": ["read_1"]}, "rerun_failed": True}),
    ("POST", "/changes", {"verb": "pin", "selector": {"ids": ["x"] * 10_001}}),
    ("POST", "/dags/read_1/runs", {"logical_date": "2026-01-01T00:00:00"}),
    ("POST", "/dags/read_1/runs", {"logical_date": "0001-01-01T00:00:00+14:00"}),
    ("POST", "/dags/read_1/runs", {"conf": {"a": "\0"}}),
    ("POST", "/dags/read_1/runs", {"run_id": "x" * 251}),
    ("POST", "/dags/read_1/runs/r/clear", {"task_ids": "all"}),
]


@pytest.mark.parametrize(("method", "path", "body"), INVALID)
def test_invalid_requests_answer_422(api: Deployment, method: str, path: str, body: Any) -> None:
    reply = api.env.api("admin").request(method, API + path, json=body)
    assert problem(reply, 422)["type"] == "urn:pinwheel:invalid-input"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/dags/read_1/promote", {"build": 99}),
        ("/dags/read_1/rollback", {"to_release": 99}),
        ("/dags/read_1/runs", {"build": 99}),
        ("/dags/read_1/runs/no_such_run/clear", {}),
        ("/changes", {"verb": "pin", "selector": {"globs": ["zzz*"]}}),
    ],
)
def test_targets_that_do_not_exist_answer_404(api: Deployment, path: str, body: Any) -> None:
    problem(api.post(path, body), 404)


# What the answers hold.


def test_dags_can_be_filtered_and_paged(api: Deployment) -> None:
    page = ok(api.get("/dags", params={"glob": "batch_*", "limit": 2, "offset": 1}))
    assert [d["dag_id"] for d in page["dags"]] == ["batch_2", "batch_3"]
    assert page["total_entries"] == 3
    assert ok(api.get("/dags", params={"tag": "batch", "ids": "batch_1"}))["total_entries"] == 1
    assert ok(api.get("/dags", params={"bundle": "nothing"}))["total_entries"] == 0
    assert ok(api.get("/dags", params={"ids": ["read_1", "read_2"], "held": False}))["total_entries"] == 2
    assert ok(api.get("/dags", params={"ids": "read_1", "track": "pinned"}))["total_entries"] == 0
    problem(api.get("/dags", params={"ids": ["read_1", "no_such_dag"]}), 404)


def test_the_whole_way_of_a_dag_over_rest(api: Deployment) -> None:
    before = api.status("verbs")
    assert (before["active_release"], before["active_build"], before["track"]) == (2, 2, "auto")

    planned = ok(api.post("/dags/verbs/rollback?plan=true", {"reason": "just looking"}))
    assert (planned["plan"], planned["changed"], planned["build"]) == (True, True, 1)
    assert api.status("verbs") == before

    done = ok(api.post("/dags/verbs/rollback", {"reason": "it was bad"}, user="editor"))
    assert (done["plan"], done["release"], done["build"], done["kind"]) == (False, 3, 1, "rollback")
    after = api.status("verbs")
    assert (after["active_release"], after["active_build"], after["track"], after["held"]) == (
        3,
        1,
        "pinned",
        True,
    )

    newest = ok(api.get("/dags/verbs/releases"))["releases"][0]
    assert (newest["release"], newest["actor"], newest["reason"]) == (3, "editor", "it was bad")
    log = api.env.rows("SELECT owner, event FROM log WHERE dag_id = 'verbs' AND event = 'pinwheel_rollback'")
    assert [row["owner"] for row in log] == ["editor"]
    event = ok(api.get("/events", params={"ids": "verbs", "kind": "rollback"}))["events"][0]
    assert (event["actor"], event["reason"], event["release"]) == ("editor", "it was bad", 3)

    assert (done["rejected"], api.status("verbs")["holds"][-1]["kind"]) == (2, "rejected")
    rejected = ok(api.get("/dags/verbs/builds"))["builds"][0]["rejected"]
    assert (rejected["actor"], rejected["reason"]) == ("editor", "it was bad")
    assert ok(api.post("/dags/verbs/unpin"))["kind"] is None
    refused = problem(api.post("/dags/verbs/promote"), 403)
    assert "editor rejected it" in refused["found"] and "it was bad" in refused["found"]
    released = ok(api.post("/dags/verbs/promote", {"reason": "it was the data"}))
    assert (released["build"], released["lifted"]) == (2, True)
    assert ok(api.post("/dags/verbs/pin", {"build": 1}))["kind"] == "pin"
    assert (
        ok(api.post("/dags/verbs/reject", {"build": 2, "reason": "not yet"}, user="editor"))["rejected"] == 2
    )
    assert ok(api.post("/dags/verbs/reject", {"build": 2, "lift": True}))["lifted"]
    assert ok(api.post("/dags/verbs/unpin"))["kind"] == "unpin"
    assert api.status("verbs")["track"] == "auto"
    assert len(ok(api.get("/dags/verbs/builds"))["builds"]) == 2

    difference = ok(api.get("/dags/verbs/diff", params={"from": 1, "to": 2}))
    assert (difference["from"], difference["to"]) == (1, 2)
    assert [file["path"] for file in difference["files"]] == ["verbs.py"]
    assert "+" in difference["files"][0]["patch"]


def test_a_stale_change_answers_409(api: Deployment) -> None:
    reply = api.get("/dags/stale")
    seen = reply.headers["etag"]
    assert seen == '"2"'
    ok(api.post("/dags/stale/rollback", {"to_blame": False}))
    for change in ({"headers": {"If-Match": seen}}, {"json": {"expected_release": 2}}):
        body = problem(api.post("/dags/stale/promote", **change), 409)
        assert body["type"] == "urn:pinwheel:conflict"
        assert (body["facts"]["expected_release"], body["facts"]["active_release"]) == (2, 3)
    batch = {"verb": "promote", "selector": {"ids": ["stale"]}, "expected_release": 2}
    problem(api.post("/changes", batch), 409)
    assert api.status("stale")["active_release"] == 3
    ok(api.post("/dags/stale/promote", headers={"If-Match": api.get("/dags/stale").headers["etag"]}))


def test_of_two_promoters_with_one_view_exactly_one_wins(api: Deployment) -> None:
    seen = api.get("/dags/race").headers["etag"]
    bodies = [{"build": 1, "reason": f"nr {n}"} for n in range(4)]
    client = api.env.api("admin")

    def roll_back(body: dict[str, Any]) -> int:
        path = f"{API}/dags/race/rollback"
        return client.post(path, json=body, headers={"If-Match": seen}).status_code

    with ThreadPoolExecutor(4) as pool:
        codes = sorted(pool.map(roll_back, bodies))
    assert codes == [200, 409, 409, 409]
    assert api.status("race")["active_release"] == 3


def test_a_repeated_request_with_its_key_changes_nothing_again(api: Deployment) -> None:
    headers = {"Idempotency-Key": "deploy 17"}
    first = ok(api.post("/dags/keys/rollback", {"reason": "r"}, headers=headers))
    again = ok(api.post("/dags/keys/rollback", {"reason": "r"}, headers=headers))
    assert (first["changed"], again["changed"]) == (True, False)
    assert (again["release"], again["build"]) == (first["release"], first["build"]) == (3, 1)
    assert api.status("keys")["active_release"] == 3
    # The key stands for one request of one user: another one is refused, and another user's is another.
    refused = problem(api.post("/dags/keys/promote", headers=headers), 409)
    assert refused["facts"]["first"]["verb"] == "rollback"
    promote = {"reason": "it was right"}
    other = ok(api.post("/dags/keys/promote", promote, headers={"Idempotency-Key": "deploy 18"}))
    assert (other["changed"], other["release"]) == (True, 4)
    theirs = ok(api.post("/dags/keys/rollback", {"reason": "r"}, user="editor", headers=headers))
    assert (theirs["changed"], theirs["release"]) == (True, 5)
    problem(api.post("/dags/keys/backfills", DATES, headers=headers), 409)


def test_a_repeated_trigger_or_clear_with_its_key_runs_nothing_again(api: Deployment) -> None:
    def counted(kind: str) -> int:
        return len(ok(api.get("/events", params={"ids": "keys", "kind": kind}))["events"])

    headers = {"Idempotency-Key": "try 4711"}
    first = api.post("/dags/keys/runs", {"build": 1, "reason": "once"}, headers=headers)
    again = api.post("/dags/keys/runs", {"build": 1, "reason": "once"}, headers=headers)
    assert (first.status_code, first.json()) == (201, again.json())
    assert counted("trigger") == 1
    problem(api.post("/dags/keys/runs", {"build": 2, "reason": "once"}, headers=headers), 409)
    other = ok(api.post("/dags/keys/runs", {"build": 2, "reason": "once"}))
    theirs = ok(api.post("/dags/keys/runs", {"build": 1, "reason": "once"}, user="editor", headers=headers))
    runs = {first.json()["run_id"], other["run_id"], theirs["run_id"]}
    assert (len(runs), counted("trigger")) == (3, 3)

    for run_id in runs:
        finish(api, "keys", run_id)
    headers = {"Idempotency-Key": "again 4711"}
    body = {"run_ids": sorted(runs), "build": 2}
    cleared = ok(api.post("/dags/keys/clear", body, headers=headers))
    assert [run["cleared"] for run in cleared["runs"]] == [1, 1, 1]
    assert ok(api.post("/dags/keys/clear", body, headers=headers)) == cleared
    assert counted("clear") == 3
    one = first.json()["run_id"]
    path = f"/dags/keys/runs/{quote(one, safe='')}/clear"
    problem(api.post(path, headers=headers), 409)
    headers = {"Idempotency-Key": "one 4711"}
    alone = ok(api.post(path, headers=headers))
    assert (alone["run_id"], counted("clear")) == (one, 4)
    assert ok(api.post(path, headers=headers)) == alone
    assert counted("clear") == 4


def test_a_batch_changes_all_or_nothing(api: Deployment) -> None:
    selector = {"globs": ["batch_*"], "tags": ["batch"]}
    refused = problem(api.post("/changes", {"verb": "rollback", "selector": selector}, user="viewer"), 403)
    assert refused["facts"]["dag_ids"] == ["batch_1", "batch_2", "batch_3"]

    problem(api.post("/changes", {"verb": "pin", "selector": {"ids": ["batch_1", "no_such_dag"]}}), 404)
    assert api.status("batch_1")["track"] == "auto"

    planned = ok(api.post("/changes", {"verb": "rollback", "selector": selector, "plan": True}))
    assert planned["plan"] is True
    assert [(o["dag_id"], o["build"]) for o in planned["outcomes"]] == [(f"batch_{n}", 1) for n in (1, 2, 3)]
    assert api.status("batch_1")["active_release"] == 2

    done = ok(
        api.post("/changes", {"verb": "rollback", "selector": selector, "reason": "all"}, user="editor")
    )
    assert [o["release"] for o in done["outcomes"]] == [3, 3, 3]
    assert ok(api.get("/dags", params={"tag": "batch", "track": "pinned"}))["total_entries"] == 3


def test_runs_on_a_chosen_build(api: Deployment) -> None:
    made = ok(
        api.post("/dags/runs/runs", {"build": 1, "run_id": "try+it:1", "conf": {"a": 1}}, user="editor")
    )
    assert (made["run_id"], made["build"], made["release"]) == ("try+it:1", 1, 1)
    problem(api.post("/dags/runs/runs", {"build": 1, "run_id": "try+it:1"}), 409)
    assert api.status("runs")["active_build"] == 2
    finish(api, "runs", "try+it:1")

    tries = ok(api.get("/dags/runs/runs", params={"run_id": "try+it:1"}))["tries"]
    assert [(t["task_id"], t["try_number"], t["build"]) for t in tries] == [("first", 1, 1)]
    assert ok(api.get("/dags/runs/runs", params={"run_id": "try+it:1", "task_id": "x"}))["tries"] == []
    problem(api.get("/dags/runs/runs", params={"run_id": "nothing"}), 404)

    cleared = ok(api.post("/dags/runs/runs/try%2Bit%3A1/clear", {"build": 2, "reason": "again"}))
    assert (cleared["run_id"], cleared["build"], cleared["release"]) == ("try+it:1", 2, 2)
    kinds = [e["kind"] for e in ok(api.get("/events", params={"ids": "runs"}))["events"]]
    assert kinds[:2] == ["clear", "trigger"]


DATES = {"from_date": "2026-02-01T00:00:00Z", "to_date": "2026-02-03T00:00:00Z"}


def test_a_backfill_on_a_chosen_build(api: Deployment) -> None:
    path, body = "/dags/daily_1/backfills", {**DATES, "build": 1}
    problem(api.post(path, body, user=None), 401)
    problem(api.post(path, body, user="viewer"), 403)
    problem(api.post("/dags/no_such_dag/backfills", body), 404)
    planned = ok(api.post(path, {**body, "plan": True}, user="editor"))
    assert (planned["plan"], planned["backfill"], planned["new"]) == (True, None, 3)

    made = api.post(path, {**body, "max_active_runs": 2, "reason": "once more"}, user="editor")
    assert made.status_code == 201
    assert made.json()["runs"] == planned["runs"]
    assert (made.json()["build"], made.json()["release"], made.json()["new"]) == (1, 1, 3)
    assert api.status("daily_1")["active_build"] == 2
    problem(api.post(path, {**DATES}), 409)
    stock = "SELECT dag_id, max_active_runs, completed_at FROM backfill WHERE id = :id"
    (row,) = api.env.rows(stock, id=made.json()["backfill"])
    assert row == {"dag_id": "daily_1", "max_active_runs": 2, "completed_at": None}
    (event,) = ok(api.get("/events", params={"ids": "daily_1", "kind": "backfill"}))["events"]
    assert (event["actor"], event["reason"], event["new"]) == ("editor", "once more", 3)

    assert "not periodic" in problem(api.post("/dags/runs/backfills", body), 403)["found"]
    for wrong in ({}, {**DATES, "from": 1}, {**DATES, "reprocess_behavior": "all"}, {**DATES, "build": 0}):
        problem(api.post(path, wrong), 422)


def finish(api: Deployment, dag_id: str, run_id: str) -> None:
    """Play scheduler and worker for a run: no such processes run here."""
    from airflow.models.dagrun import DagRun
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session

    with create_session() as session:
        where = {"dag_id": dag_id, "run_id": run_id}
        for ti in session.query(TaskInstance).filter_by(**where):
            ti.state, ti.try_number = "success", 1
            ti.start_date = ti.end_date = datetime.now(UTC)
        session.query(DagRun).filter_by(**where).one().state = "success"


def test_events_page_backwards(api: Deployment) -> None:
    seen: list[int] = []
    before: int | None = None
    while True:
        params = {"limit": 7} | ({"before_id": before} if before else {})
        page = ok(api.get("/events", params=params, user="viewer"))
        seen += [event["id"] for event in page["events"]]
        before = page["next_before_id"]
        if before is None:
            break
    assert seen == sorted(set(seen), reverse=True)
    assert len(seen) == api.env.scalar("SELECT count(*) FROM pinwheel_event")


def test_events_of_a_time_begin_with_it_and_end_before_it(api: Deployment) -> None:
    every = ok(api.get("/events", params={"ids": "read_1"}))["events"]
    oldest, newest = every[-1], every[0]
    assert oldest["at"] < newest["at"]

    def between(**times: str) -> list[int]:
        found = ok(api.get("/events", params={"ids": "read_1", **times}))["events"]
        return [event["id"] for event in found]

    later = [event["id"] for event in every if event["at"] >= newest["at"]]
    earlier = [event["id"] for event in every if event["at"] < newest["at"]]
    assert between(since=newest["at"]) == later
    assert between(until=newest["at"]) == earlier
    assert between(since=oldest["at"], until=newest["at"]) == earlier
    assert between(since=newest["at"], until=newest["at"]) == []
    for wrong in ("yesterday", "2026-01-01T00:00:00", "+10000-01-01T00:00:00Z"):
        problem(api.get("/events", params={"since": wrong}), 422)


def test_the_line_says_what_the_user_may_do(api: Deployment) -> None:
    every = ("edit", "create_runs", "edit_runs", "read_code", "read_runs", "override")
    assert ok(api.get("/dags/read_1/line", user="op"))["may"] == dict.fromkeys(every, True)
    assert ok(api.get("/dags/read_1/line", user="editor"))["may"] == {
        **dict.fromkeys(every, True),
        "override": False,
    }
    assert ok(api.get("/dags/read_1/line", user="viewer"))["may"] == {
        **dict.fromkeys(every, False),
        "read_code": True,
        "read_runs": True,
    }


def test_a_plan_tells_the_command_that_does_the_same(api: Deployment) -> None:
    planned = ok(api.post("/dags/read_2/rollback?plan=true", {"reason": "it's bad"}))
    assert planned["command"] == "pinwheel rollback --reason='it'\"'\"'s bad' read_2"
    body = {"build": 1, "conf": {"day": 1}, "run_id": "only_planned", "plan": True}
    planned = ok(api.post("/dags/read_2/runs", body))
    assert planned["command"] == (
        """pinwheel trigger --build=1 --run-id=only_planned --conf='{"day": 1}' read_2"""
    )
    assert (planned["plan"], planned["build"], planned["run_id"]) == (True, 1, "only_planned")
    assert api.env.scalar("SELECT count(*) FROM dag_run WHERE dag_id = 'read_2'") == 0


def test_a_file_is_compared_over_rest(api: Deployment) -> None:
    found = ok(api.get("/dags/read_1/compare/file", params={"path": "read_1.py", "from": 1, "to": 2}))
    assert ("one" in found["from"]["text"], "two" in found["to"]["text"]) == (True, True)
    graph = ok(api.get("/dags/read_1/compare"))["graph"]
    assert [(node["id"], node["change"]) for node in graph["nodes"]] == [("first", "same")]
    missing = problem(api.get("/dags/read_1/compare/file", params={"path": "/etc/passwd"}), 404)
    assert "neither build" in missing["found"]


def test_reading_changes_nothing(api: Deployment) -> None:
    def counts() -> dict[str, Any]:
        tables = ["pinwheel_event", "pinwheel_release", "pinwheel_build", "dag_version", "log"]
        return {table: api.env.scalar(f"SELECT count(*) FROM {table}") for table in tables}

    before = counts()
    for path in READS:
        ok(api.get(path))
        if "read_1" in path:
            problem(api.get(path.replace("read_1", "no_such_dag")), 404)
    assert counts() == before


def test_openapi_is_served_with_the_mount_path(api: Deployment) -> None:
    document = ok(api.get("/openapi.json", user="viewer"))
    assert document["servers"] == [{"url": "/pinwheel"}]
    assert "/api/v1/dags/{dag_id}/rollback" in document["paths"]
    assert "Problem" in document["components"]["schemas"]


def test_health_tells_of_missing_tables(api: Deployment) -> None:
    assert ok(api.get("/health"))["status"] == "healthy"
    api.env.execute("ALTER TABLE pinwheel_event RENAME TO pinwheel_event_away")
    try:
        health = ok(api.get("/health"))
        assert (health["status"], health["missing_tables"]) == ("unhealthy", ["pinwheel_event"])
        assert "airflow db migrate" in problem(api.get("/events"), 502)["remedy"]
    finally:
        api.env.execute("ALTER TABLE pinwheel_event_away RENAME TO pinwheel_event")


@real_server
def test_airflow_itself_is_untouched(api: Deployment) -> None:
    api.env.execute("ALTER TABLE pinwheel_event RENAME TO pinwheel_event_away")
    try:
        ok(api.env.api().get("/api/v2/dags"))
    finally:
        api.env.execute("ALTER TABLE pinwheel_event_away RENAME TO pinwheel_event")
    assert api.env.api(None).get("/api/v2/version").status_code == 200
    plugins = api.env.get("/api/v2/plugins")["plugins"]
    ours = next(plugin for plugin in plugins if plugin["name"] == "pinwheel")
    assert [app["url_prefix"] for app in ours["fastapi_apps"]] == ["/pinwheel"]


def test_only_an_admin_freezes_dags_that_come_later_too(api: Deployment) -> None:
    """Under the simple auth manager, to which every custom view is open for a viewer."""
    named = {"selector": {"ids": ["cli_1"]}, "reason": "outage", "plan": True}
    all_of_them = {**named, "selector": {"everything": True}}
    answers = {
        user: [api.post("/freezes", body, user).status_code for body in (named, all_of_them)]
        for user in ("viewer", "editor", "op", "admin")
    }
    assert answers == {"viewer": [403, 403], "editor": [200, 403], "op": [200, 403], "admin": [200, 200]}


@pytest.mark.acceptance("rollouts", 24)
def test_no_viewer_approves_or_goes_past_a_gate(api: Deployment) -> None:
    """Under the simple auth manager, to which every custom view is open for a viewer."""
    asked = {"reason": "why", "plan": True}
    answers = {
        user: [
            api.post(f"/dags/cli_1/rollout/{verb}", asked, user).status_code
            for verb in ("approve", "reject", "skip", "pause")
        ]
        for user in ("viewer", "editor", "op")
    }
    # Nothing is on its way: whoever may is told that.
    assert answers == {
        "viewer": [403, 403, 403, 403],
        "editor": [403, 403, 403, 409],
        "op": [409, 409, 409, 409],
    }


# Over the database and over REST; that both give the same is tests/contract/test_backends.py.


def test_the_remote_backend_reaches_the_server_with_the_rights_of_its_token(api: Deployment) -> None:
    from pinwheel.cli.backend.local import LocalBackend

    local = LocalBackend(api.seeder.host, actor="admin")
    assert api.env.remote().status() == local.status()
    pin = asked.change(Verb.PIN, ["cli_1"]).request
    (outcome,) = api.env.remote().change(pin)
    assert (outcome["dag_id"], outcome["track"]) == ("cli_1", "pinned")
    with pytest.raises(Refused, match="does not know you"):
        api.env.remote(None).status()
    with pytest.raises(Refused, match="viewer may not edit"):
        api.env.remote("viewer").change(pin)


@real_server
def test_an_address_without_pinwheel_is_told_so(api: Deployment) -> None:
    with pytest.raises(HostError, match="There is no Pinwheel"):
        RemoteBackend(api.env.url + "/elsewhere", api.env.token("viewer")).status()


COMMANDS = [
    ["status", "read_1", "read_2"],
    ["diff", "read_1", "1", "2"],
    ["rollback", "read_1", "--plan"],
    ["builds", "no_such_dag"],
]


@real_server
def test_the_cli_prints_the_same_with_and_without_url(
    api: Deployment, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    token = api.env.token("admin")
    for command in COMMANDS:
        answers = []
        for variables in ({}, {"PINWHEEL_URL": api.env.url, "PINWHEEL_TOKEN": token}):
            with monkeypatch.context() as patched:
                for name, value in variables.items():
                    patched.setenv(name, value)
                code = main([*command, "--output", "json"])
            out, err = capsys.readouterr()
            assert out or code == 3, err
            assert token not in out + err
            answers.append((code, out))
        assert answers[0] == answers[1], command


@real_server
def test_as_a_process_the_command_reaches_the_server_that_it_is_told(api: Deployment) -> None:
    over = {"PINWHEEL_URL": api.env.url, "PINWHEEL_TOKEN": api.env.token("admin")}
    command = ["pinwheel", "status", "read_1", "--output", "json"]
    remote = api.env.cli(*command, AIRFLOW__DATABASE__SQL_ALCHEMY_CONN="sqlite:////nowhere/a.db", **over)
    assert (remote.returncode, json.loads(remote.stdout)[0]["dag_id"]) == (0, "read_1"), remote.stderr
    assert over["PINWHEEL_TOKEN"] not in remote.stdout + remote.stderr
