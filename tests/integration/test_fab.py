"""Behind the FAB auth manager: its users, its roles, and permissions that a Dag file sets itself.

An environment of its own: the libraries that FAB needs do not go with the newest ones.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from harness import bundles, dags
from harness.airflow_env import API_SERVER, DAG_PROCESSOR
from harness.every_route import requests
from harness.gitrepo import GitRepo
from harness.other_airflow import FAB, OtherAirflow
from harness.processes import wait_for

pytestmark = [pytest.mark.full, pytest.mark.airflow, pytest.mark.postgres, pytest.mark.slow]

AIRFLOW = "3.3.2"
API = "/pinwheel/api/v1"
ADMIN = [
    *("--username", "admin", "--password", "admin-password", "--role", "Admin"),
    *("--firstname", "admin", "--lastname", "of the tests", "--email", "admin@example.test"),
]
TEAM = "access_control={'team': {'DAGs': {'can_read', 'can_edit'}, 'DAG Runs': {'can_create'}}}"
NOBODY = "access_control={}"


class Place:
    def __init__(self, env: OtherAirflow, repo: GitRepo) -> None:
        self.env = env
        self.repo = repo

    def push(self, **files: str) -> None:
        """The Dags' files with these permissions; until what they made is released."""
        sha = self.repo.commit(
            {path: text for name, access in files.items() for path, text in _dag(name, access).items()}
        )
        settled = "SELECT count(*) FROM pinwheel_dag d JOIN pinwheel_build b ON b.id = d.active_build_id"
        wait_for(
            lambda: self.env.scalar(f"{settled} WHERE b.bundle_version = :sha", sha=sha) == len(files),
            60,
            lambda: f"{len(files)} Dags of {sha}\n{self.env.tails()}",
        )

    def seen(self, user: str) -> list[str]:
        found = self.env.get(f"{API}/dags", user)
        return sorted(dag["dag_id"] for dag in found["dags"])

    def post(self, user: str, path: str, **body: Any) -> httpx.Response:
        return self.env.api(user).post(f"{API}{path}", json=body)


def _dag(dag_id: str, access: str) -> dict[str, str]:
    return dags.dag(dag_id, "m1", dag_args=access)


def _create(env: OtherAirflow, what: str, **body: Any) -> None:
    reply = env.api().post(f"/auth/fab/v1/{what}", json=body)
    assert reply.is_success, reply.text


def _create_user(env: OtherAirflow, user: str, role: str) -> None:
    _create(
        env,
        "users",
        username=user,
        password=f"{user}-password",
        first_name=user,
        last_name="of the tests",
        email=f"{user}@example.test",
        roles=[{"name": role}],
    )


@pytest.fixture(scope="module")
def place(postgres: Any, tmp_path_factory: Any) -> Iterator[Place]:
    root = tmp_path_factory.mktemp("fab")
    database = postgres.create("fab", migrated=False)
    repo = GitRepo(root / "repo")
    with OtherAirflow(
        AIRFLOW,
        root,
        database,
        packages=[FAB],
        processor="pinwheel",
        bundles=[bundles.git("main", repo.url)],
        config={"core.auth_manager": "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"},
    ) as env:
        env.cli("airflow", "db", "migrate", check=True)
        env.cli("airflow", "users", "create", *ADMIN, check=True)
        env.start(API_SERVER, DAG_PROCESSOR)
        _create(env, "roles", name="team", actions=[])
        for user, role in (("viewer", "Viewer"), ("member", "team")):
            _create_user(env, user, role)
        made = Place(env, repo)
        made.push(theirs=TEAM, other=NOBODY)
        made.push(theirs=f"{TEAM}, description='two'", other=f"{NOBODY}, description='two'")
        yield made
    database.drop()


def test_each_role_sees_the_dags_that_it_may_read(place: Place) -> None:
    assert place.seen("admin") == place.seen("viewer") == ["other", "theirs"]
    assert place.seen("member") == ["theirs"]
    assert place.env.api("member").get(f"{API}/dags/other").status_code in (403, 404)
    assert place.env.api(None).get(f"{API}/dags").status_code == 401


