"""Errors, permissions and shapes of the REST API, without Airflow and without a database."""

from __future__ import annotations

import inspect
from collections.abc import Collection
from functools import cache
from typing import Any
from unittest.mock import Mock

import httpx
import pytest
from fastapi import FastAPI, HTTPException
from sqlalchemy.exc import OperationalError
from starlette.testclient import TestClient

from pinwheel.api import app as api_app
from pinwheel.api import errors as api_errors
from pinwheel.api.access import Permission, View
from pinwheel.api.limits import MAX_BODY_BYTES
from pinwheel.api.routes import dags
from pinwheel.cli.backend.remote import RemoteBackend
from pinwheel.core import errors, problem
from pinwheel.core.errors import HostError, InvalidInput, NotFound, PinwheelError, Refused, unknown_dag
from pinwheel.core.release.decide import Verb
from pinwheel.core.request import ChangeRequest, HistoryRequest, Selection, TriggerRequest
from pinwheel.core.selector import Selector
from pinwheel.services import change
from pinwheel.services.history import grid, instances
from pinwheel.services.policy import explain as policy_of_dag
from pinwheel.services.release import selecting
from pinwheel.services.rollout import acts, checks
from pinwheel.services.rollout import show as rollout_show
from pinwheel.services.rollout.show import RolloutView
from pinwheel.services.run import backfill, clear, clear_preview, trigger
from pinwheel.services.show import compare
from pinwheel.services.show import status as dag_status
from pinwheel.services.timeline import change as timeline_change
from pinwheel.services.timeline import check as timeline_check
from pinwheel.services.timeline import clear_runs
from pinwheel.services.timeline import show as timeline_show

CLASSES = sorted(
    {c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, PinwheelError)},
    key=lambda c: c.__name__,
)

ROUTES = {
    ("GET", "/api/v1/dags"),
    ("GET", "/api/v1/dags/{dag_id}"),
    ("GET", "/api/v1/dags/{dag_id}/builds"),
    ("GET", "/api/v1/dags/{dag_id}/builds/{build}"),
    ("GET", "/api/v1/dags/{dag_id}/compare"),
    ("GET", "/api/v1/dags/{dag_id}/compare/file"),
    ("GET", "/api/v1/dags/{dag_id}/history"),
    ("GET", "/api/v1/dags/{dag_id}/history/rows"),
    ("POST", "/api/v1/dags/{dag_id}/history/cells"),
    ("GET", "/api/v1/dags/{dag_id}/line"),
    ("GET", "/api/v1/dags/{dag_id}/releases"),
    ("GET", "/api/v1/dags/{dag_id}/diff"),
    ("GET", "/api/v1/dags/{dag_id}/runs"),
    ("POST", "/api/v1/dags/{dag_id}/runs"),
    ("POST", "/api/v1/dags/{dag_id}/runs/{run_id}/clear"),
    ("POST", "/api/v1/dags/{dag_id}/runs/{run_id}/clear/preview"),
    ("GET", "/api/v1/dags/{dag_id}/runs/{run_id}/tasks/{task_id}"),
    ("GET", "/api/v1/dags/{dag_id}/runs/{run_id}/versions"),
    ("GET", "/api/v1/dags/{dag_id}/versions/{version}/graph"),
    ("POST", "/api/v1/dags/{dag_id}/clear"),
    ("GET", "/api/v1/policies"),
    ("POST", "/api/v1/policies/test"),
    ("GET", "/api/v1/policies/{document}"),
    ("PUT", "/api/v1/policies/{document}"),
    ("GET", "/api/v1/dags/{dag_id}/policy"),
    ("GET", "/api/v1/dags/{dag_id}/timeline"),
    ("PUT", "/api/v1/dags/{dag_id}/timeline"),
    ("GET", "/api/v1/dags/{dag_id}/timeline/check"),
    ("POST", "/api/v1/dags/{dag_id}/timeline/clear-runs"),
    ("GET", "/api/v1/dags/{dag_id}/timeline/history"),
    ("POST", "/api/v1/dags/{dag_id}/backfills"),
    ("POST", "/api/v1/dags/{dag_id}/promote"),
    ("POST", "/api/v1/dags/{dag_id}/reject"),
    ("POST", "/api/v1/dags/{dag_id}/rollback"),
    ("POST", "/api/v1/dags/{dag_id}/pin"),
    ("POST", "/api/v1/dags/{dag_id}/unpin"),
    ("GET", "/api/v1/rollouts"),
    ("GET", "/api/v1/rollouts/{rollout}"),
    ("GET", "/api/v1/dags/{dag_id}/rollout"),
    ("POST", "/api/v1/rollouts/{rollout}/{verb}"),
    ("POST", "/api/v1/dags/{dag_id}/rollout/{verb}"),
    ("PUT", "/api/v1/checks/{name}"),
    ("GET", "/api/v1/freezes"),
    ("POST", "/api/v1/freezes"),
    ("DELETE", "/api/v1/freezes/{name}"),
    ("GET", "/api/v1/windows"),
    ("GET", "/api/v1/bundles"),
    ("GET", "/api/v1/bundles/{bundle_name}"),
    ("GET", "/api/v1/changes"),
    ("GET", "/api/v1/fleet"),
    ("GET", "/api/v1/fleet/filters"),
    ("POST", "/api/v1/changes"),
    ("GET", "/api/v1/events"),
    ("GET", "/api/v1/health"),
    ("GET", "/api/v1/keeper"),
}


