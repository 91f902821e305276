"""A request with an id is carried out once; the same id with another verb, target or value is a conflict."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import httpx
import pytest
import sqlalchemy as sa

from harness import asked, faults, invariants
from harness.faults import AFTER_COMMIT, Points, airflow_engine
from harness.inprocess_api import API, Api
from harness.operations import World
from harness.prebuilt import finish_run, start_run
from pinwheel.cli import context, main
from pinwheel.cli.backend.local import LocalBackend
from pinwheel.cli.backend.remote import RemoteBackend
from pinwheel.core.errors import Conflict, InvalidInput
from pinwheel.core.release.decide import Verb
from pinwheel.core.request import ChangeRequest, Selection
from pinwheel.core.selector import Selector
from pinwheel.services import change, once
from pinwheel.services.run import backfill, bound
from pinwheel.services.show.events import events
from pinwheel.services.upkeep import prune
from pinwheel.store import tables as t

Ask = Callable[..., tuple[int, Any]]
DATES = ("--from-date", "2026-01-01", "--to-date", "2026-01-03")
WISH = {"from_date": datetime(2026, 1, 1, tzinfo=UTC), "to_date": datetime(2026, 1, 3, tzinfo=UTC)}


@pytest.fixture
def world(airflow_database: Any) -> World:
    return World()


@pytest.fixture
def api(world: World) -> Api:
    return Api(world.host)


@pytest.fixture(params=["local", "remote"])
def ask(request: Any, world: World, api: Api, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Iterator[Ask]:
    """Runs a command on the database here, or over REST; gives its exit code, and its answer or error."""

    def answer(asked: httpx.Request) -> httpx.Response:
        path = asked.url.raw_path.decode().removeprefix("/pinwheel")
        client = api.as_("a", "b", "c")
        reply = client.request(asked.method, path, content=asked.content, headers=dict(asked.headers))
        return httpx.Response(reply.status_code, content=reply.content, headers=reply.headers)

    made: Any = LocalBackend(world.host, actor="ada")
    if request.param == "remote":
        made = RemoteBackend("http://airflow", transport=httpx.MockTransport(answer))
    monkeypatch.setattr(context, "make_backend", lambda args: made)

    def run(*command: str) -> tuple[int, Any]:
        capsys.readouterr()
        code = main.main([*command, "-o", "json"])
        out, err = capsys.readouterr()
        return code, json.loads(out or err[err.index("{") :])

    yield run


def kinds(world: World) -> list[str]:
    return [event.kind for event in events(world.host)]


def ended_run(world: World, run_id: str) -> str:
    asked.trigger(world.host, "a", actor="ada", run_id=run_id)
    start_run("a", run_id)
    finish_run("a", run_id)
    return run_id


def test_a_pins_id_neither_rolls_back_nor_triggers_nor_clears(world: World, ask: Ask) -> None:
    one, other = ended_run(world, "one"), ended_run(world, "other")
    assert ask("pin", "a", "--request-id", "deploy-1")[0] == 0
    before = invariants.dump(airflow_engine())
    for command in (
        ["rollback", "a", "b"],
        ["rollback", "a"],
        ["pin", "a", "b"],
        ["pin", "a", "--build", "1"],
        ["pin", "a", "--reason", "another"],
        ["pin", "a", "--expected-release", "2"],
        ["pin", "--dag-glob", "a"],
        ["trigger", "a"],
        ["clear", "a", one],
        ["backfill", "a", *DATES],
        ["backfill", "a", *DATES, "--build", "1"],
    ):
        code, error = ask(*command, "--request-id", "deploy-1")
        assert code == 4, (command, error)
        assert "the request id 'deploy-1' stands for another request of ada, made at 20" in error["found"]
        assert error["found"].endswith(": pin a")
        first = (error.get("facts") or error)["first"]
        assert (first["verb"], first["dag_ids"], first["actor"]) == ("pin", ["a"], "ada")
    assert invariants.differing(before, invariants.dump(airflow_engine())) == []

    assert ask("clear", "a", one, "--request-id", "again")[0] == 0
    code, error = ask("clear", "a", one, other, "--request-id", "again")
    assert (code, error["found"][-7:]) == (4, "clear a")
    assert kinds(world).count("clear") == 1


def test_a_repeat_gives_the_first_answer_and_changes_nothing(world: World, ask: Ask) -> None:
    one, other = ended_run(world, "one"), ended_run(world, "other")
    for command in (
        ["rollback", "a", "b", "--reason", "wrong totals", "--rerun-failed", "--not-to-blame"],
        ["unpin", "--all"],
        ["promote", "--dag-glob", "*"],
        ["pin", "b", "--release", "1", "--expected-release", "4"],
        ["trigger", "b", "--build", "1", "--conf", '{"x": [1, {"y": null}]}', "--note", "n"],
        ["trigger", "b", "--logical-date", "2026-02-01T00:00:00+02:00"],
        ["clear", "a", one, other, "--task-id", "second", "--task-id", "first", "--build", "1"],
        ["backfill", "a", *DATES, "--build", "2", "--dag-run-conf", '{"k": 1}'],
        ["backfill", "c", *DATES],
    ):
        # What commands have in common is their id: it counts for a request, not for a verb.
        words = [*command, "--request-id", "-".join(command)[:255]]
        code, first = ask(*words)
        assert code == 0, first
        before = invariants.dump(airflow_engine())
        code, again = ask(*words)
        assert code == 0, again
        if command[0] in ("rollback", "unpin", "promote", "pin"):
            assert any(outcome["changed"] for outcome in first) is (command[0] != "promote")
            for outcome in again:
                assert not outcome.pop("changed")
                assert outcome.pop("message") == "this request was carried out before"
            first = [{k: v for k, v in o.items() if k not in ("changed", "message")} for o in first]
        assert again == first
        assert invariants.differing(before, invariants.dump(airflow_engine())) == []


def test_the_order_of_words_and_the_way_of_writing_a_date_make_no_other_request(
    world: World, ask: Ask
) -> None:
    one, other = ended_run(world, "one"), ended_run(world, "other")
    for first, again in (
        (["pin", "a", "b"], ["pin", "b", "a", "a"]),
        (["unpin", "--tag", "x", "--tag", "y", "a"], ["unpin", "a", "--tag", "y", "--tag", "x"]),
        (["clear", "a", one, other], ["clear", "a", other, one]),
        (
            ["trigger", "a", "--logical-date", "2026-02-01T00:00:00+02:00", "--conf", '{"x": 1, "y": 2}'],
            ["trigger", "a", "--logical-date", "2026-01-31T22:00:00", "--conf", '{"y": 2, "x": 1}'],
        ),
    ):
        code, answer = ask(*first, "--request-id", first[0])
        if first[0] == "unpin":
            # Nothing has these tags: what failed left nothing, so another request may have the id.
            assert code == 3, answer
            assert ask("unpin", "a", "--request-id", "unpin")[0] == 0
            continue
        assert code == 0, answer
        counted = len(kinds(world))
        assert ask(*again, "--request-id", first[0])[0] == 0
        assert len(kinds(world)) == counted


def test_one_id_stands_for_one_request_over_rest_too(world: World, api: Api) -> None:
    http = api.as_("a", "b", "c")
    key = {"Idempotency-Key": "deploy 17"}
    pinned = http.post(f"{API}/dags/a/pin", json={"reason": "r"}, headers=key).json()
    assert pinned["changed"]
    for path, body in (
        ("dags/a/rollback", {"reason": "r"}),
        ("dags/a/pin", {"reason": "other"}),
        ("dags/b/pin", {"reason": "r"}),
        ("changes", {"verb": "pin", "selector": {"ids": ["a", "b"]}, "reason": "r"}),
        ("changes", {"verb": "pin", "selector": {"globs": ["a"]}, "reason": "r"}),
        ("dags/a/runs", {"reason": "r"}),
        ("dags/a/clear", {"run_ids": ["one"], "reason": "r"}),
        ("dags/a/runs/one/clear", {"reason": "r"}),
        ("dags/a/backfills", {"from_date": "2026-01-01T00:00:00Z", "to_date": "2026-01-02T00:00:00Z"}),
    ):
        reply = http.post(f"{API}/{path}", json=body, headers=key)
        assert (reply.status_code, reply.json()["type"]) == (409, "urn:pinwheel:conflict"), (path, reply.text)
        assert reply.json()["facts"]["first"]["dag_ids"] == ["a"]
    # The same request, said by the route for many and by the command line.
    body = {"verb": "pin", "selector": {"ids": ["a"]}, "reason": "r"}
    (again,) = http.post(f"{API}/changes", json=body, headers=key).json()["outcomes"]
    assert (again["changed"], again["release"]) == (False, pinned["release"])
    local = LocalBackend(world.host, actor="ada")
    (again,) = local.change(asked.change(Verb.PIN, ["a"], reason="r", request_id="deploy 17").request)
    assert (again["changed"], again["release"]) == (False, pinned["release"])


def test_a_plan_neither_uses_an_id_nor_keeps_one(world: World, api: Api, ask: Ask) -> None:
    ended_run(world, "one")
    http = api.as_("a", "b", "c")
    for verb in ("pin", "unpin", "rollback", "promote"):
        planned = http.post(f"{API}/dags/a/{verb}?plan=true", headers={"Idempotency-Key": "k"})
        assert planned.status_code == 200, planned.text
        assert ask(verb, "a", "--plan", "--request-id", "k")[0] == 0
    assert ask("clear", "a", "one", "--plan", "--request-id", "k")[0] == 0
    for build in ([], ["--build", "2"]):
        assert ask("backfill", "a", *DATES, *build, "--plan", "--request-id", "k")[0] == 0
    assert ask("pin", "a", "--request-id", "k")[0] == 0
    assert ask("rollback", "a", "--plan", "--request-id", "k")[0] == 0


def test_an_id_counts_for_its_user(world: World, api: Api) -> None:
    http = api.as_("a")
    assert http.post(f"{API}/dags/a/pin", headers={"Idempotency-Key": "k"}).json()["changed"]
    api.reader.user_name = "bob"
    assert http.post(f"{API}/dags/a/rollback", headers={"Idempotency-Key": "k"}).json()["changed"]


def test_a_conflict_tells_of_the_first_request_only_what_its_reader_may_see(world: World, api: Api) -> None:
    http = api.as_("a", "b", "c")
    key = {"Idempotency-Key": "k"}
    every = {"verb": "pin", "selector": {"globs": ["*"]}}
    assert len(http.post(f"{API}/changes", json=every, headers=key).json()["outcomes"]) == 3
    api.as_("a")
    body = http.post(f"{API}/dags/a/rollback", headers=key).json()
    assert body["found"].endswith(": pin a, Dags that you may not see")
    assert body["facts"]["first"]["dag_ids"] == ["a"]
    # Nor does the answer to a repeat.
    (again,) = http.post(f"{API}/changes", json=every, headers=key).json()["outcomes"]
    assert (again["dag_id"], again["changed"]) == ("a", False)
    api.as_("b")
    http.post(f"{API}/dags/b/rollback", headers={"Idempotency-Key": "of b"})
    api.as_("a")
    body = http.post(f"{API}/dags/a/rollback", headers={"Idempotency-Key": "of b"}).json()
    assert body["found"].endswith(": roll back Dags that you may not see")
    assert "b" not in body["facts"]["first"]["dag_ids"]


def test_the_same_selector_is_the_same_request_though_it_finds_other_dags_by_now(world: World) -> None:
    local = LocalBackend(world.host, actor="ada")
    pattern = Selection(selector=Selector(globs=("*",)))
    pin = ChangeRequest(verb=Verb.PIN, selection=pattern, request_id="k")
    assert len(local.change(pin)) == 3
    world.pusher.push({"d": world.next_text()})
    again = local.change(pin)
    assert [(o["dag_id"], o["changed"]) for o in again] == [("a", False), ("b", False), ("c", False)]
    assert [view["track"] for view in local.status(pattern)] == ["pinned"] * 3 + ["auto"]


def test_a_request_that_failed_leaves_nothing(world: World) -> None:
    def refused() -> None:
        with pytest.raises(Conflict):
            world.change(Verb.PIN, request_id="k", expected_release=9)
        with pytest.raises(Conflict, match="another backfill"):
            asked.backfill(world.host, "a", **WISH, actor="ada", request_id="b")

    asked.backfill(world.host, "a", **WISH, actor="ada")
    refused()
    refused()
    assert world.change(Verb.ROLLBACK, request_id="k")[0].changed


def test_a_malformed_id_is_refused_everywhere(world: World, api: Api, ask: Ask) -> None:
    for bad in ("", "x" * 256, "naïve", "line\nbreak"):
        with pytest.raises(InvalidInput, match="printable ASCII"):
            world.change(Verb.PIN, request_id=bad)
        assert ask("pin", "a", "--request-id", bad)[0] == 2
    for bad in ("", "x" * 256):
        assert api.as_("a").post(f"{API}/dags/a/pin", headers={"Idempotency-Key": bad}).status_code == 422
    assert world.change(Verb.PIN, request_id="x" * 255)[0].changed


def test_ids_are_forgotten_after_a_time(world: World) -> None:
    world.change(Verb.PIN, request_id="k")
    age(world, once.KEPT - timedelta(minutes=1))
    prune.prune(world.host)
    assert not world.change(Verb.PIN, request_id="k")[0].changed
    age(world, timedelta(minutes=2))
    prune.prune(world.host)
    assert world.change(Verb.ROLLBACK, request_id="k")[0].changed


def age(world: World, by: timedelta) -> None:
    """All requests were made so much earlier."""
    at = t.request.c.at
    rows = world.host.unit.run(lambda s: list(s.execute(sa.select(t.request.c.request_id, at))))
    for request_id, when in rows:
        older = sa.update(t.request).where(t.request.c.request_id == request_id).values(at=when - by)
        world.host.unit.run(lambda s, older=older: s.execute(older))


# A default backfill is Airflow's own, which commits it before Pinwheel knows of it.


def backfills(world: World) -> int:
    from airflow.models.backfill import Backfill

    return int(world.host.unit.run(lambda s: s.scalar(sa.select(sa.func.count()).select_from(Backfill))))


class DiesAfterCommit(Points):
    """The process dies when so many commits were made."""

    def __init__(self, number: int) -> None:
        super().__init__(airflow_engine())
        self.number = number

    def _reach(self, what: str, dbapi_connection: Any) -> None:
        super()._reach(what, dbapi_connection)
        if what == AFTER_COMMIT and self.seen.count(AFTER_COMMIT) == self.number:
            faults.raises(dbapi_connection)


@pytest.mark.parametrize("build", [None, 2])
def test_a_backfill_is_made_once_wherever_its_process_dies(world: World, build: int | None) -> None:
    from airflow.models.backfill import Backfill

    def act(month: int) -> backfill.Backfilled:
        dates = {
            "from_date": datetime(2025, month, 1, tzinfo=UTC),
            "to_date": datetime(2025, month, 3, tzinfo=UTC),
        }
        made = asked.backfill(world.host, "b", **dates, build=build, request_id=f"of {month}")
        # A second one would otherwise be refused because the first is active.
        world.host.unit.run(
            lambda s: s.execute(sa.update(Backfill).values(completed_at=world.host.unit.now()))
        )
        return made

    with Points(airflow_engine()) as points:
        act(1)
    commits = points.seen.count(AFTER_COMMIT) - 1
    assert commits >= (1 if build else 4)
    for number in range(1, commits + 1):
        made = backfills(world)
        with pytest.raises(faults.Injected), DiesAfterCommit(number):
            act(number + 1)
        world.host.unit.run(
            lambda s: s.execute(sa.update(Backfill).values(completed_at=world.host.unit.now()))
        )
        first = act(number + 1)
        assert act(number + 1) == first
        assert backfills(world) == made + 1, f"stopped after commit {number} of {commits}"


# What is kept is read back by later versions.

KEPT_1: dict[str, tuple[once.Form[Any], Any, Any]] = {
    "change": (
        change.OUTCOMES,
        [
            {
                "dag_id": "a",
                "changed": True,
                "message": "held on build 1 until unpinned",
                "kind": "rollback",
                "release": 3,
                "build": 1,
                "from_release": 2,
                "from_build": 2,
                "track": "pinned",
                "warnings": ["packages differ"],
                "rerun": ["run-1"],
            }
        ],
        [
            change.Outcome(
                dag_id="a",
                changed=True,
                message="held on build 1 until unpinned",
                kind="rollback",
                release=3,
                build=1,
                from_release=2,
                from_build=2,
                track="pinned",
                warnings=("packages differ",),
                rerun=("run-1",),
            )
        ],
    ),
    "trigger": (
        bound.BOUND,
        {"dag_id": "a", "run_id": "r", "build": 2, "release": None, "bundle_version": "v"},
        bound.Bound(dag_id="a", run_id="r", build=2, release=None, bundle_version="v"),
    ),
    "clear": (
        bound.CLEARED,
        [{"dag_id": "a", "run_id": "r", "build": 2, "release": 5, "bundle_version": "v", "cleared": 4}],
        [bound.Cleared(dag_id="a", run_id="r", build=2, release=5, bundle_version="v", cleared=4)],
    ),
    "backfill": (
        backfill.BACKFILLED,
        {
            "dag_id": "a",
            "backfill": 7,
            "build": 2,
            "release": 5,
            "bundle_version": "v",
            "runs": [
                {
                    "run_id": "r",
                    "logical_date": "2026-01-01T00:00:00+00:00",
                    "partition_key": None,
                    "outcome": "new",
                    "seq": 0,
                    "dag_version_id": "0190b6a0-0000-7000-8000-000000000000",
                    "bundle_version": "v",
                }
            ],
        },
        None,
    ),
}


@pytest.mark.parametrize("kind", KEPT_1)
def test_an_answer_kept_by_version_1_is_read_by_this_one(kind: str) -> None:
    form, kept, value = KEPT_1[kind]
    read = form.readers[1](kept)
    if value is not None:
        assert read == value
    # Whoever adds a field to an answer counts its version up, and keeps the reader of this one.
    if form.version == 1:
        assert json.loads(json.dumps(form.write(read))) == kept
    else:
        assert form.readers[form.version](json.loads(json.dumps(form.write(read)))) == read
    assert form.version in form.readers


def test_an_answer_of_a_later_version_is_not_guessed_at(world: World) -> None:
    world.change(Verb.PIN, request_id="k")
    next_one = change.OUTCOMES.version + 1
    later = attrs.evolve(change.OUTCOMES, version=next_one, readers={next_one: lambda kept: kept})
    wanted = change._request(asked.change(verb=Verb.PIN, dag_ids=["a"], actor="ada", request_id="k"))
    with pytest.raises(Conflict, match="answers this one does not know"):
        once.carry_out(world.host, wanted, later, lambda session: [])


def test_the_work_of_equal_requests_at_once_is_done_once(world: World) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from airflow import settings

    def one(number: int) -> Any:
        try:
            verb, dag_ids = (Verb.PIN, ["a"]) if number % 2 else (Verb.ROLLBACK, ["b"])
            return world.change(verb, dag_ids, request_id="k")[0]
        except Conflict as error:
            return error
        finally:
            settings.Session.remove()

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(one, range(4)))
    conflicts = [each for each in found if isinstance(each, Conflict)]
    assert len(conflicts) == 2
    assert sorted(each.changed for each in found if each not in conflicts) == [False, True]
