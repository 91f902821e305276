"""Freezes on real databases: at once, and who may make, see and lift them over REST."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import delete

from harness.inprocess import bound_airflow
from harness.inprocess_api import API, Api
from harness.seed import Seeder
from pinwheel.api.access import Permission
from pinwheel.core.request import Selection
from pinwheel.core.rule_request import FreezeRequest
from pinwheel.core.selector import Selector
from pinwheel.services.rollout import freeze as freezes
from pinwheel.store import tables as t

pytestmark = pytest.mark.airflow

READS = {Permission.EDIT}
"""What somebody lacks who only reads."""


@pytest.fixture(scope="module")
def deployment(database_source: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """The Dags ``a``, ``b`` and ``c``."""
    database = database_source.create()
    with bound_airflow(database):
        seeder = Seeder(tmp_path_factory.mktemp("freezes"), "dags")
        seeder.push(
            {f"{dag_id}.py": f"from airflow.sdk import DAG\ndag = DAG({dag_id!r})\n" for dag_id in "abc"}
        )
        yield Api(seeder.host)
    database.drop()


@pytest.fixture
def api(deployment: Api) -> Iterator[Api]:
    yield deployment
    deployment.host.unit.run(lambda s: s.execute(delete(t.rule)))


def test_freezes_made_at_once_have_names_of_their_own(api: Api) -> None:
    def make(request_id: str | None) -> str | None:
        wish = FreezeRequest(
            selection=Selection(selector=Selector(ids=("a",))), reason="outage", request_id=request_id
        )
        return freezes.freeze(api.host, wish, actor="ada").freeze.name

    with ThreadPoolExecutor(4) as pool:
        apart = list(pool.map(make, [None] * 4))
        equal = list(pool.map(make, ["k"] * 4))
    assert len(set(apart)) == 4 and len(set(equal)) == 1
    found = [view.name for view in freezes.listed(api.host)]
    assert sorted(map(str, found)) == sorted(map(str, {*apart, *equal}))


def freeze(api: Api, *seen: str, ids: tuple[str, ...] = ("a",), name: str = "ada", **more: Any) -> Any:
    selector = more.pop("selector", {"ids": list(ids)})
    client = api.as_(*seen, **more)
    api.reader.user_name = name
    return client.post(f"{API}/freezes", json={"selector": selector, "reason": "outage"})


def lift(api: Api, freeze_name: str, *seen: str, name: str = "ada", **more: Any) -> Any:
    client = api.as_(*seen, **more)
    api.reader.user_name = name
    return client.delete(f"{API}/freezes/{freeze_name}", params={"reason": "it is over"})


def test_named_dags_are_frozen_by_who_may_edit_each_of_them(api: Api) -> None:
    assert freeze(api, "a", policies=False).status_code == 200
    reply = freeze(api, "a", "b", ids=("a", "b"), policies=False, without=READS)
    assert reply.status_code == 403 and "edit the Dag" in reply.text
    assert freeze(api, "a", ids=("a", "b"), policies=False).status_code == 404, "b may not be seen"


@pytest.mark.parametrize("selector", [{"globs": ["a*"]}, {"everything": True}, {"bundle": "dags"}])
def test_what_selects_dags_to_come_is_frozen_by_who_may_change_rules_too(
    api: Api, selector: dict[str, Any]
) -> None:
    every = ("a", "b", "c")
    reply = freeze(api, *every, selector=selector, policies=False)
    assert reply.status_code == 403
    assert reply.json()["found"] == (
        "it selects Dags that come later too, and user ada lacks the right Pinwheel Policies"
    )
    assert freeze(api, *every, selector=selector, without=READS).status_code == 403
    assert freeze(api, *every, selector=selector).status_code == 200


def test_who_may_override_a_freeze_is_said_by_who_may_change_rules(api: Api) -> None:
    asked = {"selector": {"ids": ["a"]}, "reason": "outage", "override": ["eve"]}
    reply = api.as_("a", policies=False).post(f"{API}/freezes", json=asked)
    assert (reply.status_code, api.as_("a").get(f"{API}/freezes").json()) == (403, {"freezes": []})
    assert reply.json()["found"].startswith("it says who may override it, and user ")
    assert api.as_("a", policies=True).post(f"{API}/freezes", json=asked).status_code == 200


def test_ones_own_freeze_is_lifted_with_edit_and_anothers_with_the_right_to_change_rules(api: Api) -> None:
    name = freeze(api, "a", "b", ids=("a", "b")).json()["freeze"]["name"]
    reply = lift(api, name, "a", "b", "c", name="bob", policies=False)
    assert (reply.status_code, reply.json()["found"]) == (403, "ada made it, and you may not change rules")
    assert lift(api, name, "a", policies=False).status_code == 403, "b may not be edited"
    assert lift(api, name, "c", name="bob", policies=False).status_code == 404, "it is not seen"
    assert lift(api, name, "a", "b", policies=False).status_code == 200
    second = freeze(api, "a").json()["freeze"]["name"]
    assert lift(api, second, "c", name="bob", policies=True).status_code == 200


def test_a_freeze_is_listed_to_who_may_see_a_dag_of_it_and_names_no_other(api: Api) -> None:
    freeze(api, "a", "b", ids=("a", "b"))
    assert api.as_("c").get(f"{API}/freezes").json() == {"freezes": []}
    (seen,) = api.as_("b").get(f"{API}/freezes").json()["freezes"]
    assert (seen["selector"]["ids"], seen["dag_ids"], seen["dags"]) == (["b"], ["b"], 1)


def test_rules_and_policies_tell_no_more_of_a_freeze_than_freezes_do(api: Api) -> None:
    freeze(api, "a", "b", ids=("a", "b"))
    assert api.as_("c", policies=False).get(f"{API}/policies").json()["by_hand"] == []
    (seen,) = api.as_("b", policies=False).get(f"{API}/policies").json()["by_hand"]
    assert seen["dags"] == "b"
    (rule,) = api.as_("b", policies=False).get(f"{API}/dags/b/policy").json()["rules"]
    assert rule["dags"] == "b"
    (every,) = api.as_("c", policies=True).get(f"{API}/policies").json()["by_hand"]
    assert every["dags"] == "a, b", "whoever changes rules reads all of them"


def test_windows_are_those_of_dags_that_may_be_seen(api: Api) -> None:
    assert api.as_("a").get(f"{API}/windows", params={"dag_id": "a"}).json()["open"] is True
    assert api.as_("a").get(f"{API}/windows", params={"dag_id": "b"}).status_code == 404
    assert api.as_("a").get(f"{API}/windows").status_code == 422
    for at in ("9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "2026-01-01T00:00:00"):
        reply = api.as_("a").get(f"{API}/windows", params={"dag_id": "a", "at": at})
        assert reply.status_code == 422, reply.text


@pytest.mark.parametrize(
    "body",
    [
        {"reason": ""},
        {"reason": " "},
        {"until": "2000-01-01T00:00:00Z"},
        {"until": "2999-01-01T00:00:00"},
        {"override": [" "]},
        {"selector": {}},
        {"more": 1},
    ],
)
def test_a_body_that_can_not_mean_a_freeze_answers_422(api: Api, body: dict[str, Any]) -> None:
    asked = {"selector": {"ids": ["a"]}, "reason": "outage", **body}
    assert api.as_("a").post(f"{API}/freezes", json=asked).status_code == 422
    assert api.as_("a").get(f"{API}/freezes").json() == {"freezes": []}
