"""What Dag files import of Pinwheel needs nothing of the server."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from pinwheel.sdk import link, release_url

SERVER = ("airflow.models", "airflow.api_fastapi", "airflow.jobs", "sqlalchemy", "alembic", "fastapi")
OURS = (
    "pinwheel.airflow3",
    "pinwheel.services",
    "pinwheel.store",
    "pinwheel.core",
    "pinwheel.api",
    "pinwheel.cli",
)

TI = SimpleNamespace(
    dag_id="a dag/of+mine",
    run_id="manual__2026-01-01T00:00:00+00:00",
    task_id="g.a",
    map_index=2,
    try_number=3,
)


@pytest.fixture(autouse=True)
def base_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "_base_url", lambda: "https://airflow.example/team")


def loaded(statement: str) -> list[str]:
    script = f"import sys; {statement}; print(*sorted(sys.modules))"
    env = {**os.environ, "AIRFLOW__API__BASE_URL": "https://airflow.example"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=env, check=True)
    return done.stdout.split()


def within(modules: list[str], names: tuple[str, ...]) -> list[str]:
    return [one for one in modules if any(one == name or one.startswith(f"{name}.") for name in names)]


def test_importing_the_sdk_imports_neither_the_server_nor_airflow() -> None:
    assert within(loaded("import pinwheel.sdk"), (*SERVER, *OURS, "airflow")) == []


def test_making_a_link_imports_nothing_of_the_server_but_what_airflow_does() -> None:
    ti = "type('TI', (), {'dag_id': 'd', 'run_id': 'r'})()"
    # Every Dag file has imported this of Airflow, which may bring more along.
    there = set(loaded("from airflow.sdk.configuration import conf; conf.get('api', 'base_url')"))
    made = loaded(f"import pinwheel.sdk; pinwheel.sdk.release_url({ti})")
    assert within(sorted({*made} - there), (*SERVER, *OURS)) == []


@pytest.mark.parametrize("of", [TI, {"ti": TI}, {"task_instance": TI, "dag_run": None}])
def test_a_link_carries_dag_run_and_task_percent_encoded(of: Any) -> None:
    parts = urlsplit(release_url(of))
    assert (parts.scheme, parts.netloc) == ("https", "airflow.example")
    assert parts.path == "/team/dags/a%20dag%2Fof%2Bmine/plugin/dag-releases"
    assert parse_qs(parts.query) == {
        "run_id": ["manual__2026-01-01T00:00:00+00:00"],
        "task_id": ["g.a"],
        "map_index": ["2"],
        "try_number": ["3"],
    }
    assert "+" not in parts.query, "a plus sign is read as a space"


def test_the_link_of_a_dags_own_callback_is_that_of_its_run() -> None:
    run = SimpleNamespace(dag_id="d", run_id="r 1")
    assert (
        release_url({"dag_run": run})
        == "https://airflow.example/team/dags/d/plugin/dag-releases?run_id=r%201"
    )
    dag = SimpleNamespace(dag_id="d")
    assert release_url({"dag": dag, "run_id": "r"}).endswith("/dag-releases?run_id=r")
    assert release_url({"dag": dag}).endswith("/dags/d/plugin/dag-releases")


def test_a_task_that_is_not_mapped_has_no_map_index_in_its_link() -> None:
    ti = SimpleNamespace(dag_id="d", run_id="r", task_id="t", map_index=-1, try_number=0)
    assert release_url(ti).endswith("?run_id=r&task_id=t")


@pytest.mark.parametrize("of", [None, {}, "d", {"ti": None}])
def test_what_names_no_dag_is_refused_in_words(of: Any) -> None:
    with pytest.raises(ValueError, match=r"it names no Dag\. Give the context"):
        release_url(of)