def test_a_change_needs_leave_to_edit_that_dag(place: Place) -> None:
    for user, dag_id in (("viewer", "theirs"), ("viewer", "other"), ("member", "other")):
        refused = place.post(user, f"/dags/{dag_id}/rollback", reason="no")
        assert refused.status_code in (403, 404), (user, dag_id, refused.text)
        assert refused.headers["content-type"] == "application/problem+json"
    batch = place.post("member", "/changes", verb="pin", selector={"ids": ["theirs", "other"]})
    assert batch.status_code in (403, 404)
    done = place.post("member", "/dags/theirs/pin", reason="mine")
    assert done.is_success, done.text
    assert place.env.get(f"{API}/dags/other")["track"] == "auto"
    (event,) = place.env.get(f"{API}/events", ids="theirs", kind="pin")["events"]
    assert (event["actor"], event["reason"]) == ("member", "mine")
    assert place.post("member", "/dags/theirs/unpin").is_success


def test_the_permissions_of_a_dag_are_those_of_its_active_build(place: Place) -> None:
    place.push(theirs=NOBODY)
    assert place.seen("member") == []
    assert place.post("admin", "/dags/theirs/rollback", reason="the team was locked out").is_success
    assert place.seen("member") == ["theirs"]
    # A push behind the pin changes nothing of them.
    released = _newest_build(place)
    place.repo.commit(_dag("theirs", f"{NOBODY}, description='three'"))
    wait_for(lambda: _newest_build(place) > released, 60, lambda: f"a held build\n{place.env.tails()}")
    assert place.seen("member") == ["theirs"]
    # Nor does a trial of it, which writes a version of its own.
    tried = place.post("admin", "/dags/theirs/runs", build=_newest_build(place))
    assert tried.is_success and tried.json()["release"] is None, tried.text
    assert place.seen("member") == ["theirs"]
    assert place.post("admin", "/dags/theirs/unpin").is_success
    assert place.seen("member") == []


def _newest_build(place: Place) -> int:
    return max(build["build"] for build in place.env.get(f"{API}/dags/theirs/builds")["builds"])


