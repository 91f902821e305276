"""What the REST API sends is what its OpenAPI document declares: no field more, on any route."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.models.log import Log
from fastapi.routing import APIRoute
from sqlalchemy import select
from starlette.testclient import TestClient

from harness.declared import lacking, named_in, told_of, undeclared
from harness.everything import Everything
from harness.inprocess import bound_airflow
from harness.inprocess_api import API, BODIES, Api, Reader
from harness.life import Life
from pinwheel.api import errors as api_errors
from pinwheel.api.access import Permission
from pinwheel.core.event import AUDITED, DETAILS, EventKind
from pinwheel.services.show import events
from pinwheel.store import tables as t

pytestmark = pytest.mark.airflow

D = {
    **{"dag_id": "d", "run_id": "one", "task_id": "g.a", "version": "r2", "bundle_name": "seed", "build": 1},
    **{"rollout": 3, "verb": "pause", "name": "ci", "document": "bank"},
}

ERA = {"from": "2018-01-01", "until": "2024-01-01", "build": 2}
CASES: dict[str, list[dict[str, Any]]] = {
    # Before runs are cleared by their dates
    "GET /keeper": [{}],
    # Before Dags are pinned
    "GET /rollouts": [{}, {"waiting_for": "person", "state": "live"}],
    "GET /rollouts/{rollout}": [{}, {"of": {"rollout": 1}}],
    "GET /dags/{dag_id}/rollout": [{"of": {"dag_id": "staged"}}],
    "PUT /checks/{name}": [
        {"json": {"dag_id": "staged", "build": 3, "verdict": "error", "reason": "no data"}},
        {"json": {"bundle": "staged", "bundle_version": "soon", "verdict": "passed"}},
    ],
    "POST /rollouts/{rollout}/{verb}": [{}, {"json": {"reason": "month end"}}],
    "POST /dags/{dag_id}/rollout/{verb}": [
        {"of": {"dag_id": "staged", "verb": "resume"}, "json": {"plan": True}},
        {"of": {"dag_id": "staged", "verb": "abort"}, "json": {"reason": "not now"}},
    ],
    "GET /dags": [{}, {"runs": True}, {"held": True}],
    "GET /dags/{dag_id}": [{}, {"of": {"dag_id": "foreign"}}],
    "PUT /dags/{dag_id}/timeline": [
        {"json": {"eras": [ERA], "plan": True, "unchecked": True}, "of": {"dag_id": "dated"}},
        {"json": {"eras": [ERA], "unchecked": True, "reason": "fees"}, "of": {"dag_id": "dated"}},
    ],
    "GET /dags/{dag_id}/timeline": [
        {},
        {"of": {"dag_id": "dated"}},
        {"of": {"dag_id": "windowed"}},
        {"at": "2019-05-01", "as_of": "2099-01-01", "of": {"dag_id": "dated"}},
    ],
    "GET /dags/{dag_id}/timeline/history": [{"of": {"dag_id": "dated"}}],
    "GET /dags/{dag_id}/timeline/check": [{"of": {"dag_id": "dated"}}],
    "POST /dags/{dag_id}/timeline/clear-runs": [
        {"json": {"plan": True}, "of": {"dag_id": "dated"}},
        {"json": {"reason": "fees"}, "of": {"dag_id": "dated"}},
    ],
    "GET /policies": [{}],
    "GET /policies/{document}": [{}, {"repository": True, "of": {"document": "seed"}}],
    "GET /dags/{dag_id}/policy": [{}, {"of": {"dag_id": "watching"}}, {"of": {"dag_id": "soaked"}}],
    "POST /policies/test": [
        {"json": {"policies": [{"name": "x", "dags": "all", "steps": ["release"]}], "document": "other"}},
        {"json": {"text": "", "bundle": "seed", "selector": {"ids": ["watching"]}}},
    ],
    "PUT /policies/{document}": [
        {"json": {"text": "", "plan": True}},
        {"json": {"rules": [{"name": "x", "forbid": ["trials"], "dags": {"ids": ["watching"]}}]}},
    ],
    "GET /dags/{dag_id}/builds": [{}],
    "GET /dags/{dag_id}/builds/{build}": [{}, {"of": {"dag_id": "adopted"}}],
    "GET /dags/{dag_id}/releases": [{}, {"include_before": True, "of": {"dag_id": "adopted"}}],
    "GET /dags/{dag_id}/diff": [{"from": 1, "to": 3}, {"from": 1, "to": 2, "files": False}],
    "GET /dags/{dag_id}/line": [
        {},
        {"limit": 3},
        {"of": {"dag_id": "unsteady"}},
        {"of": {"dag_id": "soaked"}},
    ],
    "GET /dags/{dag_id}/compare": [{"from": 1, "to": 3}, {}, {"from": "r1", "to_run": "one"}],
    "GET /dags/{dag_id}/compare/file": [{"path": "d.py", "from": 1, "to": 3}],
    "GET /dags/{dag_id}/history": [{}],
    "GET /dags/{dag_id}/history/rows": [{"version": ["r1", "r2", "t2"]}],
    "POST /dags/{dag_id}/history/cells": [
        {"json": {"run_ids": ["one", "mapped"], "task_ids": ["g.a", "m"], "groups": {"g": ["g.a", "g.b"]}}}
    ],
    "GET /dags/{dag_id}/versions/{version}/graph": [{}],
    "GET /dags/{dag_id}/runs/{run_id}/versions": [{}],
    "GET /dags/{dag_id}/runs/{run_id}/tasks/{task_id}": [
        {},
        {"of": {"task_id": "g.b"}},
        {"of": {"task_id": "m", "run_id": "mapped"}},
    ],
    "POST /dags/{dag_id}/runs/{run_id}/clear/preview": [
        {"json": {"build": 3}},
        {"json": {"build": 3, "task_ids": ["g.b", "nope"]}},
    ],
    "GET /dags/{dag_id}/runs": [{}, {"run_id": "one"}],
    "POST /dags/{dag_id}/runs": [{}, {"json": {"build": 2}}],
    "POST /dags/{dag_id}/runs/{run_id}/clear": [{}, {"json": {"build": 1}}],
    "POST /dags/{dag_id}/clear": [{}, {"json": {"run_ids": ["mapped"]}}],
    "POST /dags/{dag_id}/backfills": [
        {},
        {"json": {"from_date": "2024-03-01T00:00:00Z", "to_date": "2024-03-02T00:00:00Z", "build": 2}},
    ],
    "POST /dags/{dag_id}/promote": [
        {"json": {"plan": True, "reason": "it was the data"}},
        {"json": {"reason": "it was the data"}},
    ],
    "POST /dags/{dag_id}/rollback": [{}, {"json": {"reason": "again"}}],
    "POST /dags/{dag_id}/pin": [{}, {"json": {}}],
    "POST /dags/{dag_id}/unpin": [{}, {"json": {}}],
    "POST /dags/{dag_id}/reject": [{}, {"json": {"build": 2}}, {"json": {"build": 2, "lift": True}}],
    "POST /changes": [
        {},
        {"json": {"verb": "pin", "selector": {"globs": ["*"]}}},
        {"json": {"verb": "promote", "selector": {"ids": ["d", "gone"]}, "plan": True}},
    ],
    "GET /freezes": [{}],
    "POST /freezes": [
        {"json": {"selector": {"ids": ["d"]}, "reason": "outage", "since": "2999-01-01T00:00:00Z"}},
        {},
    ],
    "DELETE /freezes/{name}": [{"reason": "it is over", "of": {"name": "freeze-2"}}],
    "GET /windows": [{"dag_id": "d"}, {"dag_id": "d", "at": "2998-01-01T00:00:00Z"}],
    "GET /fleet": [{"retired": True}, {"broken": True}, {"order_by": "attention"}],
    "GET /fleet/filters": [{}],
    "GET /bundles": [{}],
    "GET /bundles/{bundle_name}": [{}],
    "GET /changes": [{}, {"after": 0}],
    "GET /events": [{}, {"limit": 1}, {"fold": True}],
    "GET /health": [{}],
    "GET /openapi.json": [{}],
}
"""For each route what to ask: a query or a body (without one: that of ``BODIES``), and what of."""


class Place:
    def __init__(self, folder: Path) -> None:
        self.everything = Everything(folder)
        self.api = Api(self.everything.host)
        self.document = self.api.app.openapi()

    @property
    def client(self) -> TestClient:
        return self.api.as_(*self.everything.dag_ids)

    def routes(self) -> Iterator[tuple[str, str, APIRoute]]:
        """Each route by method and path, in the order of the cases; those that the cases lack at the end."""
        found = {
            f"{method} {route.path_format.removeprefix(API)}": (method, route)
            for route in self.api.app.routes
            if isinstance(route, APIRoute)
            for method in route.methods
        }
        for name in [*CASES, *(found.keys() - CASES.keys())]:
            yield name, *found[name]

    def answers(self) -> Iterator[tuple[str, Any, Any]]:
        """Every route with what it answers to each of its cases, and the schema of that."""
        for name, method, route in self.routes():
            for case in CASES[name]:
                asked = {**case}
                path = route.path_format.format(**{**D, **asked.pop("of", {})})
                body = asked.pop("json", BODIES.get(route.path_format.removeprefix(API)))
                more = {"json": body} if method in ("POST", "PUT") else {}
                reply = self.client.request(method, path, params=asked, **more)
                assert reply.is_success, (name, case, reply.text)
                if route.include_in_schema:
                    yield name, self.schema(route, method, str(reply.status_code)), reply.json()

    def schema(self, route: APIRoute, method: str, status: str) -> Any:
        (content,) = self.document["paths"][route.path_format][method.lower()]["responses"][status][
            "content"
        ].values()
        return content["schema"]


@pytest.fixture(scope="module")
def place(sqlite: Any, tmp_path_factory: Any) -> Iterator[Place]:
    database = sqlite.create()
    with bound_airflow(database):
        yield Place(tmp_path_factory.mktemp("answers"))
    database.drop()


def test_every_route_has_a_case(place: Place) -> None:
    assert {name for name, _, _ in place.routes()} == CASES.keys()


def test_the_database_holds_each_kind_of_event_with_the_details_that_are_named_of_it(
    place: Place,
) -> None:
    rows = place.everything.host.unit.run(
        lambda s: s.execute(select(t.event.c.kind, t.event.c.details)).all()
    )
    assert {row.kind for row in rows} == {str(kind) for kind in EventKind}
    assert [(row.kind, name) for row in rows for name in row.details if name not in DETAILS[row.kind]] == []
    assert {name for row in rows for name in row.details} == events.DETAILS


def test_airflows_audit_log_has_the_kinds_of_events_that_are_said_to_be_there(place: Place) -> None:
    written = place.everything.host.unit.run(
        lambda s: s.scalars(select(Log.event).where(Log.event.startswith("pinwheel"))).all()
    )
    assert set(written) == {f"pinwheel_{kind}" for kind in AUDITED}


def test_no_route_sends_a_field_that_its_schema_does_not_declare(place: Place) -> None:
    told, declared = set[str](), set[str]()
    for name, schema, answer in place.answers():
        assert undeclared(place.document, schema, answer) == [], name
        assert lacking(place.document, schema, answer) == [], name
        told |= told_of(place.document, schema, answer)
        declared |= named_in(place.document, schema)
    assert told == declared, "of what is never told nothing was seen"


def test_the_total_of_the_history_counts_all_runs_though_a_page_has_one(place: Place) -> None:
    whole, page = (place.client.get(f"{API}/dags/d/runs", params={"limit": n}).json() for n in (1000, 1))
    runs = {one["run_id"] for one in page["tries"]}
    assert len(runs) <= 1 and len(whole["tries"]) > len(page["tries"])
    assert page["total_entries"] == whole["total_entries"] >= len({one["run_id"] for one in whole["tries"]})
    one = place.client.get(f"{API}/dags/d/runs", params={"run_id": "one"}).json()
    assert (one["total_entries"], {each["run_id"] for each in one["tries"]}) == (1, {"one"})


def test_the_conflict_of_a_reused_key_tells_of_the_first_request_what_is_declared(place: Place) -> None:
    key = {"Idempotency-Key": "deploy-1"}
    assert place.client.post(f"{API}/dags/d/pin", json={}, headers=key).is_success
    reply = place.client.post(f"{API}/dags/d/unpin", json={}, headers=key)
    assert (reply.status_code, reply.json()["facts"]["first"]["verb"]) == (409, "pin")
    schema = {"$ref": "#/components/schemas/Problem"}
    assert undeclared(place.document, schema, reply.json()) == []


class ReadsOnly(Reader):
    """May see these Dags and change none."""

    def may(self, permission: Permission, dag_id: str | None) -> bool:
        return permission is Permission.READ and super().may(permission, dag_id)

    def lacking(self, permission: Permission, dag_ids: Collection[str]) -> list[str]:
        return super().lacking(permission, dag_ids) if permission is Permission.READ else sorted(dag_ids)


def test_who_may_edit_a_dag_but_not_see_its_runs_is_told_of_none_in_the_plan_of_a_rollback(
    place: Place,
) -> None:
    assert place.client.post(f"{API}/dags/d/promote", json={"build": 3, "reason": "again"}).is_success
    assert place.client.post(f"{API}/dags/d/runs", json={"run_id": "bad"}).is_success
    Life(place.everything.seeder, "bad").set_run("failed")
    of_one = {"to_release": 1, "plan": True}
    of_many = {"verb": "rollback", "selector": {"ids": ["d"]}, **of_one}

    def told(**more: Any) -> list[tuple[Any, ...]]:
        client = place.api.as_("d", **more)
        one = client.post(f"{API}/dags/d/rollback", json=of_one).json()
        (many,) = client.post(f"{API}/changes", json=of_many).json()["outcomes"]
        again = client.post(f"{API}/dags/d/rollback", json={**of_one, "rerun_failed": True}).json()
        names = ("failed_runs", "rerun", "rerun_tasks", "rerun_mixed")
        return [tuple(answer[name] for name in names) for answer in (one, many, again)]

    assert [failed for failed, *_ in told()] == [["bad"]] * 3
    assert told(without=[Permission.READ_RUNS]) == [([], [], 0, 0)] * 3


@pytest.mark.acceptance("dates", 21)
def test_who_may_edit_a_dag_but_not_see_its_runs_is_told_of_none_in_the_plan_of_its_timeline(
    place: Place,
) -> None:
    asked = {"eras": [], "plan": True}

    def told(**more: Any) -> list[Any]:
        answer = place.api.as_("d", **more).put(f"{API}/dags/d/timeline", json=asked).json()
        return [answer[name] for name in ("runs", "differ", "queued")]

    assert None not in told()
    assert told(without=[Permission.READ_RUNS]) == [None, None, None]


def test_a_check_names_sensors_of_those_dags_only_that_the_user_may_read(place: Place) -> None:
    def told(*dag_ids: str) -> list[Any]:
        answer = place.api.as_("dated", *dag_ids).get(f"{API}/dags/dated/timeline/check").json()
        return [(each["dag_id"], each["task_id"], each["waits_for"]) for each in answer["sensors"]]

    assert told("watching") == [("watching", "wait", "publish")]
    assert told() == told("windowed") == []


def test_who_may_not_see_a_dags_versions_is_told_of_no_task_in_its_timeline(place: Place) -> None:
    def told(**more: Any) -> Any:
        answer = place.api.as_("d", **more).get(f"{API}/dags/d/timeline").json()
        assert "variants" in answer, answer
        return answer["variants"]

    assert (told(), told(without=[Permission.READ_VERSIONS])) == ([], None)


@pytest.mark.parametrize(
    ("status", "path", "more"),
    [
        (404, "/dags/nope", {}),
        (404, "/dags/d/versions/r99/graph", {}),
        (404, "/dags/d/compare/file?path=nope", {}),
        (404, "/dags/d/runs/nope/versions", {}),
        (404, "/dags/d/runs/one/tasks/nope", {}),
        (404, "/dags/d/builds/99", {}),
        (404, "/bundles/nope", {}),
        (404, "/dags/d/promote", {"json": {"build": 99}}),
        (404, "/dags/d/rollback", {"json": {"to_release": 99}}),
        (405, "/dags/d/promote", {}),
        (409, "/dags/d/pin", {"json": {"expected_release": 99}}),
        (403, "/dags/d/pin", {"json": {}, "as": ReadsOnly("d")}),
        (403, "/changes", {"json": BODIES["/changes"], "as": ReadsOnly("d", "unsteady")}),
        (422, "/dags/d/pin", {"json": {"reson": "x"}}),
        (422, "/dags?limit=0", {}),
        (422, "/dags/d/builds/nope", {}),
        (422, "/changes", {"json": {"verb": "rollback", "selector": {}}}),
    ],
)
def test_no_problem_sends_a_field_that_is_not_declared(
    place: Place, status: int, path: str, more: dict[str, Any]
) -> None:
    client = place.client
    asked = {**more}
    place.api.reader = asked.pop("as", place.api.reader)
    reply = client.request("POST" if asked else "GET", API + path, **asked)
    assert (reply.status_code, reply.headers["content-type"]) == (status, api_errors.MEDIA_TYPE)
    schema = {"$ref": "#/components/schemas/Problem"}
    assert undeclared(place.document, schema, reply.json()) == []
    assert lacking(place.document, schema, reply.json()) == []
