"""The fleet's routes, over many Dags, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from harness import asked
from harness.inprocess import bound_airflow
from harness.inprocess_server import InProcessServer
from harness.seed import Seeder
from pinwheel.core.release.decide import Verb
from pinwheel.services import change
from pinwheel.services.show import compare, fleet
from pinwheel.services.show.line import line

pytestmark = pytest.mark.airflow

SOURCE = """
    from airflow.sdk import DAG, task

    with DAG({name!r}, schedule=None, tags={tags!r}, default_args={{"owner": {owner!r}}}):
        @task
        def first():
            print({mark!r})
        first()
"""
NAMES = [f"dag_{number:02}" for number in range(12)]


def sources(mark: str) -> dict[str, str]:
    return {
        f"{name}.py": SOURCE.format(
            name=name, mark=mark, tags=["even"] if number % 2 == 0 else [], owner=f"team{number % 3}"
        )
        for number, name in enumerate(NAMES)
    }


class Deployment:
    def __init__(self, env: InProcessServer, seeder: Seeder) -> None:
        self.env = env
        self.seeder = seeder

    def get(self, user: str = "admin", **params: Any) -> dict[str, Any]:
        return dict(self.env.get("/pinwheel/api/v1/fleet", user, **params))

    def ids(self, **params: Any) -> list[str]:
        return [dag["dag_id"] for dag in self.get(**params)["dags"]]


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def deployment(request: Any, tmp_path_factory: Any) -> Iterator[Deployment]:
    root: Path = tmp_path_factory.mktemp("fleet")
    database = request.getfixturevalue(request.param).create()
    with bound_airflow(database):
        seeder = Seeder(root)
        seeder.push(sources("one"))
        seeder.push(sources("two"))
        host = seeder.host
        for verb, dag_id in ((Verb.PIN, "dag_01"), (Verb.ROLLBACK, "dag_02")):
            wish = asked.change(verb=verb, dag_ids=[dag_id], actor="ada", reason="because")
            change.apply(host, wish)
        yield Deployment(InProcessServer(host, database), seeder)
    database.drop()


def test_filters_add_up_and_paging_leaves_nothing_out(deployment: Deployment) -> None:
    assert deployment.ids() == NAMES
    assert deployment.ids(limit=5) + deployment.ids(limit=5, offset=5) + deployment.ids(offset=10) == NAMES
    assert deployment.ids(tag=["even"]) == NAMES[::2]
    assert deployment.ids(owner="team1") == NAMES[1::3]
    assert deployment.ids(owner="TEAM1") == []
    assert deployment.ids(owner="team") == []
    assert deployment.ids(tag=["even"], owner="team0") == NAMES[::6]
    assert deployment.ids(text="AG_0") == NAMES[:10]
    assert deployment.ids(text="%") == []
    assert deployment.ids(bundle="no-such-bundle") == []
    assert deployment.ids(pinned=True) == ["dag_01", "dag_02"]
    assert deployment.ids(pinned=False) == [name for name in NAMES if name not in ("dag_01", "dag_02")]
    assert deployment.ids(held=True) == ["dag_02"]
    assert deployment.ids(order_by="-last_change")[:2] == ["dag_02", "dag_01"]
    assert deployment.ids(order_by="attention")[0] == "dag_02"
    for order in ("waits_since", "pinned_since", "failing_since"):
        assert sorted(deployment.ids(order_by=order)) == NAMES
    assert deployment.ids(behind=True) == ["dag_02"]
    assert deployment.ids(pinned_days=1) == []
    assert deployment.ids(tag=["even", "odd"]) == NAMES[::2]
    assert deployment.ids(tag=["even", "odd"], tags_match_mode="all") == []


def test_counts_tell_how_many_are_in_each_state_whatever_of_them_is_asked(deployment: Deployment) -> None:
    counts = {"all": 12, "held": 1, "pinned": 2, "broken": 0, "failing": 0, "broken_files": 0}
    assert deployment.get()["counts"] == deployment.get(held=True)["counts"] == counts
    assert deployment.get(held=True)["total_entries"] == 1
    assert deployment.get(tag=["even"])["counts"] == {**counts, "all": 6, "pinned": 1}


def test_a_line_says_all_that_the_page_shows(deployment: Deployment) -> None:
    (line,) = deployment.get(text="dag_02")["dags"]
    assert (line["active"]["build"], line["newest"]["build"]) == (1, 2)
    assert line["behind"] == {"versions": 1, "kind": "traced"}
    assert line["active_release"] == 3 and line["held"] and line["may_edit"]
    assert line["pin"]["actor"] == "ada"
    assert (line["last_change"]["kind"], line["last_change"]["reason"]) == ("rollback", "because")
    assert line["runs"] == {} and line["broken"] is None
    assert (line["owners"], line["tags"]) == (["team2"], ["even"])


def test_a_reader_gets_the_same_without_leave_to_edit(deployment: Deployment) -> None:
    mine, theirs = deployment.get(), deployment.get("viewer")
    assert all(line["may_edit"] for line in mine["dags"])
    assert not any(line["may_edit"] for line in theirs["dags"])
    strip = [{**line, "may_edit": None} for line in mine["dags"]]
    assert strip == [{**line, "may_edit": None} for line in theirs["dags"]]
    assert deployment.env.api(None).get("/pinwheel/api/v1/fleet").status_code == 401


def test_only_readable_dags_are_shown_counted_and_offered(deployment: Deployment) -> None:
    host, readable = deployment.seeder.host, lambda: {"dag_01", "dag_03"}
    found = fleet.fleet(host, fleet.Wish(), readable)
    assert [line.dag_id for line in found.dags] == ["dag_01", "dag_03"]
    assert found.counts.all == 2 and found.total_entries == 2
    assert fleet.choices(host, readable).owners == ("team0", "team1")
    assert fleet.choices(host, readable).tags == ()


def test_the_number_of_statements_does_not_grow_with_the_number_of_dags(deployment: Deployment) -> None:
    def statements(limit: int, behind: bool | None = None) -> int:
        seen: list[str] = []

        def note(conn: Any, cursor: Any, statement: str, *rest: Any) -> None:
            seen.append(statement)

        sa.event.listen(sa.Engine, "before_cursor_execute", note)
        try:
            wish = fleet.Wish(limit=limit, behind=behind, order_by="attention")
            fleet.fleet(deployment.seeder.host, wish, lambda: set(NAMES))
        finally:
            sa.event.remove(sa.Engine, "before_cursor_execute", note)
        return len(seen)

    assert statements(12) == statements(2) < 17
    assert statements(12, behind=False) == statements(2, behind=False) < 18


@pytest.mark.parametrize(
    ("template", "url"),
    [
        ("https://git.example/shop/tree/{version}", "https://git.example/shop/tree/{version}"),
        ("https://git.example/shop/{version:.8}", "https://git.example/shop/{version:.8}"),
        ("https://git.example/shop", "https://git.example/shop"),
        ("https://git.example/{}", None),
        ("https://git.example/{version.sha}", None),
        ("ftp://git.example/{version}", None),
        (None, None),
    ],
)
def test_a_commit_leads_to_where_its_bundle_says(
    deployment: Deployment, template: str | None, url: str | None
) -> None:
    from airflow.dag_processing.bundles.manager import _sign_bundle_url
    from airflow.models.dagbundle import DagBundleModel
    from airflow.utils.session import create_session

    with create_session() as session:
        bundle = session.get(DagBundleModel, "seed")
        bundle.signed_url_template = _sign_bundle_url(template, "seed") if template else None
    found = fleet.fleet(deployment.seeder.host, fleet.Wish(text="dag_0"), lambda: set(NAMES))
    shown = [each for row in found.dags for each in (row.active, row.newest)]
    assert len({each.bundle_version for each in shown}) == 2
    told = line(deployment.seeder.host, "dag_00")
    two = compare.compare(deployment.seeder.host, "dag_00")
    for each in [*shown, *told.releases, *told.builds, two.from_, two.to]:
        assert each.url == (url and url.format(version=each.bundle_version))


def test_airflows_key_is_looked_up_once_for_all_commits_of_a_bundle(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.models.dagbundle import DagBundleModel

    asked: list[str | None] = []

    def render(model: Any, version: str | None = None) -> str:
        asked.append(version)
        return f"https://git.example/{version}"

    monkeypatch.setattr(DagBundleModel, "render_url", render)
    found = fleet.fleet(deployment.seeder.host, fleet.Wish(), lambda: set(NAMES))
    versions = {line.active.bundle_version for line in found.dags}
    assert len(versions) == 2 and len(asked) == 1
    assert {line.active.url for line in found.dags} == {
        f"https://git.example/{version}" for version in versions
    }


def test_news_names_the_dags_that_changed_and_only_those_that_may_be_read(deployment: Deployment) -> None:
    env = deployment.env
    before = env.get("/pinwheel/api/v1/changes")
    assert before["dag_ids"] == []
    assert env.get("/pinwheel/api/v1/changes", after=before["last_event_id"]) == before
    for dag_id in ("dag_05", "dag_06"):
        reply = env.api().post(f"/pinwheel/api/v1/dags/{dag_id}/pin", json={"reason": "news"})
        assert reply.is_success
    news = env.get("/pinwheel/api/v1/changes", after=before["last_event_id"])
    assert news["dag_ids"] == ["dag_05", "dag_06"] and news["last_event_id"] > before["last_event_id"]
    one = env.get("/pinwheel/api/v1/changes", after=before["last_event_id"], dag_id="dag_06")
    assert one["dag_ids"] == ["dag_06"]
    # Airflow lets an admin read any Dag, also one that there is not: then there is no news of it.
    missing = env.get("/pinwheel/api/v1/changes", after=before["last_event_id"], dag_id="no_such_dag")
    assert missing["dag_ids"] == []
    for dag_id in ("dag_05", "dag_06"):
        env.api().post(f"/pinwheel/api/v1/dags/{dag_id}/unpin", json={})


def test_events_are_filtered_by_who_did_them(deployment: Deployment) -> None:
    events = deployment.env.get("/pinwheel/api/v1/events", actor="ada")["events"]
    assert {(event["dag_id"], event["kind"]) for event in events} == {
        ("dag_01", "pin"),
        ("dag_02", "rollback"),
    }


def test_reasons_are_searched_and_events_of_one_batch_folded(deployment: Deployment) -> None:
    reason = "Month-end 100%_sure"
    wanted = {"selector": {"ids": ["dag_07", "dag_08", "dag_09"]}, "verb": "pin", "reason": reason}
    assert deployment.env.api().post("/pinwheel/api/v1/changes", json=wanted).is_success

    def events(**more: Any) -> list[dict[str, Any]]:
        return list(deployment.env.get("/pinwheel/api/v1/events", kind=["pin"], **more)["events"])

    assert [len(events(search=text)) for text in ("MONTH-END", "100%_", "100__", "%%")] == [3, 3, 0, 0]
    (line,) = events(search="100%", fold=True)
    assert (line["alike"]["events"], line["alike"]["dags"]) == (3, 3)
    assert [event["dag_id"] for event in events(batch=line["batch"])] == ["dag_09", "dag_08", "dag_07"]
    (alone,) = events(search="100%", fold=True, ids=["dag_08"])
    assert alone["alike"]["events"] == 1
    deployment.env.api().post("/pinwheel/api/v1/changes", json={**wanted, "verb": "unpin"})


def test_commits_are_folded_page_by_page_without_telling_one_twice(deployment: Deployment) -> None:
    def page(**more: Any) -> dict[str, Any]:
        return dict(deployment.env.get("/pinwheel/api/v1/events", kind=["build", "auto"], fold=True, **more))

    whole, paged, before = page(limit=100)["events"], [], None
    while True:
        found = page(limit=1, **({"before_id": before} if before else {}))
        paged += found["events"]
        before = found["next_before_id"]
        if before is None:
            break
    assert paged == whole
    assert (
        sorted((event["kind"], event["alike"]["dags"]) for event in whole)
        == [("auto", 12)] * 2 + [("build", 12)] * 2
    )