def _in_process(place: Place, code: str) -> Any:
    """What code prints as JSON that runs with FAB's auth manager, as in the API server."""
    done = place.env.cli("python", "-c", textwrap.dedent(code), check=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


CREATE = """
    import json
    from attrs import asdict
    from pinwheel.wiring import rights
    print(json.dumps(asdict(rights(quiet=True))))
"""
ASK = """
    import json
    from airflow.api_fastapi.app import create_auth_manager
    from airflow.providers.fab.auth_manager.models import User
    from airflow.utils.session import create_session
    from pinwheel.airflow3.access import AirflowAccess
    from pinwheel.airflow3.people import people
    from pinwheel.api.access import View
    create_auth_manager()
    with create_session() as session:
        users = {user.username: AirflowAccess(user) for user in session.query(User)}
        had = {name: [v.name for v in View if access.has(v)] for name, access in users.items()}
        names = {name: sorted(access.names()) for name, access in users.items()}
        known = people(session)
    found = [known.user("Vi <Viewer@example.test>"), known.user("member <m@x>"), known.user("No <one@x>")]
    print(json.dumps({"had": had, "names": names, "found": found}))
"""


@pytest.mark.acceptance("rollouts", 96)
def test_a_role_has_a_right_once_it_is_given_what_pinwheel_created(place: Place) -> None:
    before = _in_process(place, ASK)
    assert before["had"] == {"admin": [], "viewer": [], "member": []}
    assert before["found"] == ["viewer", "member", None]
    assert before["names"]["member"] == ["member", "team"]
    made = _in_process(place, CREATE)
    assert made["created"] == made["names"] and len(made["names"]) == 4
    assert "airflow roles add-perms" in made["said"]
    assert _in_process(place, CREATE)["created"] == []
    assert _in_process(place, ASK)["had"] == before["had"]
    command = ("roles", "add-perms", "team", "--resource", "Pinwheel Approvals", "--action", "can_edit")
    place.env.cli("airflow", *command, check=True)
    place.env.cli("airflow", "sync-perm", check=True)
    had = _in_process(place, ASK)["had"]
    assert (had["viewer"], had["member"], len(had["admin"])) == ([], ["APPROVALS"], 4)


@pytest.mark.acceptance("rollouts", 25)
def test_a_bot_whose_role_has_the_right_to_say_checks_can_do_nothing_else(place: Place) -> None:
    _in_process(place, CREATE)
    place.env.cli("airflow", "roles", "create", "bots", check=True)
    command = ("roles", "add-perms", "bots", "--resource", "Pinwheel Checks", "--action", "can_edit")
    place.env.cli("airflow", *command, check=True)
    _create_user(place.env, "bot", "bots")
    said = {"verdict": "passed", "digest": "0" * 64}
    assert place.env.api("member").put(f"{API}/checks/ci", json=said).status_code == 403
    assert place.env.api("bot").put(f"{API}/checks/ci", json=said).is_success
    assert place.seen("bot") == []
    assert place.post("admin", "/freezes", selector={"ids": ["theirs"]}, reason="outage").is_success
    (frozen,) = place.env.get(f"{API}/freezes")["freezes"]
    before = place.env.get(f"{API}/dags"), place.env.get(f"{API}/freezes")
    names = {"dag_id": "theirs", "document": "bank", "name": frozen["name"], "rollout": "1", "verb": "pause"}
    names |= {"bundle_name": "main", "build": "1", "version": "r1", "run_id": "r", "task_id": "only"}
    tried = []
    for each in requests(place.env.get(f"{API}/openapi.json", "bot"), names):
        if each.method != "GET" and each.route != "PUT /checks/{name}":
            reply = place.env.api("bot").request(
                each.method, API + each.path, json=each.json, params={"reason": "no"}
            )
            tried.append((each.route, reply.status_code))
    assert [(route, status) for route, status in tried if status not in (403, 404)] == []
    assert len(tried) > 15
    assert (place.env.get(f"{API}/dags"), place.env.get(f"{API}/freezes")) == before
    lifted = place.env.api("admin").delete(f"{API}/freezes/{frozen['name']}", params={"reason": "over"})
    assert lifted.is_success, lifted.text


def test_the_tables_of_fab_and_of_pinwheel_are_migrated_together(place: Place) -> None:
    assert place.env.db("status")["direction"] == "same"
    assert place.env.scalar("SELECT count(*) FROM alembic_version_fab") == 1
    checked = place.env.cli("airflow", "db", "check-migrations", "-t", "5")
    assert checked.returncode == 0, checked.stderr


def test_users_and_roles_stay_as_they_are_through_a_walk_down_and_up(place: Place, tmp_path: Path) -> None:
    env = place.env
    env.stop()

    def kept() -> dict[str, list[dict[str, Any]]]:
        tables = ("ab_user", "ab_role", "ab_user_role", "ab_permission_view_role", "alembic_version_fab")
        return {table: env.rows(f"SELECT * FROM {table} ORDER BY 1") for table in tables}

    before = kept()
    with OtherAirflow("3.2.2", tmp_path, env.database) as older:
        planned = older.db("reconcile", "--plan")
        assert any("fab" in note for note in planned["notes"])
        lost = ",".join(loss["name"] for loss in planned["losses"])
        done = older.db("reconcile", "--allow-downgrade", "--wait-for-writers", "60s", "--accept-loss", lost)
        assert done["changed"] and older.db("status")["direction"] == "same"
    assert kept() == before
    env.cli("airflow", "db", "migrate", check=True)
    assert kept() == before
    env.start(API_SERVER)
    assert place.seen("admin") == place.seen("viewer") == ["other", "theirs"]
