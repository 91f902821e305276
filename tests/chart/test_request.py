"""The five tests that the request asks for, with jobs that run: Helm, their command and the role are real."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from chart.conftest import Deployment, helm
from harness.kube_cluster import Object, Output
from pinwheel.reconcile.installed import installed_version
from pinwheel.reconcile.revisions import History, read_history

TARGET = installed_version()
NEWER = "3.9.0"
MIGRATED = ("run-airflow-migrations", f"apache/airflow:{TARGET}", 0)
DOWNGRADE = ["airflow", "db", "downgrade", "--to-version", TARGET, "--yes"]


def history() -> History:
    spec = find_spec("airflow")
    assert spec and spec.submodule_search_locations
    return read_history(Path(spec.submodule_search_locations[0]))


def reconciled(code: int, version: str = TARGET) -> tuple[str, str, int]:
    return ("db-reconcile", f"apache/airflow:{version}", code)


def values(version: str = TARGET, *, allow: bool = False, **downgrade: Any) -> Object:
    return {
        "airflow": {"airflowVersion": version},
        "pinwheel-reconcile": {
            "airflowVersion": version,
            "migrateDatabaseJob": {"allowDowngrade": allow, "downgrade": {"waitForWriters": "", **downgrade}},
        },
    }


@pytest.fixture
def installed(deployment: Deployment) -> Deployment:
    """Airflow runs in some version; its installation did not run the hook."""
    deployment.upgrade(values())
    assert [job for job, _, _ in deployment.ran] == ["run-airflow-migrations"]
    deployment.ran.clear()
    return deployment


def newer_pod(deployment: Deployment, told: Callable[[list[str]], None] = lambda words: None) -> None:
    """An API server of the newer Airflow, whose downgrade does what it should."""

    def program(words: list[str], output: Output) -> int:
        if words == ["airflow", "version"]:
            output.stdout(f"{NEWER}\n".encode())
            return 0
        assert words == DOWNGRADE
        output.stdout(b"Running downgrade\n")
        deployment.revision = history().head
        return 0

    deployment.cluster.add_pod("airflow-api-server-1", program, image=f"apache/airflow:{NEWER}")
    deployment.revision = "abcdefabcdef"


def test_1_same_version_and_both_jobs_have_nothing_to_do(installed: Deployment) -> None:
    installed.revision = history().head
    installed.upgrade(values())
    assert installed.ran == [reconciled(0), MIGRATED]
    assert "nothing to do" in installed.output
    assert installed.revision == history().head


def test_2_forward_is_left_to_the_migration_job(installed: Deployment) -> None:
    older = history().head_of("3.1.0")
    installed.revision = older
    installed.upgrade(values())
    assert installed.ran == [reconciled(0), MIGRATED]
    assert "left to airflow db migrate" in installed.output
    assert installed.revision == older


def test_3_backward_and_not_allowed_fails_before_anything_is_touched(installed: Deployment) -> None:
    head = history().head
    installed.revision = head
    with pytest.raises(helm().HelmReleaseError, match="pre-upgrade hooks failed"):
        installed.upgrade(values("3.1.0"))
    assert installed.ran == [reconciled(5, "3.1.0")]
    assert "Downgrade required but disabled" in installed.output
    assert TARGET in installed.output and "Airflow 3.1.0 is wanted" in installed.output
    assert "migrateDatabaseJob.allowDowngrade: true" in installed.output
    assert installed.revision == head
    # The failed job stays, for its log.
    assert installed.cluster.named("jobs") == ["airflow-db-reconcile"]


@pytest.mark.parametrize("source", ["alembic-table", "running-pod-image", "running-pod-exec"])
def test_4_backward_and_allowed_runs_the_downgrade_in_the_running_pod(
    installed: Deployment, source: str
) -> None:
    newer_pod(installed)
    installed.upgrade(values(allow=True, strategy="exec", currentVersionSource=source))
    assert installed.ran == [reconciled(0), MIGRATED], installed.output
    assert installed.cluster.commands[-1] == ("airflow-api-server-1", "api-server", DOWNGRADE)
    assert "Running downgrade" in installed.output
    assert installed.revision == history().head


def test_4_a_downgrade_that_fails_in_the_pod_stops_the_upgrade(installed: Deployment) -> None:
    def program(words: list[str], output: Output) -> int:
        output.stdout(f"{NEWER}\n".encode())
        return int(words != ["airflow", "version"])

    newer_pod(installed)
    installed.cluster.programs[("airflow", "airflow-api-server-1")] = program
    with pytest.raises(helm().HelmReleaseError, match="pre-upgrade hooks failed"):
        installed.upgrade(values(allow=True, strategy="exec"))
    assert installed.ran == [reconciled(1)]
    assert installed.revision == "abcdefabcdef"


def test_5_rights_are_there_only_for_the_job_and_only_when_allowed(installed: Deployment) -> None:
    newer_pod(installed)
    installed.upgrade(values(allow=True, strategy="exec"))
    assert installed.rights[-2:] == [["airflow-db-reconcile"], []]
    assert installed.cluster.named("serviceaccounts") == []
    account = installed.cluster.token_of("airflow", "airflow-db-reconcile")
    used = {(verb, resource) for user, verb, resource in installed.cluster.requests if user == account}
    assert used == {("list", "pods"), ("create", "pods/exec")}

    installed.revision = history().head
    installed.upgrade(values(allow=False, strategy="exec"))
    installed.upgrade(values(allow=True, strategy="capsule"))
    assert installed.rights[-4:] == [[], [], [], []]