class FakeAccess:
    """Grants what is listed: ``{permission: Dag ids}``."""

    user_name = "ada"

    def __init__(self, **granted: Collection[str]) -> None:
        self.granted = {Permission[name]: set(ids) for name, ids in granted.items()}
        self.import_errors = True
        self.views: set[View] = set()

    def may(self, permission: Permission, dag_id: str | None) -> bool:
        return dag_id in self.granted.get(permission, ()) or (dag_id is None and permission in self.granted)

    def lacking(self, permission: Permission, dag_ids: Collection[str]) -> list[str]:
        return sorted(dag_id for dag_id in dag_ids if not self.may(permission, dag_id))

    def readable(self) -> set[str]:
        return self.granted.get(Permission.READ, set())

    def has(self, view: View) -> bool:
        return view in self.views

    def names(self) -> frozenset[str]:
        return frozenset({self.user_name})

    def may_read_import_errors(self) -> bool:
        return self.import_errors

    def may_read_unbound_events(self) -> bool:
        return False


class FakeHost:
    """Knows no Dag."""

    def __init__(self) -> None:
        self.unit = self.reads = self

    def run(self, work: Any) -> Any:
        return work(None)

    def airflow_dags(self, session: Any, dag_ids: Any) -> list[Any]:
        return []


_who: list[FakeAccess | None] = [None]


@cache
def make_app() -> FastAPI:
    async def authenticated() -> Any:
        if _who[0] is None:
            raise HTTPException(401, "Not authenticated")
        return _who[0]

    return api_app.create_app(FakeHost(), authenticated)  # type: ignore[arg-type]


