"""A git bundle that left the configuration is inactive for Airflow, wherever its URL comes from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

pytest.importorskip("airflow")

from harness.bundle_fixtures import Repository, configured
from harness.bundle_fixtures import repo as repo
from harness.bundle_fixtures import storage as storage
from harness.inprocess import bound_airflow

GIT = "pinwheel.bundles.GitBundle"
URL = "https://github.com/acme/dags.git"


@pytest.fixture
def airflow(database_source: Any) -> Iterator[None]:
    database = database_source.create()
    with bound_airflow(database):
        yield
    database.drop()


def synced(monkeypatch: pytest.MonkeyPatch, **bundles: dict[str, Any]) -> dict[str, tuple[bool, str | None]]:
    """What Airflow's Dag processor does when it starts; whether each known bundle is active, its view URL."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.models.dagbundle import DagBundleModel
    from airflow.utils.session import create_session

    entries = [(name, GIT, {"tracking_ref": "main", **kwargs}) for name, kwargs in bundles.items()]
    with configured(monkeypatch, *entries):
        DagBundlesManager().sync_bundles_to_db()
    with create_session() as session:
        rows = session.scalars(select(DagBundleModel)).all()
        return {row.name: (row.active, row.render_url("7")) for row in rows}


@pytest.mark.usefixtures("airflow")
def test_airflow_deactivates_a_git_bundle_that_left_the_configuration(
    storage: Path, repo: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.models.connection import Connection
    from airflow.utils.session import create_session

    from pinwheel.airflow3.bundles.git import GitBundle

    settings = tmp_path / "gitconfig"
    settings.write_text(f'[url "{repo.path}"]\n\tinsteadOf = {URL}\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    # As in the Dag processor: connections are looked for in the database
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")
    with create_session() as session:
        session.add(
            Connection("my_git", conn_type="git", host=URL.replace("://", "://bot:hunter2@"), password=None)
        )
    forms: list[dict[str, Any]] = [
        {"git_conn_id": "my_git"}, {"git_conn_id": "my_git", "repo_url": URL}, {"repo_url": URL},
    ]  # fmt: skip
    stay = {f"stays{number}": kwargs for number, kwargs in enumerate(forms)}
    leave = {f"leaves{number}": kwargs for number, kwargs in enumerate(forms)}
    first = synced(monkeypatch, **stay, **leave)
    assert {name for name, (active, _) in first.items() if active} == {*stay, *leave}
    for name, kwargs in stay.items():
        GitBundle(name=name, tracking_ref="main", **kwargs).initialize()
    second = synced(monkeypatch, **stay)
    assert {name for name, (active, _) in second.items() if active} == {*stay}
    assert {second[name][1] for name in stay} == {"https://github.com/acme/dags/tree/7"}


def test_asking_for_the_view_url_looks_up_no_connection(
    storage: Path, repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.providers.git.hooks.git import GitHook

    from pinwheel.airflow3.bundles.git import GitBundle

    def looked_up(*args: object) -> None:
        raise AssertionError("a connection was looked up")

    monkeypatch.setattr(GitHook, "get_connection", looked_up)
    for kwargs in (
        {},
        {"repo_url": URL},
        {"git_conn_id": "my_git", "repo_url": URL},
        {"git_conn_id": "my_git"},
    ):
        made = GitBundle(name="n", tracking_ref="main", **kwargs)
        assert (made.view_url_template() is not None) == ("repo_url" in kwargs)
    assert not storage.exists()
