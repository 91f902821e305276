"""Where bundles stand: in the command, beside the Dags, over REST, and for whom."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from sqlalchemy import update

from harness import bundles as entries
from harness import dags
from harness.gitrepo import GitRepo
from harness.inprocess import bound_airflow
from harness.inprocess_api import API, Api
from harness.loop import processor_loop
from harness.seed import Seeder
from pinwheel.api.redaction import REDACTED_BUNDLE
from pinwheel.cli import context, main
from pinwheel.cli.backend.local import LocalBackend
from pinwheel.cli.backend.remote import RemoteBackend
from pinwheel.services.ingest import faults
from pinwheel.services.show import bundles
from pinwheel.services.show.plain import plain
from pinwheel.store import tables as t

pytestmark = pytest.mark.airflow

DAG = """
    from airflow.sdk import DAG, task

    with DAG({name!r}, schedule=None):
        @task
        def first():
            print({name!r})
        first()
"""
REASON = "Can not take version bad: names/\x1b[31m.py is no UTF-8. The version in use stays"


@pytest.fixture(scope="module")
def api(database_source: Any, tmp_path_factory: Any) -> Iterator[Api]:
    """``seed``: refused, two Dags; ``well``; ``lost``: has no entry; ``new``: nothing taken; ``unmade``."""
    root: Path = tmp_path_factory.mktemp("bundles")
    database = database_source.create()
    with bound_airflow(database):
        from airflow.models.dagbundle import DagBundleModel

        seeder = Seeder(root)
        host = seeder.host
        seeder.push({name: DAG.format(name=name.removesuffix(".py")) for name in ("a.py", "b.py")})
        for name in ("well", "lost", "unmade"):
            other = Seeder(root, name)
            other.push({f"{name}.py": DAG.format(name=f"of_{name}")})
        host.unit.run(lambda s: s.execute(update(DagBundleModel).filter_by(name="lost").values(active=False)))
        host.unit.run(lambda s: s.merge(DagBundleModel(name="new")))
        left_out = [{"path": "out\u202e.py", "reason": "a link that leaves the repository"}]
        where = (t.bundle_version.c.bundle_name == "well", {"left_out": left_out, "label": "1.0"})
        host.unit.run(lambda s: s.execute(update(t.bundle_version).where(where[0]).values(where[1])))
        faults.refuse(host, bundle_name="seed", version="older", reason="a former one")
        faults.refuse(host, bundle_name="seed", version="bad", reason=REASON)
        faults.refuse(host, bundle_name="new", version="first", reason="no good from the start")
        faults.record(host, bundle_name="unmade", place=faults.MAKE, error="ImportError: no such class")
        faults.record(host, bundle_name=faults.PROCESSOR, place="print_stats", error="OSError: disk full")
        yield Api(host)
    database.drop()


@pytest.fixture(params=["local", "remote"])
def backend(request: Any, api: Api, monkeypatch: pytest.MonkeyPatch) -> Any:
    def answer(asked: httpx.Request) -> httpx.Response:
        path = asked.url.raw_path.decode().removeprefix("/pinwheel")
        client = api.as_("a", "b", "of_well", "of_lost", "of_unmade")
        reply = client.request(asked.method, path, content=asked.content, headers=dict(asked.headers))
        return httpx.Response(reply.status_code, content=reply.content, headers=reply.headers)

    made: Any = LocalBackend(api.host, actor="ada")
    if request.param == "remote":
        made = RemoteBackend("http://airflow", transport=httpx.MockTransport(answer))
    monkeypatch.setattr(context, "make_backend", lambda args: made)
    return made


def said(monkeypatch: pytest.MonkeyPatch, *command: str) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "stdout", out := io.StringIO())
    monkeypatch.setattr(sys, "stderr", err := io.StringIO())
    monkeypatch.delenv("COLUMNS", raising=False)
    code = main.main(list(command))
    return code, out.getvalue(), err.getvalue()


STATES = {
    "lost": "not_configured",
    "new": "refused",
    "seed": "refused",
    "unmade": "cannot_be_made",
    "well": "ok",
}


def test_bundles_tells_the_head_the_state_and_what_is_wrong_of_each(
    backend: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, err = said(monkeypatch, "bundles")
    assert code == 0, err
    for words in (
        "Bundle seed: refused since",
        "at version bad: Can not take version bad: names/\\x1b[31m.py is no UTF-8",
        "seed: refused older, ",
        "a former one",
        "Bundle unmade: cannot be made since",
        "ImportError: no such class",
        "Bundle lost: not configured: Airflow's configuration does not name it",
        "The Dag processor: failing since",
        "in print_stats: OSError: disk full",
        "well: left out out\\u202e.py: a link that leaves the repository",
    ):
        assert words in out
    assert out.count("is no UTF-8") == 1
    code, out, _ = said(monkeypatch, "bundles", "well", "-o", "json")
    (well,) = json.loads(out)["bundles"]
    assert (well["state"], well["problem"], well["dags"], well["refused"]) == ("ok", None, 1, [])
    assert (well["head"]["label"], well["head"]["message"], well["head"]["settled"]) == (
        "1.0",
        "push 1",
        True,
    )
    code, _, err = said(monkeypatch, "bundles", "well", "nope")
    assert code == 3 and "Cannot find bundle nope" in err


def test_json_and_yaml_say_the_same_here_and_over_the_api(api: Api, backend: Any, monkeypatch: Any) -> None:
    found = plain(bundles.standings(api.host))
    for form, read in (("json", json.loads), ("yaml", yaml.safe_load)):
        _, out, _ = said(monkeypatch, "bundles", "-o", form)
        assert read(out) == found
    assert {row["name"]: row["state"] for row in found["bundles"]} == STATES
    assert "dag_ids" not in json.dumps(found)


def test_status_says_below_its_table_what_is_wrong_with_bundles(
    backend: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, err = said(monkeypatch, "status")
    assert (code, err) == (0, "")
    rows = {line.split()[0]: line for line in out.splitlines() if line.strip()}
    assert "bundle refused" in rows["a"] and "bundle cannot be made" in rows["of_unmade"]
    assert " ok " in rows["of_well"]
    assert out.index("Bundle seed: refused since") > out.index("of_well")
    assert "The Dag processor: failing" in out
    code, out, err = said(monkeypatch, "status", "-o", "json")
    assert (code, len(json.loads(out))) == (0, 5)
    assert "warning: Bundle seed: refused" in err
    _, out, _ = said(monkeypatch, "status", "of_well")
    assert "Bundle seed" not in out
    _, out, _ = said(monkeypatch, "status", "--bundle", "new")
    assert "Bundle new: refused" in out


def test_answers_about_dags_name_the_bundles_that_are_not_well(api: Api) -> None:
    client = api.as_("a", "b", "of_well")
    for path in ("/dags", "/fleet"):
        found = client.get(API + path).json()["bundles"]
        assert [(row["name"], row["state"]) for row in found] == [("new", "refused"), ("seed", "refused")]
        assert found[1]["problem"]["reason"] == REASON
        assert found[1]["problem"]["version"] == "bad"
        assert client.get(API + path, params={"bundle": "well"}).json()["bundles"] == []


def test_a_bundle_is_shown_to_who_may_read_a_dag_of_it_and_its_texts_to_who_may_read_all(api: Api) -> None:
    client = api.as_("a")
    found = client.get(f"{API}/bundles").json()
    assert [row["name"] for row in found["bundles"]] == ["new", "seed"]
    new, seed = found["bundles"]
    assert new["problem"]["reason"] == "no good from the start"
    assert seed["head"]["message"] == "push 1" and seed["left_out"] is None
    told = [seed["problem"], *seed["refused"]]
    assert {item["reason"] for item in told} == {REDACTED_BUNDLE}
    assert {fault["error"] for fault in (*seed["faults"], *found["faults"])} == {REDACTED_BUNDLE}
    events = client.get(f"{API}/events", params={"kind": ["refused", "fault"]}).json()["events"]
    reasons = {event["bundle"]: event["reason"] for event in events}
    assert reasons == {
        "seed": REDACTED_BUNDLE,
        "new": "no good from the start",
        "unmade": REDACTED_BUNDLE,
        None: REDACTED_BUNDLE,
    }
    for name in ("well", "nope"):
        assert client.get(f"{API}/bundles/{name}").json()["failed"] == f"Cannot find bundle {name}"
    client = api.as_("a", "b", import_errors=False)
    found = client.get(f"{API}/bundles").json()
    assert [row["name"] for row in found["bundles"]] == ["seed"]
    assert found["bundles"][0]["problem"]["reason"] is found["faults"][0]["error"] is None


def test_what_works_again_is_well_and_what_was_refused_stays_on_record(api: Api) -> None:
    faults.record(api.host, bundle_name="well", place="refresh", error="network is down")
    client = api.as_("of_well")
    failing = client.get(f"{API}/bundles/well").json()
    assert (failing["state"], failing["problem"]["reason"]) == ("failing", "network is down")
    faults.refuse(api.host, bundle_name="well", version="w", reason="too large")
    assert client.get(f"{API}/bundles/well").json()["state"] == "refused"
    faults.clear(api.host, bundle_name="well", places=["refresh"])
    well = client.get(f"{API}/bundles/well").json()
    assert (well["state"], well["problem"], well["faults"]) == ("ok", None, [])
    assert [version["reason"] for version in well["refused"]] == ["too large"]


@pytest.mark.postgres
def test_what_a_processor_leaves_out_and_refuses_of_a_repository_is_told(
    postgres: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = GitRepo(tmp_path / "repo")
    (repo.work / "out.py").symlink_to("/etc/hostname")
    first = repo.commit(dags.dag("d"))
    monkeypatch.setenv("AIRFLOW__PINWHEEL__BUNDLE_MAX_FILES", "3")
    database = postgres.create()
    entry = entries.git("one", repo.url, refresh_interval=0)
    with processor_loop(database, monkeypatch, tmp_path / "airflow", entry) as loop:

        def one() -> Any:
            (standing,) = bundles.standings(loop.manager.host).bundles
            return standing

        loop.turn_until(lambda: loop.settled("one", first), what="the first version")
        assert one().state == "ok" and one().head.version == first and one().dags == 1
        assert [left.path for left in one().left_out] == ["out.py"]
        assert one().left_out[0].reason
        large = repo.commit({f"{number}.txt": "x" for number in range(4)})
        loop.turn_until(lambda: one().state == "refused", what="the refusal")
        assert one().problem.version == one().refused[0].version == large
        assert "at most 3 are taken" in one().problem.reason
        assert one().head.version == first
        good = repo.commit({f"{number}.txt": None for number in range(4)})
        loop.turn_until(lambda: one().state == "ok", what="the next good version")
        assert one().head.version == good
        assert [version.version for version in one().refused] == [large]
    database.drop()