class Client:
    """The API as one user, None being nobody, sees it."""

    def __init__(self, access: FakeAccess | None) -> None:
        self.access = access
        self.http = TestClient(make_app(), raise_server_exceptions=False)

    def request(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        _who[0] = self.access
        return self.http.request(method, path, **kwargs)

    def get(self, path: str, **kwargs: Any) -> httpx.Response:
        return self.request("GET", path, **kwargs)

    def post(self, path: str, **kwargs: Any) -> httpx.Response:
        return self.request("POST", path, **kwargs)


def client(access: FakeAccess | None = None) -> Client:
    return Client(access)


@pytest.fixture
def all_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The services find no Dag."""

    def missing(host: Any, asked: Any = None, *args: Any, dag_ids: Any = None, **kwargs: Any) -> Any:
        dag_id = getattr(asked, "dag_id", asked)
        raise unknown_dag(dag_id if isinstance(dag_id, str) else (dag_ids or asked.dag_ids)[0])

    for module, name in [
        (dag_status, "status"),
        (dags, "build"),
        (dags, "builds"),
        (dags, "releases"),
        (dags, "diff"),
        (grid, "page"),
        (grid, "rows"),
        (grid, "cells"),
        (grid, "graph_of"),
        (instances, "run"),
        (instances, "task_instance"),
        (clear_preview, "preview"),
        (compare, "compare"),
        (compare, "file"),
        (change, "apply"),
        (acts, "act"),
        (rollout_show, "of_dag"),
        (trigger, "trigger"),
        (clear, "clear"),
        (backfill, "backfill"),
        (timeline_show, "show"),
        (timeline_show, "revisions"),
        (timeline_change, "change"),
        (timeline_check, "check"),
        (clear_runs, "clear"),
        (policy_of_dag, "explain"),
    ]:
        monkeypatch.setattr(module, name, missing)
    monkeypatch.setattr("pinwheel.api.routes.runs.history", missing)
    monkeypatch.setattr("pinwheel.api.routes.line.line", missing)


@pytest.mark.parametrize("error", CLASSES)
def test_every_error_class_has_a_status_and_a_type(error: type[PinwheelError]) -> None:
    body = problem.problem_of(error("It failed", found="this", remedy="Do that", dag_id="d"))
    assert 400 <= body["status"] < 600
    assert error in problem.TYPES
    assert body["type"] == problem.TYPES[error]
    assert body["detail"] == "It failed: this. Do that."
    assert (body["failed"], body["found"], body["remedy"]) == ("It failed", "this", "Do that")
    assert body["facts"] == {"dag_id": "d"}


@pytest.mark.parametrize("error", CLASSES)
def test_every_error_comes_out_of_the_remote_backend_as_it_went_in(error: type[PinwheelError]) -> None:
    sent = error("It failed", found="this", remedy="Do that", dag_id="d")
    document = api_errors.declared(sent)

    def reply(request: httpx.Request) -> httpx.Response:
        return httpx.Response(
            document["status"], json=document, headers={"content-type": "application/problem+json"}
        )

    backend = RemoteBackend("http://airflow", "t", transport=httpx.MockTransport(reply))
    with pytest.raises(PinwheelError) as caught:
        backend.builds("d")
    assert type(caught.value) is error
    assert caught.value.message == sent.message
    assert caught.value.exit_code == sent.exit_code


@pytest.mark.parametrize(
    ("text", "state", "remedy"),
    [
        ('deadlock detected\nCONTEXT: in relation "pinwheel_dag"', "40P01", "Try again in a few seconds"),
        ('no relation "pinwheel_dag"', "42P01", "Create or upgrade them with: airflow db migrate"),
    ],
)
def test_a_lock_on_a_table_of_ours_is_not_taken_for_a_table_that_is_not_there(
    text: str, state: str, remedy: str
) -> None:
    app = FastAPI()
    api_errors.install(app)
    original = Exception(text)
    original.pgcode = state  # type: ignore[attr-defined]

    @app.get("/")
    def fails() -> None:
        raise OperationalError("UPDATE x", {}, original)

    reply = TestClient(app, raise_server_exceptions=False).get("/")
    assert (reply.json()["type"], reply.json()["remedy"]) == ("urn:pinwheel:host-error", remedy)


def test_the_paths_of_openapi_are_these() -> None:
    document = make_app().openapi()
    found = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    assert found == ROUTES
    ids = [op["operationId"] for item in document["paths"].values() for op in item.values()]
    assert len(ids) == len(set(ids))
    for item in document["paths"].values():
        for operation in item.values():
            assert {"401", "403", "404", "409", "422"} <= set(operation["responses"])
            assert operation["security"] == [{"AirflowToken": []}]
            for status, response in operation["responses"].items():
                kind = "application/problem+json" if int(status) >= 400 else "application/json"
                assert list(response["content"]) == [kind], (operation["operationId"], status)
    batch = document["components"]["schemas"]["BatchBody"]
    assert batch["additionalProperties"] is False
    assert set(batch["required"]) == {"verb", "selector"}


def filled(path: str) -> str:
    query = "?path=p" if path.endswith("/compare/file") else ""
    for name, value in {
        "dag_id": "d",
        "run_id": "r",
        "task_id": "t",
        "version": "r1",
        "bundle_name": "b",
        "document": "bank",
        "build": "1",
        "rollout": "1",
        "verb": "pause",
    }.items():
        path = path.replace(f"{{{name}}}", value)
    return path + query


@pytest.mark.parametrize(("method", "path"), [*sorted(ROUTES), ("GET", "/api/v1/openapi.json")])
def test_every_route_needs_a_login(method: str, path: str) -> None:
    reply = client(None).request(method, filled(path), json=body_for(path) if method != "GET" else None)
    assert reply.status_code == 401
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.headers["www-authenticate"] == "Bearer"
    assert reply.json()["type"] == api_errors.UNAUTHENTICATED


DAG_ROUTES = sorted(route for route in ROUTES if "{dag_id}" in route[1])


def body_for(path: str) -> Any:
    if path.endswith("changes"):
        return {"verb": "pin", "selector": {"ids": ["d"]}}
    if path.endswith("timeline"):
        return {"eras": []}
    if "policies" in path:
        return {"text": ""}
    if path.endswith("checks/{name}"):
        return {"verdict": "passed", "digest": "d"}
    if path.endswith("freezes"):
        return {"selector": {"ids": ["d"]}, "reason": "outage"}
    if path.endswith("{dag_id}/clear"):
        return {"run_ids": ["r"]}
    if path.endswith("reject"):
        return {"build": 1}
    if path.endswith("history/cells"):
        return {"run_ids": ["r"], "task_ids": ["t"]}
    if path.endswith("backfills"):
        return {"from_date": "2026-01-01T00:00:00Z", "to_date": "2026-01-02T00:00:00Z"}
    return {}


@pytest.mark.usefixtures("all_missing")
@pytest.mark.parametrize(("method", "path"), [*DAG_ROUTES, ("POST", "/api/v1/changes")])
def test_a_dag_that_may_not_be_read_answers_as_one_that_does_not_exist(method: str, path: str) -> None:
    every = {permission.name: {"d"} for permission in Permission}
    replies = [
        client(access).request(method, filled(path), json=body_for(path) if method != "GET" else None)
        for access in (FakeAccess(), FakeAccess(**every))
    ]
    assert [reply.status_code for reply in replies] == [404, 404]
    assert replies[0].json() == replies[1].json()
    assert replies[0].json()["failed"] == "Cannot find Dag d"


NEEDED = {
    "builds": "READ_VERSIONS",
    "{build}": "READ_VERSIONS",
    "{verb}": "EDIT",
    "releases": "READ_VERSIONS",
    "diff": "READ_CODE",
    "line": "READ_VERSIONS",
    "compare": "READ_VERSIONS",
    "file": "READ_CODE",
    "promote": "EDIT",
    "reject": "EDIT",
    "rollback": "EDIT",
    "pin": "EDIT",
    "unpin": "EDIT",
    "clear": "EDIT_RUN",
    "preview": "EDIT_RUN",
    "cells": "READ_TASK_INSTANCES",
    "graph": "READ_VERSIONS",
    "changes": "EDIT",
    "timeline": "EDIT",
    "check": "READ_RUNS",
    "clear-runs": "EDIT_RUN",
}
BY_READING = {
    "/api/v1/dags/{dag_id}",
    "/api/v1/dags/{dag_id}/policy",
    "/api/v1/dags/{dag_id}/rollout",
    "/api/v1/dags/{dag_id}/timeline",
    "/api/v1/dags/{dag_id}/timeline/history",
}
"""What whoever may read the Dag gets."""


@pytest.mark.usefixtures("all_missing")
@pytest.mark.parametrize(
    ("method", "path"), [r for r in DAG_ROUTES if r[0] != "GET" or r[1] not in BY_READING]
)
def test_a_readable_dag_without_the_permission_answers_403(method: str, path: str) -> None:
    needed = NEEDED.get(path.rpartition("/")[2])
    needed = needed or ("CREATE_RUN" if method == "POST" else "READ_TASK_INSTANCES")
    granted = {permission.name: {"d"} for permission in Permission if permission.name != needed}
    body = body_for(path) if method != "GET" else None
    reply = client(FakeAccess(**granted)).request(method, filled(path), json=body)
    assert reply.status_code == 403, reply.text
    assert reply.json()["type"] == "urn:pinwheel:refused"
    assert "ada" in reply.json()["found"]


@pytest.mark.acceptance("dates", 21)
@pytest.mark.usefixtures("all_missing")
def test_whoever_may_read_a_dag_sees_its_timeline_and_sets_nothing() -> None:
    viewer = client(FakeAccess(READ={"d"}))
    assert viewer.get("/api/v1/dags/d/timeline").status_code == 404, "the Dag is looked for"
    assert viewer.get("/api/v1/dags/d/timeline/history").status_code == 404
    assert viewer.request("PUT", "/api/v1/dags/d/timeline", json={"eras": []}).status_code == 403
    assert viewer.request("POST", "/api/v1/dags/d/timeline/clear-runs", json={}).status_code == 403
    editor = client(FakeAccess(READ={"d"}, EDIT={"d"}))
    assert editor.request("PUT", "/api/v1/dags/d/timeline", json={"eras": []}).status_code == 404
    assert editor.request("POST", "/api/v1/dags/d/timeline/clear-runs", json={}).status_code == 403


@pytest.mark.usefixtures("all_missing")
def test_structure_can_be_compared_without_the_right_to_see_code() -> None:
    access = FakeAccess(READ={"d"}, READ_VERSIONS={"d"})
    assert client(access).get("/api/v1/dags/d/diff").status_code == 403
    assert client(access).get("/api/v1/dags/d/diff", params={"files": "false"}).status_code == 404


def test_a_rollback_that_reruns_needs_the_right_to_edit_runs(all_missing: None) -> None:
    access = FakeAccess(READ={"d"}, EDIT={"d"})
    url = "/api/v1/dags/d/rollback"
    assert client(access).post(url, json={"rerun_failed": True}).status_code == 403
    assert client(access).post(url, json={}).status_code == 404


def test_a_batch_is_refused_as_a_whole_and_names_the_first_dags(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"d{n:02}" for n in range(12)]
    monkeypatch.setattr(selecting, "select", lambda host, selection: [*names, "secret"])
    monkeypatch.setattr(change, "apply", lambda *a: pytest.fail("nothing may be applied"))
    access = FakeAccess(READ=names, EDIT=names[:2])
    reply = client(access).post("/api/v1/changes", json={"verb": "pin", "selector": {"globs": ["*"]}})
    assert reply.status_code == 403
    assert reply.json()["facts"]["dag_ids"] == names[2:7]
    assert "and 5 more" in reply.json()["found"]
    assert "secret" not in reply.text


def test_patterns_select_only_what_may_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selecting, "select", lambda host, selection: ["a", "hidden", "z"])
    monkeypatch.setattr(
        dag_status, "status", lambda host, dag_ids, **_: pytest.fail(str(dag_ids)) if dag_ids else []
    )
    monkeypatch.setattr("pinwheel.api.routes.dags.troubled", lambda access, host, of: [])
    reply = client(FakeAccess(READ={"a", "z"})).get("/api/v1/dags", params={"glob": "*", "offset": 2})
    assert reply.json() == {"dags": [], "total_entries": 2, "bundles": []}


HOSTILE = [
    ("not JSON", b"{", {}),
    ("a list", b"[]", {}),
    ("null bytes", b'{"reason": "a\\u0000b"}', {}),
    ("lone surrogate", b'{"reason": "\\ud800"}', {}),
    ("invalid UTF-8", b'{"reason": "\xff"}', {}),
    ("unknown field", b'{"actor": "root"}', {}),
    ("boolean as number", b'{"build": true}', {}),
    ("number below one", b'{"build": 0}', {}),
    ("number too large", b'{"build": 99999999999999999999}', {}),
    ("both targets", b'{"build": 1, "to_release": 1}', {}),
    ("text as number", b'{"build": "1"}', {}),
    ("infinity", b'{"build": Infinity}', {}),
    ("deep nesting", b'{"reason": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", {}),
    ("long reason", b'{"reason": "' + b"x" * 20_000 + b'"}', {}),
    ("form", b"reason=x", {"content-type": "application/x-www-form-urlencoded"}),
    ("text", b'{"reason": "x"}', {"content-type": "text/plain"}),
    ("bad If-Match", b"{}", {"if-match": '"one"'}),
    ("two expectations", b'{"expected_release": 2}', {"if-match": '"1"'}),
    ("empty key", b"{}", {"idempotency-key": ""}),
    ("long key", b"{}", {"idempotency-key": "k" * 300}),
]


@pytest.mark.parametrize(("body", "headers"), [h[1:] for h in HOSTILE], ids=[h[0] for h in HOSTILE])
def test_hostile_bodies_are_refused_without_a_traceback(body: bytes, headers: dict[str, str]) -> None:
    access = FakeAccess(READ={"d"}, EDIT={"d"})
    reply = client(access).post(
        "/api/v1/dags/d/promote", content=body, headers={"content-type": "application/json", **headers}
    )
    assert reply.status_code in (400, 422), reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    assert {"type", "title", "status", "detail"} <= set(reply.json())
    assert "Traceback" not in reply.text
    assert len(reply.content) < 5000


@pytest.mark.parametrize("name", ["a%00b", "a%0Ab", "%7F", "x" * 251])
def test_hostile_dag_ids_are_refused(name: str) -> None:
    reply = client(FakeAccess(READ={"d"})).get(f"/api/v1/dags/{name}")
    assert reply.status_code == 422, reply.text
    assert reply.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "offset=-1", "track=x", "held=maybe", "glob=%00"])
def test_hostile_queries_are_refused(query: str) -> None:
    reply = client(FakeAccess(READ={"d"})).get(f"/api/v1/dags?{query}")
    assert reply.status_code == 422, reply.text


def test_large_bodies_are_refused_announced_or_not() -> None:
    def stream() -> Any:
        for _ in range(MAX_BODY_BYTES // 65_536 + 2):
            yield b"x" * 65_536

    access = FakeAccess(READ={"d"}, EDIT={"d"})
    for content in (b"x" * (MAX_BODY_BYTES + 1), stream()):
        reply = client(access).post(
            "/api/v1/dags/d/promote", content=content, headers={"content-type": "application/json"}
        )
        assert reply.status_code == 413
        assert reply.headers["content-type"] == "application/problem+json"


def test_a_request_that_is_too_large_is_invalid_input_for_the_command_line_too() -> None:
    def answer(asked: httpx.Request) -> httpx.Response:
        path = asked.url.path.removeprefix("/team/pinwheel")
        access = FakeAccess(READ={"d"}, CREATE_RUN={"d"})
        reply = client(access).post(path, content=asked.content, headers=dict(asked.headers))
        assert (reply.status_code, reply.json()["type"]) == (413, "urn:pinwheel:invalid-input")
        return httpx.Response(reply.status_code, content=reply.content, headers=reply.headers)

    large = TriggerRequest(dag_id="d", conf={"x": "y" * MAX_BODY_BYTES})
    with pytest.raises(InvalidInput, match="its body is larger than 8 MiB") as caught:
        remote_of(answer).trigger(large)
    assert caught.value.exit_code == 2


def test_an_unexpected_failure_shows_nothing_of_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def explode(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("password=hunter2")

    monkeypatch.setattr(dag_status, "status", explode)
    reply = client(FakeAccess(READ={"d"})).get("/api/v1/dags/d")
    assert reply.status_code == 500
    assert reply.headers["content-type"] == "application/problem+json"
    assert "hunter2" not in reply.text


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/api/v2/dags", "/"])
def test_unknown_routes_answer_problems(path: str) -> None:
    reply = client(FakeAccess()).get(path)
    assert reply.status_code == 404
    assert reply.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(("method", "path"), sorted(ROUTES))
def test_no_get_changes_and_no_change_is_a_get(method: str, path: str) -> None:
    other = "GET" if method == "POST" else "DELETE"
    if (other, path) not in ROUTES:
        reply = client(FakeAccess()).request(other, filled(path))
        above = path.rpartition("/")[0]
        named = {(other, f"{above}/{{dag_id}}"), (other, f"{above}/{{document}}")} & ROUTES
        assert reply.status_code == 405 or named


# The remote backend by itself.


def pin(*dag_ids: str) -> ChangeRequest:
    return ChangeRequest(verb=Verb.PIN, selection=Selection(selector=Selector.of(dag_ids)))


def remote_of(reply: Any, **kwargs: Any) -> RemoteBackend:
    return RemoteBackend("http://airflow/team/", "s3cret", transport=httpx.MockTransport(reply), **kwargs)


def test_the_remote_backend_keeps_the_path_of_its_url_and_sends_the_token() -> None:
    seen: list[httpx.Request] = []

    def reply(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"builds": [], "total_entries": 0})

    remote_of(reply).builds("a b?c")
    assert seen[0].url.raw_path.startswith(b"/team/pinwheel/api/v1/dags/a%20b%3Fc/builds?")
    assert seen[0].headers["authorization"] == "Bearer s3cret"


def test_the_remote_backend_reads_all_pages() -> None:
    every = [{"dag_id": f"d{n}"} for n in range(2345)]

    def reply(request: httpx.Request) -> httpx.Response:
        offset, limit = int(request.url.params["offset"]), int(request.url.params["limit"])
        return httpx.Response(200, json={"dags": every[offset : offset + limit], "total_entries": len(every)})

    assert remote_of(reply).status() == every


ANSWERS = [
    (httpx.Response(401, json={"detail": "Not authenticated"}), Refused, "does not know you"),
    (httpx.Response(403, json={"detail": "Invalid JWT token"}), Refused, "Invalid JWT token"),
    (httpx.Response(404, json={"detail": "Not Found"}), HostError, "no Pinwheel"),
    (httpx.Response(200, html="<html>"), HostError, "no Pinwheel"),
    (httpx.Response(413, html="<html>"), InvalidInput, "size: a server before it answered 413"),
    (httpx.Response(302, headers={"location": "/login"}), HostError, "no Pinwheel"),
    (httpx.Response(503, text="busy"), HostError, "status 503"),
    (httpx.Response(200, text="{", headers={"content-type": "application/json"}), HostError, "no Pinwheel"),
]


@pytest.mark.parametrize(("answer", "error", "words"), ANSWERS)
def test_the_remote_backend_says_what_else_answered(
    answer: httpx.Response, error: type[PinwheelError], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        remote_of(lambda request: answer).diff("d")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("failure", [httpx.ConnectError, httpx.ConnectTimeout, httpx.ReadTimeout])
def test_the_remote_backend_says_that_nobody_answers(failure: type[httpx.TransportError]) -> None:
    def reply(request: httpx.Request) -> httpx.Response:
        raise failure("no route to host", request=request)

    with pytest.raises(HostError, match="http://airflow/team") as caught:
        remote_of(reply).change(pin("d"))
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["", "airflow", "ftp://airflow", "http://", "http://u:p@airflow", "http://a?b=c", "http://a:x"]
)
def test_the_remote_backend_takes_only_a_server_and_a_path(url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        RemoteBackend(url, "s3cret")
    assert "u:p" not in str(caught.value)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../a"])
def test_the_remote_backend_never_leaves_its_path(name: str) -> None:
    with pytest.raises(NotFound):
        remote_of(lambda request: pytest.fail("asked")).history(HistoryRequest(dag_id=name))


def test_rules_and_policies_are_shown_to_who_may_read_dags_and_changed_with_a_right_of_their_own() -> None:
    every = client(FakeAccess(**{permission.name: {"d"} for permission in Permission}))
    reply = every.request("PUT", "/api/v1/policies/bank", json={"text": ""})
    assert (reply.status_code, reply.json()["found"]) == (403, "user ada lacks the right Pinwheel Policies")
    nobody = client(FakeAccess())
    for method, path in (
        ("GET", "/api/v1/policies"),
        ("GET", "/api/v1/policies/bank"),
        ("POST", "/api/v1/policies/test"),
    ):
        body = {"text": ""} if method == "POST" else None
        reply = nobody.request(method, path, json=body)
        assert (reply.status_code, reply.json()["found"]) == (403, "user ada may not read Dags")


@pytest.mark.parametrize(
    ("body", "said"),
    [({}, "has no text"), ({"text": "", "rules": []}, "has text, and rules"), ({"text": 1}, "valid string")],
)
def test_a_file_is_given_as_text_or_as_json(body: Any, said: str) -> None:
    reader = client(FakeAccess(READ={"d"}))
    reply = reader.request("POST", "/api/v1/policies/test", json=body)
    assert reply.status_code == 422
    assert said in reply.text


def asked_of(access: FakeAccess, path: str, **body: Any) -> httpx.Response:
    method = "PUT" if path.startswith("checks/") else "POST"
    return client(access).request(method, f"/api/v1/{path}", json=body)


@pytest.mark.acceptance("rollouts", 24)
@pytest.mark.usefixtures("all_missing")
@pytest.mark.parametrize(
    ("verb", "view"),
    [("approve", View.APPROVALS), ("reject", View.APPROVALS), ("skip", View.OVERRIDE)],
)
def test_who_decides_on_a_gate_may_edit_the_dag_and_has_the_right_for_it(verb: str, view: View) -> None:
    path = f"dags/d/rollout/{verb}"
    viewer, editor = FakeAccess(READ={"d"}), FakeAccess(READ={"d"}, EDIT={"d"})
    viewer.views = set(View)
    editor.views = set(View) - {view}
    for access in (viewer, editor):
        assert asked_of(access, path, reason="why").status_code == 403
    assert view.value in asked_of(editor, path, reason="why").json()["found"]
    editor.views = {view}
    assert asked_of(editor, path, reason="why").status_code == 404, "the Dag is looked for"


@pytest.mark.acceptance("rollouts", 25)
@pytest.mark.usefixtures("all_missing")
def test_a_bot_with_the_checks_right_can_do_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    def done(*_: Any, **__: Any) -> Any:
        raise unknown_dag("reached")

    rollout = Mock(spec=RolloutView, dag_id="d")

    monkeypatch.setattr(checks, "set_check", done)
    monkeypatch.setattr(rollout_show, "one", lambda *_: rollout)
    bot = FakeAccess(READ={"d"})
    said = {"verdict": "passed", "digest": "d"}
    assert asked_of(bot, "checks/ci", **said).status_code == 403
    bot.views = {View.CHECKS}
    assert "reached" in asked_of(bot, "checks/ci/regression", **said).json()["failed"]
    of_build = {"verdict": "passed", "dag_id": "d", "build": 1}
    assert "reached" in asked_of(bot, "checks/ci", **of_build).json()["failed"]
    assert asked_of(bot, "checks/ci", **{**of_build, "dag_id": "hidden"}).json()["failed"].endswith("hidden")
    for method, path in sorted(ROUTES):
        # Whose freeze it is, which decides on its end, is asked of a database: tests/integration.
        # A trial of policies tells what the bot may read anyway.
        if method in ("GET", "DELETE") or "/checks/" in path or path.endswith("/policies/test"):
            continue
        reply = client(bot).request(method, filled(path), json=body_for(path))
        assert reply.status_code in (403, 404), (method, path)
        assert "reached" not in reply.text


@pytest.mark.acceptance("rollouts", 26)
@pytest.mark.usefixtures("all_missing")
@pytest.mark.parametrize("verb", ["promote", "pin"])
def test_past_gates_and_rules_goes_who_has_the_right_and_gives_a_reason(verb: str) -> None:
    editor = FakeAccess(READ={"d"}, EDIT={"d"})
    path = f"dags/d/{verb}"
    assert asked_of(editor, path, now=True, reason="outage").status_code == 403
    many = {"verb": verb, "selector": {"ids": ["d"]}, "now": True, "reason": "outage"}
    assert asked_of(editor, "changes", **many).status_code == 403
    editor.views = {View.OVERRIDE}
    assert asked_of(editor, path, now=True).status_code == 422
    assert asked_of(editor, path, now=True, reason="outage").status_code == 404, "the Dag is looked for"
