"""Errors of files that hold Dags which the reader may not read: on no route, in Airflow's own words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute
from sqlalchemy import insert, update
from starlette.testclient import TestClient

from harness.asked import trigger
from harness.inprocess import bound_airflow
from harness.inprocess_api import API, BODIES, Api
from harness.rollouts import plan, rollout
from harness.seed import Seeder
from pinwheel.api.redaction import REDACTED, REDACTED_BUNDLE
from pinwheel.core.event import EventKind
from pinwheel.core.request import Selection
from pinwheel.core.rollout.state import Place as RolledOut
from pinwheel.core.rollout.steps import Check
from pinwheel.core.rule_request import FreezeRequest
from pinwheel.core.selector import Selector
from pinwheel.services.ingest import faults
from pinwheel.services.ingest.errors_of_files import told_of
from pinwheel.services.policy.save import save
from pinwheel.services.rollout import freeze
from pinwheel.store import builds, events, rollouts, trial_parses
from pinwheel.store import tables as t

pytestmark = pytest.mark.airflow

MARK = "hunter2"
TRACEBACK = f'Traceback\n  File "shared.py", line 9\n    password = "{MARK}"  # of theirs\nOops: {MARK}'


def dags(*names: str, mark: str = "m") -> str:
    head = "from airflow.sdk import DAG, task\n"
    return head + "".join(
        f"with DAG({name!r}, schedule='@daily'):\n    @task\n    def first():\n        print({mark!r})\n"
        "    first()\n"
        for name in names
    )


class Place:
    """The API over a database in which ``shared.py`` is broken: it holds ``mine`` and ``theirs``.

    Refused versions and faults tell of it too, and a Dag processor could not import it for an era. From
    ``moved.py`` the Dag ``gone`` moved away after it was broken for both, and it is broken again now.
    """

    def __init__(self, seeder: Seeder) -> None:
        self.host = seeder.host
        good = {"shared.py": dags("mine", "theirs"), "moved.py": dags("stayed", "gone")}
        seeder.push(good)
        for run_id in ("one", "two"):
            trigger(seeder.host, "mine", actor="ada", run_id=run_id)
        seeder.push({name: dags("x", mark="2") for name in good}, errors=dict.fromkeys(good, TRACEBACK))
        apart = {"moved.py": dags("stayed"), "apart.py": dags("gone")}
        seeder.push({"shared.py": dags("mine", "theirs", mark="3"), **apart})
        self.last = seeder.push(
            {**apart, "shared.py": dags("x", mark="4"), "moved.py": dags("x", mark="4")},
            errors={"shared.py": TRACEBACK, "moved.py": "Traceback\nOops: of stayed alone"},
        )
        refused = {"bundle_name": "seed", "version": "worse", "reason": f"Can not take worse: {MARK}"}
        faults.refuse(self.host, **refused)
        faults.record(self.host, bundle_name=faults.PROCESSOR, place="loop", error=f"ValueError: {MARK}")
        save(self.host, "bank", b"rules: [{name: x, forbid: [trials]}]", actor="ada")
        self.answer("does-not-import", f"KeyError: {MARK}")
        wish = FreezeRequest(selection=Selection(selector=Selector(ids=("mine",))), reason="outage")
        self.frozen = freeze.freeze(self.host, wish, actor="ada").freeze.name
        self.rollout = self.host.unit.run(self._begin)
        self.api = Api(self.host)
        self.as_ = self.api.as_

    def _begin(self, session: Any) -> int:
        """A rollout of ``mine`` that waits for a check."""
        build, now = builds.by_number(session, "mine", 1), self.host.unit.now()
        assert build is not None
        place = {"build_id": build.id, "version": build.bundle_version}
        gate = plan(Check(name="ci"))
        begun = rollout(0, id=0, dag_id="mine", place=RolledOut(**place), plan=gate, began_at=now, since=now)
        return rollouts.add(session, begun, next_at=None).id

    def answer(self, problem: str, error: str) -> None:
        """A Dag processor says so of build 1 of ``mine``."""

        def work(session: Any) -> None:
            build = builds.by_number(session, "mine", 1)
            assert build is not None
            now = self.host.unit.now()
            trial_parses.ask(session, {(build.id, build.bundle_version)}, now=now)
            (question,) = trial_parses.open_questions(session, now)
            trial_parses.answer(session, question, ok=False, now=now, problem=problem, error=error)

        self.host.unit.run(work)


@pytest.fixture(scope="module")
def place(sqlite: Any, tmp_path_factory: Any) -> Iterator[Place]:
    root: Path = tmp_path_factory.mktemp("redaction")
    database = sqlite.create()
    with bound_airflow(database):
        yield Place(Seeder(root))
    database.drop()


ERA = {"eras": [{"from": "2019", "until": "2020", "build": 1}]}
ASKED = {**BODIES, "/dags/{dag_id}/timeline": {**ERA, "force": True, "plan": True}}
QUERIES = {
    "/dags/{dag_id}/compare/file": [{"path": "shared.py"}],
    "/dags/{dag_id}/diff": [{}, {"from": 1, "to": 2}],
    "/dags": [{}, {"glob": "*"}, {"track": "auto"}],
    "/fleet": [{}, {"broken": True}],
    "/events": [{}, {"kind": "broken"}, {"ids": "mine"}],
    "/changes": [{"after": 0}],
    "/dags/{dag_id}/history/rows": [{"version": "r1"}],
    "/windows": [{"dag_id": "mine"}],
    "/freezes/{name}": [{"reason": "it is over"}],
}


def answers(place: Place, client: TestClient, dag_id: str) -> Iterator[tuple[str, str]]:
    """Method and path of every route there is, and what it answers."""
    routes = [route for route in place.api.app.routes if isinstance(route, APIRoute)]
    assert len(routes) > 25
    for route in routes:
        template = route.path_format.removeprefix(API)
        path = route.path_format.format(
            dag_id=dag_id,
            run_id="one",
            task_id="first",
            version="r1",
            bundle_name="seed",
            build=1,
            name=place.frozen,
            document="bank",
            rollout=place.rollout,
            verb="pause",
        )
        for method in sorted(route.methods):
            body = {"json": ASKED[template]} if method in ("POST", "PUT") else {}
            # Lifted once, and each time answered.
            key = {"Idempotency-Key": "lift"} if method == "DELETE" else {}
            for query in QUERIES.get(template, [{}]) if method in ("GET", "DELETE") else [{}]:
                reply = client.request(method, path, params=query, headers=key, **body)
                assert reply.is_success, (method, path, reply.text)
                yield f"{method} {template}", reply.text


QUOTING = {
    "GET /dags",
    "GET /dags/{dag_id}",
    "GET /dags/{dag_id}/builds",
    "GET /dags/{dag_id}/line",
    "GET /fleet",
    "GET /bundles",
    "GET /bundles/{bundle_name}",
    "GET /events",
    "PUT /dags/{dag_id}/timeline",
}


def quoting(place: Place, client: TestClient, text: str) -> set[str]:
    return {route for route, answer in answers(place, client, "mine") if text in answer}


def test_no_route_shows_the_error_of_a_file_to_who_may_not_read_all_dags_in_it(place: Place) -> None:
    assert quoting(place, place.as_("mine"), MARK) == set()
    assert quoting(place, place.as_("mine"), "REDACTED - you do not have read permission on") == QUOTING


def test_who_may_read_all_dags_of_a_file_sees_its_error(place: Place) -> None:
    every = ("mine", "theirs", "stayed", "gone")
    assert quoting(place, place.as_(*every), MARK) == QUOTING
    assert quoting(place, place.as_(*every), "REDACTED") == set()
    of_file = QUOTING - {"GET /bundles", "GET /bundles/{bundle_name}"}
    assert quoting(place, place.as_("mine", "theirs"), MARK) == of_file


def test_the_paths_that_changed_in_a_bundle_are_told_to_who_may_read_all_dags_of_it(place: Place) -> None:
    row = {
        "at": place.host.unit.now(),
        "kind": EventKind.MISSED,
        "dag_id": "mine",
        "bundle_name": "seed",
        "actor": "pinwheel",
        "reason": None,
        "details": {"paths": ["theirs/of_a_client.sql"], "changed": 1, "attributes": ["tasks"]},
    }
    place.host.unit.run(lambda session: events.add_all(session, [row]))
    every = ("mine", "theirs", "stayed", "gone")
    assert quoting(place, place.as_("mine"), "of_a_client") == set()
    assert quoting(place, place.as_(*every, import_errors=False), "of_a_client") == set()
    assert quoting(place, place.as_(*every), "of_a_client") == {"GET /events"}
    (told,) = place.as_("mine").get(f"{API}/events", params={"kind": "missed"}).json()["events"]
    assert (told["paths"], told["changed"], told["attributes"]) == ([], 1, ["tasks"])


def test_who_may_not_see_import_errors_sees_none(place: Place) -> None:
    client = place.as_("mine", "theirs", "stayed", "gone", import_errors=False)
    for text in (MARK, "REDACTED"):
        assert quoting(place, client, text) == set()
    assert client.get(f"{API}/dags/mine").json()["broken"]["error"] is None


def test_an_error_stays_hidden_when_the_dag_that_it_tells_of_moves_away(place: Place) -> None:
    client = place.as_("stayed")
    assert client.get(f"{API}/dags/stayed").json()["broken"]["error"] == "Traceback\nOops: of stayed alone"
    builds = client.get(f"{API}/dags/stayed/builds").json()["builds"]
    errors = [build["error"] for build in builds if build["status"] == "broken"]
    assert errors == ["Traceback\nOops: of stayed alone", REDACTED]
    (now, then) = client.get(f"{API}/events", params={"kind": "broken"}).json()["events"]
    assert (now["error"], then["error"]) == ("Oops: of stayed alone", REDACTED)


def test_what_was_refused_of_a_bundle_stays_hidden_when_a_dag_moves_to_another(
    sqlite: Any, tmp_path: Path
) -> None:
    from airflow.models.dag import DagModel
    from airflow.utils.session import create_session

    database = sqlite.create()
    with bound_airflow(database):
        seeder = Seeder(tmp_path)
        seeder.push({"mine.py": dags("mine"), "theirs.py": dags("theirs")})
        faults.refuse(seeder.host, bundle_name="seed", version="worse", reason=f"'theirs.py': {MARK}")
        api = Api(seeder.host)
        Seeder(tmp_path, "other")
        seeder.push({"mine.py": dags("mine")})
        with create_session() as session:
            session.execute(update(DagModel).where(DagModel.dag_id == "theirs").values(bundle_name="other"))
        for names, shown in ((["mine"], False), (["mine", "theirs"], True)):
            client = api.as_(*names)
            assert client.get(f"{API}/bundles/seed").json()["state"] == "refused"
            for path in ("/bundles", "/bundles/seed", "/events", "/fleet", "/dags"):
                text = client.get(f"{API}{path}").text
                assert (MARK in text) is shown or (shown and path in ("/fleet", "/dags")), (path, text)
    database.drop()


def test_the_dags_in_a_zip_are_those_of_its_file(place: Place) -> None:
    def add(session: Any) -> None:
        rows = [("z_1", "a.zip"), ("z_2", "a.zip/in/one.py"), ("z_3", "a.zip2/one.py"), ("z_4", "a%zip/o.py")]
        for dag_id, path in rows:
            row = {"dag_id": dag_id, "bundle_name": "zips", "relative_fileloc": path, "track": "auto"}
            session.execute(insert(t.dag).values(row | {"newest_seq": 0, "retired": False}))

    place.host.unit.run(add)
    at = ("zips", "v", "a.zip")
    assert told_of(place.host, [at]) == {at: {"z_1", "z_2"}}


CAN_NOT_RUN = {
    "does-not-import": "its file can not be imported here",
    "version-not-fetchable": "nor at the source (force-pushed away?)",
    "bundle-ignores-version": "so a run that is not bound would execute that",
}


@pytest.mark.parametrize("problem", CAN_NOT_RUN)
def test_why_a_build_can_not_run_in_an_era_is_told_to_who_may_read_all_that_it_may_quote(
    place: Place, problem: str
) -> None:
    """Of a Dag file's own error the Dags in it, of what its bundle says all in that."""
    of_file = problem == "does-not-import"
    place.answer(problem, f"KeyError: {MARK}")
    try:
        for names, more, wanted in (
            (("mine",), {"import_errors": False}, ""),
            (("mine",), {}, REDACTED if of_file else REDACTED_BUNDLE),
            (("mine", "theirs"), {}, MARK if of_file else REDACTED_BUNDLE),
            (("mine", "theirs", "stayed", "gone"), {}, MARK),
            (("mine", "theirs", "stayed", "gone"), {"import_errors": False}, ""),
        ):
            client = place.as_(*names, **more)
            for plan in (True, False):
                reply = client.put(f"{API}/dags/mine/timeline", json={**ERA, "plan": plan})
                assert reply.status_code == 403 and CAN_NOT_RUN[problem] in reply.text, reply.text
                shown = [text for text in (MARK, REDACTED, REDACTED_BUNDLE) if text in reply.text]
                assert shown == ([wanted] if wanted else []), (names, reply.text)
    finally:
        place.answer("does-not-import", f"KeyError: {MARK}")


def test_a_repeat_by_who_may_read_less_tells_no_error_of_the_first_answer(place: Place) -> None:
    def put(client: TestClient) -> list[str]:
        body, key = {**ERA, "force": True}, {"Idempotency-Key": "forced"}
        reply = client.put(f"{API}/dags/mine/timeline", json=body, headers=key)
        assert reply.status_code == 200, reply.text
        return [said for said in reply.json()["warnings"] if "does not import here" in said]

    try:
        (first,) = put(place.as_("mine", "theirs"))
        assert first.endswith(f"does not import here: KeyError: {MARK}")
        # By name the same person, who has lost a right.
        (repeated,) = put(place.as_("mine"))
        assert repeated.endswith("does not import here")
    finally:
        place.as_("mine").put(f"{API}/dags/mine/timeline", json={"eras": []})
