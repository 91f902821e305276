"""A bundle that is configured and can not be made is not a bundle that was removed.

Processors that are started anew, one after the other, over one database: the real loop, in this process.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from attrs import asdict

from harness import asked, bundles, dags
from harness.asked import trigger
from harness.gitrepo import GitRepo
from harness.loop import Loop, processor_loop
from pinwheel.airflow3.bundles import configured
from pinwheel.core.errors import HostError
from pinwheel.core.release.decide import Verb
from pinwheel.core.text import fit
from pinwheel.services.change import apply
from pinwheel.services.show import bundles as service

pytestmark = pytest.mark.postgres

OWN = """
from airflow.hooks.base import BaseHook
from pinwheel.bundles import FolderBundle

class Needing(FolderBundle):
    def __init__(self, *, conn_id, **kwargs):
        super().__init__(**kwargs)
        BaseHook.get_connection(conn_id)

class Failing(FolderBundle):
    def __init__(self, **kwargs):
        raise OSError("no space on https://ada:geheim@example.com")

no_class = "a text"
"""


class Deployment:
    """What outlives the Dag processors: the database, the sources, the storage."""

    def __init__(self, database: Any, root: Path, patch: pytest.MonkeyPatch) -> None:
        self.database, self.root, self.patch = database, root, patch
        self.folder = root / "g"
        self.repo, self.other = GitRepo(root / "h"), GitRepo(root / "stock")
        self.other.commit({"README": "read me"})
        self.pushes = 0

    @property
    def g(self) -> dict[str, Any]:
        return bundles.folder("g", self.folder, refresh_interval=0)

    @property
    def rest(self) -> list[dict[str, Any]]:
        """An innocent bundle, and one of Airflow's own, whose view URL looks up a Connection."""
        return [
            bundles.git("h", self.repo.url, refresh_interval=0),
            bundles.stock_git("stock", self.other.url, refresh_interval=0, git_conn_id="git_default"),
        ]

    def processor(self, *entries: Any, only: list[str] | None = None) -> AbstractContextManager[Loop]:
        """A Dag processor that is started with these bundles beside the rest."""
        return processor_loop(
            self.database, self.patch, self.root / "airflow", *entries, *self.rest, only=only
        )

    def push_to_h(self, loop: Loop) -> None:
        """The rest goes on."""
        self.pushes += 1
        sha = self.repo.commit(dags.dag("of_h", f"m{self.pushes}"))
        loop.turn_until(lambda: loop.released_from("of_h") == sha, what="the release of the other bundle")

    def state(self, loop: Loop) -> dict[str, dict[str, bool]]:
        rows = loop.rows(
            "SELECT d.dag_id, d.is_stale, p.retired FROM dag d JOIN pinwheel_dag p ON p.dag_id = d.dag_id"
        )
        return {row["dag_id"]: {"stale": row["is_stale"], "retired": row["retired"]} for row in rows}

    def active(self, loop: Loop) -> dict[str, bool]:
        return {row["name"]: row["active"] for row in loop.rows("SELECT name, active FROM dag_bundle")}


@pytest.fixture(scope="module")
def deployment(postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Bundle g has the Dags ``free`` and ``pinned``, both released twice, and a broken file."""
    root = tmp_path_factory.mktemp("unmade")
    (root / "modules").mkdir()
    (root / "modules" / "own_bundles.py").write_text(OWN)
    database = postgres.create()
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(root / "modules"))
        patch.setenv("AIRFLOW__PINWHEEL__DRIFT_CHECK_INTERVAL", "0.1")
        patch.setattr(configured, "_AGAIN_AFTER", 0.0)
        deployment = Deployment(database, root, patch)
        with deployment.processor(deployment.g) as loop:
            for number in (1, 2):
                for dag_id in ("free", "pinned"):
                    dags.write(deployment.folder, dags.dag(dag_id, f"m{number}"))
                if number == 1:
                    dags.write(deployment.folder, dags.broken("broken.py"))
                deployment.push_to_h(loop)
                loop.turn_until(lambda: loop.settled("g") and len(deployment.state(loop)) == 3)
                if number == 1:
                    host = loop.manager.host
                    for dag_id in ("free", "pinned"):
                        trigger(host, dag_id, actor="ada")
            apply(host, asked.change(verb=Verb.PIN, dag_ids=["pinned"], actor="ada"))
        yield deployment
    sys.modules.pop("own_bundles", None)
    database.drop()


HEALTHY = {"stale": False, "retired": False}


def test_dags_of_a_bundle_whose_entry_has_a_typo_stay_active_and_its_reason_is_told_once(
    deployment: Deployment,
) -> None:
    typo = {**deployment.g, "kwargs": {"pth": str(deployment.folder)}}
    with deployment.processor(typo) as loop:
        deployment.push_to_h(loop)
        # Somebody else synchronizes bundles and Dags as Airflow does.
        with deployment.database.engine().begin() as connection:
            connection.execute(sa.text("UPDATE dag_bundle SET active = false WHERE name = 'g'"))
            connection.execute(sa.text("UPDATE dag SET is_stale = true WHERE dag_id IN ('free', 'pinned')"))
        loop.turn_until(lambda: deployment.state(loop)["free"] == HEALTHY, what="the repair")
        deployment.push_to_h(loop)
        states = deployment.state(loop)
        assert states == dict.fromkeys(("free", "pinned", "of_h"), HEALTHY)
        assert deployment.active(loop) == {"g": True, "h": True, "stock": True}
        assert loop.import_errors("g").keys() == {"broken.py"}
        assert loop.faults().keys() == {("g", "make")}
        (reason,) = loop.faults().values()
        assert "bundle 'g'" in reason and "TypeError" in reason and "dag_bundle_config_list" in reason
        assert [event["bundle_name"] for event in loop.events("fault")] == ["g"]

        host = loop.manager.host
        (shown,) = service.standings(host).only(["g"]).bundles
        assert (shown.name, shown.state) == ("g", service.CANNOT_BE_MADE)
        assert shown.problem.reason == reason
        for verb in (Verb.UNPIN, Verb.PIN, Verb.ROLLBACK):
            for plan in (True, False):
                (outcome,) = apply(host, asked.change(verb, ["pinned"], plan=plan))
                assert reason in asdict(outcome)["warnings"]
        with pytest.raises(HostError, match=r"bundle 'g'.*TypeError"):
            trigger(host, "pinned", build=1, actor="ada")

    with deployment.processor(deployment.g) as loop:
        assert loop.faults() == {}
        dags.write(deployment.folder, dags.dag("free", "m3"))
        loop.turn_until(lambda: loop.rows("SELECT 1 FROM pinwheel_build WHERE dag_id='free' AND build=3"))
        assert loop.import_errors("g").keys() == {"broken.py"}
        assert trigger(loop.manager.host, "pinned", build=1, actor="ada").build == 1


def test_each_way_in_which_an_entry_can_not_be_made_hits_that_bundle_only(deployment: Deployment) -> None:
    (deployment.root / "empty").mkdir()
    folder = {"path": str(deployment.root / "empty")}
    ways: dict[str, tuple[Any, str]] = {
        "no_module": ({"classpath": "no_such.Bundle", "kwargs": folder}, "ModuleNotFoundError"),
        "no_attribute": ({"classpath": "own_bundles.Absent", "kwargs": folder}, "AttributeError"),
        "no_class": ({"classpath": "own_bundles.no_class", "kwargs": folder}, "not a class of Dag bundles"),
        "no_path": ({"classpath": "Bundle", "kwargs": folder}, "'Bundle' is not the path of a class"),
        "failing": ({"classpath": "own_bundles.Failing", "kwargs": {}}, r"OSError: no space on https://"),
        "no_classpath": ({"kwargs": folder}, "no classpath"),
        "no_kwargs": ({"classpath": "pinwheel.bundles.FolderBundle"}, "no kwargs"),
        "team": (
            {"classpath": "pinwheel.bundles.FolderBundle", "kwargs": folder, "team_name": "a"},
            "team_name",
        ),
        "n" * 251: ({"classpath": "pinwheel.bundles.FolderBundle", "kwargs": folder}, "250 characters"),
        "example_dags": ({"classpath": "pinwheel.bundles.FolderBundle", "kwargs": folder}, "Airflow's own"),
        "connection": (
            {"classpath": "own_bundles.Needing", "kwargs": {**folder, "conn_id": "wanted"}},
            "wanted",
        ),
    }
    entries: list[Any] = [{"name": name, **entry} for name, (entry, _) in ways.items()]
    entries += [{**deployment.g, "name": "double"}, {**deployment.g, "name": "double"}]
    entries += ["no entry at all", {**deployment.g, "name": None}]
    with deployment.processor(deployment.g, *entries) as loop:
        deployment.push_to_h(loop)
        faults = {name: error for (name, place), error in loop.faults().items() if place == "make"}
        for name, (_, expected) in ways.items():
            assert expected in faults[fit(name, 250)], name
        assert "geheim" not in str(faults)
        assert "more than one entry" in faults["double"]
        assert "has no name" in faults[""]
        # With an entry that names no bundle nobody can tell which bundles were removed.
        assert deployment.state(loop)["free"] == HEALTHY
        deployment.patch.setenv("AIRFLOW_CONN_WANTED", "http://example.com")
        loop.turn_until(lambda: ("connection", "make") not in loop.faults(), what="the Connection's bundle")
        loop.turn_until(lambda: loop.settled("connection"), what="its first version")
        told = [event for event in loop.events("fault") if event["bundle_name"] == "failing"]
        assert len(told) == 1


def test_an_entry_without_a_name_keeps_all_bundles_from_counting_as_removed(deployment: Deployment) -> None:
    nameless = {**deployment.g, "nmae": "g"}
    del nameless["name"]
    with deployment.processor(nameless) as loop:
        deployment.push_to_h(loop)
        assert {deployment.state(loop)[dag_id]["stale"] for dag_id in ("free", "pinned")} == {False}
        assert deployment.active(loop)["g"]
        assert "has no name" in loop.faults()[("", "make")]


def test_a_processor_of_some_bundles_retires_no_dag_of_others(deployment: Deployment) -> None:
    with deployment.processor(only=["h"]) as loop:
        deployment.push_to_h(loop)
        assert deployment.state(loop)["free"] == HEALTHY
        assert deployment.active(loop)["g"]


def test_dags_of_a_bundle_that_was_removed_are_retired_but_for_pinned_ones(deployment: Deployment) -> None:
    with deployment.processor() as loop:
        deployment.push_to_h(loop)
        deployment.push_to_h(loop)
        states = deployment.state(loop)
        assert states["free"] == {"stale": True, "retired": True}
        assert states["pinned"] == states["of_h"] == HEALTHY
        assert deployment.active(loop) == {
            **dict.fromkeys(deployment.active(loop), False),
            "h": True,
            "stock": True,
        }
        assert loop.faults() == {}
        assert [event for event in loop.events("drift") if event["dag_id"] == "pinned"][1:] == []
    with deployment.processor(deployment.g) as loop:
        dags.write(deployment.folder, dags.dag("free", "m4"))
        loop.turn_until(lambda: deployment.state(loop)["free"] == HEALTHY, what="the Dag's return")


@pytest.mark.parametrize("text", ["{", "7", "", '"g"'])
def test_a_configuration_that_can_not_be_read_ends_the_start_with_the_reason(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST", text)
    calls: list[Callable[[], object]] = [
        configured.names,
        configured.made,
        configured.use_stand_ins,
    ]
    for call in calls:
        with pytest.raises(HostError, match=r"dag_bundle_config_list.*JSON"):
            call()
    assert configured.get("g") is None
